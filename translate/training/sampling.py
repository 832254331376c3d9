"""Training pairs whose pieces are drawn anew for every batch, from the text that the run keeps.

Subword regularization (Kudo 2018) and BPE-dropout (Provilkov et al. 2020): the same sentence is seen in many
spellings. Which pairs make a batch is decided by the lengths of the best spellings.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray

from translate.batches import Batch, Indices
from translate.stored_pairs import TEXT, IdPairs
from translate.subword_sampling import PieceTable, SubwordSampler
from translate.tokenizer import Tokenizer, Tokenizers

Span = tuple[int, int]

GROWTH = 2  # a batch in drawn pieces may be so many times as wide as planned: its memory is bounded


def check_tables(tokenizers: Tokenizers) -> None:
    """Refuse tokenizers that have one spelling only, before anything is made with them.

    Raises:
        InputError: A tokenizer cannot draw.
    """
    for tokenizer in set(tokenizers):
        PieceTable.read(tokenizer)


class Spelling(NamedTuple):
    """One side of a batch's pairs in drawn pieces."""

    ids: list[list[int]]
    drawn: list[list[Span]] | None = None  # where the pieces come from; None if nobody asks
    best: list[list[Span]] | None = None  # likewise of the best pieces


class SampledPairs:
    """What `IdPairs` holds, in pieces that are drawn; both directions of a pair may be drawn differently.

    Args:
        text: what `write_text` wrote, for these pairs.
        alpha: see `SubwordSampler`.
        max_length: pieces; a sentence that is drawn longer keeps its best ones.

    Raises:
        InputError: the text is missing or damaged, or not of these pairs.
    """

    def __init__(
        self, pairs: IdPairs, text: Path, tokenizers: Tokenizers, alpha: float, max_length: int
    ) -> None:
        self.pairs, self.tokenizers, self.max_length = pairs, tokenizers, max_length
        self._src = SubwordSampler(tokenizers.src, alpha)
        self._tgt = self._src if tokenizers.tgt is tokenizers.src else SubwordSampler(tokenizers.tgt, alpha)
        self.src_lengths, self.tgt_lengths = pairs.src_lengths, pairs.tgt_lengths
        self._text = pairs.open_beside(text, TEXT, "texts")

    def __len__(self) -> int:
        """Number of pairs; one that is read in both directions counts twice."""
        return len(self.pairs)

    def padding(self, batches: Sequence[Indices]) -> float:
        """Share of the batches' slots that are padding when no pieces are drawn."""
        return self.pairs.padding(batches)

    def batch(self, rows: Indices, seed: int) -> Batch:
        """Draw the pieces of these pairs and pad them; links go with the characters that they link."""
        texts = self._text[(rows % self.pairs.pairs).tolist()]
        links = self.pairs.links(rows)
        linked = links is not None
        src_seed, tgt_seed = np.random.SeedSequence(seed).generate_state(2).tolist()
        # Without the end of sentence, and the mark of a source that is read backwards.
        widths = [GROWTH * int(of[rows].max()) - 2 for of in (self.src_lengths, self.tgt_lengths)]
        backwards = rows >= self.pairs.pairs
        read, emitted = (min(self.max_length, width) for width in widths)
        most_src = np.where(backwards, emitted, read).tolist()
        most_tgt = np.where(backwards, read, emitted).tolist()
        src = _spell(self.tokenizers.src, self._src, texts["src"], src_seed, most_src, linked)
        tgt = _spell(self.tokenizers.tgt, self._tgt, texts["tgt"], tgt_seed, most_tgt, linked)
        if links is not None:
            links = _move(links, src, tgt)
        return self.pairs.collate(rows, src.ids, tgt.ids, links)


def _spell(
    tokenizer: Tokenizer, sampler: SubwordSampler, texts: list[str], seed: int, most: list[int], linked: bool
) -> Spelling:
    """Draw pieces for each text, but keep the best ones of a text that gets more than `most`."""
    drawn = [
        ids if len(ids) <= limit else tokenizer.encode(text)
        for ids, limit, text in zip(sampler.sample_batch(texts, seed), most, texts, strict=True)
    ]
    if not linked:
        return Spelling(drawn)
    spans = [sampler.spans(text, ids) for text, ids in zip(texts, drawn, strict=True)]
    best = [sampler.spans(text, tokenizer.encode(text)) for text in texts]
    return Spelling(drawn, spans, best)


def _move(links: list[NDArray[np.int64]], src: Spelling, tgt: Spelling) -> list[NDArray[np.int64]]:
    """Link the drawn pieces that have characters of linked best pieces."""
    assert src.best is not None
    assert src.drawn is not None
    assert tgt.best is not None
    assert tgt.drawn is not None
    moved = []
    for number, of_pair in enumerate(links):
        from_src = _shared(src.best[number], src.drawn[number])
        from_tgt = _shared(tgt.best[number], tgt.drawn[number])
        linked = np.zeros((len(from_src), len(from_tgt)), dtype=np.bool_)
        linked[of_pair[:, 0], of_pair[:, 1]] = True
        moved.append(np.argwhere(from_src.T @ linked @ from_tgt))
    return moved


def _shared(best: list[Span], drawn: list[Span]) -> Bool[np.ndarray, "P Q"]:
    """Return which best and which drawn pieces have a character in common."""
    one, other = (np.array(spans, dtype=np.int64).reshape(-1, 2) for spans in (best, drawn))
    shared: Bool[np.ndarray, "P Q"] = (one[:, :1] < other[:, 1]) & (other[:, 0] < one[:, 1:])
    return shared
