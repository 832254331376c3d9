"""Measure how fast seq2see and others translate Multi30k's test2016 with the same weights; one JSON.

    python benchmarks/experiments.py --only de-en-peers de-en-bahdanau
    python benchmarks/translate_speed.py --corpus data/multi30k_de_en --run runs/experiments/de-en-peers.1 \
        --recurrent-run runs/experiments/de-en-bahdanau.1
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
from torch import Tensor

from translate.evaluation import score
from translate.model import Seq2Seq
from translate.run_directory import RunDirectory
from translate.text_files import read_lines

SYSTEMS = ("seq2see", "joeynmt", "huggingface", "ctranslate2")
LENGTH_PENALTY = 1.0
BATCHES, BEAMS = (64, 1), (1, 5)
PRECISIONS = ("float32", "int8")  # of exports
ALIKE, AS_THEY_COME = "", "of lines as they come"  # what a batch holds; alike: lines of like lengths
TEACHING_STEPS = 300  # of 64 pairs, after which JoeyNMT's model is half a BLEU behind ours

# One line in so many is translated where all of the test set would take long; the rows that are compared may
# not be of the same lines then, but of lines as long, since they are taken evenly from the whole set.
ONE_IN = {64: 1, 1: 5}
PART = 4
ONE_IN_SLOW = {64: PART, 1: 40}  # JoeyNMT's transformer computes the whole translation again at each piece

NEVER = -1e4  # the output bias of what never comes

Job = dict[str, Any]


def list_rows(model: str, job: Job, mallocs: Sequence[str]) -> list[Row]:
    """Everything there is to measure with this run.

    Args:
        model: transformer, recurrent, or other: translated by seq2see alone.
        job: of the run.
        mallocs: stock, tuned or both, for the peers that use torch.
    """
    kinds = [("seq2see", "torch", "float32", "own", ALIKE)]
    if model != "other":
        kinds += [("joeynmt", "torch", "float32", malloc, ALIKE) for malloc in mallocs]
    if model == "recurrent":  # as JoeyNMT's own commands do it
        kinds += [("joeynmt", "torch", "float32", malloc, AS_THEY_COME) for malloc in mallocs]
    if model == "transformer":
        kinds += [("huggingface", "torch", "float32", malloc, ALIKE) for malloc in mallocs]
    for precision in PRECISIONS if job["exports"] else ():
        kinds.append(("seq2see", "ctranslate2", precision, "own", ALIKE))
        if model == "transformer":
            kinds.append(("ctranslate2", "ctranslate2", precision, "stock", ALIKE))
    rows = []
    for batch in BATCHES:
        for beam in BEAMS:
            for system, engine, precision, malloc, batches in kinds:
                if batch == 1 and batches == AS_THEY_COME:
                    continue
                slow = (model, system) == ("transformer", "joeynmt")
                rows.append(
                    {
                        **{"model": model, "config": job["config"], "system": system, "engine": engine},
                        **{"precision": precision, "malloc": malloc, "beam": beam, "batch": batch},
                        "batches": batches,
                        "one_in": (ONE_IN_SLOW if slow else ONE_IN)[batch],
                    }
                )
    return rows


def measure(row: Row, options: argparse.Namespace, jobs: dict[str, Job]) -> dict[str, Any]:
    """Translate the row's part of the test set once, and score it.

    Args:
        jobs: by the names of configs.
    """
    job = jobs[row["config"]]
    run = job["run"] if row["engine"] == "torch" else job["exports"][row["precision"]]
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


def prepare(run: RunDirectory, options: argparse.Namespace, corpus: Path, about: dict[str, Any]) -> Job:
    """What every job with this run has: the text, the weights, the tokenizer."""
    model, name = run.config.model, run.path.name
    tokenizer, weights = options.work / f"{name}_tokenizer.model", options.work / f"{name}_weights.pt"
    src_tokenizer = run.tokenizers().src
    src_tokenizer.save(tokenizer)
    torch.save(whole_weights(run.load_model()), weights)
    write_pieces(tokenizer, options.work / f"{name}_pieces.txt")
    src, tgt = about["src_lang"], about["tgt_lang"]
    text = corpus / f"test.{src}"
    exportable = (model.encoder.type, model.decoder.type) == ("transformer", "transformer")
    return {
        "config": name,
        "run": str(run.path.absolute()),
        "exports": export(run.path, options) if exportable else {},
        "corpus": str(corpus),
        "languages": [src, tgt],
        "text": str(text),
        "lengths": [len(row) for row in src_tokenizer.encode_batch(read_lines(text))],
        "references": str(corpus / f"test.{tgt}"),
        "tokenizer": str(tokenizer),
        "pieces": str(options.work / f"{name}_pieces.txt"),
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


def whole_weights(model: Seq2Seq) -> dict[str, Tensor]:
    """The weights for systems in which both sides have one vocabulary: what only sources have never comes."""
    weights = model.state_dict()
    table = model.src_embedding.weight.detach()
    bias = weights["output.bias"]
    weights["src_embedding.weight"] = weights["output.weight"] = table
    weights["output.bias"] = torch.cat([bias, bias.new_full((len(table) - len(bias),), NEVER)])
    return weights


def check_model(kind: str, run: RunDirectory) -> None:
    """Stop when the peers have no such model.

    Args:
        kind: transformer, recurrent, or other: any that seq2see has.
    """
    if kind == "other":
        return
    model = run.config.model
    if (model.encoder.type, model.decoder.type) != (kind, kind):
        sys.exit(f"{run.path} is not a {kind} model, so no peer could take its weights")
    if kind == "recurrent":
        found: list[object] = [model.encoder.layers, model.encoder.cell]
        found += [model.decoder.layers, model.decoder.cell]
        found += [model.decoder.feeding, model.attention.score, model.encoder.bidirectional]
        if found != [1, "gru", 1, "gru", "input", "additive", True]:
            sys.exit(f"{run.path} is not as configs/multi30k_bahdanau.yaml, so JoeyNMT has nothing like it")
        if len({model.embedding_size, model.encoder.size, model.decoder.size, model.attention.size}) > 1:
            sys.exit(f"{run.path} has parts of several sizes, and JoeyNMT's attention has only one")


def export(run: Path, options: argparse.Namespace) -> dict[str, str]:
    """Write the model for CTranslate2 in both precisions, each into a copy of the run: it has one export."""
    copies = {precision: options.work / f"{run.name}_{precision}" for precision in PRECISIONS}
    for precision, copy in copies.items():
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(
            run, copy, ignore=shutil.ignore_patterns("*.ckpt", "ids", "tensorboard", "ctranslate2")
        )
        seq2see("export", str(copy), "--format", "ctranslate2", "--quantization", precision)
    return {precision: str(copy) for precision, copy in copies.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--corpus", required=True, help="folder made by `seq2see corpus multi30k`, de to en")
    parser.add_argument("--run", required=True, help="run directory of a transformer trained on it")
    parser.add_argument("--recurrent-run", help="and of Bahdanau's model (default: only the transformer)")
    parser.add_argument(
        "--other-runs",
        nargs="*",
        default=[],
        help="runs that seq2see alone translates with: speed against BLEU",
    )
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
    runs = [("transformer", options.run), ("recurrent", options.recurrent_run)]
    runs += [("other", path) for path in options.other_runs]
    opened = [(kind, RunDirectory.open(Path(path).absolute())) for kind, path in runs if path]
    for kind, run in opened:
        check_model(kind, run)
    start(options)
    text = describe(corpus)
    jobs = {run.path.name: prepare(run, options, corpus, text) for _, run in opened}
    about = {
        "machine": machine(),
        "corpus": text,
        "settings": {
            "weights_sha256": {
                run.path.name: fingerprint(run.path / "model.safetensors") for _, run in opened
            },
            "length_penalty": LENGTH_PENALTY,
        },
    }
    rows = [
        row
        for kind, run in opened
        for row in list_rows(kind, jobs[run.path.name], options.malloc)
        if row["system"] in options.peers
    ]
    return measure_in_turns(options, rows, about, lambda row: measure(row, options, jobs))


if __name__ == "__main__":
    sys.exit(main())
