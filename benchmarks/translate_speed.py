"""Measure how fast seq2see and others translate Multi30k's test2016 with the same weights; one JSON.

    python benchmarks/quality.py --corpus data/multi30k_de_en --only multi30k_transformer multi30k_bahdanau
    python benchmarks/translate_speed.py --corpus data/multi30k_de_en --run runs/multi30k_transformer \
        --recurrent-run runs/multi30k_bahdanau
    python benchmarks/speed_tables.py

The peers are given the weights of the run, so that all of them look for the same translations; what they find
is scored, too. (JoeyNMT's recurrent decoder is not ours: peers/teach_joeynmt.py.) Every measurement is a
process of its own; the systems take turns. What is in the results already is not measured again.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
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
TEACHING_STEPS = 300  # of 64 pairs, after which JoeyNMT's model is half a BLEU behind ours

# One line in so many is translated where all of the test set would take long; the rows that are compared may
# not be of the same lines then, but of lines as long, since they are taken evenly from the whole set.
ONE_IN = {64: 1, 1: 5}
PART = 4
ONE_IN_SLOW = {64: PART, 1: 40}  # JoeyNMT's transformer computes the whole translation again at each piece

Job = dict[str, Any]


def list_rows(model: str, mallocs: Sequence[str]) -> list[Row]:
    """Everything there is to measure with this model.

    Args:
        model: transformer or recurrent.
        mallocs: stock, tuned or both, for the peers that use torch.
    """
    kinds = [("seq2see", "torch", "float32", "own")]
    kinds += [("joeynmt", "torch", "float32", malloc) for malloc in mallocs]
    if model == "transformer":
        kinds += [("huggingface", "torch", "float32", malloc) for malloc in mallocs]
        for precision in ("float32", "int8"):
            kinds.append(("seq2see", "ctranslate2", precision, "own"))
            kinds.append(("ctranslate2", "ctranslate2", precision, "stock"))
    rows = []
    for batch in BATCHES:
        for beam in BEAMS:
            for system, engine, precision, malloc in kinds:
                slow = (model, system) == ("transformer", "joeynmt")
                rows.append(
                    {
                        **{"model": model, "system": system, "engine": engine, "precision": precision},
                        **{"malloc": malloc, "beam": beam, "batch": batch},
                        "one_in": (ONE_IN_SLOW if slow else ONE_IN)[batch],
                    }
                )
    return rows


def measure(row: Row, options: argparse.Namespace, jobs: dict[str, Job]) -> dict[str, Any]:
    """Translate the row's part of the test set once, and score it."""
    job = jobs[row["model"]]
    run = job["run"] if row["engine"] == "torch" else str(options.work / f"run_{row['precision']}")
    if (row["model"], row["system"]) == ("recurrent", "joeynmt"):
        teach(job, options)
    result = run_program(
        options,
        row["system"],
        f"translate_{row['system']}.py",
        {**job, **row, "run": run},
        options.cores[:1],
        KEEP_MEMORY if row["malloc"] == "tuned" else {},
    )
    translations, references = (
        result.pop("translations"),
        read_lines(Path(job["references"]))[:: row["one_in"]],
    )
    tgt_lang = job["languages"][1]
    result["score"] = score(translations, references, tgt_lang=tgt_lang)[0]._asdict()
    if row["one_in"] == 1:  # to compare with the systems that translate a part
        result["part_score"] = score(translations[::PART], references[::PART], tgt_lang=tgt_lang)[0]._asdict()
    return result


def teach(job: Job, options: argparse.Namespace) -> None:
    """Train JoeyNMT's recurrent decoder, once for these weights."""
    if not Path(job["taught"]).is_file():
        job = {**job, "steps": TEACHING_STEPS, "threads": len(options.cores)}
        print("training JoeyNMT's recurrent decoder ...", file=sys.stderr, flush=True)
        run_program(options, "joeynmt", "teach_joeynmt.py", job, options.cores, KEEP_MEMORY)


def prepare(
    options: argparse.Namespace, kind: str, path: Path, corpus: Path, about: dict[str, Any]
) -> dict[str, Any]:
    """What every job with this model has: the text, the weights, the tokenizer."""
    run = RunDirectory.open(path)
    model, tokenizer = run.config.model, options.work / f"{kind}_tokenizer.model"
    check_model(kind, run)
    run.tokenizers().src.save(tokenizer)
    weights = options.work / f"{kind}_weights.pt"
    torch.save(run.load_model().state_dict(), weights)
    write_pieces(tokenizer, options.work / f"{kind}_pieces.txt")
    src, tgt = about["src_lang"], about["tgt_lang"]
    return {
        "run": str(run.path.absolute()),
        "corpus": str(corpus),
        "languages": [src, tgt],
        "text": str(corpus / f"test.{src}"),
        "references": str(corpus / f"test.{tgt}"),
        "tokenizer": str(tokenizer),
        "pieces": str(options.work / f"{kind}_pieces.txt"),
        "weights": str(weights),
        "taught": str(options.work / f"joeynmt_{fingerprint(run.path / 'model.safetensors')[:12]}.pt"),
        "encoder_layers": model.encoder.layers,
        "decoder_layers": model.decoder.layers,
        "embedding_size": model.embedding_size,
        "size": model.encoder.size,
        "heads": model.encoder.heads,
        "feed_forward_size": model.encoder.feed_forward_size,
        "length_penalty": LENGTH_PENALTY,
    }


def check_model(kind: str, run: RunDirectory) -> None:
    """Stop when the peers have no such model."""
    model = run.config.model
    if (model.encoder.type, model.decoder.type) != (kind, kind):
        sys.exit(f"{run.path} is not a {kind} model, so no peer could take its weights")
    if kind == "recurrent":
        found = (model.encoder.layers, model.decoder.layers, model.encoder.cell, model.decoder.cell)
        found += (model.decoder.feeding, model.attention.score)
        if found != (1, 1, "gru", "gru", "input", "additive") or not model.encoder.bidirectional:
            sys.exit(f"{run.path} is not as configs/multi30k_bahdanau.yaml, so JoeyNMT has nothing like it")
        if len({model.embedding_size, model.encoder.size, model.decoder.size, model.attention.size}) > 1:
            sys.exit(f"{run.path} has parts of several sizes, and JoeyNMT's attention has only one")


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
    parser.add_argument("--recurrent-run", help="and of Bahdanau's model (default: only the transformer)")
    parser.add_argument(
        "--malloc",
        nargs="+",
        choices=["stock", "tuned"],
        default=["tuned"],
        help="environment of the peers that use torch: as it is, with our malloc settings (default: tuned)",
    )
    add_arguments(parser, TRANSLATING, SYSTEMS)
    options = parser.parse_args()
    corpus = Path(options.corpus).absolute()
    runs = {"transformer": Path(options.run).absolute()}
    if options.recurrent_run:
        runs["recurrent"] = Path(options.recurrent_run).absolute()
    options.run = runs["transformer"]
    start(options)
    text = describe(corpus)
    jobs = {kind: prepare(options, kind, run, corpus, text) for kind, run in runs.items()}
    export(options)
    about = {
        "machine": machine(),
        "corpus": text,
        "settings": {
            "configs": {kind: run.name for kind, run in runs.items()},
            "weights_sha256": {kind: fingerprint(run / "model.safetensors") for kind, run in runs.items()},
            "length_penalty": LENGTH_PENALTY,
        },
    }
    rows = [row for kind in runs for row in list_rows(kind, options.malloc) if row["system"] in options.peers]
    return measure_in_turns(options, rows, about, lambda row: measure(row, options, jobs))


if __name__ == "__main__":
    sys.exit(main())
