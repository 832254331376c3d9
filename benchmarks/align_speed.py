"""Measure aligning pairs at word level beside translating their sources, in one process; one JSON.

    python benchmarks/align_speed.py --corpus data/multi30k_de_en --runs runs/multi30k_transformer
    python benchmarks/speed_tables.py

Both by the torch engine, in turns, after everything is loaded: translating with beam 5, aligning from texts
to links of words, as `seq2see align` does. What is in the results already is not measured
again.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measuring import Row, add_arguments, describe, fingerprint, machine, measure_in_turns, start
from speed_tables import ALIGNING

from translate.alignment.extract import Reading, align_pairs, choose_attention
from translate.alignment.words import at_level, links
from translate.config.search import SearchConfig
from translate.run_directory import RunDirectory
from translate.text_files import read_lines
from translate.translator import Translator

PAIRS = 1000
BEAM = 5
WARM_UP = 50  # pairs: what torch allocates and chooses once is not counted

Pair = tuple[str, str]


def measure(row: Row, translators: dict[str, Translator], pairs: list[Pair]) -> dict[str, Any]:
    """Do one of both with every pair; the time it takes."""
    translator = translators[row["run"]]
    work: Callable[[list[Pair]], None]
    if row["what"] == "translate":
        search = SearchConfig(beam_size=BEAM)

        def work(texts: list[Pair]) -> None:
            translator.translate([src for src, _ in texts], search=search)
    else:
        reading = choose_attention(translator.config.model)

        def work(texts: list[Pair]) -> None:
            align(translator, texts, reading)

    work(pairs[:WARM_UP])
    started, cpu_started = time.perf_counter(), time.process_time()
    work(pairs)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    return {"sentences": len(pairs), "seconds": round(seconds, 3), "cpu_seconds": round(cpu_seconds, 3)}


def align(translator: Translator, pairs: list[Pair], reading: Reading) -> None:
    """From texts to links of words, as `seq2see align` does it."""
    for alignment in align_pairs(translator.model, translator.tokenizers, pairs, reading):
        links(at_level(alignment, "word"))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--corpus", type=Path, required=True, help="folder with test.SRC and test.TGT")
    parser.add_argument("--runs", nargs="+", required=True, help="run directories of the models")
    add_arguments(parser, ALIGNING, ())
    options = parser.parse_args()
    runs = {path.name: path for path in (Path(run).absolute() for run in options.runs)}
    corpus = options.corpus.absolute()
    start(options)
    os.sched_setaffinity(0, options.cores[:1])
    about = describe(corpus)
    sides = (read_lines(corpus / f"test.{about[side]}")[:PAIRS] for side in ("src_lang", "tgt_lang"))
    pairs = list(zip(*sides, strict=True))
    translators = {name: Translator(path, device="cpu", threads=1) for name, path in runs.items()}
    settings = {
        "beam": BEAM,
        "weights_sha256": {
            name: fingerprint(RunDirectory.open(path).path / "model.safetensors")
            for name, path in runs.items()
        },
    }
    rows = [{"run": name, "what": what} for name in runs for what in ("align", "translate")]
    return measure_in_turns(
        options,
        rows,
        {"machine": machine(), "corpus": about, "settings": settings},
        lambda row: measure(row, translators, pairs),
    )


if __name__ == "__main__":
    sys.exit(main())
