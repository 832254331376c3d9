"""Segmentations drawn by chance: subword regularization (Kudo 2018), BPE-dropout (Provilkov et al. 2020).

SentencePiece draws, too, but each process seeds its generator in a way of its own (0.2.3), so that a run that
was stopped could not go on as it would have. Here pieces and scores are SentencePiece's, and a seed draws the
same in every process.
"""

import random
import re
from bisect import bisect
from collections.abc import Sequence
from functools import lru_cache
from heapq import heappop, heappush
from itertools import accumulate
from math import exp, log
from typing import NamedTuple

from translate.errors import InputError
from translate.tokenizer import Tokenizer

_SPACE = "▁"
_UNKNOWN_PENALTY = 10  # SentencePiece's: a character without a piece is so far below the least probable piece
_KEPT_WORDS = 2**14  # of which the lattice is kept, some 4 kB each: most of the words of any text


class Piece(NamedTuple):
    """A piece that text can be cut into."""

    id: int
    score: float  # unigram: its log probability; BPE: the higher, the sooner it is merged


class PieceTable(NamedTuple):
    """What a SentencePiece model knows of its pieces."""

    pieces: dict[str, Piece]
    symbols: dict[str, int]  # user-defined ones, which are never cut
    bytes: list[int]  # the id of each byte
    lengths: list[int]  # characters, by id
    longest: int  # characters
    least: float  # score
    unigram: bool  # or else BPE

    @classmethod
    def read(cls, tokenizer: Tokenizer) -> "PieceTable":
        """Read the model of a tokenizer.

        Raises:
            InputError: It cuts text in another way than by a unigram model or BPE.
        """
        from sentencepiece import sentencepiece_model_pb2 as protobuf  # 20 ms that few commands need

        model = protobuf.ModelProto.FromString(tokenizer.model)
        algorithms = protobuf.TrainerSpec
        algorithm = model.trainer_spec.model_type
        if algorithm not in (algorithms.UNIGRAM, algorithms.BPE):
            raise InputError(
                f"tokenizer.sampling_alpha: a tokenizer of type {algorithms.ModelType.Name(algorithm)} has "
                "one way to spell a text; needed is one of type UNIGRAM or BPE"
            )
        kinds = protobuf.ModelProto.SentencePiece
        pieces, symbols = {}, {}
        for number, piece in enumerate(model.pieces):
            if piece.type == kinds.NORMAL:
                pieces[piece.piece] = Piece(number, piece.score)
            elif piece.type == kinds.USER_DEFINED:
                symbols[piece.piece] = number
        return cls(
            pieces,
            symbols,
            [number for number, piece in enumerate(model.pieces) if piece.type == kinds.BYTE],
            [len(piece.piece) for piece in model.pieces],
            max(map(len, pieces)),
            min(piece.score for piece in pieces.values()),
            unigram=algorithm == algorithms.UNIGRAM,
        )

    def spell(self, character: str) -> tuple[int, ...]:
        """Spell a character in bytes."""
        return tuple(self.bytes[byte] for byte in character.encode())


class SubwordSampler:
    """Draws the pieces of texts; may be shared by threads.

    A unigram model draws from the probabilities of all segmentations to the power of alpha (Kudo 2018,
    section 3.2: all of them instead of the n best), by filtering from the end and sampling from the
    beginning. BPE drops each merge that is possible with probability alpha whenever it chooses one
    (Provilkov et al. 2020, algorithm 1). A user-defined symbol is always one piece.

    Raises:
        InputError: The tokenizer is of neither kind.
    """

    def __init__(self, tokenizer: Tokenizer, alpha: float) -> None:
        self._tokenizer, self._alpha = tokenizer, alpha
        self._table = PieceTable.read(tokenizer)
        self._parts = _pattern(self._table)
        self._lattice = lru_cache(_KEPT_WORDS)(lambda word: _Lattice(word, self._table, alpha))

    def sample_batch(self, texts: Sequence[str], seed: int) -> list[list[int]]:
        """Draw ids for each text, without begin and end of sentence; the seed says which."""
        generator = random.Random(seed)
        return [self._sample(text, generator) for text in texts]

    def spans(self, text: str, ids: Sequence[int]) -> list[tuple[int, int]]:
        """Return where each of a text's pieces is, in characters of `Tokenizer.spell(text)`.

        The bytes of a character share its span.

        Args:
            ids: of any segmentation of the text.
        """
        spelled = self._tokenizer.spell(text)
        in_bytes = frozenset(self._table.bytes)
        spans: list[tuple[int, int]] = []
        at = bytes_left = 0
        for number in ids:
            if number in in_bytes:
                bytes_left = (bytes_left or len(spelled[at].encode())) - 1
                spans.append((at, at + 1))
                at += bytes_left == 0
            else:
                spans.append((at, at + self._table.lengths[number]))
                at = spans[-1][1]
        return spans

    def _sample(self, text: str, generator: random.Random) -> list[int]:
        ids: list[int] = []
        for part in self._parts.findall(self._tokenizer.spell(text)):
            if part in self._table.symbols:
                ids.append(self._table.symbols[part])
            elif self._table.unigram:
                ids += self._lattice(part).draw(generator)
            else:
                ids += _merge(part, self._table, self._alpha, generator)
        return ids


def _pattern(table: PieceTable) -> re.Pattern[str]:
    """Return what finds the parts of a text that no piece goes beyond: user-defined symbols, and words."""
    symbols = "|".join(map(re.escape, sorted(table.symbols, key=len, reverse=True)))
    until = f"(?!{symbols})" if symbols else ""
    if any(_SPACE in name[1:] for name in table.pieces):
        words = f"(?:{until}.)+"  # a tokenizer that was trained elsewhere
    else:
        words = f"{until}.(?:{until}[^{_SPACE}])*"
    return re.compile(f"{symbols}|{words}" if symbols else words, re.DOTALL)


class _Step(NamedTuple):
    """The pieces that can begin at a place of a word, the shortest first."""

    sums: tuple[float, ...]  # the probabilities of all but the last, summed from the first on
    ids: tuple[tuple[int, ...], ...]  # several of one: a character in bytes
    ends: tuple[int, ...]  # characters from the beginning of the word


class _Lattice:
    """All segmentations of a word by a unigram model, and how probable each is."""

    def __init__(self, word: str, table: PieceTable, alpha: float) -> None:
        after = [0.0] * (len(word) + 1)  # the log of the sum of all segmentations of what comes from here on
        self._steps: list[_Step] = []
        for begin in reversed(range(len(word))):
            ids: list[tuple[int, ...]] = []
            ends, scores = [], []
            for end in range(begin + 1, min(len(word), begin + table.longest) + 1):
                piece = table.pieces.get(word[begin:end])
                if piece is not None:
                    ids.append((piece.id,))
                    score = piece.score
                elif end == begin + 1:
                    ids.append(table.spell(word[begin]))
                    score = table.least - _UNKNOWN_PENALTY
                else:
                    continue
                ends.append(end)
                scores.append(alpha * score + after[end])
            best = max(scores)
            weights = [exp(score - best) for score in scores]
            total = sum(weights)
            after[begin] = best + log(total)
            sums = tuple(part / total for part in accumulate(weights[:-1]))
            self._steps.append(_Step(sums, tuple(ids), tuple(ends)))
        self._steps.reverse()

    def draw(self, generator: random.Random) -> list[int]:
        """Draw one segmentation."""
        drawn: list[int] = []
        at = 0
        while at < len(self._steps):
            sums, ids, ends = self._steps[at]
            chosen = bisect(sums, generator.random()) if sums else 0
            drawn += ids[chosen]
            at = ends[chosen]
        return drawn


class _Merge(NamedTuple):
    """Two neighbours that are a piece together; the least is the best, and of equals the first."""

    loss: float  # minus the score
    begin: int
    middle: int
    end: int


def _merge(word: str, table: PieceTable, alpha: float, generator: random.Random) -> list[int]:
    """Merge the characters of a word, best first, until all merges that are possible are dropped at once."""
    # The piece that begins at a character ends at ends[character], which is 0 where none begins any more;
    # the piece before it begins at before[character].
    ends, before = list(range(1, len(word) + 1)), list(range(-1, len(word)))
    agenda: list[_Merge] = []

    def consider(begin: int) -> None:
        middle = ends[begin]
        if middle < len(word):
            piece = table.pieces.get(word[begin : ends[middle]])
            if piece is not None:
                heappush(agenda, _Merge(-piece.score, begin, middle, ends[middle]))

    for begin in range(len(word)):
        consider(begin)
    while (merge := _choose(agenda, ends, alpha, generator)) is not None:
        ends[merge.begin], ends[merge.middle] = merge.end, 0
        before[merge.end] = merge.begin
        consider(merge.begin)
        if merge.begin:
            consider(before[merge.begin])
    ids: list[int] = []
    at = 0
    while at < len(word):
        piece = table.pieces.get(word[at : ends[at]])
        ids += table.spell(word[at]) if piece is None else (piece.id,)
        at = ends[at]
    return ids


def _choose(agenda: list[_Merge], ends: list[int], alpha: float, generator: random.Random) -> _Merge | None:
    """Take the best merge that is not dropped; what is dropped may still be chosen the next time."""
    dropped: list[_Merge] = []
    chosen = None
    while agenda and chosen is None:
        merge = heappop(agenda)
        if (ends[merge.begin], ends[merge.middle]) != (merge.middle, merge.end):
            continue  # one of the two was merged with another
        if generator.random() < alpha:
            dropped.append(merge)
        else:
            chosen = merge
    for merge in dropped:
        heappush(agenda, merge)
    return chosen
