"""From pieces to words: weights of words, and links between them.

A word's weight is what its pieces get together on the source side, and the mean of what its pieces give on
the target side; so each row still sums to one. A word is as probable as its pieces one after the other. The
end-of-sentence row and column stay as they are.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from translate.alignment import Link
from translate.alignment.extract import Alignment, Span
from translate.documents.projection import WordLinks
from translate.errors import UsageError
from translate.languages import UNSPACED

Extraction = Literal["argmax", "threshold", "margin", "one-to-one"]
Level = Literal["word", "token", "subword"]
LEVELS: tuple[Level, ...] = ("word", "token", "subword")

_UNSPACED = re.compile(f"[{UNSPACED}]")


class Linked(NamedTuple):
    """An aligned pair and its links."""

    alignment: Alignment
    links: list[Link]
    backward: Alignment | None = None  # of the swapped pair, if there was a second direction


def at_level(alignment: Alignment, level: Level) -> Alignment:
    """Return an alignment of pieces at another level.

    Args:
        alignment: As `align_pairs` returns it; or with several maps' weights in one array, their axes first.
        level: word: what white space separates; a stretch in a script that is written without spaces
            (Chinese, Japanese, Thai ...) is taken piece by piece. token: what white space separates,
            whatever the script, as in a text that is tokenised already. subword: pieces, unchanged.
    """
    if level == "subword":
        return alignment
    if not alignment.src_tokens:
        return alignment._replace(level="words")
    src_words, src_split = _words(alignment.src, alignment.src_spans[:-1], level)
    tgt_words, tgt_split = _words(alignment.tgt, alignment.tgt_spans[:-1], level)
    src_members = _membership(_owners(src_words, alignment.src_spans[:-1]), len(src_words))
    tgt_owners = _owners(tgt_words, alignment.tgt_spans[:-1])
    tgt_members = _membership(tgt_owners, len(tgt_words))
    return alignment._replace(
        src_tokens=(*(alignment.src[slice(*span)] for span in src_words), alignment.src_tokens[-1]),
        tgt_tokens=(*(alignment.tgt[slice(*span)] for span in tgt_words), alignment.tgt_tokens[-1]),
        src_spans=(*src_words, alignment.src_spans[-1]),
        tgt_spans=(*tgt_words, alignment.tgt_spans[-1]),
        weights=_average_rows(alignment.weights @ src_members.T, tgt_owners, tgt_members),
        log_probs=None if alignment.log_probs is None else tgt_members @ alignment.log_probs,
        level="words (pieces where a script has no spaces)" if src_split or tgt_split else "words",
    )


def word_numbers(text: str, pieces: Sequence[Span], level: Literal["word", "token"]) -> Int[np.ndarray, " P"]:
    """Return which word of a text each piece is part of, counted from 0; the pieces are without the end."""
    return _owners(_words(text, pieces, level)[0], pieces)


def links(
    alignment: Alignment,
    threshold: float | None = None,
    extract: Extraction | None = None,
    relative: float = 0.0,
) -> list[Link]:
    """Return linked (source, target) tokens, counted from 0 and sorted; the end of sentence has no links.

    Args:
        threshold: Without it, no weight is too small, but a weight of 0 is no link.
        extract: argmax (default without a threshold): each target token is linked to the source token it
            attends to most, the first of equals; to none if that is the end of sentence. threshold (default
            with one): to every source token with at least that weight. margin: to every one with at least
            that much more than the end of sentence, where a token that comes from nowhere may attend.
            one-to-one: each token has at most one link, so that their weights have the greatest sum (Kuhn
            1955); no token is left over on both sides. With a threshold, argmax and one-to-one then lose the
            links with less weight.
        relative: A link then needs at least this share of the most weight that any target token gives to its
            source token: 1 leaves each source token its best link (and equals).

    Raises:
        UsageError: Links are to be taken by threshold or margin, and no threshold is given.
    """
    if extract is None:
        extract = "argmax" if threshold is None else "threshold"
    words = alignment.weights[:-1, :-1]
    if not words.size:
        return []
    if extract == "margin":
        words = words - alignment.weights[:-1, -1:]
    match extract:
        case "argmax":
            tgt = np.arange(len(words))
            src = alignment.weights[:-1].argmax(axis=1)
            tgt, src = tgt[src < words.shape[1]], src[src < words.shape[1]]
        case "threshold" | "margin":
            if threshold is None:
                raise UsageError(f"links by {extract} need a threshold")
            tgt, src = np.nonzero(words >= threshold)
        case "one-to-one":
            from scipy.optimize import linear_sum_assignment  # it takes long, and few need it

            tgt, src = linear_sum_assignment(words, maximize=True)
    weights = words[tgt, src]
    kept = weights > 0 if threshold is None else weights >= threshold
    kept &= weights >= relative * words.max(axis=0)[src]
    return sorted(zip(src[kept].tolist(), tgt[kept].tolist(), strict=True))


def word_links(alignment: Alignment) -> WordLinks:
    """Return what says where inline elements of the source belong in the target.

    The ends of sentences are left out: a word that attends to the source's came from no word.
    """
    return WordLinks(alignment.src_spans[:-1], alignment.tgt_spans[:-1], alignment.weights[:-1, :-1].tolist())


class Words(NamedTuple):
    """The words of a text, and which pieces are whose."""

    spans: list[Span]
    owners: Int[np.ndarray, " P"]  # the word of each piece, the end of sentence apart

    def pieces_of(self, word: int) -> Int[np.ndarray, " _"]:
        """Return the pieces of a word; of one without a piece of its own, the one that it is part of."""
        own = np.flatnonzero(self.owners == word)
        return own if len(own) else np.maximum(np.searchsorted(self.owners, [word], side="right") - 1, 0)


def find_words(text: str, pieces: Sequence[Span], level: Level) -> Words:
    """Find the words of a text, as `at_level` takes them; at subword level, as at word level.

    Args:
        pieces: Their spans, without that of the end of sentence.
    """
    spans, _ = _words(text, pieces, "token" if level == "token" else "word")
    return Words(spans, _owners(spans, pieces))


def _words(text: str, pieces: Sequence[Span], level: Level) -> tuple[list[Span], bool]:
    """Return the spans of a text's words, and whether any of them is part of a stretch without spaces."""
    words: list[Span] = []
    starts = sorted({start for start, _ in pieces})
    split = False
    for match in re.finditer(r"\S+", text):
        begin, end = match.span()
        cuts: list[int] = []
        if level == "word" and _UNSPACED.search(match.group()):
            cuts = starts[bisect_right(starts, begin) : bisect_right(starts, end - 1)]
            split = True
        words += zip([begin, *cuts], [*cuts, end], strict=True)
    return words, split


def _owners(words: Sequence[Span], pieces: Sequence[Span]) -> Int[np.ndarray, " P"]:
    """Return the word of each piece: that of its first character that is no space (or the next or last word).

    So a space goes with the word that follows it, as it does in the tokenizer's pieces.
    """
    ends = [end for _, end in words]
    return np.array([min(bisect_right(ends, start), len(words) - 1) for start, _ in pieces], dtype=np.int64)


def _membership(owners: Int[np.ndarray, " P"], count: int) -> Float[np.ndarray, "W P+1"]:
    """Return 1 where a piece belongs to a word, and 0 elsewhere; the end of sentence is a word of its own."""
    members = np.zeros((count + 1, len(owners) + 1), dtype=np.float32)
    members[np.append(owners, count), np.arange(len(owners) + 1)] = 1
    return members


def _average_rows(
    weights: Float[np.ndarray, "*maps P S"], owners: Int[np.ndarray, " Q"], members: Float[np.ndarray, "T P"]
) -> Float[np.ndarray, "*maps T S"]:
    """Average the rows of each target word's pieces; the last row (end of sentence) is kept.

    A word without a piece of its own is part of a piece that begins in an earlier word (a user-defined symbol
    with a space in it), so it has that piece's row.
    """
    pieces = members.sum(axis=1, keepdims=True)
    words: Float[np.ndarray, "*maps T S"] = members @ weights / np.maximum(pieces, 1)
    empty = np.flatnonzero(pieces == 0)
    words[..., empty, :] = weights[..., np.maximum(np.searchsorted(owners, empty, side="right") - 1, 0), :]
    return words
