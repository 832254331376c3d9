"""Measure how fast seq2see and others translate Multi30k's test2016 with the same weights; one JSON.

    python benchmarks/quality.py --corpus data/multi30k_de_en --only multi30k_transformer
    python benchmarks/translate_speed.py --corpus data/multi30k_de_en --run runs/multi30k_transformer
    python benchmarks/speed_tables.py

The peers are given the weights of the run, so that all of them look for the same translations; what they find
is scored, too. Every measurement is a process of its own; the systems take turns. What is in the results
already is not measured again.
"""

import argparse
import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from measuring import (
    KEEP_MEMORY,
    Row,
    add_arguments,
    describe,
    fingerprint,
    machine,
    measure_in_turns,
    run_program,
    seq2see,
    start,
    write_pieces,
)
from speed_tables import TRANSLATING

from translate.evaluation import score
from translate.run_directory import RunDirectory
from translate.text_files import read_lines

SYSTEMS = ("seq2see", "joeynmt", "huggingface", "ctranslate2")
LENGTH_PENALTY = 1.0
BATCHES, BEAMS = (64, 1), (1, 5)


def list_rows(exported: bool) -> list[Row]:
    """Everything there is to measure.

    Args:
        exported: seq2see can write its models for CTranslate2.
    """
    kinds = [("seq2see", "torch", "float32", "own"), ("joeynmt", "torch", "float32", "stock")]
    kinds += [("joeynmt", "torch", "float32", "tuned")]
    kinds += [("huggingface", "torch", "float32", malloc) for malloc in ("stock", "tuned")]
    if exported:
        for precision in ("float32", "int8"):
            kinds.append(("seq2see", "ctranslate2", precision, "own"))
            kinds.append(("ctranslate2", "ctranslate2", precision, "stock"))
    names = ("system", "engine", "precision", "malloc")
    return [
        {**dict(zip(names, kind, strict=True)), "beam": beam, "batch": batch}
        for batch in BATCHES
        for beam in BEAMS
        for kind in kinds
    ]


def measure(row: Row, options: argparse.Namespace, shared: dict[str, Any]) -> dict[str, Any]:
    """Translate the test set once, and score it."""
    run = shared["run"] if row["engine"] == "torch" else str(options.work / f"run_{row['precision']}")
    result = run_program(
        options,
        row["system"],
        f"translate_{row['system']}.py",
        {**shared, **row, "run": run},
        options.cores[:1],
        KEEP_MEMORY if row["malloc"] == "tuned" else {},
    )
    bleu = score(result.pop("translations"), read_lines(shared["references"]), tgt_lang=shared["tgt_lang"])[0]
    return {**result, "score": bleu._asdict()}


def prepare(options: argparse.Namespace, corpus: Path, about: dict[str, Any]) -> dict[str, Any]:
    """What every job has: the text, the weights, the tokenizer."""
    run = RunDirectory.open(options.run)
    model, tokenizer = run.config.model, options.work / "run_tokenizer.model"
    if model.encoder.type != "transformer" or model.decoder.type != "transformer":
        sys.exit(f"{options.run} is no transformer, so no peer could take its weights")
    run.tokenizers().src.save(tokenizer)
    weights = options.work / "run_weights.pt"
    torch.save(run.load_model().state_dict(), weights)
    write_pieces(tokenizer, options.work / "run_pieces.txt")
    return {
        "run": str(run.path.absolute()),
        "text": str(corpus / f"test.{about['src_lang']}"),
        "references": str(corpus / f"test.{about['tgt_lang']}"),
        "tgt_lang": about["tgt_lang"],
        "tokenizer": str(tokenizer),
        "pieces": str(options.work / "run_pieces.txt"),
        "weights": str(weights),
        "encoder_layers": model.encoder.layers,
        "decoder_layers": model.decoder.layers,
        "size": model.encoder.size,
        "heads": model.encoder.heads,
        "feed_forward_size": model.encoder.feed_forward_size,
        "length_penalty": LENGTH_PENALTY,
    }


def export(options: argparse.Namespace) -> None:
    """Write the model for CTranslate2 in both precisions, each into a copy of the run: it has one export."""
    for precision in ("float32", "int8"):
        copy = options.work / f"run_{precision}"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(options.run, copy, ignore=shutil.ignore_patterns("*.ckpt", "ids", "tensorboard"))
        seq2see("export", str(copy), "--format", "ctranslate2", "--quantization", precision)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--corpus", required=True, help="folder made by `seq2see corpus multi30k`, de to en")
    parser.add_argument("--run", required=True, help="run directory of a transformer trained on it")
    add_arguments(parser, TRANSLATING, SYSTEMS)
    options = parser.parse_args()
    corpus, options.run = Path(options.corpus).absolute(), Path(options.run).absolute()
    start(options)
    text = describe(corpus)
    shared = prepare(options, corpus, text)
    exported = importlib.util.find_spec("translate.export") is not None
    if exported:
        export(options)
    else:
        print("seq2see has no `export` yet: CTranslate2 is left out", file=sys.stderr)
    about = {
        "machine": machine(),
        "corpus": text,
        "settings": {
            "config": Path(options.run).name,
            "weights_sha256": fingerprint(Path(options.run, "model.safetensors")),
            "length_penalty": LENGTH_PENALTY,
        },
    }
    rows = [row for row in list_rows(exported) if row["system"] in options.peers]
    return measure_in_turns(options, rows, about, lambda row: measure(row, options, shared))


if __name__ == "__main__":
    sys.exit(main())
