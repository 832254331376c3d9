"""Where a guided attention should look: links of words spread to pieces, or the model's own links.

Self-training (after SHIFT-AET, Chen et al. 2020): once a part of the run is over, the averaged model aligns
the whole corpus, and what it finds in both directions guides one of its heads for the rest.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from lightning.pytorch.callbacks import Callback

from translate.alignment import Link
from translate.alignment.words import word_numbers
from translate.collective import Ranks
from translate.config import GuidedHead
from translate.config.training import TrainingConfig
from translate.grouping import group_by_tokens
from translate.model import Seq2Seq
from translate.run_directory import RunDirectory
from translate.stored_pairs import IdPairs, write_links
from translate.tokenizer import Tokenizers
from translate.training.averaging import ExponentialMovingAverage
from translate.training.clock import Clock
from translate.training.text import Pair
from translate.training.validation import Validation

log = logging.getLogger(__name__)

ALIGNED_TOGETHER = 10_000  # pairs, among which those of like lengths are found
COMPARED = 1000  # pairs that the reading with the most agreement is chosen on
ALIGNED_TOKENS = 8192  # slots of the longer side of a batch
AGREED = 0.3  # the geometric mean of what two pieces give each other, from which they are linked


def piece_links(
    pairs: Iterable[Pair], links: Iterable[Sequence[Link]], tokenizers: Tokenizers, max_length: int
) -> Iterator[list[Link]]:
    """Spread links of words to all their pieces; pairs that are too long to train on are left out."""
    for (src, tgt), words in zip(pairs, links, strict=True):
        src_words = word_numbers(src, tokenizers.src.offsets(src), "token")
        tgt_words = word_numbers(tgt, tokenizers.tgt.offsets(tgt), "token")
        if len(src_words) <= max_length and len(tgt_words) <= max_length:
            yield sorted(
                (i, j)
                for src_word, tgt_word in set(words)
                for i in np.flatnonzero(src_words == src_word).tolist()
                for j in np.flatnonzero(tgt_words == tgt_word).tolist()
            )


class SelfAlignment(Callback):
    """Lets the model be guided by its own links from a step on.

    Stands after the averaging callback and before the checkpoints: a checkpoint knows whether the links were
    made, and they are made of weights that are in it, so that resuming before or after is the same. Weights
    that were best in validation before do not compete with guided ones, and training does not stop early.

    Args:
        pairs: get the links.
        head: that will be guided; before, the mean of a layer's heads is read (`most_agreed`).
        layers: of the decoder that attend.
        validation: keeps the best weights.
        average: whose weights align; None: those that are trained.
        ranks: the first one aligns.
    """

    def __init__(
        self,
        run: RunDirectory,
        config: TrainingConfig,
        pairs: IdPairs,
        head: GuidedHead,
        clock: Clock,
        layers: int,
        validation: Validation,
        ranks: Ranks,
        average: ExponentialMovingAverage | None = None,
    ) -> None:
        self.layers = layers
        self.run, self.config, self.pairs, self.head, self.clock = run, config, pairs, head, clock
        self.validation, self.average, self.ranks = validation, average, ranks
        self.made: int | None = None  # the step after which the links were made

    def on_train_batch_start(
        self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Begin to choose the best weights anew with the first step that is guided."""
        self.validation.may_stop = self.made is not None
        if self.made == trainer.global_step:
            self.validation.forget_best()

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Align the corpus when it is time."""
        if self.made is not None or not self._is_time(trainer.global_step):
            return
        started = time.monotonic()
        log.info(
            "step %d: aligning %d training pairs with %s, to be guided by these links from now on",
            trainer.global_step,
            self.pairs.pairs,
            "the model in both directions" if self.pairs.both else "the model, in one direction",
        )
        holder: Any = module if self.average is None else self.average.module
        count = 0

        def counted(model: Seq2Seq) -> Iterator[list[Link]]:
            nonlocal count
            reading = most_agreed(model, self.pairs, self.head, self.layers)
            log.info("links are read at layer %d%s", reading.layer + 1, ", shifted" if reading.shift else "")
            for links in own_links(model, self.pairs, reading):
                count += len(links)
                yield links

        self.ranks.decide(
            lambda: _in_eval_mode(
                holder.model,
                lambda model: self.run.save_links(lambda path: write_links(path, counted(model))),
            )
        )
        self.pairs.use_links(self.run.links_path, self.head.shift)
        self.made = trainer.global_step
        log.info("%.1f links a pair, in %.0f s", count / self.pairs.pairs, time.monotonic() - started)

    def state_dict(self) -> dict[str, Any]:
        """Since which step the links that lie in the run directory count; None: not yet."""
        return {"made": self.made}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.made = state_dict["made"]
        if self.made is not None:
            self.pairs.use_links(self.run.links_path, self.head.shift)

    def _is_time(self, step: int) -> bool:
        share, minutes = self.config.alignment_start, self.config.max_minutes
        return step >= share * self.config.max_steps or 0 < share * minutes <= self.clock.minutes


def most_agreed(model: Seq2Seq, pairs: IdPairs, head: GuidedHead, layers: int) -> GuidedHead:
    """Of a decoder's layers, read plain or shifted, return the one in which both directions agree most.

    Which one differs: a decoder may look at a word when it emits it, or when it has read it.
    Without a second direction nothing can agree: then it is the layer that will be guided, read likewise.
    """
    if not pairs.both:
        return head
    readings = [GuidedHead(layer, 0, shift) for layer in range(layers) for shift in (0, 1)]
    return max(readings, key=lambda each: agreement(model, pairs, each))


def agreement(model: Seq2Seq, pairs: IdPairs, head: GuidedHead) -> float:
    """How well the two directions agree in the first pairs: Dice = 2 |F ∩ B| / (|F| + |B|).

    F links each target piece to the position it attends to most, unless that is no piece, and B likewise.
    """
    both = either = 0
    for forward, backward in _weights_of_pairs(model, pairs, head, COMPARED):
        assert backward is not None
        there, back = _most_attended(forward), _most_attended(backward)
        both += int((there & back.T).sum())
        either += int(there.sum() + back.sum())
    return 2 * both / max(either, 1)


def own_links(model: Seq2Seq, pairs: IdPairs, head: GuidedHead) -> Iterator[list[Link]]:
    """Yield what a model in eval mode links in each pair, piece by piece.

    The mean of the layer's heads is read. With both directions two pieces are linked if the geometric mean of
    what they give each other is at least AGREED, each row's end of sentence and mark left out and the rest
    summing to one: a full stop that attends to the end of sentence in both directions is linked to the full
    stop. Both have to agree, so a piece without counterpart stays without links. In one direction a target
    piece is linked to the position that it attends to most, unless that is no piece.
    """
    for forward, backward in _weights_of_pairs(model, pairs, head, pairs.pairs):
        if backward is None:
            linked = _most_attended(forward)
        else:
            linked = np.sqrt(_shares(forward) * _shares(backward).T) >= AGREED
        of_tgt, of_src = np.nonzero(linked)
        yield sorted(zip(of_src.tolist(), of_tgt.tolist(), strict=True))


def _weights_of_pairs(
    model: Seq2Seq, pairs: IdPairs, head: GuidedHead, most: int
) -> Iterator[tuple[Float[np.ndarray, "T S1"], Float[np.ndarray, "S T1"] | None]]:
    """Yield what each pair's pieces attend to, forward and, with both directions, backward.

    The last of S1 = S + 1 columns is what is no piece: the end of sentence, and backward the mark, too.

    Args:
        most: only the first so many pairs.
    """
    total = min(most, pairs.pairs)
    for start in range(0, total, ALIGNED_TOGETHER):
        numbers = np.arange(start, min(start + ALIGNED_TOGETHER, total))
        found: list[Any] = [None] * len(numbers)
        lengths = np.maximum(pairs.src_lengths[numbers], pairs.tgt_lengths[numbers]).tolist()
        for group in group_by_tokens(lengths, ALIGNED_TOKENS):
            rows = numbers[group]
            forward = _weights(model, pairs, rows, head)
            backward = _weights(model, pairs, rows + pairs.pairs, head) if pairs.both else None
            for row, number in enumerate(group):
                tgt, src = pairs.tgt_lengths[rows[row]] - 1, pairs.src_lengths[rows[row]] - 1
                one, other = forward[row, :tgt, : src + 1], None
                if backward is not None:
                    other = backward[row, :src, 1 : tgt + 2].copy()  # the first column is the mark
                    other[:, -1] += backward[row, :src, 0]
                found[number] = one, other
        yield from found


@torch.inference_mode()
def _weights(
    model: Seq2Seq, pairs: IdPairs, rows: Int[np.ndarray, " B"], head: GuidedHead
) -> Float[np.ndarray, "B T S"]:
    """Each target piece's row, by the head's shift; the row of the end of sentence may be among them."""
    batch = pairs.batch(rows)
    src, src_mask, tgt_in = (tensor.to(model.device) for tensor in batch[:3])
    _, weights = model.attend(src, src_mask, tgt_in, head.layer, None)
    array: Float[np.ndarray, "B T S"] = weights.float().cpu().numpy()[:, head.shift :]
    return array


def _most_attended(weights: Float[np.ndarray, "T S1"]) -> Bool[np.ndarray, "T S"]:
    linked: Bool[np.ndarray, "T S"] = weights.argmax(axis=1)[:, None] == np.arange(weights.shape[1] - 1)
    return linked


def _shares(weights: Float[np.ndarray, "T S1"]) -> Float[np.ndarray, "T S"]:
    """Let what each row gives to pieces sum to one; a row that gives nothing stays so."""
    pieces = weights[:, :-1]
    shares: Float[np.ndarray, "T S"] = pieces / np.maximum(pieces.sum(axis=1, keepdims=True), 1e-9)
    return shares


def _in_eval_mode(model: Seq2Seq, use: Callable[[Seq2Seq], None]) -> None:
    was_training = model.training
    model.eval()
    try:
        use(model)
    finally:
        model.train(was_training)
