"""What `seq2see align` does with --choose and --report: it judges attentions instead of writing links."""

import json
import logging
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from translate.errors import UsageError

if TYPE_CHECKING:
    from translate.alignment import Link
    from translate.alignment.aer import Gold
    from translate.alignment.extract import Alignment, Reading
    from translate.alignment.report import Report
    from translate.commands.align import Direction

log = logging.getLogger(__name__)

Pair = tuple[str, str]


def choose(
    forward: "Direction", backward: "Direction | None", pairs: Sequence[Pair], gold: "list[Gold] | None"
) -> str:
    """Choose which attention is read in each direction, save it in their runs, and return all scores.

    Raises:
        UsageError: There is neither gold nor another direction, so nothing to choose by.
    """
    from translate.alignment.choose import choose_by_agreement, choose_by_gold, save_choice

    maps = forward.maps(pairs)
    config, back = forward.translator.config.model, None
    if gold is not None:
        choice, rates = choose_by_gold(maps, gold, config)
        if backward is not None:
            theirs = backward.translator.config.model
            back, _ = choose_by_gold(backward.maps(pairs), gold, theirs, swapped=True)
        rows = [
            (*_columns(reading), f"{rate:.1%}", "highest" if threshold is None else f"from {threshold}")
            for reading, threshold, rate in rates
        ]
        heads = ("layer", "head", "shift", "AER", "weights linked")
    elif backward is not None:
        theirs = backward.translator.config.model
        choice, back, agreements = choose_by_agreement(maps, backward.maps(pairs), config, theirs)
        rows = [
            (*_columns(reading), f"{score:.1%}", "layer {} head {} shift {}".format(*_columns(partner)))
            for reading, partner, score in agreements
        ]
        heads = ("layer", "head", "shift", "agreement", "of the other direction")
    else:
        raise UsageError(
            "--choose needs something to choose by: a run that translates the other way (--reverse RUN2), a "
            "run trained with data.directions both, or links that people drew (--gold FILE)"
        )
    written = [save_choice(forward.translator.directory, choice)]
    if backward is not None and back is not None:
        way = backward.way == "backwards"
        written.append(save_choice(backward.translator.directory, back, backwards=way))
    log.info("saved the choice in %s", " and ".join(map(str, written)))
    return _table([heads, *rows])


def report(
    options: Namespace,
    forward: "Direction",
    backward: "Direction | None",
    pairs: Sequence[Pair],
    gold: "list[Gold] | None",
) -> "Report":
    """Measure how far the alignments of pairs can be trusted."""
    from translate.alignment.aer import error_rate
    from translate.alignment.choose import agreement
    from translate.alignment.extract import read
    from translate.alignment.faithfulness import measure
    from translate.alignment.report import Report, describe_weights
    from translate.alignment.words import at_level, links

    translator, reading = forward.translator, forward.reading
    maps = forward.maps(pairs)
    alignments = [at_level(read(pair, reading), "word" if gold is None else "token") for pair in maps]
    threshold = options.threshold
    if threshold is None and options.extract is None:
        threshold = forward.threshold
    found = [links(alignment, threshold, options.extract, options.relative) for alignment in alignments]
    directions = None
    if backward is not None:
        directions = float(agreement(maps, backward.maps(pairs), [reading], [backward.reading])[0, 0])
    return Report(
        translator.directory.path.name,
        reading.words,
        options.tgt is None and options.pairs is None,
        describe_weights(
            alignments, found, end_of_sentence=translator.config.model.attention.end_of_sentence
        ),
        directions,
        _statistical_agreement(alignments, found),
        None if gold is None else error_rate(found, gold),
        measure(translator.model, translator.tokenizers, maps, reading),
    )


def _statistical_agreement(
    alignments: "Sequence[Alignment]", found: "Sequence[Sequence[Link]]"
) -> float | None:
    """Return how well links agree with those of fast_align, learnt from the same pairs; None without it."""
    from translate.alignment.report import dice
    from translate.alignment.statistical import align_statistically

    if find_spec("systran_align") is None:
        return None
    return dice(
        found,
        align_statistically([(pair.src_tokens[:-1], pair.tgt_tokens[:-1]) for pair in alignments]),
    )


def show(report: "Report", *, as_object: bool) -> str:
    """Return a report as text for people, or as one object of JSON."""
    from translate.alignment.report import to_object, to_text

    return json.dumps(to_object(report), ensure_ascii=False) if as_object else to_text(report)


def _columns(reading: "Reading") -> tuple[str, str, str]:
    head = "mean" if reading.head is None else str(reading.head + 1)
    return str(reading.layer + 1), head, str(reading.shift)


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    """Lines with the columns below each other: numbers at the right, the last one at the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([*(cell.rjust(width) for cell, width in zip(row[:-1], widths, strict=False)), row[-1]])
        for row in rows
    )
