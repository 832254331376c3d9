"""What `align` is given: options that fit together, a second run, and texts."""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from translate.commands.alignment_output import PICTURES
from translate.commands.pairs_input import check_pairs_options, pair_sources
from translate.errors import InputError, UsageError

if TYPE_CHECKING:
    from translate.config import Config
    from translate.translator import Translator

PAIRS_FORMAT = "pairs_format"  # --format is what comes out
_CHUNK = 256  # sources that are translated, aligned and written before the next are begun


def check_usage(options: Namespace) -> None:
    """Refuse options that lack or contradict one another, before anything is read."""
    if options.links is not None:
        _check_links_only(options)
    elif options.run is None:
        raise UsageError("needed, but not given: run (or --links and --gold, to score links without a model)")
    check_pairs_options(options, format_flag=PAIRS_FORMAT)
    if options.pairs is not None and (options.texts or options.src is not None or options.tgt is not None):
        raise UsageError("--pairs has sources and targets: leave sentences, --src and --tgt out")
    if options.texts and options.src is not None:
        raise UsageError("sentences are given, and --src too: leave one out")
    if options.format in PICTURES and options.out is None:
        raise UsageError(f"--format {options.format} needs --out: a new folder for the pictures, or a file")
    if options.format == "npz" and options.out is None:
        raise UsageError("--format npz needs --out: a file for the arrays")
    if options.one_based and options.format != "pharaoh" and options.against is None:
        raise UsageError(f"--one-based is for pharaoh links, not for --format {options.format}")
    if options.gold_one_based and options.gold is None:
        raise UsageError("--gold-one-based says how --gold counts, which is not given")
    if options.against is not None and options.gold is None:
        raise UsageError("--against compares error rates, which need --gold")
    if options.gold is not None and options.links is None:
        if options.level not in (None, "token"):
            raise UsageError(
                f"--gold counts words between white space, so it needs --level token, not {options.level}"
            )
        if options.tgt is None and options.pairs is None:
            raise UsageError("--gold links words of a given translation: give it with --tgt or --pairs")
    _check_judging(options)
    if options.extract in ("threshold", "margin") and options.threshold is None:
        raise UsageError(f"--extract {options.extract} needs --threshold: the least weight of a link")
    for name in ("limit", "beam_size"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise UsageError(f"--{name.replace('_', '-')} is {value}: it must be at least 1")
    if options.threshold is not None and not 0 < options.threshold <= 1:
        raise UsageError(f"--threshold is {options.threshold}: a weight is above 0 and at most 1")
    if not 0 <= options.relative <= 1:
        raise UsageError(f"--relative is {options.relative}: a share is between 0 and 1")


def _check_judging(options: Namespace) -> None:
    """Refuse what contradicts --choose, --report and how the attention is read."""
    if options.shifted and options.plain:
        raise UsageError("--shifted and --plain contradict each other: give one")
    if options.choose and options.report:
        raise UsageError("--choose and --report are two things: first choose, then report")
    if options.choose:
        for name in (
            "layer", "head", "shifted", "plain", "level", "symmetrize", "extract", "threshold", "relative",
            "against", "out",
        ):  # fmt: skip
            if getattr(options, name) not in (None, False):
                raise UsageError(f"--choose tries everything and prints a table: leave --{name} out")
        if options.format != "pharaoh":
            raise UsageError(f"--choose prints a table: it has no --format {options.format}")
    elif options.report:
        for name in ("level", "symmetrize", "against"):
            if getattr(options, name) is not None:
                raise UsageError(f"--report judges the words of one direction: leave --{name} out")
        if options.format not in ("pharaoh", "json"):
            raise UsageError(f"--report is text or --format json, not --format {options.format}")


def _check_links_only(options: Namespace) -> None:
    """Refuse what would need a model, when links are scored as they are."""
    if options.gold is None:
        raise UsageError("--links are scored, which needs --gold")
    if options.run is not None:
        raise UsageError(f"--links are scored without a model: leave out {options.run}")
    given = [
        name
        for name in (
            "src", "tgt", "pairs", "out", "level", "layer", "shifted", "reverse", "symmetrize", "extract",
            "threshold", "relative", "beam_size", "head", "plain", "choose", "report",
        )
        if getattr(options, name)
    ]  # fmt: skip
    given += ["format"] * (options.format != "pharaoh")
    if given:
        raise UsageError(f"--links are scored as they are: leave out --{given[0].replace('_', '-')}")


def check_reverse(options: Namespace, forward: "Config", backward: "Config") -> None:
    """Refuse a second run that translates the same way, as far as the configs tell."""
    ours, theirs = ((config.data.tgt_lang or "").partition("-")[0] for config in (forward, backward))
    must = f"--reverse must translate the other way, but {options.run} and {options.reverse} both "
    if ours and ours == theirs:
        raise UsageError(f"{must}translate into {ours}")
    text = forward.data.corpus, forward.data.src, forward.data.tgt
    if any(text) and text == (backward.data.corpus, backward.data.src, backward.data.tgt):
        raise UsageError(f"{must}learnt from {text[0] or text[1]} in the same direction")


def read_texts(options: Namespace) -> tuple[list[str], list[str] | None]:
    """Return the sources and, if given, as many targets."""
    from translate.text_files import decode_lines, read_lines

    if options.pairs is not None:
        return _read_pairs(options)
    if options.texts:
        # Bytes that are no UTF-8 arrive from the shell as lone surrogates.
        sources = [os.fsencode(text).decode(errors="replace") for text in options.texts]
    elif options.src in (None, "-"):
        if options.src is None and sys.stdin.isatty():
            raise UsageError("nothing to align: give sentences or --src, or pipe text in")
        sources = list(decode_lines(sys.stdin.buffer, "standard input", strict=False))
    else:
        sources = read_lines(options.src, strict=False)
    if options.tgt is None:
        return sources[: options.limit], None
    targets = read_lines(options.tgt, strict=False)
    if len(sources) != len(targets):
        name = "the command line" if options.texts else options.src or "standard input"
        raise InputError(
            f"{name} has {len(sources)} lines but {options.tgt} has {len(targets)}: "
            "there must be one translation for each source"
        )
    return sources[: options.limit], targets[: options.limit]


def _read_pairs(options: Namespace) -> tuple[list[str], list[str]]:
    from translate.corpora.pairs import stream_pairs

    stream = stream_pairs(pair_sources(options, options.pairs, format_flag=PAIRS_FORMAT))
    pairs = list(islice(stream, options.limit))
    return [src for src, _ in pairs], [tgt for _, tgt in pairs]


def translated(
    options: Namespace, translator: "Translator", sources: Sequence[str], targets: Sequence[str] | None
) -> Iterator[tuple[Sequence[str], list[list[tuple[str, float | None]]]]]:
    """Yield chunks of sources, and of each its translations and their scores: the model's, or the targets."""
    config = translator.config.search
    beam_size = options.beam_size or config.beam_size
    mbr = 0 if options.n_best else config.mbr
    search = replace(config, beam_size=beam_size, n_best=options.n_best or 1, mbr=mbr)
    for start in range(0, len(sources), _CHUNK):
        chunk = sources[start : start + _CHUNK]
        if targets is None:
            made = translator.translate(chunk, search=search)
            yield chunk, [[*translation.alternatives] for translation in made]
        else:
            yield chunk, [[(target, None)] for target in targets[start : start + _CHUNK]]
