"""Gradients of a batch whose ids are resident, from work that is recorded once a shape and then replayed.

A small model's step is many short kernels, a recurrent decoder's thousands, each started from Python. A CUDA
graph starts all of them at once.
"""

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from translate.batches import Batch
from translate.model import Seq2Seq
from translate.training.division import BatchGradients, draw_anew, free_memory, is_out_of_memory
from translate.training.loss import Objective, padded_batch_loss
from translate.training.resident import ResidentPairs, Rows

log = logging.getLogger(__name__)

Shape = tuple[int, int, int]  # B, S, T

# Takes work on tensors that stay where they are; returns what does it again, on what is in them then.
Record = Callable[[Callable[[], None]], Callable[[], None]]

MOST = 128  # recordings: each of them holds some of the device's memory


class Recording(NamedTuple):
    """The work of a shape, and the tensors that it reads and writes."""

    replay: Callable[[], None]
    pairs: Int[Tensor, " B"]
    result: Float[Tensor, "2"]


class GradientStep:
    """Adds the gradients of a batch to those that the parameters have; waits for the device nowhere.

    Unless memory is too short for it: then it is divided (`translate.training.division`), as are all of its
    shape from then on. What memory is too short to record, or to replay, is computed anew each time.

    Args:
        pairs: the corpus.
        share: of the batch's mean loss that the gradients are of.
        record: None to do the work anew each time.
    """

    def __init__(
        self,
        model: Seq2Seq,
        pairs: ResidentPairs,
        objective: Objective,
        share: float,
        record: Record | None,
    ) -> None:
        self.model, self.pairs = model, pairs
        self.objective, self.share = objective, share
        self.record = record
        self.divided = BatchGradients(model)
        self._gradients: list[Tensor] = []
        self._met: set[Shape] = set()
        self._recordable: set[Shape] = set()  # they have been computed whole
        self._recordings: dict[Shape, Recording] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> "GradientStep":
        """Weight averaging copies the module with all that it holds; of this one is enough."""
        return self

    def zero_gradients(self) -> None:
        """Begin a step. The gradients stay where they are, since that is where recorded work adds to them."""
        parameters = list(self.model.parameters())
        if not self._gradients:  # by now the model is where it stays
            self._gradients = [torch.zeros_like(parameter) for parameter in parameters]
        for parameter, gradient in zip(parameters, self._gradients, strict=True):
            parameter.grad = gradient  # Lightning takes it away before a validation
        torch._foreach_zero_(self._gradients)

    def __call__(self, rows: Rows, seed: int) -> Float[Tensor, "2"]:
        """Return the mean loss and the mean -log p of the batch's target tokens.

        Args:
            seed: of the batch's randomness, which is begun anew after an attempt that failed.

        Raises InputError when memory is too short for a single pair.
        """
        shape = (len(rows.pairs), rows.src_width, rows.tgt_width)
        recording = self._recordings.get(shape)
        if recording or (shape in self._recordable and len(self._recordings) < MOST):
            try:
                return self._replay(recording or self._make_recording(shape, rows.pairs), rows.pairs)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
            # Out here, where the error holds on to nothing any more.
            recording = None
            self._give_up(shape)
            draw_anew(seed, rows.pairs.device)
        loss, nll = self.divided.add(self.pairs.gather(rows.pairs, *shape[1:]), self.share, self._loss, seed)
        # The first time, kernels are chosen and loaded, which cannot be recorded.
        if self.record is not None and shape not in self._met and not self.divided.divides(shape):
            self._recordable.add(shape)
        self._met.add(shape)
        return torch.stack([loss, nll])

    def _replay(self, recording: Recording, pairs: Int[Tensor, " B"]) -> Float[Tensor, "2"]:
        recording.pairs.copy_(pairs)
        recording.replay()
        return recording.result.clone()

    def _make_recording(self, shape: Shape, pairs: Int[Tensor, " B"]) -> Recording:
        assert self.record is not None  # else no shape is recordable
        pairs = pairs.clone()
        result = torch.zeros(2, device=pairs.device)

        def work() -> None:
            loss, nll = self._loss(self.pairs.gather(pairs, *shape[1:]))
            # Each backward computation has the precision of its forward one, not autocast's.
            with torch.autocast(pairs.device.type, enabled=False):
                torch.autograd.backward(loss * self.share)
            result.copy_(torch.stack([loss.detach(), nll]))

        recording = self._recordings[shape] = Recording(self.record(work), pairs, result)
        return recording

    def _give_up(self, shape: Shape) -> None:
        """Record a shape no more: it is computed anew each time."""
        self._recordable.discard(shape)
        self._recordings.pop(shape, None)
        log.warning(
            "memory is too short to record %d pairs of %d and %d pieces as a CUDA graph: batches of this "
            "shape are computed without one from now on; lower --data.batch-tokens to be faster",
            *shape,
        )
        free_memory()

    def _loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        return padded_batch_loss(self.model, batch, self.objective)


class CudaGraphs:
    """Records work on the GPU; recordings share one pool of memory, since only one runs at a time.

    Recording needs a stream of its own, and what autograd keeps of the weights must have been made on the
    same one: so everything between `__enter__` and `__exit__` runs on it.
    """

    def __init__(self) -> None:
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._context = torch.cuda.stream(self._stream)
        self._pool = torch.cuda.graph_pool_handle()

    def __enter__(self) -> "CudaGraphs":
        self._context.__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: object) -> None:
        self._context.__exit__(*error)
        torch.cuda.current_stream().wait_stream(self._stream)

    def __call__(self, work: Callable[[], None]) -> Callable[[], None]:
        """Record; nothing is computed yet."""
        graph = torch.cuda.CUDAGraph()
        torch.clear_autocast_cache()  # weights that were cast before would not be cast again at a replay
        try:
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
                work()
        except RuntimeError as error:
            error.add_note(
                "This happened while recording a CUDA graph: --training.cuda_graphs false does without."
            )
            raise
        finally:
            torch.clear_autocast_cache()  # what was cast just now lies in the graph's memory
        return graph.replay
