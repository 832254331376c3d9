"""From pieces to words: weights of words, and links between them.

A word's weight is what its pieces get together on the source side, and the mean of what its pieces give on
the target side; so each row still sums to one. The end-of-sentence row and column stay as they are.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from translate.alignment.extract import Alignment, Span

Level = Literal["word", "token", "subword"]
LEVELS: tuple[Level, ...] = ("word", "token", "subword")

# Scripts that put no space between words: Thai, Lao, Tibetan, Burmese, Khmer, kana, Han.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u0f00-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)


def at_level(alignment: Alignment, level: Level) -> Alignment:
    """Return an alignment of pieces at another level.

    Args:
        alignment: As `align_pairs` returns it.
        level: word: what white space separates; a stretch in a script that is written without spaces
        (Chinese,
            Japanese, Thai ...) is taken piece by piece. token: what white space separates, whatever the
            script, as in a text that is tokenised already. subword: pieces, unchanged.
    """
    if level == "subword" or not alignment.src_tokens:
        return alignment
    src_words, src_split = _words(alignment.src, alignment.src_spans[:-1], level)
    tgt_words, tgt_split = _words(alignment.tgt, alignment.tgt_spans[:-1], level)
    weights = _average_rows(
        _add_columns(alignment.weights, _owners(src_words, alignment.src_spans[:-1]), len(src_words)),
        _owners(tgt_words, alignment.tgt_spans[:-1]),
        len(tgt_words),
    )
    return alignment._replace(
        src_tokens=(*(alignment.src[slice(*span)] for span in src_words), alignment.src_tokens[-1]),
        tgt_tokens=(*(alignment.tgt[slice(*span)] for span in tgt_words), alignment.tgt_tokens[-1]),
        src_spans=(*src_words, alignment.src_spans[-1]),
        tgt_spans=(*tgt_words, alignment.tgt_spans[-1]),
        weights=weights,
        level="words (pieces where a script has no spaces)" if src_split or tgt_split else "words",
    )


def links(alignment: Alignment, threshold: float | None = None) -> list[tuple[int, int]]:
    """Return linked (source, target) tokens, counted from 0 and sorted.

    Without a threshold each target token is linked to the source token it attends to most, the first of
    equals; if that is the end of sentence, it has no link. With one, it is linked to every source token whose
    weight is at least the threshold. The end-of-sentence row has no links.
    """
    rows = alignment.weights[:-1]
    if threshold is not None:
        return sorted((int(i), int(j)) for j, i in np.argwhere(rows[:, :-1] >= threshold))
    if not len(rows):
        return []
    end = rows.shape[1] - 1
    return sorted((int(i), j) for j, i in enumerate(rows.argmax(axis=1)) if i != end)


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


def _add_columns(
    weights: Float[np.ndarray, "T P"], owners: Int[np.ndarray, " Q"], count: int
) -> Float[np.ndarray, "T S"]:
    """Add up the columns of each source word's pieces; the last column (end of sentence) is kept."""
    words = np.zeros((len(weights), count + 1), dtype=weights.dtype)
    np.add.at(words.T, owners, weights[:, :-1].T)
    words[:, -1] = weights[:, -1]
    return words


def _average_rows(
    weights: Float[np.ndarray, "P S"], owners: Int[np.ndarray, " Q"], count: int
) -> Float[np.ndarray, "T S"]:
    """Average the rows of each target word's pieces; the last row (end of sentence) is kept.

    A word without a piece of its own is part of a piece that begins in an earlier word (a user-defined symbol
    with a space in it), so it has that piece's row.
    """
    words = np.zeros((count + 1, weights.shape[1]), dtype=weights.dtype)
    words[-1] = weights[-1]
    for word in range(count):
        own = np.flatnonzero(owners == word)
        if not len(own):
            own = (
                np.flatnonzero(owners <= word)[-1:] if (owners <= word).any() else np.zeros(1, dtype=np.int64)
            )
        words[word] = weights[own].mean(axis=0)
    return words
