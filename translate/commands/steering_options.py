"""Flags of `seq2see translate`: what translations have to be like beyond what the model holds best."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace

from translate.errors import UsageError
from translate.placeholders import MARKUP

if TYPE_CHECKING:
    from translate.steering import Steering
    from translate.translation import Translation

DRAWING: dict[str, tuple[type, str]] = {
    "temperature": (float, "Of the softmax that is drawn from; below 1 the probable becomes more so."),
    "top_k": (int, "Draw only from so many most probable pieces (default: from all)."),
    "top_p": (float, "Draw only from the most probable pieces that make up this mass (default: from all)."),
    "seed": (int, "The same seed draws the same translation of a line (default: 0)."),
}


def add_steering(parser: ArgumentParser) -> None:
    """Declare what is wanted of translations; it is for engine torch."""
    parser.add_argument(
        "--prefix", type=str, help="Text that each translation begins with. For engine torch."
    )
    parser.add_argument(
        "--glossary",
        type=str,
        metavar="FILE",
        help="Lines of a source term, a tab and a target term: where the one occurs, the other must occur in "
        "the translation, as it is spelled here. For engine torch.",
    )
    parser.add_argument(
        "--sample",
        action="store_true",
        help="Draw each translation by chance, as probable as the model says; with --n-best several. For "
        "engine torch.",
    )
    for name, (kind, about) in DRAWING.items():
        parser.add_argument(f"--{name}", type=kind, help=f"With --sample: {about}")

    parser.add_argument(
        "--keep_placeholders",
        action="store_true",
        help="Each translation has exactly the placeholders and the markup of its source: {name}, <b>, "
        "&nbsp;, conversions of printf. For engine torch.",
    )
    parser.add_argument(
        "--placeholder_pattern",
        type=str,
        metavar="REGEX",
        help="What --keep-placeholders keeps: the first group of each match, or all of it.",
    )


def check_steering(options: Namespace) -> None:
    """Refuse what contradicts itself, and engines that cannot do it."""
    if not options.sample:
        for name in DRAWING:
            if getattr(options, name) is not None:
                raise UsageError(f"--{name.replace('_', '-')} is about drawing: give --sample too")
    else:
        for name in ("mbr", "beam_size", "glossary"):
            if getattr(options, name):
                raise UsageError(
                    f"--{name.replace('_', '-')} looks for the best, --sample draws: leave one out"
                )
    if options.placeholder_pattern is not None and not options.keep_placeholders:
        raise UsageError("--placeholder-pattern says what is kept: give --keep-placeholders too")
    if options.temperature is not None and not options.temperature > 0:
        raise UsageError(f"--temperature is {options.temperature}: it must be greater than 0")
    if options.top_k is not None and options.top_k < 1:
        raise UsageError(f"--top-k is {options.top_k}: it must be at least 1")
    if options.top_p is not None and not 0 < options.top_p <= 1:
        raise UsageError(f"--top-p is {options.top_p}: it must be greater than 0 and at most 1")
    if options.seed is not None and options.seed < 0:
        raise UsageError(f"--seed is {options.seed}: it must be at least 0")
    steered = [
        name for name in ("prefix", "glossary", "sample", "keep_placeholders") if getattr(options, name)
    ]
    if steered and options.engine == "ctranslate2":
        raise UsageError(
            f"--{steered[0].replace('_', '-')} is not for engine ctranslate2: choose --engine torch"
        )
    if steered:
        options.engine = "torch"


def read_steering(options: Namespace) -> "Steering":
    """Return what is wanted; reads the glossary."""
    from translate.engine import Sampling  # from here on it takes time
    from translate.glossary import read_glossary
    from translate.steering import Steering

    given: dict[str, Any] = {name: getattr(options, name) for name in DRAWING}
    return Steering(
        options.prefix or "",
        Sampling(**{name: value for name, value in given.items() if value is not None})
        if options.sample
        else None,
        read_glossary(options.glossary) if options.glossary else None,
    )


def read_pattern(options: Namespace) -> "re.Pattern[str] | None":
    """Return what is a placeholder, if such are to be kept."""
    if not options.keep_placeholders:
        return None
    if options.placeholder_pattern is None:
        return MARKUP
    try:
        return re.compile(options.placeholder_pattern)
    except re.error as error:
        raise UsageError(
            f"--placeholder-pattern is {options.placeholder_pattern!r}, no regular expression: {error}"
        ) from None


class Kept:
    """What of the sources is in the translations as wanted: terms, and placeholders."""

    def __init__(self, steering: "Steering") -> None:
        self.glossary = steering.glossary
        self.kept = self.total = 0
        self.ways: Counter[str] = Counter()

    def add(self, translations: Sequence["Translation"]) -> None:
        """Count those of a chunk."""
        self.ways.update(translation.kept for translation in translations if translation.kept)
        if self.glossary is None:
            return
        from translate.glossary import count_kept

        for translation in translations:
            kept, total = count_kept(self.glossary.find(translation.src), translation.text)
            self.kept += kept
            self.total += total

    def placeholders_shown(self) -> str:
        """What is said about placeholders."""
        lines = self.ways.total()
        if not lines:
            return "placeholders: the text has none"
        words = {"at once": "at once", "another": "by another of the best", "constrained": "by constraint"}
        shown = ", ".join(f"{self.ways[way]} {said}" for way, said in (words | {"copied": "copied"}).items())
        return f"placeholders: kept in {lines - self.ways['lost']} of {lines} lines that have some ({shown})"

    def terms_shown(self) -> str:
        """What is said about terms."""
        if not self.total:
            return "glossary: the text has none of its terms"
        rate = self.kept / self.total
        return f"glossary: {self.kept} of {self.total} terms ({rate:.1%}) are in the translations"
