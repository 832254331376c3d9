"""Show which source words each target word came from: links, weights or heatmaps, of any sentence pair.

Without --tgt, the model's own translations are aligned. Links are `source-target` words, counted from 0; a
target word is linked to the source word that it attends to most, or to none if that is the end of sentence.
With --reverse, a model that translates the other way has its say, too. With --links, the links of another
program are scored, without a model.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from jsonargparse import ArgumentParser, Namespace

from translate.commands import alignment_maps
from translate.commands.alignment_input import check_reverse, check_usage, read_texts
from translate.commands.alignment_output import (
    PICTURES,
    check_out,
    write_arrays,
    write_lines,
    write_pictures,
)
from translate.commands.alignment_score import read_judge, score, score_file
from translate.errors import UsageError

if TYPE_CHECKING:
    from translate.alignment.extract import Alignment, Reading
    from translate.alignment.words import Level, Linked
    from translate.translator import Translator

_CHUNK = 256  # pairs that are translated, aligned and written before the next are begun

Pair = tuple[str, str]


class Direction(NamedTuple):
    """A model, and which of its attentions is read."""

    translator: "Translator"
    reading: "Reading"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare which model and text, which attention, and what comes out."""
    parser.add_argument("run", type=str, nargs="?", help="Run directory of the model.")
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
        type=Literal["pharaoh", "json", "npz", "png", "svg", "pdf", "html"],
        default="pharaoh",
        help="pharaoh: links; json: all there is, one object a line; npz: the same as arrays of numpy; png, "
        "svg, pdf: a heatmap of each pair; html: a page to look at them all.",
    )
    parser.add_argument(
        "--out",
        type=str,
        help="File for links and json (default: standard output), npz or html; for pictures a new folder, "
        "the file of a single one, or NAME.pdf for all on its pages.",
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
        "--shifted",
        action="store_true",
        help="Read what a word attended to when it was the decoder's input (Chen et al. 2020), not when it "
        "was about to be emitted.",
    )
    parser.add_argument("--reverse", type=str, help="Run directory of a model that translates the other way.")
    parser.add_argument(
        "--symmetrize",
        type=Literal[
            "intersection", "union", "grow-diag", "grow-diag-final", "grow-diag-final-and", "average"
        ],
        help="With --reverse: which links of the two directions are kept, or average: links of their mean "
        "weights. Default: grow-diag.",
    )
    parser.add_argument(
        "--extract",
        type=Literal["argmax", "threshold", "one-to-one"],
        help="argmax (default): link each target word to the word it attends to most; threshold (default "
        "with --threshold): to all with enough weight; one-to-one: no word has two links.",
    )
    parser.add_argument("--threshold", type=float, help="Link no words with less weight than this.")
    parser.add_argument(
        "--one_based", action="store_true", help="Count words in pharaoh links, written or read, from 1."
    )
    parser.add_argument(
        "--gold",
        type=str,
        help="Compare with these links (i-j sure, ipj or i?j possible; or lines of `pair source target S|P`, "
        "HLT-NAACL 2003) and print the alignment error rate.",
    )
    parser.add_argument("--gold_one_based", action="store_true", help="Words in --gold count from 1.")
    parser.add_argument(
        "--links", type=str, help="Score these pharaoh links with --gold; RUN and a text are not needed."
    )
    parser.add_argument(
        "--against", type=str, help="Score these pharaoh links with --gold, too, and test the difference."
    )
    parser.add_argument(
        "--beam_size", type=int, help="Hypotheses kept when translating. Default: as in the run's config."
    )
    alignment_maps.add_arguments(parser)
    parser.add_argument(
        "--device", type=Literal["auto", "cpu", "cuda", "mps"], default="auto", help="Where to compute."
    )


def run(options: Namespace) -> None:
    """Align, then write links, objects or pictures; with --gold, print how good the links are."""
    check_usage(options)
    alignment_maps.check_usage(options)
    if options.links is not None:
        score_file(options)
        return
    sources, targets = read_texts(options)
    judge = None
    if options.gold is not None:
        assert targets is not None  # check_usage
        judge = read_judge(options, list(zip(sources, targets, strict=True)))
    if options.out is not None:
        check_out(Path(options.out), options.format, len(sources))

    forward, backward = _open(options)
    gold = None if judge is None else judge.gold
    sentences = alignment_maps.read_sentences(options, forward.translator, sources, targets)
    if options.format == "html":
        found = alignment_maps.write_page(options, forward.reading, sentences, gold)
        if judge is not None:
            score(found, judge, options.run, options.against)
        return
    linked: Iterable[Linked]
    grids = None
    if options.overview:
        overviews = list(alignment_maps.read_overview(options, forward.reading, sentences))
        linked, grids = [pair for pair, _ in overviews], [grid for _, grid in overviews]
    else:
        linked = _align(options, forward, backward, _pairs(options, forward.translator, sources, targets))
    if judge is not None:
        linked = list(linked)
        score([pair.links for pair in linked], judge, options.run, options.against)
    if options.format in PICTURES:
        write_pictures(list(linked), Path(options.out), options, gold, grids)
    elif options.format == "npz":
        write_arrays(linked, options.out)
    elif judge is None or options.out is not None:
        write_lines(linked, options)


def _open(options: Namespace) -> tuple[Direction, Direction | None]:
    """Open the model, and the one of --reverse; options that fit neither are refused before."""
    from translate.alignment.extract import choose_attention
    from translate.run_directory import RunDirectory

    paths = [options.run, *([] if options.reverse is None else [options.reverse])]
    configs = [RunDirectory.open(path).config for path in paths]
    if options.reverse is not None:
        check_reverse(options, *configs)
    head = None if options.head == "mean" else options.head
    readings = []
    for path, config in zip(paths, configs, strict=True):
        try:
            readings.append(choose_attention(config.model, options.layer, head, int(options.shifted)))
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from error

    from translate.translator import Translator  # from here on it takes time

    forward, *others = (
        Direction(Translator(path, device=options.device), reading)
        for path, reading in zip(paths, readings, strict=True)
    )
    return forward, others[0] if others else None


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
    options: Namespace, forward: Direction, backward: Direction | None, chunks: Iterable[list[Pair]]
) -> Iterator["Linked"]:
    from translate.alignment.symmetrize import combine
    from translate.alignment.words import Linked, links

    taken = options.threshold, options.extract
    for chunk in chunks:
        alignments = _at_level(options, forward, chunk)
        if backward is None:
            for alignment in alignments:
                yield Linked(alignment, links(alignment, *taken))
        else:
            others = _at_level(options, backward, [(tgt, src) for src, tgt in chunk])
            for alignment, other in zip(alignments, others, strict=True):
                yield combine(alignment, other, options.symmetrize or "grow-diag", *taken)


def _at_level(options: Namespace, direction: Direction, pairs: list[Pair]) -> list["Alignment"]:
    from translate.alignment.extract import align_pairs
    from translate.alignment.words import at_level

    level: Level = options.level or ("word" if options.gold is None else "token")
    translator, reading = direction
    found = align_pairs(translator.model, translator.tokenizers, pairs, reading)
    return [at_level(pieces, level) for pieces in found]
