"""Two directions made one: the links, or the weights, of a model and of one that translates the other way.

Each direction sees what the other cannot: a target word attends to few source words, so many-to-one links are
easy one way and hard the other. Links that both found are mostly right, those of either are nearly all there
are; the growing heuristics begin with the first and add from the second (Och & Ney 2003; Koehn et al.
2005, IWSLT).
"""

import heapq
from collections.abc import Iterable
from typing import Literal

import numpy as np

from translate.alignment import Link
from translate.alignment.extract import Alignment
from translate.alignment.words import Extraction, Linked, links
from translate.errors import InputError

Heuristic = Literal["intersection", "union", "grow-diag", "grow-diag-final", "grow-diag-final-and"]
Mean = Literal["average", "geometric"]
Symmetrization = Heuristic | Mean

# (target, source), in the order of Moses: what is beside comes before what is diagonal.
_NEIGHBOURS = ((-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))


def combine(
    forward: Alignment,
    backward: Alignment,
    symmetrization: Symmetrization,
    threshold: float | None = None,
    extract: Extraction | None = None,
    relative: float = 0.0,
) -> Linked:
    """Return the forward alignment with the links of both directions, or their mean with its links.

    A pair that one direction could not read has no tokens in the other, either.

    Args:
        forward: At the level of the links.
        backward: Of the swapped pair, at the same level.
        symmetrization: A heuristic for the links of each, or a mean of the weights, before links are taken.
        threshold: As `links` takes it, and `extract` and `relative` likewise.

    Raises:
        InputError: The directions have different tokens.
    """
    check_same_tokens(forward, backward)
    if not forward.src_tokens or not backward.src_tokens:
        return Linked(without_tokens(forward), [], without_tokens(backward))
    if symmetrization == "average" or symmetrization == "geometric":
        mean = average(forward, backward, symmetrization)
        return Linked(mean, links(mean, threshold, extract, relative), backward)
    found = symmetrize(
        links(forward, threshold, extract, relative),
        reversed_links(links(backward, threshold, extract, relative)),
        symmetrization,
    )
    choice = f"{forward.choice}; links of two directions ({symmetrization})"
    return Linked(forward._replace(choice=choice), found, backward)


def symmetrize(forward: Iterable[Link], backward: Iterable[Link], heuristic: Heuristic) -> list[Link]:
    """Combine the links of two directions; as `symal` of Moses does, down to the order of its loops.

    The intersection has the links that both directions found, the union those that either did. Growing
    (`grow-diag`) begins with the intersection. As long as it finds any, it adds a link of the union that is
    beside or diagonal to one already there, if one of its two words has no link yet. `-final` then adds the
    links of the union (forward before backward) of which one word has no link yet, `-final-and` those of
    which neither has one.

    Args:
        forward: (source, target) words, as each target word found them.
        backward: The same pairs the same way round, as each source word found them.
    """
    ours, theirs = set(forward), set(backward)
    match heuristic:
        case "intersection":
            return sorted(ours & theirs)
        case "union":
            return sorted(ours | theirs)
    return sorted(_grow_diag(ours, theirs, heuristic))


def reversed_links(links: Iterable[Link]) -> list[Link]:
    """Return links with source and target exchanged."""
    return sorted((i, j) for j, i in links)


def average(forward: Alignment, backward: Alignment, kind: Mean = "average") -> Alignment:
    """Return the mean of the weights of two directions, as an alignment of the forward pair.

    With F (T, S) forward and B (S, T) backward, both of words, M = (F + Bᵀ) / 2: a link has weight 1 if both
    words give each other all they have. The geometric mean is √(F Bᵀ), cell by cell (Liang et al. 2006
    multiply posteriors): no weight where one of the two gives nothing. The end of sentence is different: how
    much a target word gives to it says that the word has no source, which only F knows, as only B knows it of
    a source word. So the last column of M is that of F, and the last row is the last column of B; the corner
    is the mean. Rows and columns of M do not sum to one, because a word may be wanted by several or by none.

    Raises:
        InputError: The directions have different tokens.
    """
    check_same_tokens(forward, backward)
    if not forward.src_tokens or not backward.src_tokens:
        return without_tokens(forward)
    ours, theirs = forward.weights, backward.weights.T
    weights = np.sqrt(ours * theirs) if kind == "geometric" else (ours + theirs) / 2
    weights[:-1, -1] = forward.weights[:-1, -1]
    weights[-1, :-1] = backward.weights[:-1, -1]
    name = "geometric mean" if kind == "geometric" else "mean"
    return forward._replace(weights=weights, choice=f"{name} of two directions: {forward.choice}")


def check_same_tokens(forward: Alignment, backward: Alignment) -> None:
    """Refuse directions that cut a text differently, as pieces of two tokenizers may.

    A pair that one of the directions could not read (a blank or too long one) is no such case.

    Raises:
        InputError: Some side has different tokens.
    """
    if not forward.src_tokens or not backward.src_tokens:
        return
    for text, ours, theirs in (
        (forward.src, forward.src_spans, backward.tgt_spans),
        (forward.tgt, forward.tgt_spans, backward.src_spans),
    ):
        if ours != theirs:
            raise InputError(
                f"the tokenizers of the two directions cut {text[:40]!r} into different pieces: "
                "compare what white space separates (--level token), or give both runs one tokenizer"
            )


def without_tokens(alignment: Alignment) -> Alignment:
    """Return the pair as one that could not be read."""
    return alignment._replace(
        src_tokens=(),
        tgt_tokens=(),
        src_spans=(),
        tgt_spans=(),
        weights=np.zeros((0, 0), dtype=np.float32),
        log_probs=np.zeros(0, dtype=np.float32),
    )


def _grow_diag(forward: set[Link], backward: set[Link], heuristic: Heuristic) -> Iterable[Link]:
    """Grow links; a point is (target, source) here, because that is the order in which Moses scans them."""
    ours, theirs = ({(j, i) for i, j in links} for links in (forward, backward))
    union, points = ours | theirs, ours & theirs
    tgt_linked, src_linked = ({point[side] for point in points} for side in (0, 1))

    def add(point: Link) -> None:
        points.add(point)
        tgt_linked.add(point[0])
        src_linked.add(point[1])

    grown = bool(points)
    while grown:
        grown = False
        waiting = sorted(points)
        while waiting:  # a link that is added further on is visited in the same round
            point = heapq.heappop(waiting)
            for step in _NEIGHBOURS:
                near = (point[0] + step[0], point[1] + step[1])
                if near in union and not (near[0] in tgt_linked and near[1] in src_linked):
                    add(near)
                    grown = True
                    if near > point:
                        heapq.heappush(waiting, near)
    if heuristic != "grow-diag":
        enough = any if heuristic == "grow-diag-final" else all
        for direction in (ours, theirs):
            for point in sorted(direction - points):
                if enough((point[0] not in tgt_linked, point[1] not in src_linked)):
                    add(point)
    return ((i, j) for j, i in points)
