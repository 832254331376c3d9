"""What `align` shows of every layer and head: the page (--format html) and the overview of a pair."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from translate.commands.alignment_input import translated
from translate.errors import UsageError

if TYPE_CHECKING:
    from translate.alignment.aer import Gold
    from translate.alignment.extract import Alignment, Reading
    from translate.alignment.page import Sentence
    from translate.alignment.words import Level, Linked
    from translate.translator import Translator

log = logging.getLogger(__name__)


def add_arguments(parser: ArgumentParser) -> None:
    """Declare what the page and the overview want to know."""
    parser.add_argument("--n_best", type=int, help="For html: translations of each sentence, side by side.")
    parser.add_argument(
        "--all_heads",
        action="store_true",
        help="For html: keep every layer and head, however large the page.",
    )
    parser.add_argument(
        "--overview", action="store_true", help="For png, svg, pdf: small maps of all layers and heads."
    )


def check_usage(options: Namespace) -> None:
    """Refuse options that lack or contradict one another."""
    if options.format == "html" and options.out is None:
        raise UsageError("--format html needs --out: the file of the page")
    if options.format != "html" and (options.n_best is not None or options.all_heads):
        raise UsageError(f"--n-best and --all-heads are for --format html, not for {options.format}")
    if options.format == "html" and options.extract in ("margin", "one-to-one"):
        raise UsageError(
            "the page shows the strongest link of each word, or all with enough weight: leave out --extract "
            f"{options.extract}"
        )
    if options.format == "html" and options.relative:
        raise UsageError("the page knows no links that compete for a source word: leave out --relative")
    for name in ("tgt", "pairs"):
        if options.n_best is not None and getattr(options, name) is not None:
            raise UsageError(
                f"--n-best is for the model's own translations, but --{name} gives others: leave one out"
            )
    if options.n_best is not None and options.n_best < 1:
        raise UsageError(f"--n-best is {options.n_best}: it must be at least 1")
    if options.overview and options.format not in ("png", "svg", "pdf"):
        raise UsageError(f"--overview is for pictures (png, svg, pdf), not for --format {options.format}")
    if options.overview or options.format == "html":
        for name in ("reverse", "symmetrize"):
            if getattr(options, name) is not None:
                raise UsageError(f"the page and the overview show one direction: leave out --{name}")


def read_sentences(
    options: Namespace, translator: "Translator", sources: Sequence[str], targets: Sequence[str] | None
) -> Iterator["Sentence"]:
    """Yield each source with its translations and what was attended to in them, without gold."""
    from translate.alignment.extract import read_maps
    from translate.alignment.page import Hypothesis, Sentence

    for chunk, found in translated(options, translator, sources, targets):
        pairs = [(source, text) for source, texts in zip(chunk, found, strict=True) for text, _ in texts]
        maps = iter(read_maps(translator.model, translator.tokenizers, pairs))
        for texts in found:
            yield Sentence([Hypothesis(next(maps), score) for _, score in texts], None)


def write_page(
    options: Namespace,
    reading: "Reading",
    threshold: float | None,
    sentences: Iterable["Sentence"],
    gold: "Sequence[Gold] | None",
) -> list[list[tuple[int, int]]]:
    """Write the page and log its size; with gold, return the links of each sentence's first translation."""
    from translate.alignment.extract import read
    from translate.alignment.page import Settings
    from translate.alignment.page import write_page as write
    from translate.alignment.words import at_level, links

    level = _level(options)
    found: list[list[tuple[int, int]]] = []

    def with_gold() -> Iterator["Sentence"]:
        for number, sentence in enumerate(sentences):
            if gold is None:
                yield sentence
            else:
                first = at_level(read(sentence.hypotheses[0].maps, reading), level)
                found.append(links(first, threshold, options.extract, options.relative))
                yield sentence._replace(gold=gold[number])

    settings = Settings(Path(options.run).name, reading, level, threshold)
    written = write(options.out, with_gold(), settings, all_heads=options.all_heads)
    some = written.maps < written.all_maps
    log.info(
        "wrote %s: %.0f kB, %d sentences with %s",
        options.out,
        written.size / 1000,
        written.sentences,
        f"one map of {written.all_maps} (--all-heads keeps every one)" if some else "every map",
    )
    return found


def read_overview(
    options: Namespace, reading: "Reading", threshold: float | None, sentences: Iterable["Sentence"]
) -> "Iterator[tuple[Linked, list[list[Alignment]]]]":
    """Yield each sentence as it is read, and a row for each layer: its heads and, if several, their mean."""
    from translate.alignment.extract import read
    from translate.alignment.words import Linked, at_level, links

    level = _level(options)
    for sentence in sentences:
        maps = sentence.hypotheses[0].maps
        layers, heads = maps.weights.shape[:2]
        shown: list[int | None] = [*range(heads), *([None] if heads > 1 else [])]
        grid = [
            [at_level(read(maps, reading._replace(layer=layer, head=head)), level) for head in shown]
            for layer in range(layers)
        ]
        chosen = at_level(read(maps, reading), level)
        yield Linked(chosen, links(chosen, threshold, options.extract, options.relative)), grid


def _level(options: Namespace) -> "Level":
    level: Level = options.level or ("word" if options.gold is None else "token")
    return level
