"""Does a model use what its attention shows? What becomes of a translation when the attention is changed.

A finished pair is read again, as `extract` does, with other weights in place of the attention's own:

    uniform       all source positions alike
    permuted      each row's weights put to other source positions, at random (Jain & Wallace 2019, section
                  4.2)
    top hidden    the source word that the picture shows brightest for a target piece gets no weight while
                  that piece is emitted; the others share what is left (as in Serrano & Smith 2019)
    other hidden  the same with another source word, drawn at random: what hiding any word does

Two numbers say what changed, both means over the target pieces but the end of sentence: how much the
log-probability of the given piece fell (nats), and the total variation distance of the distributions of the
next piece, ½ Σ |p - p'|, from 0 to 1 (as Jain & Wallace 2019 compare outputs).

Small changes mean that the weights do not matter. Large ones prove less: the weights are no part of their
own, and a decoder was never trained with others than those it makes (Wiegreffe & Pinter 2019).
That is why the last two are there to be compared with each other.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from translate.alignment.extract import Maps, Reading, read
from translate.alignment.words import word_numbers
from translate.attention import Attention, Memory
from translate.fused_attention import join_heads
from translate.grouping import group_by_tokens
from translate.model import Seq2Seq
from translate.padding import pad
from translate.tokenizer import BOS_ID, EOS_ID, Tokenizers

# From weights, the mask of the source and the target positions of these rows to other weights.
Change = Callable[[Float[Tensor, "B N T S"], Bool[Tensor, "B S"], slice], Float[Tensor, "B N T S"]]
INTERVENTIONS = ("uniform", "permuted", "top hidden", "other hidden")


class Effect(NamedTuple):
    """What a change of the attention does, on average over target pieces."""

    log_prob: float  # change of the log-probability of the piece, nats
    distance: float  # total variation distance of the distributions of the next piece


class Faithfulness(NamedTuple):
    """What every intervention does."""

    log_prob: float  # mean of the target pieces, with the attention as it is
    pieces: int
    comparable: int  # pieces with two source words or more, of which the hidden ones are
    everywhere: dict[str, Effect]  # all layers and heads changed
    read: dict[str, Effect] | None  # only the layer and head that are read; None where there are no others


@contextmanager
def intervene(
    model: Seq2Seq, change: Change, layer: int | None = None, head: int | None = None
) -> Iterator[None]:
    """Let the attention average with changed weights, in one `model.align` while this is open.

    A recurrent decoder goes on from the context that it gets, and its coverage counts the changed weights.

    Args:
        layer: only in this one, from 0; None: in all.
        head: only in this one, from 0; None: in all.
    """
    attentions = [module for module in model.decoder.modules() if isinstance(module, Attention)]
    chosen = attentions if layer is None else [attentions[layer]]
    handles = [attention.register_forward_hook(_hook(change, head)) for attention in chosen]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _hook(
    change: Change, head: int | None
) -> Callable[[nn.Module, tuple[Any, ...], tuple[Tensor, Tensor]], tuple[Tensor, Tensor]]:
    """Return what torch calls after an attention's forward, to take other weights and their context."""
    first = 0  # a recurrent decoder asks step by step

    def hook(
        attention: nn.Module, arguments: tuple[Any, ...], output: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        nonlocal first
        memory: Memory = arguments[1]
        weights = output[1]
        rows = slice(first, first + weights.shape[2])
        first = rows.stop
        changed = change(weights, memory.mask, rows)
        if head is not None:
            only = torch.arange(weights.shape[1], device=weights.device)[:, None, None] == head
            changed = torch.where(only, changed, weights)
        context = join_heads(changed.to(memory.values.dtype) @ memory.values)
        return attention.join(context), changed  # type: ignore[operator]  # an Attention: `intervene`

    return hook


def uniform(
    weights: Float[Tensor, "B N T S"], mask: Bool[Tensor, "B S"], rows: slice
) -> Float[Tensor, "B N T S"]:
    """Return the same weight for all positions of a source."""
    even = mask.to(weights.dtype) / mask.sum(dim=1, keepdim=True)
    return even[:, None, None].expand_as(weights)


def permuting(seed: int) -> Change:
    """Return what shuffles each row of weights over the positions of its source."""
    generator = torch.Generator().manual_seed(seed)

    def permute(
        weights: Float[Tensor, "B N T S"], mask: Bool[Tensor, "B S"], rows: slice
    ) -> Float[Tensor, "B N T S"]:
        draws = torch.rand(weights.shape, generator=generator).to(weights.device)
        # Positions in a random order, those that cannot be attended to behind, in their own.
        places = torch.arange(weights.shape[-1], device=weights.device) + 1.0
        order = torch.where(mask[:, None, None], draws, places).argsort(dim=-1)
        return weights.gather(-1, order)

    return permute


def hiding(hidden: Bool[Tensor, "B T S"]) -> Change:
    """Return what takes the weight from some positions and lets the others of each row share it.

    As if they had been masked before a softmax. Where all weight lay on them, the others share it evenly.
    """

    def hide(
        weights: Float[Tensor, "B N T S"], mask: Bool[Tensor, "B S"], rows: slice
    ) -> Float[Tensor, "B N T S"]:
        gone = hidden[:, None, rows]
        kept = weights.masked_fill(gone, 0.0)
        left = (mask[:, None, None] & ~gone).to(weights.dtype)
        kept = torch.where(kept.sum(dim=-1, keepdim=True) > 0, kept, left)
        return kept / kept.sum(dim=-1, keepdim=True).clamp(min=torch.finfo(kept.dtype).tiny)

    return hide


@torch.inference_mode()
def measure(
    model: Seq2Seq,
    tokenizers: Tokenizers,
    maps: Sequence[Maps],
    reading: Reading,
    *,
    seed: int = 1,
    batch_tokens: int = 1024,
) -> Faithfulness:
    """Return what the interventions do to pairs; those without tokens count for nothing.

    The words that are hidden are those of the reading; they are hidden from all heads (`everywhere`), or from
    those that are read (`read`).

    Args:
        maps: of the pairs, from `read_maps` with this model.
        seed: of the permutations and of the words that are drawn.
        batch_tokens: as in `read_maps`; smaller, since each position has a distribution over the vocabulary.
    """
    random = np.random.default_rng(seed)
    permute = permuting(seed)
    scopes: list[tuple[int | None, int | None]] = [(None, None)]
    if maps and max(pair.weights.shape[0] * pair.weights.shape[1] for pair in maps) > 1:
        scopes.append((reading.layer, reading.head))
    sums = np.zeros((len(scopes), len(INTERVENTIONS), 2))
    log_prob, pieces, comparable = 0.0, 0, 0
    kept = [pair for pair in maps if pair.src_tokens]
    for group in group_by_tokens([max(pair.weights.shape[2:]) for pair in kept], batch_tokens):
        batch = _Batch([kept[index] for index in group], tokenizers, model.device)
        top, other, several = _hidden_words(batch.pairs, reading, random)
        of_words = torch.from_numpy(several).to(model.device) & batch.counted
        before = batch.run(model)
        log_prob += float(batch.of_pieces(before)[batch.counted].sum())
        pieces += int(batch.counted.sum())
        comparable += int(of_words.sum())
        changes = (uniform, permute, *(hiding(torch.from_numpy(x).to(model.device)) for x in (top, other)))
        for s, (layer, head) in enumerate(scopes):
            for i, change in enumerate(changes):
                with intervene(model, change, layer, head):
                    after = batch.run(model)
                counted = batch.counted if i < 2 else of_words
                fall = (batch.of_pieces(after) - batch.of_pieces(before))[counted].sum()
                distance = (after.exp() - before.exp()).abs().sum(dim=-1)[counted].sum() / 2
                sums[s, i] += float(fall), float(distance)
    counts = np.maximum([pieces, pieces, comparable, comparable], 1)[:, None]
    effects = [
        {name: Effect(*map(float, pair)) for name, pair in zip(INTERVENTIONS, scope / counts, strict=True)}
        for scope in sums
    ]
    return Faithfulness(
        log_prob / max(pieces, 1), pieces, comparable, effects[0], effects[1] if len(effects) > 1 else None
    )


class _Batch:
    """Pairs that are read together."""

    def __init__(self, pairs: Sequence[Maps], tokenizers: Tokenizers, device: torch.device) -> None:
        self.pairs = pairs
        src = [[*ids, EOS_ID] for ids in tokenizers.src.encode_batch([pair.src for pair in pairs])]
        tgt = [[*ids, EOS_ID] for ids in tokenizers.tgt.encode_batch([pair.tgt for pair in pairs])]
        self.src, self.src_mask = (x.to(device) for x in pad(src))
        self.tgt_in = pad([[BOS_ID, *ids[:-1]] for ids in tgt])[0].to(device)
        self.tgt_out, tgt_mask = (x.to(device) for x in pad(tgt))
        self.counted = tgt_mask & (self.tgt_out != EOS_ID)

    def run(self, model: Seq2Seq) -> Float[Tensor, "B T V"]:
        """Log-probabilities of every next piece, by the path that computes attention's weights."""
        return model.align(self.src, self.src_mask, self.tgt_in)[1].float().log_softmax(dim=-1)

    def of_pieces(self, log_probs: Float[Tensor, "B T V"]) -> Float[Tensor, "B T"]:
        """Log-probabilities of the pieces that are there."""
        return log_probs.gather(-1, self.tgt_out[..., None])[..., 0]


def _hidden_words(
    pairs: Sequence[Maps], reading: Reading, random: np.random.Generator
) -> tuple[Bool[np.ndarray, "B T S"], Bool[np.ndarray, "B T S"], Bool[np.ndarray, "B T"]]:
    """Return the pieces of the brightest source word for each target piece, and those of another, at random.

    And whether there is another one; if not, nothing is to be hidden.
    """
    shape = (len(pairs), *(max(pair.weights.shape[axis] for pair in pairs) for axis in (2, 3)))
    top, other, several = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool), np.zeros(shape[:2], bool)
    for row, pair in enumerate(pairs):
        owners = word_numbers(pair.src, pair.src_spans[:-1], "word")
        count = len(np.unique(owners))
        if count < 2:
            continue
        weights = read(pair, reading).weights[:, :-1]
        words = np.stack([weights[:, owners == word].sum(axis=1) for word in range(owners.max() + 1)], axis=1)
        brightest = words.argmax(axis=1)
        size = weights.shape
        for piece, word in enumerate(brightest):
            drawn = random.choice([n for n in np.unique(owners) if n != word])
            top[row, piece, : size[1]] = owners == word
            other[row, piece, : size[1]] = owners == drawn
        several[row, : size[0]] = True
    return top, other, several
