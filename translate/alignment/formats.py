"""Alignments as text, Pharaoh links and JSON, one line a pair; or as arrays, all pairs together."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from translate.alignment import Link
from translate.alignment.extract import end_mass
from translate.alignment.words import Linked


def pharaoh(links: Sequence[Link], *, one_based: bool = False) -> str:
    """Return links as `src-tgt src-tgt ...`, as most word aligners do; nothing without links."""
    first = 1 if one_based else 0
    return " ".join(f"{i + first}-{j + first}" for i, j in links)


def to_json(linked: Linked) -> str:
    """Return everything about an aligned pair as one line of JSON.

    Offsets are characters (Unicode code points) of `src` and `tgt`; links are positions in `src_tokens` and
    `tgt_tokens`, from 0; `weights` has a row for each target token, the end of sentence last;
    `backward_weights`, null without a second direction, has a row for each source token. `scores` are natural
    logarithms of the probability of each target token; `end_mass` is null for a pair with a blank side, which
    has no tokens.
    """
    alignment, links, backward = linked
    mass = end_mass(alignment)
    record = {
        "src": alignment.src,
        "tgt": alignment.tgt,
        "src_tokens": alignment.src_tokens,
        "tgt_tokens": alignment.tgt_tokens,
        "src_offsets": alignment.src_spans,
        "tgt_offsets": alignment.tgt_spans,
        "weights": _rounded(alignment.weights),
        "backward_weights": None if backward is None else _rounded(backward.weights),
        "links": links,
        "scores": None if alignment.log_probs is None else _rounded(alignment.log_probs),
        "end_mass": None if mass is None else round(mass, 6),
        "attention": alignment.choice,
        "level": alignment.level,
    }
    return json.dumps(record, ensure_ascii=False)


def to_arrays(pairs: Iterable[Linked]) -> dict[str, np.ndarray]:
    """Return all pairs as arrays that load without pickle: of each kind one, the pairs one after another.

    - src, tgt, src_tokens, tgt_tokens: one string each, of lines that all end in a line break (a line break
      inside a text or token has become a space): `str(arrays["src"]).split("\\n")[:-1]`. The last token of a
      side is the end of sentence; a blank pair has none.
    - src_start, tgt_start (pairs + 1): the tokens of pair k are those from start[k] to start[k + 1].
    - src_offsets, tgt_offsets (tokens, 2): characters of the text, begin and end.
    - weights (cells): row by row, a row for each target token; weights_start (pairs + 1).
    - backward_weights (cells): with a second direction; a row for each source token; the same start.
    - links (links, 2): source and target token, from 0; links_start (pairs + 1).
    - scores (target tokens): natural logarithms of their probabilities.
    - attention, level: in words.
    """
    linked = list(pairs)
    every = [pair.alignment for pair in linked]
    arrays: dict[str, np.ndarray] = {
        "src": _lines(one.src for one in every),
        "tgt": _lines(one.tgt for one in every),
        "src_tokens": _lines(token for one in every for token in one.src_tokens),
        "tgt_tokens": _lines(token for one in every for token in one.tgt_tokens),
        "src_start": _starts(len(one.src_tokens) for one in every),
        "tgt_start": _starts(len(one.tgt_tokens) for one in every),
        "src_offsets": _table(span for one in every for span in one.src_spans),
        "tgt_offsets": _table(span for one in every for span in one.tgt_spans),
        "weights": _flat(one.weights for one in every),
        "weights_start": _starts(one.weights.size for one in every),
        "links": _table(link for pair in linked for link in pair.links),
        "links_start": _starts(len(pair.links) for pair in linked),
        "scores": _flat(one.log_probs for one in every if one.log_probs is not None),
        "attention": np.array(every[0].choice if every else ""),
        "level": np.array(every[0].level if every else ""),
    }
    backward = [pair.backward.weights for pair in linked if pair.backward is not None]
    if backward:
        arrays["backward_weights"] = _flat(backward)
    return arrays


def _rounded(numbers: np.ndarray) -> Any:
    """Return nested lists; six decimals are more than float32 sums are worth, and half the size."""
    return np.round(numbers.astype(np.float64), 6).tolist()


def _lines(texts: Iterable[str]) -> np.ndarray:
    # Not an array of strings: each would take the room of the longest.
    return np.array("".join(text.replace("\n", " ") + "\n" for text in texts))


def _starts(sizes: Iterable[int]) -> Int[np.ndarray, " _"]:
    return np.cumsum([0, *sizes], dtype=np.int64)


def _table(rows: Iterable[tuple[int, int]]) -> Int[np.ndarray, "_ 2"]:
    return np.array(list(rows), dtype=np.int32).reshape(-1, 2)


def _flat(arrays: Iterable[np.ndarray]) -> Float[np.ndarray, " _"]:
    return np.concatenate([np.zeros(0, dtype=np.float32), *(array.ravel() for array in arrays)])
