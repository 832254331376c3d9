"""What is wrong with a corpus, pair by pair, in memory that is some bytes a pair.

flaws      what is wrong with one pair, seen by itself
survey     the pass over all pairs: flaws, lengths, hashes; kept on disk for what comes after
judge      what is wrong with a pair among all others: duplicates, leakage, outliers
examples   the worst pairs of each reason
clean      the corpus without them, and a log of what was dropped
"""

from typing import NamedTuple


class Reason(NamedTuple):
    """Something that is wrong with a pair."""

    about: str
    dropped: bool  # by default


REASONS = {
    "empty": Reason("a side without text", True),
    "duplicate": Reason("the same pair once more", True),
    "same-source": Reason("this source has other translations, too", False),
    "same-target": Reason("this target translates other sources, too", False),
    "copy": Reason("target equals source, in 20 letters or more", True),
    "short-copy": Reason("target equals source, in fewer letters: a name?", False),
    "length": Reason("one side is too long for the other (Gale & Church 1993)", True),
    "script": Reason("most letters are not of the language's script", True),
    "language": Reason("the text is in another language", True),
    "damaged": Reason("U+FFFD: characters were lost", True),
    "mojibake": Reason("decoded wrongly, such as Ã¤ for ä", True),
    "control": Reason("control characters", True),
    "entity": Reason("HTML entities, such as &amp;", False),
    "leak": Reason("the source is also held out (case, digits, punctuation aside)", True),
    "alignment": Reason("its words hardly translate one another (fast_align)", False),
}
BITS = {reason: 1 << place for place, reason in enumerate(REASONS)}
DROPPED = tuple(reason for reason, about in REASONS.items() if about.dropped)


def reasons_in(flags: int) -> list[str]:
    """Return the reasons whose bits are set."""
    return [reason for reason, bit in BITS.items() if flags & bit]
