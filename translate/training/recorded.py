"""Gradients of a batch whose ids are resident, from work that is recorded once a shape and then replayed.

A small model's step is many short kernels, a recurrent decoder's thousands, each started from Python. A CUDA
graph starts all of them at once.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from translate.model import Seq2Seq
from translate.training.loss import Objective, padded_batch_loss
from translate.training.resident import ResidentPairs, Rows

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
        self._gradients: list[Tensor] = []
        self._met: set[tuple[int, ...]] = set()
        self._recordings: dict[tuple[int, ...], Recording] = {}

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

    def __call__(self, rows: Rows) -> Float[Tensor, "2"]:
        """Return the mean loss and the mean -log p of the batch's target tokens."""
        shape = (len(rows.pairs), rows.src_width, rows.tgt_width)
        recording = self._recordings.get(shape)
        if recording is None and self.record is not None and shape in self._met:
            recording = self._make_recording(rows, self.record)
        # The first time, kernels are chosen and loaded, which cannot be recorded.
        self._met.add(shape)
        if recording is None:
            return self._run(rows.pairs, rows.src_width, rows.tgt_width)
        recording.pairs.copy_(rows.pairs)
        recording.replay()
        return recording.result.clone()

    def _make_recording(self, rows: Rows, record: Record) -> Recording | None:
        if len(self._recordings) == MOST:
            return None
        pairs = rows.pairs.clone()
        result = torch.zeros(2, device=pairs.device)

        def work() -> None:
            result.copy_(self._run(pairs, rows.src_width, rows.tgt_width))

        recording = Recording(record(work), pairs, result)
        self._recordings[len(pairs), rows.src_width, rows.tgt_width] = recording
        return recording

    def _run(self, pairs: Int[Tensor, " B"], src_width: int, tgt_width: int) -> Float[Tensor, "2"]:
        batch = self.pairs.gather(pairs, src_width, tgt_width)
        loss, nll = padded_batch_loss(self.model, batch, self.objective)
        # Each backward computation has the precision of its forward one, not autocast's.
        with torch.autocast(pairs.device.type, enabled=False):
            torch.autograd.backward(loss * self.share)
        return torch.stack([loss.detach(), nll])


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
        torch.clear_autocast_cache()  # what was cast just now lies in the graph's memory
        return graph.replay
