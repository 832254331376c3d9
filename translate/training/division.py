"""Gradients of a batch that memory may be too short for: then of its parts, one after the other."""

import gc
import logging
from collections.abc import Callable

import torch
from torch import Tensor, nn

from translate.batches import Batch, deal
from translate.errors import InputError

log = logging.getLogger(__name__)

# What torch says: of the system's memory; of the GPU's, outside of its own allocator; of libraries' there.
SHORT = ("can't allocate memory", "CUDA error: out of memory", "_STATUS_ALLOC_FAILED")

Loss = Callable[[Batch], tuple[Tensor, Tensor]]  # mean loss and mean -log p of a batch's target tokens


class BatchGradients:
    """Adds a batch's gradients to those of the parameters: all of them or, after an error, none.

    A mean over the tokens of a batch is the sum of its parts' means, each times the part's share of them.
    So a batch that does not fit into memory is divided, again and again if need be, and so are all batches of
    its shape from then on.
    """

    def __init__(self, model: nn.Module) -> None:
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._parts: dict[tuple[int, ...], int] = {}  # of a shape that memory was too short for

    def add(self, batch: Batch, share: float, loss: Loss, seed: int) -> tuple[Tensor, Tensor]:
        """Add `share` times the gradients of the batch's mean loss; return that loss and -log p.

        Args:
            seed: of the randomness, such as dropout's, should the batch be divided.

        Raises:
            InputError: memory is too short for a single pair.
        """
        shape = (*batch.src.shape, batch.tgt_in.shape[1])
        while True:
            parts = self._parts.get(shape, 1)
            if parts > 1:
                draw_anew(seed, batch.src.device)
            try:
                return self._add(deal(batch, parts), share, loss)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
            # Out here, where the error holds on to nothing any more.
            self._divide(shape, parts)

    def divides(self, shape: tuple[int, ...]) -> bool:
        """Whether batches of a shape, as B, S and T, are taken in parts."""
        return shape in self._parts

    def _add(self, parts: list[tuple[Batch, float]], share: float, loss: Loss) -> tuple[Tensor, Tensor]:
        before = [parameter.grad for parameter in self.parameters]
        for parameter in self.parameters:
            parameter.grad = None
        losses, nlls = [], []
        try:
            for part, of_batch in parts:
                part_loss, part_nll = loss(part)
                # Each backward computation has the precision of its forward one, not autocast's.
                with torch.autocast(part.src.device.type, enabled=False):
                    torch.autograd.backward(part_loss * (share * of_batch))
                losses.append(part_loss.detach() * of_batch)
                nlls.append(part_nll.detach() * of_batch)
        except BaseException:
            for parameter, old in zip(self.parameters, before, strict=True):
                parameter.grad = old
            raise
        for parameter, old in zip(self.parameters, before, strict=True):
            if old is not None:
                parameter.grad = old if parameter.grad is None else old.add_(parameter.grad)
        return sum(losses[1:], losses[0]), sum(nlls[1:], nlls[0])

    def _divide(self, shape: tuple[int, ...], parts: int) -> None:
        rows, src_width, tgt_width = shape
        if parts >= rows:
            raise InputError(
                f"memory is too short for one pair of {src_width} and {tgt_width} pieces: lower "
                "--data.max_length, or train a smaller model"
            )
        self._parts[shape] = min(2 * parts, rows)
        log.warning(
            "memory is too short for %d pairs of %d and %d pieces: batches of this shape are taken in %d "
            "parts from now on; lower --data.batch-tokens to be faster",
            rows, src_width, tgt_width, self._parts[shape],
        )  # fmt: skip
        free_memory()


def free_memory() -> None:
    """Give back what nothing holds on to any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def draw_anew(seed: int, device: torch.device) -> None:
    """Begin the randomness of a batch again, whatever an attempt has drawn of it."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory was too short; not all that ran short of it has a kind of error of its own.

    The end of a recording (`translate.training.recorded`) that failed so may be an error itself.
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    if isinstance(error, RuntimeError) and any(words in str(error) for words in SHORT):
        return True
    return error.__context__ is not None and is_out_of_memory(error.__context__)
