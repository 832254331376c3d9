"""From a corpus and a config to a run directory that training can start, or start again, in.

A corpus of any size: its text is read in pieces, and what is kept of it is kept on disk.
"""

import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice, tee
from pathlib import Path
from tempfile import TemporaryDirectory

from translate.alignment import Link
from translate.batches import IdPairs, write_links
from translate.config import Config, TokenizerConfig
from translate.errors import InputError, UsageError
from translate.platforms import give_back_freed_memory
from translate.run_directory import RunDirectory
from translate.tokenizer import Tokenizer, Tokenizers, train_tokenizers
from translate.training.guide import piece_links
from translate.training.text import Pair, StoredPairs, read_links, read_text

log = logging.getLogger(__name__)

ENCODED_TOGETHER = 10_000  # pairs

IdPair = tuple[list[int], list[int]]


def prepare_run(config: Config, out: str | Path) -> RunDirectory:
    """Make the run directory: settings, tokenizer, training ids, validation text.

    Raises:
        InputError: the corpus or tokenizer is missing or bad, or `out` is not empty.
        UsageError: no corpus was named, or more than one; settings that do not go together.
    """

    def prepare(run: RunDirectory) -> None:
        with TemporaryDirectory(dir=run.path) as aside:
            text = read_text(config.data, config.training.seed, Path(aside, "train"))
            tokenizers = _make_tokenizers(config.tokenizer, text.train)
            used = _write_ids(run, text.train, tokenizers, config.data.max_length)
            if config.training.alignment == "guided" and config.training.alignment_links != "self":
                links = _word_links(config, text.train)
                pieces = piece_links(text.train, links, tokenizers, config.data.max_length)
                run.save_links(lambda path: write_links(path, pieces))
            joint = tokenizers.src is tokenizers.tgt  # given tokenizers may be other than the setting says
            if config.data.directions == "both" and not joint:
                raise UsageError(
                    "data.directions both needs one vocabulary for both languages, but there is one for "
                    "each: set tokenizer.joint true, or tokenizer.path to one tokenizer.model"
                )
            run.save_config(
                replace(
                    config,
                    data=replace(
                        config.data,
                        src_lang=config.data.src_lang or text.src_lang,
                        tgt_lang=config.data.tgt_lang or text.tgt_lang,
                    ),
                    tokenizer=replace(config.tokenizer, joint=joint),
                )
            )
            run.save_tokenizers(tokenizers)
            run.save_valid(text.valid)
            # What the model card says of the data; the hashes tell whether two runs had the same.
            about = {
                "from": config.data.corpus or f"{config.data.src} and {config.data.tgt}",
                "train_pairs": len(text.train),
                "train_pairs_used": used,
                "train_sha256": _hash(text.train),
                "valid_pairs": len(text.valid),
                "valid_sha256": _hash(text.valid),
            }
            run.save_json(run.data_path, about)

    run = RunDirectory.create(out, prepare)
    give_back_freed_memory()  # a tokenizer's training needs much
    return run


def _word_links(config: Config, pairs: StoredPairs) -> Iterable[Sequence[Link]]:
    """Read the links of the training pairs, or let fast_align make them, which has all pairs in memory."""
    if config.training.alignment_links != "fast_align":
        return read_links(config.data, pairs, Path(config.training.alignment_links))
    from translate.alignment.statistical import align_statistically

    log.info("aligning %d training pairs with fast_align", len(pairs))
    return align_statistically([(src.split(), tgt.split()) for src, tgt in pairs])


def _make_tokenizers(config: TokenizerConfig, pairs: StoredPairs) -> Tokenizers:
    if config.path is not None:
        return _load_tokenizers(Path(config.path), config.joint)
    log.info("training the tokenizer on %d pairs", len(pairs))
    return train_tokenizers((src for src, _ in pairs), (tgt for _, tgt in pairs), config)


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


def _write_ids(run: RunDirectory, pairs: StoredPairs, tokenizers: Tokenizers, max_length: int) -> int:
    """Write the ids of the pairs that are not too long; return how many these are."""
    used = 0

    def kept() -> Iterator[IdPair]:
        nonlocal used
        for src, tgt in _encode(pairs, tokenizers):
            if len(src) <= max_length and len(tgt) <= max_length:
                used += 1
                yield src, tgt

    src_rows, tgt_rows = tee(kept())  # they are read side by side
    IdPairs.write(run.ids_path, (src for src, _ in src_rows), (tgt for _, tgt in tgt_rows))
    if not used:
        raise InputError(
            f"all {len(pairs)} training pairs have more than data.max_length = {max_length} pieces"
        )
    if used < len(pairs):
        log.warning(
            "left out %d of %d training pairs with more than data.max_length = %d pieces",
            len(pairs) - used, len(pairs), max_length,
        )  # fmt: skip
    return used


def _encode(pairs: Iterable[Pair], tokenizers: Tokenizers) -> Iterator[IdPair]:
    pairs = iter(pairs)
    while piece := list(islice(pairs, ENCODED_TOGETHER)):
        yield from zip(
            tokenizers.src.encode_batch([src for src, _ in piece]),
            tokenizers.tgt.encode_batch([tgt for _, tgt in piece]),
            strict=True,
        )


def _hash(pairs: Iterable[Pair]) -> str:
    digest = hashlib.sha256()
    for src, tgt in pairs:
        digest.update(f"{src}\t{tgt}\n".encode())
    return digest.hexdigest()
