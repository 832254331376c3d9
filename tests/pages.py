"""Pages of sentences whose attention is drawn by lot, for the tests of the page: no model is needed."""

import itertools
import re
from pathlib import Path

import numpy as np

from translate.alignment.aer import Gold
from translate.alignment.extract import END, Maps, Reading
from translate.alignment.page import Hypothesis, Sentence, Settings, Written, write_page

LAYERS, HEADS = 2, 3
READING = Reading(1, None, 0, "dot attention, layer 2 of 2, mean of 3 heads")


def pieces(text: str) -> tuple[tuple[str, ...], tuple[tuple[int, int], ...]]:
    """As a tokenizer would: words of more than three characters have two pieces."""
    tokens, spans = [], []
    for word in re.finditer(r"\S+", text):
        begin, end = word.span()
        cuts = [begin, begin + 3, end] if end - begin > 3 else [begin, end]
        for first, last in itertools.pairwise(cuts):
            tokens.append(("▁" if first == begin else "") + text[first:last])
            spans.append((first, last))
    return (*tokens, END), (*spans, (len(text), len(text)))


def make_maps(src: str, tgt: str, seed: int = 0) -> Maps:
    if not src.strip() or not tgt.strip():
        return Maps(src, tgt, (), (), (), (), np.zeros((1, 1, 0, 0), np.float32), np.zeros(0, np.float32))
    (src_tokens, src_spans), (tgt_tokens, tgt_spans) = pieces(src), pieces(tgt)
    lots = np.random.default_rng(seed)
    alphas = np.full(len(src_tokens), 0.15)
    weights = lots.dirichlet(alphas, size=(LAYERS, HEADS, len(tgt_tokens))).astype(np.float32)
    log_probs = np.log(lots.uniform(0.05, 1, len(tgt_tokens))).astype(np.float32)
    return Maps(src, tgt, src_tokens, tgt_tokens, src_spans, tgt_spans, weights, log_probs)


def sentence(src: str, *tgts: str, gold: Gold | None = None) -> Sentence:
    """One translation, or several with scores."""
    scores = [None] if len(tgts) == 1 else [-0.25 * (place + 1) for place in range(len(tgts))]
    return Sentence(
        [
            Hypothesis(make_maps(src, tgt, seed), score)
            for seed, (tgt, score) in enumerate(zip(tgts, scores, strict=True))
        ],
        gold,
    )


def make_page(
    path: Path,
    *sentences: Sentence,
    reading: Reading = READING,
    level: str = "word",
    threshold: float | None = None,
    name: str = "tiny",
    all_heads: bool = False,
) -> Written:
    return write_page(path, sentences, Settings(name, reading, level, threshold), all_heads=all_heads)
