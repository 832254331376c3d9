"""From a corpus and a config to a run directory that training can start, or start again, in."""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

from translate.batches import IdPairs
from translate.config import Config, DataConfig
from translate.corpora import load_corpus
from translate.corpora.split import hold_out
from translate.errors import InputError, UsageError
from translate.run_directory import RunDirectory
from translate.text_files import read_parallel
from translate.tokenizer import Tokenizer, Tokenizers, train_tokenizers

log = logging.getLogger(__name__)

Pair = tuple[str, str]


def prepare_run(config: Config, out: str | Path) -> RunDirectory:
    """Make the run directory: settings, tokenizer, training ids, validation text.

    Raises:
        InputError: the corpus or tokenizer is missing or bad, or `out` is not empty.
        UsageError: no corpus was named, or more than one.
    """

    def prepare(run: RunDirectory) -> None:
        train, valid = read_pairs(config.data, config.training.seed)
        tokenizers = _make_tokenizers(config, train)
        kept_src, kept_tgt = _encode(train, tokenizers, config.data.max_length)
        run.save_config(config)
        run.save_tokenizers(tokenizers)
        run.save_valid(valid)
        IdPairs.write(run.ids_path, kept_src, kept_tgt)
        run.save_json(run.data_path, _describe(config.data, train, valid, len(kept_src)))

    return RunDirectory.create(out, prepare)


def read_pairs(data: DataConfig, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Read the training and the validation pairs."""
    if data.corpus and (data.src or data.tgt):
        raise UsageError("got both --corpus and --src/--tgt: name one place to take the training text from")
    if data.corpus:
        corpus = load_corpus(data.corpus)
        parts = {name: list(zip(corpus.splits[name]["src"], corpus.splits[name]["tgt"], strict=True))
                 for name in ("train", "valid") if name in corpus.splits}  # fmt: skip
        train, valid = parts.get("train", []), parts.get("valid", [])
    elif data.src and data.tgt:
        train, valid = read_parallel(data.src, data.tgt), []
    else:
        raise UsageError("no training text: give --corpus FOLDER, or --src FILE and --tgt FILE")
    if bool(data.valid_src) != bool(data.valid_tgt):
        raise UsageError("validation text needs both --valid-src and --valid-tgt")
    if data.valid_src and data.valid_tgt:
        valid = read_parallel(data.valid_src, data.valid_tgt)
    train = _without_blank(train, "training")
    valid = _without_blank(valid, "validation")
    if not valid:
        # By groups of sources that differ in digits or punctuation only, so that none is in both parts.
        parts = hold_out(train, {"valid": data.valid_size}, seed).pairs
        train, valid = parts["train"], parts["valid"]
        log.info("no validation text given: held out %d pairs", len(valid))
    if not train:
        raise InputError("no training pairs are left: needed are pairs with text on both sides")
    return train, valid


def _without_blank(pairs: Sequence[Pair], which: str) -> list[Pair]:
    kept = [pair for pair in pairs if pair[0].strip() and pair[1].strip()]
    if len(kept) < len(pairs):
        log.warning("left out %d of %d %s pairs with a blank side", len(pairs) - len(kept), len(pairs), which)
    return kept


def _make_tokenizers(config: Config, pairs: Sequence[Pair]) -> Tokenizers:
    if config.tokenizer.path is not None:
        tokenizer = Tokenizer.load(config.tokenizer.path)
        return Tokenizers(tokenizer, tokenizer)
    log.info("training the tokenizer on %d pairs", len(pairs))
    return train_tokenizers([src for src, _ in pairs], [tgt for _, tgt in pairs], config.tokenizer)


def _encode(
    pairs: Sequence[Pair], tokenizers: Tokenizers, max_length: int
) -> tuple[list[list[int]], list[list[int]]]:
    src = tokenizers.src.encode_batch([src for src, _ in pairs])
    tgt = tokenizers.tgt.encode_batch([tgt for _, tgt in pairs])
    kept = [n for n in range(len(pairs)) if len(src[n]) <= max_length and len(tgt[n]) <= max_length]
    if len(kept) < len(pairs):
        log.warning(
            "left out %d of %d training pairs with more than data.max_length = %d pieces",
            len(pairs) - len(kept), len(pairs), max_length,
        )  # fmt: skip
    if not kept:
        raise InputError(f"all {len(pairs)} training pairs have more than data.max_length = {max_length} pieces")
    return [src[n] for n in kept], [tgt[n] for n in kept]


def _describe(data: DataConfig, train: Sequence[Pair], valid: Sequence[Pair], used: int) -> dict[str, object]:
    """What the model card says of the data; the hashes tell whether two runs had the same."""
    return {
        "from": data.corpus or f"{data.src} and {data.tgt}",
        "train_pairs": len(train),
        "train_pairs_used": used,
        "train_sha256": _hash(train),
        "valid_pairs": len(valid),
        "valid_sha256": _hash(valid),
    }


def _hash(pairs: Sequence[Pair]) -> str:
    digest = hashlib.sha256()
    for src, tgt in pairs:
        digest.update(f"{src}\t{tgt}\n".encode())
    return digest.hexdigest()
