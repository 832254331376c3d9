"""Measure how fast seq2see and its peers train the same models on the same text and cores; one JSON.

    seq2see corpus multi30k --path FOLDER --src-lang de --tgt-lang en --out data/multi30k_de_en
    python benchmarks/train_speed.py --corpus data/multi30k_de_en
    python benchmarks/speed_tables.py

Every measurement is a process of its own; the systems take turns, so that what else the machine does falls on
all of them alike. What is in the results already is not measured again.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from measuring import (
    KEEP_MEMORY,
    Row,
    add_arguments,
    describe,
    machine,
    measure_in_turns,
    run_program,
    seq2see,
    start,
    write_pieces,
)
from speed_tables import TRAINING

from translate.platforms import choose_plan, gather_facts

SYSTEMS = ("seq2see", "eole", "joeynmt", "huggingface")
BATCH_TOKENS, VOCABULARY = 4096, 8000


def list_rows(precision: str, cores: int) -> list[Row]:
    """Everything that can be measured with so many cores.

    Args:
        precision: what seq2see chooses by itself here. The peers train in float32 on a CPU unless they are
            told otherwise.
    """
    rows: list[Row] = []

    def add(model: str, system: str, precision: str = "float32", **others: Any) -> None:
        usual = {"cores": 1, "batches": "", "malloc": "own"}
        rows.append({"model": model, "system": system, "precision": precision, **usual, **others})

    for model in ("transformer", "recurrent"):
        for used in sorted({1, min(cores, 2)}):
            for chosen in sorted({precision, "float32"}):
                add(model, "seq2see", chosen, cores=used, trim=True)
        add(model, "seq2see", precision, trim=False)
        for malloc in ("stock", "tuned"):
            add(model, "joeynmt", malloc=malloc)
            if model == "transformer":
                add(model, "eole", malloc=malloc)
                add(model, "huggingface", batches="random", malloc=malloc)
                add(model, "huggingface", batches="of like lengths", malloc=malloc)
    return rows


def measure(row: Row, options: argparse.Namespace, shared: dict[str, Any]) -> dict[str, Any]:
    """Train until the speed is known, in a folder that is thrown away."""
    # As seq2see has it, in two files; the others have one for both sides.
    tokenizer = str(Path(shared["tokenizer"]).parent) if row.get("trim") else shared["tokenizer"]
    with tempfile.TemporaryDirectory(dir=options.work) as work:
        result = run_program(
            options,
            row["system"],
            f"train_{row['system']}.py",
            {**shared, **row, "tokenizer": tokenizer, "threads": row["cores"], "work": work},
            options.cores[: row["cores"]],
            KEEP_MEMORY if row["malloc"] == "tuned" else {},
        )
    if not result["last_loss"] < result["first_loss"]:
        raise RuntimeError(f"its loss went from {result['first_loss']} to {result['last_loss']}: no training")
    return result


def prepare(options: argparse.Namespace, corpus: Path, about: dict[str, Any]) -> dict[str, Any]:
    """What every job has: the text, and one tokenizer for all."""
    fingerprint = about["sha256"][f"train.{about['src_lang']}"]
    folder = options.work / f"tokenizer_{fingerprint[:12]}"
    tokenizer = folder / "src.model"
    if not tokenizer.is_file():
        size = str(VOCABULARY)
        seq2see("tokenizer", "--corpus", str(corpus), "--vocab-size", size, "--out", str(folder))
    return {
        "corpus": str(corpus),
        "languages": [about["src_lang"], about["tgt_lang"]],
        "pairs": about["splits"]["train"],
        "tokenizer": str(tokenizer),
        "pieces": str(folder / "pieces.txt"),
        "vocabulary": write_pieces(tokenizer, folder / "pieces.txt"),
        "batch_tokens": BATCH_TOKENS,
        "warm_up_steps": options.warm_up_steps,
        "seconds": options.seconds,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--corpus", help="folder made by `seq2see corpus` (default: synthetic, made here)")
    parser.add_argument("--seconds", type=float, default=12, help="of each measurement (default: 12)")
    parser.add_argument("--warm-up-steps", type=int, default=5, help="before it begins (default: 5)")
    add_arguments(parser, TRAINING, SYSTEMS)
    options = parser.parse_args()
    corpus = Path(options.corpus).absolute() if options.corpus else None
    start(options)
    if corpus is None:
        corpus = options.work / "synthetic_en_de"
        if not corpus.is_dir():
            seq2see("corpus", "synthetic", "--out", str(corpus))
    text = describe(corpus)
    shared = prepare(options, corpus, text)
    about = {
        "machine": machine(),
        "corpus": text,
        "settings": {
            name: shared[name] for name in ("vocabulary", "batch_tokens", "warm_up_steps", "seconds")
        },
    }
    precision = choose_plan("cpu", "auto", gather_facts()).precision
    rows = [row for row in list_rows(precision, len(options.cores)) if row["system"] in options.peers]
    return measure_in_turns(options, rows, about, lambda row: measure(row, options, shared))


if __name__ == "__main__":
    sys.exit(main())
