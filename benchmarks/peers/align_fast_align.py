"""Align with fast_align, by its library systran-align: both directions, and its own symmetrization."""

from pathlib import Path

import systran_align
from job import read_job, write_result


def main() -> None:
    job = read_job()
    # It reads pairs from a file, and hands its tables over in others.
    work = Path(job["work"])
    text, forward, reverse = (str(work / f"fast_align.{name}") for name in ("text", "fwd", "rev"))
    pairs = list(zip(job["src"], job["tgt"], strict=True))
    Path(text).write_text("".join(f"{src} ||| {tgt}\n" for src, tgt in pairs), encoding="utf-8")
    systran_align.generate_alignment_probabilities(
        text, forward, reverse, favor_diagonal=True, optimize_tension=True, variational_bayes=True
    )
    aligner = systran_align.Aligner(forward, reverse)
    links = [aligner.align(src.split(), tgt.split())["alignments"] for src, tgt in pairs]
    write_result({"links": [[[i, j] for i, j in pair] for pair in links]}, "systran-align")


if __name__ == "__main__":
    main()
