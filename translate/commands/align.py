"""Show which source words each target word came from: links, weights or heatmaps, of any sentence pair.

Without --tgt or --pairs, the model's own translations are aligned. Links are `source-target` words, counted
from 0; a target word is linked to the source word that it attends to most, or to none if that is the end of
sentence.
With --reverse, a model that translates the other way has its say, too; a run that was trained in both
directions is its own reverse: ask for that with --symmetrize. With --links, the links of another program are
scored, without a model.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, cast

from jsonargparse import ArgumentParser, Namespace

from translate.commands import alignment_maps
from translate.commands.alignment_input import check_reverse, check_usage, read_texts, translated
from translate.commands.alignment_options import add_linking, add_reading, add_scoring, add_texts
from translate.commands.alignment_output import (
    PICTURES,
    check_out,
    write_arrays,
    write_lines,
    write_pictures,
    write_text,
)
from translate.commands.alignment_score import read_judge, score, score_file
from translate.errors import UsageError

if TYPE_CHECKING:
    from translate.alignment.aer import Gold
    from translate.alignment.extract import Alignment, Maps, Reading
    from translate.alignment.words import Level, Linked
    from translate.run_directory import RunDirectory
    from translate.translator import Translator

Pair = tuple[str, str]


class Direction(NamedTuple):
    """A model, which way it reads the pairs, and which of its attentions is read."""

    translator: "Translator"
    way: Literal["forward", "reverse", "backwards"]  # reverse: a run that translates the other way
    reading: "Reading"
    threshold: float | None  # that was chosen with the reading

    def maps(self, pairs: Sequence[Pair]) -> "list[Maps]":
        """Read the pairs: as they are, or swapped."""
        from translate.alignment.extract import read_maps

        if self.way == "reverse":
            pairs = [(tgt, src) for src, tgt in pairs]
        model, tokenizers = self.translator.model, self.translator.tokenizers
        return read_maps(model, tokenizers, pairs, backwards=self.way == "backwards")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare which model and text, which attention, and what comes out."""
    add_texts(parser)
    add_reading(parser)
    add_linking(parser)
    add_scoring(parser)
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
    if options.choose or options.report:
        chunks = _pairs(options, forward.translator, sources, targets)
        _judge(options, forward, backward, [pair for chunk in chunks for pair in chunk], gold)
        return
    sentences = alignment_maps.read_sentences(options, forward.translator, sources, targets)
    if options.format == "html":
        found = alignment_maps.write_page(
            options, forward.reading, _threshold(options, forward, None), sentences, gold
        )
        if judge is not None:
            score(found, judge, options.run, options.against)
        return
    linked: Iterable[Linked]
    grids = None
    if options.overview:
        overviews = list(
            alignment_maps.read_overview(
                options, forward.reading, _threshold(options, forward, None), sentences
            )
        )
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


def _judge(
    options: Namespace,
    forward: Direction,
    backward: Direction | None,
    pairs: Sequence[Pair],
    gold: "list[Gold] | None",
) -> None:
    """Choose which attention to read, or report how far it can be trusted."""
    from translate.commands.alignment_judging import choose, report, show

    if options.choose:
        print(choose(forward, backward, pairs, gold))
        return
    found = report(options, forward, backward, pairs, gold)
    write_text(show(found, as_object=options.format == "json"), options.out)


def _open(options: Namespace) -> tuple[Direction, Direction | None]:
    """Open the model, and the other direction; options that fit neither are refused before."""
    from translate.export.hub import find_run

    directory = find_run(options.run)
    ways: list[tuple[RunDirectory, Literal["forward", "reverse", "backwards"]]] = [(directory, "forward")]
    if options.reverse is not None:
        ways.append((find_run(options.reverse), "reverse"))
        check_reverse(options, directory.config, ways[1][0].config)
    elif directory.config.data.directions == "both":
        if options.symmetrize is not None or options.choose or options.report:
            ways.append((directory, "backwards"))
    elif options.symmetrize is not None:
        raise UsageError(
            "--symmetrize needs a second direction: give its run with --reverse, or a run that was trained "
            "with data.directions both"
        )
    readings = [_reading(options, *way) for way in ways]

    from translate.translator import Translator  # from here on it takes time

    translators = {each.path: Translator(each.path, device=options.device) for each, _ in ways}
    forward, *others = (
        Direction(translators[each.path], way, *reading)
        for (each, way), reading in zip(ways, readings, strict=True)
    )
    return forward, others[0] if others else None


def _reading(options: Namespace, directory: "RunDirectory", way: str) -> "tuple[Reading, float | None]":
    """Return which attention of a run is read, and the threshold that was chosen with it.

    What was chosen for the run holds as a whole, unless something else is asked for.
    """
    from translate.alignment.choose import choose_reading
    from translate.alignment.extract import choose_attention
    from translate.config import guided_head

    asked = options.layer is not None or options.head is not None or options.shifted or options.plain
    if not asked and not options.choose:
        return choose_reading(directory, backwards=way == "backwards")
    head = None if options.head == "mean" else options.head
    shift = int(options.shifted) if asked else None
    config = directory.config
    try:
        return choose_attention(config.model, options.layer, head, shift, guided_head(config)), None
    except UsageError as error:
        raise UsageError(f"{directory.path}: {error}") from error


def _pairs(
    options: Namespace, translator: "Translator", sources: Sequence[str], targets: Sequence[str] | None
) -> Iterator[list[Pair]]:
    """Yield chunks of pairs; without targets, the translations are made chunk by chunk."""
    for chunk, found in translated(options, translator, sources, targets):
        yield [(source, texts[0][0]) for source, texts in zip(chunk, found, strict=True)]


def _threshold(options: Namespace, forward: Direction, backward: Direction | None) -> float | None:
    """Return the least weight of a link: as given, or as chosen (which is for weights of one direction)."""
    if options.threshold is not None or options.extract is not None or backward is not None:
        return cast(float | None, options.threshold)
    return forward.threshold


def _align(
    options: Namespace, forward: Direction, backward: Direction | None, chunks: Iterable[list[Pair]]
) -> Iterator["Linked"]:
    from translate.alignment.symmetrize import combine
    from translate.alignment.words import Linked, links

    taken = _threshold(options, forward, backward), options.extract, options.relative
    for chunk in chunks:
        alignments = _at_level(options, forward, chunk)
        if backward is None:
            for alignment in alignments:
                yield Linked(alignment, links(alignment, *taken))
        else:
            others = _at_level(options, backward, chunk)
            for alignment, other in zip(alignments, others, strict=True):
                yield combine(alignment, other, options.symmetrize or "grow-diag", *taken)


def _at_level(options: Namespace, direction: Direction, pairs: list[Pair]) -> list["Alignment"]:
    from translate.alignment.extract import read
    from translate.alignment.words import at_level

    level: Level = options.level or ("word" if options.gold is None else "token")
    return [at_level(read(maps, direction.reading), level) for maps in direction.maps(pairs)]
