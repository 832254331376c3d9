"""One HTML file in which a person looks at alignments: no network, no other file, nothing but a browser.

Texts and weights are one compressed block of base64 in the file, so no text of a corpus can be taken for HTML
or a script; the page's own script, the only one that its policy lets run, puts texts on the screen as text.
Weights are kept of pieces, one byte each (a step of 1/255); those of words are computed on the page.
"""

import base64
import json
import zlib
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from translate.alignment.aer import Gold
from translate.alignment.extract import Maps, Reading
from translate.alignment.words import Level, find_words
from translate.html_page import as_html, fill, write_html
from translate.labels import shown

# Weights of all layers and heads of all pairs up to which every map is kept: at worst, where nothing can be
# compressed, 1.4 MB. Attention is mostly near zero, and then it is a third of that.
MOST_WEIGHTS = 1_000_000
_SCRIPTS = ("weights.js", "heatmap.js", "page.js")  # in the order in which they build on one another


class Hypothesis(NamedTuple):
    """A translation and what was attended to in it."""

    maps: Maps
    score: float | None  # of the search; None for a translation that was given


class Sentence(NamedTuple):
    """A source and its translations, best first: at least one."""

    hypotheses: Sequence[Hypothesis]
    gold: Gold | None


class Settings(NamedTuple):
    """What the page shows at first; its controls change all but the name."""

    name: str
    reading: Reading
    level: Level
    threshold: float | None  # of links; None links each target token to its strongest source token


class Written(NamedTuple):
    """What became of a page."""

    size: int  # bytes
    sentences: int
    maps: int  # kept of each pair
    all_maps: int


def write_page(
    path: str | Path, sentences: Iterable[Sentence], settings: Settings, *, all_heads: bool = False
) -> Written:
    """Write the page.

    Every map is kept if there are at most MOST_WEIGHTS weights in all, else only the one of the settings'
    reading, not shifted (the page shifts it).

    Args:
        all_heads: Keep every map, however large the file becomes.
    """
    records: list[dict[str, Any]] = []
    every: list[bytes] | None = []
    chosen: list[bytes] = []
    layers = heads = weights = 0
    for sentence in sentences:
        records.append(_record(sentence, settings.level))
        for maps, _ in sentence.hypotheses:
            if not maps.src_tokens:
                continue
            layers, heads = maps.weights.shape[:2]
            chosen.append(_quantise(_map(maps, settings.reading)))
            weights += maps.weights.size
            if weights > MOST_WEIGHTS and not all_heads:
                every = None
            if every is not None:
                every.append(_quantise(maps.weights))
    kept = 1 if every is None else layers * heads
    contents = {
        "layers": layers,
        "heads": heads,
        "every": every is not None,
        "maps": kept,
        "reading": settings.reading._asdict(),
        "level": "subword" if settings.level == "subword" else "word",
        "threshold": settings.threshold,
        "sentences": records,
    }
    data = _pack(contents, chosen if every is None else every)
    folder = files("translate.alignment") / "page"
    size = write_html(
        path,
        title=settings.name,
        body=fill(folder / "page.html", title=as_html(settings.name), data=data),
        styles=[folder / "page.css"],
        scripts=[folder / name for name in _SCRIPTS],
    )
    return Written(size, len(records), kept, layers * heads)


def _map(maps: Maps, reading: Reading) -> Float[np.ndarray, "T S"]:
    layer: Float[np.ndarray, "N T S"] = maps.weights[reading.layer]
    chosen: Float[np.ndarray, "T S"]
    chosen = layer.mean(axis=0) if reading.head is None else layer[reading.head]
    return chosen


def _quantise(weights: Float[np.ndarray, "..."]) -> bytes:
    return bytes(np.rint(255 * weights).astype(np.uint8))


def _record(sentence: Sentence, level: Level) -> dict[str, Any]:
    """Return texts and tokens of a sentence; weights come after the records, in the same order."""
    # A translation may be blank while others of the same source are not.
    maps = max((hypothesis.maps for hypothesis in sentence.hypotheses), key=lambda it: len(it.src_tokens))
    src = find_words(maps.src, maps.src_spans[:-1], level)
    record: dict[str, Any] = {
        "src": shown(maps.src, limit=None),
        "pieces": _shown(maps.src_tokens),
        "words": _shown([*(maps.src[slice(*span)] for span in src.spans), *maps.src_tokens[-1:]]),
        "owners": src.owners.tolist(),
        "hypotheses": [_hypothesis(hypothesis, level) for hypothesis in sentence.hypotheses],
    }
    if sentence.gold is not None:
        record["gold"] = {"sure": sorted(sentence.gold.sure), "possible": sorted(sentence.gold.possible)}
    return record


def _hypothesis(hypothesis: Hypothesis, level: Level) -> dict[str, Any]:
    maps = hypothesis.maps
    tgt = find_words(maps.tgt, maps.tgt_spans[:-1], level)
    return {
        "tgt": shown(maps.tgt, limit=None),
        "score": None if hypothesis.score is None else round(float(hypothesis.score), 4),
        "pieces": _shown(maps.tgt_tokens),
        "words": _shown([*(maps.tgt[slice(*span)] for span in tgt.spans), *maps.tgt_tokens[-1:]]),
        "rows": [tgt.pieces_of(word).tolist() for word in range(len(tgt.spans))] if maps.tgt_tokens else [],
        "logProbs": [round(float(log_prob), 4) for log_prob in maps.log_probs],
    }


def _shown(tokens: Iterable[str]) -> list[str]:
    return [shown(token, limit=None) for token in tokens]


def _pack(contents: dict[str, Any], weights: Iterable[bytes]) -> str:
    """Return the JSON's length (4 bytes, the highest first), the JSON and the weights, as base64 of zlib."""
    described = json.dumps(contents, ensure_ascii=False, separators=(",", ":")).encode()
    packed = zlib.compress(b"".join([len(described).to_bytes(4, "big"), described, *weights]), level=9)
    return base64.b64encode(packed).decode("ascii")
