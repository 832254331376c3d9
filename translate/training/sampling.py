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

from translate.batches import TEXT, Batch, IdPairs, Indices
from translate.tokenizer import Tokenizer, Tokenizers

Span = tuple[int, int]

GROWTH = 2  # a batch in drawn pieces may be so many times as wide as planned: its memory is bounded


class Spelling(NamedTuple):
    """One side of a batch's pairs in drawn pieces."""

    ids: list[list[int]]
    drawn: list[list[Span]] | None = None  # where the pieces come from; None if nobody asks
    best: list[list[Span]] | None = None  # likewise of the best pieces


class SampledPairs:
    """What `IdPairs` holds, in pieces that are drawn; both directions of a pair may be drawn differently.

    Args:
        text: what `write_text` wrote, for these pairs.
        alpha: see `Tokenizer.sample_batch`.
        max_length: pieces; a sentence that is drawn longer keeps its best ones.

    Raises:
        InputError: the text is missing or damaged, or not of these pairs.
    """

    def __init__(
        self, pairs: IdPairs, text: Path, tokenizers: Tokenizers, alpha: float, max_length: int
    ) -> None:
        self.pairs, self.tokenizers, self.alpha, self.max_length = pairs, tokenizers, alpha, max_length
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
        src = self._spell(self.tokenizers.src, texts["src"], src_seed, most_src, linked)
        tgt = self._spell(self.tokenizers.tgt, texts["tgt"], tgt_seed, most_tgt, linked)
        if links is not None:
            links = _move(links, src, tgt)
        return self.pairs.collate(rows, src.ids, tgt.ids, links)

    def _spell(
        self, tokenizer: Tokenizer, texts: list[str], seed: int, most: list[int], linked: bool
    ) -> Spelling:
        """Draw pieces for each text, but keep the best ones of a text that gets more than `most`."""
        if not linked:
            ids = tokenizer.sample_batch(texts, self.alpha, seed)
            for number, (drawn, text) in enumerate(zip(ids, texts, strict=True)):
                if len(drawn) > most[number]:
                    ids[number] = tokenizer.encode(text)
            return Spelling(ids)
        best = [tokenizer.offsets(text) for text in texts]
        found = tokenizer.sample_offsets(texts, self.alpha, seed)
        for number, (drawn, _) in enumerate(found):
            if len(drawn) > most[number]:
                found[number] = tokenizer.encode(texts[number]), best[number]
        return Spelling([ids for ids, _ in found], [spans for _, spans in found], best)


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
    """Return which best and which drawn pieces have a character in common.

    The space before a text is no character of it: a piece that is nothing else goes with the first one.
    """
    one, other = (np.array(spans, dtype=np.int64).reshape(-1, 2) for spans in (best, drawn))
    starts, ends = one[:, :1], np.maximum(one[:, 1:], one[:, :1] + 1)
    shared: Bool[np.ndarray, "P Q"] = (starts < np.maximum(other[:, 1], other[:, 0] + 1)) & (
        other[:, 0] < ends
    )
    return shared
