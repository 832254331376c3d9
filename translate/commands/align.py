"""Show which source words each target word came from: links, weights or heatmaps, of any sentence pair.

Without --tgt, the model's own translations are aligned. Links are `source-target` words, counted from 0; a
target word is linked to the source word that it attends to most, or to none if that is the end of sentence.
"""

import dataclasses
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO

from jsonargparse import ArgumentParser, Namespace

from translate.errors import InputError, UsageError

if TYPE_CHECKING:
    from translate.alignment.aer import ErrorRate, Gold
    from translate.alignment.extract import Alignment, Reading
    from translate.translator import Translator

log = logging.getLogger(__name__)

PICTURES = ("png", "svg", "pdf")
_CHUNK = 256  # pairs that are translated, aligned and written before the next are begun

Pair = tuple[str, str]
Aligned = tuple["Alignment", list[tuple[int, int]]]


def add_arguments(parser: ArgumentParser) -> None:
    """Declare which model and text, which attention, and what comes out."""
    parser.add_argument("run", type=str, help="Run directory of the model.")
    parser.add_argument("texts", type=str, nargs="*", help="Sentences to align.")
    parser.add_argument(
        "--src",
        type=str,
        help="Sentences to align, one a line (.gz is read as is). Default: standard input, -.",
    )
    parser.add_argument("--tgt", type=str, help="Their translations. Default: what the model translates.")
    parser.add_argument("--limit", type=int, help="Only the first so many pairs.")
    parser.add_argument(
        "--format",
        type=Literal["pharaoh", "json", "png", "svg", "pdf"],
        default="pharaoh",
        help="pharaoh: links; json: all there is, one object a line; png, svg, pdf: a heatmap of each pair.",
    )
    parser.add_argument(
        "--out",
        type=str,
        help="File for links and json (default: standard output); for pictures a new folder, the file of a "
        "single one, or NAME.pdf for all on its pages.",
    )
    parser.add_argument(
        "--level",
        type=Literal["word", "token", "subword"],
        help="word (default): split at white space, in scripts without it by piece; token (default with "
        "--gold): split at white space, always; subword: the pieces of the model.",
    )
    parser.add_argument(
        "--layer", type=int, help="Layer of a transformer to read, from 1. Default: the last but one."
    )
    parser.add_argument(
        "--head", type=int | Literal["mean"], default="mean", help="Attention head to read, from 1, or mean."
    )
    parser.add_argument(
        "--threshold", type=float, help="Link all words with at least this weight, not just the highest one."
    )
    parser.add_argument("--one_based", action="store_true", help="Count words in pharaoh links from 1.")
    parser.add_argument(
        "--gold",
        type=str,
        help="Compare with these links (i-j sure, ipj or i?j possible) and print the alignment error rate.",
    )
    parser.add_argument("--gold_one_based", action="store_true", help="Words in --gold count from 1.")
    parser.add_argument(
        "--beam_size", type=int, help="Hypotheses kept when translating. Default: as in the run's config."
    )
    parser.add_argument(
        "--device", type=Literal["auto", "cpu", "cuda", "mps"], default="auto", help="Where to compute."
    )


def run(options: Namespace) -> None:
    """Align, then write links, objects or pictures; with --gold, print how good the links are."""
    _check_usage(options)
    sources, targets = _read_texts(options)
    gold = None if options.gold is None else _read_gold(options, sources, targets)
    if options.out is not None:
        _check_out(Path(options.out), options.format, len(sources))

    from translate.alignment.extract import choose_attention
    from translate.run_directory import RunDirectory

    head = None if options.head == "mean" else options.head
    reading = choose_attention(RunDirectory.open(options.run).config.model, options.layer, head)

    from translate.translator import Translator  # from here on it takes time

    translator = Translator(options.run, device=options.device)
    aligned = _align(options, translator, reading, _pairs(options, translator, sources, targets))
    if gold is not None:
        from translate.alignment.aer import error_rate

        kept = list(aligned)
        print(_describe(error_rate([links for _, links in kept], gold), len(gold)))
        aligned = iter(kept)
    if options.format in PICTURES:
        _write_pictures(aligned, Path(options.out), options)
    elif gold is None or options.out is not None:
        _write_lines(aligned, options)


def _check_usage(options: Namespace) -> None:
    """Refuse options that lack or contradict one another, before anything is read."""
    if options.texts and options.src is not None:
        raise UsageError("sentences are given, and --src too: leave one out")
    if options.format in PICTURES and options.out is None:
        raise UsageError(f"--format {options.format} needs --out: a new folder for the pictures, or a file")
    if options.one_based and options.format != "pharaoh":
        raise UsageError(f"--one-based is for pharaoh links, not for --format {options.format}")
    if options.gold_one_based and options.gold is None:
        raise UsageError("--gold-one-based says how --gold counts, which is not given")
    if options.gold is not None:
        if options.level not in (None, "token"):
            raise UsageError(
                f"--gold counts words between white space, so it needs --level token, not {options.level}"
            )
        if options.tgt is None:
            raise UsageError("--gold links words of a given translation: give it with --tgt")
    for name in ("limit", "beam_size"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise UsageError(f"--{name.replace('_', '-')} is {value}: it must be at least 1")
    if options.threshold is not None and not 0 < options.threshold <= 1:
        raise UsageError(f"--threshold is {options.threshold}: a weight is above 0 and at most 1")


def _read_texts(options: Namespace) -> tuple[list[str], list[str] | None]:
    """Return the sources and, if given, as many targets."""
    from translate.text_files import decode_lines, read_lines

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


def _read_gold(options: Namespace, sources: Sequence[str], targets: Sequence[str] | None) -> "list[Gold]":
    from translate.alignment.aer import check_gold, read_gold

    assert targets is not None  # _check_usage
    gold = read_gold(options.gold, one_based=options.gold_one_based)[: options.limit]
    check_gold(gold, list(zip(sources, targets, strict=True)), options.gold)
    return gold


def _check_out(out: Path, format_: str, count: int) -> None:
    """Refuse what cannot be written, before the work that would be lost."""
    if not out.absolute().parent.is_dir():
        raise InputError(f"{out} cannot be written: its folder does not exist")
    if format_ not in PICTURES or _is_file(out, format_):
        if out.is_dir():
            raise InputError(f"{out} is a folder: --out must be a file here")
        if format_ in ("png", "svg") and count > 1:
            raise UsageError(f"{out} is one picture, but there are {count} pairs: give a folder with --out")
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} exists and is not empty: pictures go to a new folder")


def _is_file(out: Path, format_: str) -> bool:
    return out.suffix.lower() == f".{format_}"


def _pairs(
    options: Namespace, translator: "Translator", sources: Sequence[str], targets: Sequence[str] | None
) -> Iterator[list[Pair]]:
    """Yield chunks of pairs; without targets, the translations are made chunk by chunk."""
    search = dataclasses.replace(translator.config.search, n_best=1)
    if options.beam_size is not None:
        search = dataclasses.replace(search, beam_size=options.beam_size)
    for start in range(0, len(sources), _CHUNK):
        chunk = sources[start : start + _CHUNK]
        if targets is None:
            found = [translation.text for translation in translator.translate(chunk, search=search)]
        else:
            found = list(targets[start : start + _CHUNK])
        yield list(zip(chunk, found, strict=True))


def _align(
    options: Namespace, translator: "Translator", reading: "Reading", chunks: Iterable[list[Pair]]
) -> Iterator[Aligned]:
    from translate.alignment.extract import align_pairs
    from translate.alignment.words import Level, at_level, links

    level: Level = options.level or ("word" if options.gold is None else "token")
    for chunk in chunks:
        for pieces in align_pairs(translator.model, translator.tokenizers, chunk, reading):
            alignment = at_level(pieces, level)
            yield alignment, links(alignment, options.threshold)


def _write_lines(aligned: Iterable[Aligned], options: Namespace) -> None:
    """Write one line a pair, as they come."""
    from translate.alignment.formats import pharaoh, to_json

    with _open_out(options.out) as stream:
        for alignment, links in aligned:
            line = (
                pharaoh(links, one_based=options.one_based)
                if options.format == "pharaoh"
                else to_json(alignment, links)
            )
            stream.write(line + "\n")


@contextmanager
def _open_out(path: str | None) -> Iterator[TextIO]:
    """Open standard output, or a file that gets its name when it is whole."""
    if path is None:
        yield sys.stdout
        return
    aside = Path(path).with_name(f".{Path(path).name}.{os.getpid()}")
    try:
        with aside.open("w", encoding="utf-8", newline="\n") as stream:
            yield stream
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _write_pictures(aligned: Iterable[Aligned], out: Path, options: Namespace) -> None:
    """Draw each pair that has words, into one file or a folder of numbered ones."""
    from tqdm import tqdm

    from translate.alignment.heatmap import choose_fonts, draw, save

    numbered = [(number, alignment) for number, (alignment, _) in enumerate(aligned, start=1)]
    drawn = [(number, alignment) for number, alignment in numbered if alignment.src_tokens]
    for number, alignment in numbered:
        if not alignment.src_tokens:
            log.info("no picture of sentence %d: %s", number, "it is blank or too long")
    if not drawn:
        return
    name = Path(options.run).name
    titles = {number: name if len(numbered) == 1 else f"{name}: sentence {number}" for number, _ in drawn}
    fonts = choose_fonts([name, *(text for _, alignment in drawn for text in (alignment.src, alignment.tgt))])
    progress = tqdm(drawn, desc="drawing", unit="picture", disable=None, leave=False)
    figures = ((number, draw(alignment, titles[number], fonts)) for number, alignment in progress)
    if _is_file(out, options.format):
        save((figure for _, figure in figures), out, fonts)
        log.info("wrote %s", out)
        return
    out.mkdir(exist_ok=True)
    width = max(4, len(str(len(numbered))))
    for number, figure in figures:
        save([figure], out / f"{number:0{width}}.{options.format}", fonts)
    log.info("wrote %d pictures to %s", len(drawn), out)


def _describe(rate: "ErrorRate", pairs: int) -> str:
    """Say in one line how far the links are from gold."""
    return (
        f"AER {rate.aer:.1%}  precision {rate.precision:.1%}  recall {rate.recall:.1%}  F1 {rate.f1:.1%}  "
        f"({pairs} pairs, {rate.links} links; gold: {rate.sure} sure, {rate.possible} possible)"
    )
