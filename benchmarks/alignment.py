"""Alignment error rates beside fast_align and eflomal, trained on the same pairs; one JSON a language pair.

    python benchmarks/alignment.py --languages de en --tatoeba FILE --gold FOLDER --taught-run RUN

Trained is on Tatoeba and, as is usual for aligners, on the text of the test set without its links. Words and
punctuation are apart, all in lower case. Readings, thresholds and heuristics are chosen on the first 100 gold
sentences, and so is the system that counts; all are scored on the others. Runs that are not there are made:
one without a guide, one guided by its own links, one guided by fast_align's. Links of ours always come from
the model alone; what guided it is in the name of the row.
"""

import argparse
import gzip
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

from environments import ENVIRONMENTS, find_python
from measuring import run_program, seq2see
from quality import describe_machine
from quality_table import ROOT, insert_table

from translate.alignment import Link
from translate.alignment.aer import ErrorRate, Gold, error_rate, read_gold
from translate.alignment.choose import choose_by_gold
from translate.alignment.extract import Alignment, Maps, Reading, choose_attention, read, read_maps
from translate.alignment.formats import pharaoh
from translate.alignment.symmetrize import Heuristic, Mean, average, reversed_links, symmetrize
from translate.alignment.words import at_level, links
from translate.config import guided_head
from translate.text_files import read_lines
from translate.translator import Translator

RESULTS = ROOT / "benchmarks" / "results" / "alignment"
PAGE, MARKERS = ROOT / "docs" / "alignment.md", ("<!-- error rates: begin -->", "<!-- error rates: end -->")
DEVELOPMENT = 100  # gold sentences that everything is chosen on
JOINED = 3  # Tatoeba's sentences are short, those of the test sets are not: up to so many pairs become one
VALIDATION = 300  # of these, which only our models' BLEU is measured on
MEAN_THRESHOLDS = [step / 40 for step in range(2, 31)]
HEURISTICS: tuple[Heuristic, ...] = ("intersection", "union", "grow-diag", "grow-diag-final-and")

Pair = tuple[str, str]
Links = list[list[Link]]


class Row(NamedTuple):
    """One way to align, and its links of every gold sentence."""

    system: str
    how: str
    links: Links


def read_tatoeba(path: Path, languages: Sequence[str]) -> list[Pair]:
    """Read pairs, English TAB other, the way round that the languages say; words and punctuation apart."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        pairs = [tuple(" ".join(_words(text)) for text in line.split("\t")[:2]) for line in lines]
    return [(src, tgt) if languages[0] == "en" else (tgt, src) for src, tgt in pairs]


def read_test(folder: Path, languages: Sequence[str]) -> tuple[list[Pair], list[Gold]]:
    """Read a gold set: LANG.gz twice, and links that count from 1."""
    sides = [[line.lower() for line in read_lines(folder / f"{language}.gz")] for language in languages]
    (gold,) = (path for path in folder.iterdir() if path.name.startswith("-".join(languages)))
    return list(zip(*sides, strict=True)), read_gold(gold, one_based=True)


def join(pairs: Sequence[Pair], linked: Sequence[Sequence[Link]]) -> list[tuple[Pair, list[Link]]]:
    """Shuffle, and make one pair of every one to three, with the links of all."""
    generator = random.Random(1)
    order = generator.sample(range(len(pairs)), len(pairs))
    joined = []
    while order:
        count = generator.randint(1, JOINED)
        src: list[str] = []
        tgt: list[str] = []
        found: list[Link] = []
        for number in order[:count]:
            found += [(len(src) + i, len(tgt) + j) for i, j in linked[number]]
            src += pairs[number][0].split()
            tgt += pairs[number][1].split()
        joined.append(((" ".join(src), " ".join(tgt)), found))
        del order[:count]
    return joined


def fast_align(pairs: Sequence[Pair], options: argparse.Namespace) -> Links:
    """Align all pairs."""
    job = {"work": str(options.work), "src": [src for src, _ in pairs], "tgt": [tgt for _, tgt in pairs]}
    found = run_program(options, "fast_align", "align_fast_align.py", job, options.cores, {})
    return [[(i, j) for i, j in pair] for pair in found["links"]]


def eflomal(pairs: Sequence[Pair], count: int, options: argparse.Namespace) -> Iterator[Row]:
    """Align the last so many pairs by its program."""
    paths = {name: options.work / f"eflomal.{name}" for name in ("src", "tgt", "fwd", "rev")}
    for side, name in enumerate(("src", "tgt")):
        paths[name].write_text("".join(f"{pair[side]}\n" for pair in pairs), encoding="utf-8")
    program = Path(find_python("eflomal", options.venvs)).with_name("eflomal-align")
    command = [str(program), "-s", str(paths["src"]), "-t", str(paths["tgt"])]
    environment = {"PATH": f"{program.parent}:/usr/bin:/bin"}
    subprocess.run(
        [*command, "-f", str(paths["fwd"]), "-r", str(paths["rev"]), "--overwrite"],
        check=True,
        env=environment,
        stdout=sys.stderr,
    )
    forward, backward = (
        [
            [(int(i), int(j)) for i, j in re.findall(r"(\d+)-(\d+)", line)]
            for line in read_lines(paths[name])[-count:]
        ]
        for name in ("fwd", "rev")
    )
    yield Row("eflomal", "forward", forward)
    yield Row("eflomal", "backward", backward)
    yield from _combined("eflomal", forward, backward)


def ours(name: str, run: Path, test: Sequence[Pair], gold: Sequence[Gold]) -> Iterator[Row]:
    """Align with a run of both directions, in every way that there is a row for."""
    translator = Translator(run)
    model, tokenizers, config = translator.model, translator.tokenizers, translator.config
    forward = read_maps(model, tokenizers, test)
    backward = read_maps(model, tokenizers, test, backwards=True)
    plain = choose_attention(config.model)
    yield Row(name, plain.words, _argmax(forward, plain))
    there, back = (
        choose_by_gold(maps[:DEVELOPMENT], gold[:DEVELOPMENT], config.model, swapped=swapped)[0].reading
        for maps, swapped in ((forward, False), (backward, True))
    )
    head = guided_head(config)
    if head is not None:
        there = back = choose_attention(config.model, guided=head)
    ones, others = _argmax(forward, there), [reversed_links(pair) for pair in _argmax(backward, back)]
    yield Row(name, f"forward: {there.words}", ones)
    yield Row(name, f"backward: {back.words}", others)
    yield from _combined(name, ones, others)
    alignments = list(zip(_read(forward, there), _read(backward, back), strict=True))
    for kind in get_args(Mean):
        means = [average(one, other, kind) for one, other in alignments]
        found = {threshold: [links(mean, threshold) for mean in means] for threshold in MEAN_THRESHOLDS}
        rates = {each: _rate(found[each], gold, slice(DEVELOPMENT)).aer for each in found}
        threshold = min(rates, key=rates.__getitem__)
        yield Row(name, f"{kind} of both directions, from {threshold:g} on", found[threshold])


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Align with everything; return the error rates of all rows."""
    tatoeba = read_tatoeba(options.tatoeba, options.languages)
    test, gold = read_test(options.gold, options.languages)
    pairs = [*tatoeba, *test]
    linked = fast_align(pairs, options)
    rows = [Row("fast_align", "its own symmetrization", linked[-len(test) :])]
    rows += eflomal(pairs, len(test), options)
    runs = {
        "seq2see": options.plain_run,
        "seq2see, guided by itself": options.guided_run,
        "seq2see, guided by fast_align's links": options.taught_run,
    }
    runs = {name: run for name, run in runs.items() if run is not None}
    for name, run in runs.items():
        if not run.exists():
            train(run, pairs, linked, len(test), options)
        rows += ours(name, run, test, gold)
    named = min(
        (row for row in rows if row.system in runs),
        key=lambda row: _rate(row.links, gold, slice(DEVELOPMENT)).aer,
        default=None,
    )
    return {
        "languages": options.languages,
        "pairs": {"tatoeba": len(tatoeba), "test": len(test)},
        "versions": {name: ENVIRONMENTS[name][0][0] for name in ("fast_align", "eflomal")},
        "machine": describe_machine(),
        "training": {
            name: json.loads((run / "summary.json").read_text(encoding="utf-8")) for name, run in runs.items()
        },
        "rows": [
            {
                "system": row.system,
                "how": row.how,
                "named": row is named,
                "development": _rate(row.links, gold, slice(DEVELOPMENT))._asdict(),
                "test": _rate(row.links, gold, slice(DEVELOPMENT, None))._asdict(),
            }
            for row in rows
        ],
    }


def train(
    run: Path, pairs: Sequence[Pair], linked: Links, test_size: int, options: argparse.Namespace
) -> None:
    """Train by configs/alignment.yaml, through the command line; the validation text is of Tatoeba."""
    joined = join(pairs[:-test_size], linked[:-test_size])
    test = list(zip(pairs[-test_size:], linked[-test_size:], strict=True))
    parts = {"valid": joined[:VALIDATION], "train": [*joined[VALIDATION:], *test]}
    paths = {}
    for part, those in parts.items():
        columns = {
            "src": [src for (src, _), _ in those],
            "tgt": [tgt for (_, tgt), _ in those],
            "links": [pharaoh(found) for _, found in those],
        }
        for name, lines in columns.items():
            paths[part, name] = options.work / f"{part}.{name}"
            paths[part, name].write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    command = [
        "train",
        "--config",
        "configs/alignment.yaml",
        "--out",
        str(run),
        "--threads",
        str(options.threads),
    ]
    for flag, part, name in (("src", "train", "src"), ("tgt", "train", "tgt")):
        command += [f"--{flag}", str(paths[part, name]), f"--valid-{flag}", str(paths["valid", name])]
    if run == options.plain_run:
        command += ["--alignment", "none"]
    elif run == options.taught_run:
        command += ["--training.alignment_links", str(paths["train", "links"])]
    seq2see(*command)


def table(results: Sequence[dict[str, Any]]) -> str:
    """Every row of every language pair, as Markdown."""
    lines = []
    for result in results:
        header = ["system", "links", "AER %", "precision %", "recall %", "AER % of the first 100"]
        lines += [f"**{'-'.join(result['languages'])}**", "", f"| {' | '.join(header)} |"]
        lines.append("| --- | --- | ---: | ---: | ---: | ---: |")
        for row in result["rows"]:
            rates = [row["test"][name] for name in ("aer", "precision", "recall")]
            cells = [f"{100 * rate:.1f}" for rate in (*rates, row["development"]["aer"])]
            if row["named"]:
                cells[0] = f"**{cells[0]}**"
            lines.append(f"| {row['system']} | {row['how']} | {' | '.join(cells)} |")
        bleu = [f"{name} {summary['best_bleu']:.1f}" for name, summary in result["training"].items()]
        lines += ["", f"BLEU on held-out pairs of Tatoeba, greedy, one run each: {'; '.join(bleu)}.", ""]
    return "\n".join(lines[:-1])


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--languages", nargs=2, required=True, help="of the gold links: source, target")
    parser.add_argument("--tatoeba", type=Path, required=True, help="its pairs: English TAB other, a .gz")
    parser.add_argument("--gold", type=Path, required=True, help="folder with LANG.gz of both and the links")
    parser.add_argument("--plain-run", type=Path, help="run directory without a guide; trained if not there")
    parser.add_argument("--guided-run", type=Path, help="guided by its own links")
    parser.add_argument("--taught-run", type=Path, help="guided by those of fast_align")
    parser.add_argument("--threads", type=int, default=0, help="of a training (default: one per core)")
    parser.add_argument("--venvs", type=Path, default=Path(".bench/venvs"), help="the aligners' environments")
    parser.add_argument("--work", type=Path, default=Path(".bench/alignment"), help="where text is kept")
    options = parser.parse_args()
    options.venvs, options.work = options.venvs.absolute(), options.work.absolute()
    options.cores = sorted(os.sched_getaffinity(0))
    options.work.mkdir(parents=True, exist_ok=True)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{'-'.join(options.languages)}.json"
    path.write_text(json.dumps(measure(options), indent=1) + "\n", encoding="utf-8")
    kept = [json.loads(each.read_text(encoding="utf-8")) for each in sorted(RESULTS.glob("*.json"))]
    PAGE.write_text(insert_table(PAGE.read_text(encoding="utf-8"), table(kept), MARKERS), encoding="utf-8")
    return 0


def _words(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", text.lower())


def _combined(system: str, forward: Links, backward: Links) -> Iterator[Row]:
    for heuristic in HEURISTICS:
        pairs = zip(forward, backward, strict=True)
        yield Row(system, heuristic, [symmetrize(one, other, heuristic) for one, other in pairs])


def _read(maps: Sequence[Maps], reading: Reading) -> list[Alignment]:
    return [at_level(read(pair, reading), "token") for pair in maps]


def _argmax(maps: Sequence[Maps], reading: Reading) -> Links:
    return [links(alignment) for alignment in _read(maps, reading)]


def _rate(found: Links, gold: Sequence[Gold], part: slice) -> ErrorRate:
    return error_rate(found[part], gold[part])


if __name__ == "__main__":
    sys.exit(main())
