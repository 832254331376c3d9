"""Measure how the time and memory of `seq2see train` grow with the corpus and with the sentences; one JSON.

    python benchmarks/growth.py
    python benchmarks/speed_tables.py

The text is made once, by growth_corpus.py, and kept. A model is first trained from text at every size, which
shows what preparing costs; then from the same text, whose ids are in the cache now; then again and again from
what was prepared, the sizes in turns, which shows the speed. In the end the largest corpus is trained on with
as much memory as the smallest one has taken and 32 bytes for each further pair, a cgroup's limit where one
can be made. What is in the results already is not measured again.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from growth_corpus import SRC, TGT, write_growing, write_long
from growth_table import GROWTH, highest_peak
from measuring import Row, add_arguments, machine, measure_in_turns, run_program, start
from memory import MemoryWatch
from memory_limit import memory_limit, why_no_limit

from translate.platforms import choose_plan, gather_facts

SIZES = (30_000, 1_000_000, 10_000_000)  # pairs
BYTES_A_PAIR = 32  # that memory may grow by
LENGTHS = (10, 25, 50, 100, 200)  # words
WORDS = 400_000  # of a corpus whose sentences are all of one length
BATCH_TOKENS, VOCABULARY, MAX_LENGTH = 4096, 8000, 1024


def list_rows(sizes: list[int], cores: int) -> tuple[list[Row], list[Row], list[Row]]:
    """What is measured from text, from what was prepared then, and only once besides."""
    usual = {"model": "transformer", "cores": 1, "words": 0}
    from_text = [{**usual, "pairs": size, "from": "text"} for size in sizes]
    from_cache = [{**row, "from": "cache"} for row in from_text]
    prepared = [{**usual, "pairs": size, "from": "ids"} for size in sizes]
    limited = [{**row, "from": f"{row['from']}, limited"} for row in (prepared[-1], from_text[-1])]
    on_two_cores = [{**row, "cores": 2} for row in (prepared[0], prepared[-1])] if cores > 1 else []
    of_length = [
        {"model": model, "cores": 1, "words": words, "pairs": WORDS // words, "from": "text"}
        for model in ("transformer", "recurrent")
        for words in LENGTHS
    ]
    return from_text + from_cache, prepared, limited + on_two_cores + of_length


def measure(
    row: Row, options: argparse.Namespace, watching: set[int], shared: dict[str, Any]
) -> dict[str, Any]:
    """Train until the speed is known, in a folder that is thrown away."""
    kept = options.work / f"run_{row['pairs']}"  # as it was before the first step
    cache = options.work / f"cache_{row['pairs']}"
    if row["from"] == "text":
        shutil.rmtree(cache, ignore_errors=True)
    cached = row["from"] in ("text", "cache") and not row["words"]
    environment = {"SEQ2SEE_CACHE": str(cache) if cached else ""}
    with tempfile.TemporaryDirectory(dir=options.work) as work:
        run = Path(work, "run")
        if row["from"].startswith("ids"):
            shutil.copytree(kept, run, copy_function=os.link)
        corpus = options.work / (f"words_{row['words']}" if row["words"] else f"pairs_{row['pairs']}")
        # What is measured by length has the pieces of the smallest text of the other kind.
        tokenizer = options.work / f"run_{min(options.sizes)}" if row["words"] else None
        job = {
            **shared,
            **row,
            "corpus": str(corpus),
            "tokenizer": tokenizer and str(tokenizer),
            "threads": row["cores"],
            "work": work,
        }
        limit = find_limit(row, options) if row["from"].endswith("limited") else None
        cores = options.cores[: row["cores"]]
        with MemoryWatch(run, watching) as memory, memory_limit(limit) as prefix:
            result = run_program(options, "seq2see", "grow_seq2see.py", job, cores, environment, prefix)
        if row["from"] == "text" and not row["words"]:
            shutil.rmtree(kept, ignore_errors=True)
            shutil.rmtree(run / "tensorboard")
            run.rename(kept)
    if not result["last_loss"] < result["first_loss"]:
        raise RuntimeError(f"its loss went from {result['first_loss']} to {result['last_loss']}: no training")
    return {**result, **({"limit_kib": limit // 1024} if limit else {}), **memory.result(shared["seconds"])}


def find_limit(row: Row, options: argparse.Namespace) -> int:
    """The bytes that a corpus may take: what the smallest one has taken, and some for each pair."""
    rows = json.loads(options.results.read_text(encoding="utf-8"))["rows"]
    smallest = next(
        each
        for each in rows
        if (each["pairs"], each["from"]) == (min(options.sizes), "text") and not each["words"]
    )
    more: int = row["pairs"] - smallest["pairs"]
    return 1024 * highest_peak(smallest) + BYTES_A_PAIR * more


def make_text(options: argparse.Namespace) -> None:
    """Draw what is not there yet: a quarter of an hour for all of it, on one core."""
    if not all((options.work / f"pairs_{size}").is_dir() for size in options.sizes):
        print("drawing the text ...", file=sys.stderr, flush=True)
        write_growing({size: options.work / f"pairs_{size}" for size in options.sizes})
    for words in LENGTHS:
        if not (folder := options.work / f"words_{words}").is_dir():
            write_long(folder, words, WORDS // words)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="PAIRS", help="of the corpora")
    parser.add_argument("--seconds", type=float, default=12, help="of each measurement (default: 12)")
    parser.add_argument("--warm-up-steps", type=int, default=5, help="before it begins (default: 5)")
    add_arguments(parser, GROWTH, ("seq2see",))
    options = parser.parse_args()
    everywhere = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    start(options)
    make_text(options)
    shared = {
        "languages": [SRC, TGT],
        "batch_tokens": BATCH_TOKENS,
        "vocabulary": VOCABULARY,
        "max_length": MAX_LENGTH,
        "precision": choose_plan("cpu", "auto", gather_facts()).precision,
        "warm_up_steps": options.warm_up_steps,
        "seconds": options.seconds,
    }
    about = {"machine": machine(), "settings": shared}
    from_text, prepared, others = list_rows(sorted(options.sizes), len(options.cores))
    if problem := why_no_limit():
        print(f"left out what is limited: {problem}", file=sys.stderr)
        others = [row for row in others if not row["from"].endswith("limited")]
    once = argparse.Namespace(**{**vars(options), "repeats": 1})
    elsewhere = everywhere - {options.cores[0]} or everywhere
    failed = 0
    for rows, how_often in ((from_text, once), (prepared, options), (others, once)):
        failed |= measure_in_turns(
            how_often, rows, about, lambda row: measure(row, options, elsewhere, shared)
        )
    return failed


if __name__ == "__main__":
    sys.exit(main())
