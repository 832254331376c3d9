"""From a corpus and a config to a run directory that training can start, or start again, in.

A corpus of any size: its text is read in pieces, and what is kept of it is kept on disk.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, compress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from translate.alignment import Link
from translate.config import Config
from translate.errors import InputError, UsageError
from translate.platforms import count_cores, give_back_freed_memory
from translate.run_directory import FORMAT, RunDirectory
from translate.stored_pairs import write_links, write_text
from translate.teaching import kept_beside
from translate.tokenizer import Tokenizer, Tokenizers, train_tokenizers
from translate.training.back_translation import back_translate
from translate.training.guide import piece_links
from translate.training.ids import write_ids
from translate.training.initial import open_initial, read_old_text
from translate.training.mixture import Part, each_epoch
from translate.training.sampling import check_tables
from translate.training.text import (
    Pair,
    StoredPairs,
    Text,
    describe_origin,
    hash_text,
    read_links,
    read_text,
)
from translate.training.windows import check_can_be_read_again, write_first_window
from translate.trimming import trim

log = logging.getLogger(__name__)


def prepare_run(config: Config, out: str | Path) -> RunDirectory:
    """Make the run directory: settings, tokenizer, training ids, validation text.

    Raises:
        InputError: the corpus or tokenizer is missing or bad, or `out` is not empty.
        UsageError: no corpus was named, or more than one; settings that do not go together.
    """
    if config.data.window:
        check_can_be_read_again(config.data)
    old = open_initial(config)
    translations = kept_beside(out)
    run = RunDirectory.create(out, lambda run: _prepare(run, config, old, translations))
    translations.unlink(missing_ok=True)
    give_back_freed_memory()  # a tokenizer's training needs much
    return run


def _prepare(run: RunDirectory, config: Config, old: RunDirectory | None, translations: Path) -> None:
    with TemporaryDirectory(dir=run.path) as aside:
        text = read_text(config.data, config.training.seed, Path(aside, "train"))
        parts = [Part("training", describe_origin(config.data), text.train)]
        if config.data.monolingual is not None:
            parts.append(back_translate(config, text, Path(aside, "back"), translations))
            run.save_back_translated(parts[-1].pairs)
        if old is not None and config.initial.mix:
            parts.append(read_old_text(config, old, text.valid, Path(aside, "old")))
        tokenizers = _make_tokenizers(config, text.train) if old is None else old.tokenizers()
        if config.tokenizer.sampling_alpha:
            check_tables(tokenizers)
        hashes = [hash_text(part.pairs) for part in parts]
        if config.data.window:
            fits = [write_first_window(run, config, text, tokenizers)]
        else:
            threads = config.training.threads or count_cores()
            fits = write_ids(run.ids_path, parts, hashes, tokenizers, config.data.max_length, threads)
        if config.training.alignment == "guided" and config.training.alignment_links != "self":
            links = _word_links(config, parts)
            pieces = piece_links(_all_pairs(parts), links, tokenizers, config.data.max_length)
            run.save_links(lambda path: write_links(path, pieces))
        run.save_config(_resolve(config, text, tokenizers, old))
        run.save_tokenizers(tokenizers)
        run.save_valid(text.valid)
        if old is not None:
            run.save_initial(old)
            run.save_old_valid(old)
        about = _describe(text, parts, hashes, [sum(of_part) for of_part in fits], old)
        if config.data.window:
            about["window"] = config.data.window
        elif config.tokenizer.sampling_alpha:
            write_text(run.text_path, compress(_all_pairs(parts), chain.from_iterable(fits)))
            about["text_sha256"] = run.text_sha256()
        run.save_json(run.data_path, about)


def _resolve(config: Config, text: Text, tokenizers: Tokenizers, old: RunDirectory | None) -> Config:
    """Return the settings as they came to be: the languages, and whether the vocabulary is joint."""
    if config.data.directions == "both" and tokenizers.src is not tokenizers.tgt:
        raise UsageError(
            "data.directions both needs one vocabulary for both languages, but there is one for "
            "each: set tokenizer.joint true, or tokenizer.path to one tokenizer.model (of `seq2see tokenizer "
            "--trim false`)"
        )
    src_lang = config.data.src_lang or text.src_lang
    tgt_lang = config.data.tgt_lang or text.tgt_lang
    if old is not None:
        src_lang = src_lang or old.config.data.src_lang
        tgt_lang = tgt_lang or old.config.data.tgt_lang
    return replace(
        config,
        data=replace(config.data, src_lang=src_lang, tgt_lang=tgt_lang),
        # Given tokenizers may be other than the setting says.
        tokenizer=replace(config.tokenizer, joint=tokenizers.joint),
    )


def _describe(
    text: Text, parts: Sequence[Part], hashes: Sequence[str], used: Sequence[int], old: RunDirectory | None
) -> dict[str, Any]:
    """What the model card says of the data; the hashes tell whether two runs had the same.

    The format is that of the weights to come: training goes on only where they will mean the same.
    """
    about: dict[str, Any] = {
        "format": FORMAT,
        "from": parts[0].origin,
        "train_pairs": len(text.train),
        "train_pairs_used": used[0],
        "train_sha256": hashes[0],
        "valid_pairs": len(text.valid),
        "valid_sha256": hash_text(text.valid),
    }
    if len(parts) > 1:
        about["parts"] = _describe_parts(parts, hashes, used)
    if old is not None:
        about["initial"] = {"run": str(old.path), "weights_sha256": old.weights_sha256()}
    return about


def _describe_parts(
    parts: Sequence[Part], hashes: Sequence[str], used: Sequence[int]
) -> list[dict[str, Any]]:
    """What data.json says of each part, in the order of the ids."""
    described = []
    for part, count, drawn, sha256 in zip(parts, used, each_epoch(parts, used), hashes, strict=True):
        log.info("%d of %d %s pairs in each epoch, from %s", drawn, count, part.what, part.origin)
        about = {"what": part.what, "from": part.origin, "pairs": len(part.pairs)}
        described.append(about | {"pairs_used": count, "each_epoch": drawn, "sha256": sha256})
    return described


def _all_pairs(parts: Sequence[Part]) -> Iterator[Pair]:
    return chain.from_iterable(part.pairs for part in parts)


def _word_links(config: Config, parts: Sequence[Part]) -> Iterable[Sequence[Link]]:
    """Read the links of the training pairs, or let fast_align make them, which has all pairs in memory."""
    path = config.training.alignment_links
    if path != "fast_align":
        if len(parts) > 1:
            raise UsageError(
                f"training.alignment_links {path} has no links for {parts[1].what} pairs: choose self or "
                "fast_align"
            )
        return read_links(config.data, parts[0].pairs, Path(path))
    from translate.alignment.statistical import align_statistically

    pairs = [(src.split(), tgt.split()) for src, tgt in _all_pairs(parts)]
    log.info("aligning %d training pairs with fast_align", len(pairs))
    return align_statistically(pairs)


def _make_tokenizers(config: Config, pairs: StoredPairs) -> Tokenizers:
    settings = config.tokenizer
    if settings.path is not None:
        return _load_tokenizers(Path(settings.path), settings.joint)
    log.info("training the tokenizer on %d pairs", len(pairs))
    tokenizers = train_tokenizers((src for src, _ in pairs), (tgt for _, tgt in pairs), settings)
    if settings.joint and settings.trim and config.data.directions != "both":
        tokenizers = trim(tokenizers.tgt, (tgt for _, tgt in pairs))
        if tokenizers.tgt is not tokenizers.src:
            log.info("%d of its %d pieces are for targets", len(tokenizers.tgt), len(tokenizers.src))
    return tokenizers


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
