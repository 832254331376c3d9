"""Pieces that are spelled alike learn together.

"▁Frau", "▁frau", "frau" and "▁Frauen" are as different to a model as any four numbers. Here an embedding is
trained as if it were the sum of a vector of its own and of vectors that it has in common with others: those
of its spelling without case and the space before, of that space, of the case, and of its character n-grams
(Bojanowski et al. 2017 compose the vectors of words so; Sennrich & Haddow 2016 add factors):

    e_v = o_v + 1/√|F_v| Σ_f s_f    for the features f in F_v

Only the sum is in the model. A vector s_f moves by its own optimizer's steps, and each step is added to the
embeddings that it is part of at once: so translating, saving and exporting know nothing of it.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from translate.model import LongerEmbedding, Seq2Seq

SHORTEST, LONGEST = 3, 5  # n-grams, with a sign for the beginning and one for the end
SPACE = "▁"


def features(piece: str) -> Iterator[Hashable]:
    """What a piece has of its spelling: special pieces and single bytes, like <unk> and <0x0A>, nothing."""
    spelled = piece.replace(SPACE, "")
    if not spelled or (piece.startswith("<") and piece.endswith(">")):
        return
    lower = spelled.lower()
    yield "spelled", lower
    yield "space", piece.startswith(SPACE)
    yield "case", spelled[0].isupper(), len(spelled) > 1 and spelled.isupper()
    bounded = f"<{lower}>"
    for n in range(SHORTEST, min(LONGEST, len(bounded) - 1) + 1):
        for start in range(len(bounded) - n + 1):
            yield bounded[start : start + n]


class Bags(NamedTuple):
    """Some rows of a table for each row of another, with their weights."""

    rows: Int[Tensor, " N"]  # one bag after the other
    starts: Int[Tensor, " B"]
    weights: Float[Tensor, " N"]

    @classmethod
    def of(cls, bags: Iterable[Iterable[tuple[int, float]]]) -> "Bags":
        """Put rows and their weights side by side."""
        filled = [list(bag) for bag in bags]
        rows = [row for bag in filled for row, _ in bag]
        weights = [weight for bag in filled for _, weight in bag]
        starts = list(accumulate(map(len, filled), initial=0))[:-1]
        return cls(
            torch.tensor(rows, dtype=torch.long),
            torch.tensor(starts, dtype=torch.long),
            torch.tensor(weights, dtype=torch.float32),
        )

    def to(self, device: torch.device) -> "Bags":
        """Move them."""
        return Bags(*(tensor.to(device) for tensor in self))

    def sum(self, table: Float[Tensor, "V E"]) -> Float[Tensor, "B E"]:
        """Add up each bag's rows times their weights; the same in every bit every time."""
        rows, starts, weights = self
        return F.embedding_bag(rows, table, starts, mode="sum", per_sample_weights=weights.to(table.dtype))


class SharedSpelling:
    """Lets embeddings share their steps with the others of a vocabulary.

    Args:
        tables: the embeddings, one table after the other.
        pieces: of all their rows.
    """

    def __init__(self, tables: Sequence[Tensor], pieces: Sequence[str]) -> None:
        self.tables = tables
        spelled = [dict.fromkeys(features(piece)) for piece in pieces]
        counts = Counter(feature for piece in spelled for feature in piece)
        shared = [feature for feature, count in counts.items() if count > 1]
        numbers = {feature: number for number, feature in enumerate(shared)}
        kept = [[numbers[feature] for feature in piece if feature in numbers] for piece in spelled]
        having: list[list[tuple[int, float]]] = [[] for _ in numbers]
        for row, found in enumerate(kept):
            for number in found:
                having[number].append((row, len(found) ** -0.5))
        self._features = Bags.of([(number, len(bag) ** -0.5) for number in bag] for bag in kept)
        self._pieces = Bags.of(having)
        # Of the features' vectors only the steps are here: zero, but while the optimizer takes one.
        self.steps = nn.Parameter(tables[0].new_zeros(len(numbers), tables[0].shape[1]))

    def to(self, device: torch.device) -> None:
        """Follow the embeddings to where they have gone."""
        self._features, self._pieces = self._features.to(device), self._pieces.to(device)
        self.steps.data = self.steps.data.to(device)

    def draw(self) -> None:
        """Let fresh embeddings be alike where their spelling is; they stay as large as they were drawn."""
        size = self.steps.shape[1]
        common = self._features.sum(torch.randn_like(self.steps) * size**-0.5)
        with torch.no_grad():
            for table, part in zip(self.tables, self._split(common), strict=True):
                has_some = (part != 0).any(dim=1, keepdim=True)
                table.copy_(torch.where(has_some, (table + part) / 2**0.5, table))

    def collect(self) -> None:
        """Compute the gradients of the features' vectors, where the embeddings have some."""
        gradients = [table.grad for table in self.tables]
        if all(gradient is not None for gradient in gradients):
            self.steps.grad = self._pieces.sum(torch.cat(gradients))  # type: ignore[arg-type]

    def spread(self, *_: Any) -> None:
        """Take the features' steps with the embeddings, too; for after the optimizer's."""
        with torch.no_grad():
            parts = self._split(self._features.sum(self.steps))
            for table, part in zip(self.tables, parts, strict=True):
                table.add_(part)
            self.steps.zero_()
        self.steps.grad = None

    def _split(self, rows: Float[Tensor, "V E"]) -> Sequence[Float[Tensor, "P E"]]:
        return torch.split(rows, [len(table) for table in self.tables])


def shared_spellings(model: Seq2Seq, src: Sequence[str], tgt: Sequence[str]) -> list[SharedSpelling]:
    """Return what lets all embeddings of a model share their steps, and an output layer of its own, too.

    Args:
        src: the source's pieces.
        tgt: the target's; where a model has common embeddings, the first ones of the source.
    """
    source = model.src_embedding
    parts = [source.beginning, source.rest] if isinstance(source, LongerEmbedding) else [source]
    found = [SharedSpelling([part.weight for part in parts], src)]
    for weight in (model.tgt_embedding.weight, model.output.weight):
        if not any(weight is table for shared in found for table in shared.tables):
            found.append(SharedSpelling([weight], tgt))
    return found
