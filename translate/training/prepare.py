"""From a corpus and a config to a run directory that training can start, or start again, in."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from translate.batches import IdPairs
from translate.config import Config, DataConfig, TokenizerConfig
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
        UsageError: no corpus was named, or more than one; settings that do not go together.
    """

    def prepare(run: RunDirectory) -> None:
        train, valid = read_pairs(config.data, config.training.seed)
        tokenizers = _make_tokenizers(config.tokenizer, train)
        kept_src, kept_tgt = _encode(train, tokenizers, config.data.max_length)
        joint = tokenizers.src is tokenizers.tgt  # given tokenizers may be other than the setting says
        tgt_lang = config.data.tgt_lang or _language_of(config.data.corpus)
        run.save_config(
            replace(
                config,
                data=replace(config.data, tgt_lang=tgt_lang),
                tokenizer=replace(config.tokenizer, joint=joint),
            )
        )
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
        splits = load_corpus(data.corpus).splits
        if "train" not in splits:
            raise InputError(f"{data.corpus} has no training part, only {', '.join(splits)}")
        train, valid = (
            list(zip(splits[name]["src"], splits[name]["tgt"], strict=True)) if name in splits else []
            for name in ("train", "valid")
        )
    elif data.src and data.tgt:
        train, valid = read_parallel(data.src, data.tgt), []
    else:
        raise UsageError("no training text: give --corpus FOLDER, or --src FILE and --tgt FILE")
    if bool(data.valid_src) != bool(data.valid_tgt):
        raise UsageError("validation text needs both --valid-src and --valid-tgt")
    if data.valid_src and data.valid_tgt:
        valid = read_parallel(data.valid_src, data.valid_tgt)
    train = _without_blank(train, "training")
    if valid:
        valid = _without_blank(valid, "validation")
    else:
        # By groups of sources that differ in digits or punctuation only, so that none is in both parts.
        parts = hold_out(train, {"valid": data.valid_size}, seed).pairs
        train, valid = parts["train"], parts["valid"]
        log.info("no validation text given: held out %d pairs", len(valid))
    return train, valid


def _language_of(corpus: str | None) -> str | None:
    return None if corpus is None else load_corpus(corpus).tgt_lang


def _without_blank(pairs: Sequence[Pair], which: str) -> list[Pair]:
    kept = [pair for pair in pairs if pair[0].strip() and pair[1].strip()]
    if not kept:
        raise InputError(f"all {len(pairs)} {which} pairs have a blank side: needed is text on both sides")
    if len(kept) < len(pairs):
        log.warning("left out %d of %d %s pairs with a blank side", len(pairs) - len(kept), len(pairs), which)
    return kept


def _make_tokenizers(config: TokenizerConfig, pairs: Sequence[Pair]) -> Tokenizers:
    if config.path is not None:
        return _load_tokenizers(Path(config.path), config.joint)
    log.info("training the tokenizer on %d pairs", len(pairs))
    return train_tokenizers([src for src, _ in pairs], [tgt for _, tgt in pairs], config)


def _load_tokenizers(path: Path, joint: bool) -> Tokenizers:
    """Load one for both sides, or src.model and tgt.model of a folder; with `joint` rather the former."""
    both = path / "tokenizer.model" if path.is_dir() else path
    sides = (path / "src.model", path / "tgt.model")
    if all(side.is_file() for side in sides) and not (joint and both.is_file()):
        return Tokenizers(*map(Tokenizer.load, sides))
    if path.is_dir() and not both.is_file():
        raise InputError(
            f"{path} has neither tokenizer.model nor src.model and tgt.model: needed is a .model file, or a "
            "folder made by `seq2see tokenizer`"
        )
    tokenizer = Tokenizer.load(both)
    if not joint:
        raise UsageError(
            f"tokenizer.joint is false, but {both} is one tokenizer for both languages: give a folder with "
            "src.model and tgt.model, or leave it joint"
        )
    return Tokenizers(tokenizer, tokenizer)


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
        raise InputError(
            f"all {len(pairs)} training pairs have more than data.max_length = {max_length} pieces"
        )
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
