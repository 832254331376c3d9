"""Data parallelism on a CPU: processes that share one copy of the weights and each take a part of a batch.

The training process takes the first part, adds up everybody's gradients and alone takes the optimiser's step;
the others see the new weights at once, since the memory is the same. Recurrent layers take many small steps
in turn, which a second thread hardly speeds up; a second process does.
"""

import multiprocessing
import pickle
import signal
import sys
from collections.abc import Sequence
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from translate.batches import Batch
from translate.errors import InputError
from translate.model import Seq2Seq
from translate.platforms import keep_freed_memory
from translate.training.division import BatchGradients
from translate.training.loss import Objective, batch_loss

READY = b"ready"
ALIGNMENT = 16  # floats: a cache line


class Task(NamedTuple):
    """What a worker does next: the gradients of `share` times the mean loss of its part."""

    part: Batch
    share: float
    objective: Objective
    seed: int


class Workers:
    """Processes that compute the gradients of their parts of a batch.

    From here on the model's parameters lie in memory that all of them share.

    Args:
        count: of processes beside this one.
        threads: of each.
        bf16: compute in bfloat16, as the training process does.

    Raises:
        InputError: from any method, when a worker has ended.
    """

    def __init__(self, model: Seq2Seq, count: int, threads: int, bf16: bool) -> None:
        context = multiprocessing.get_context("spawn")  # a fork of a process with threads can hang
        self.parameters = list(model.parameters())
        pickled = pickle.dumps(model)  # by value: the weights follow in shared memory
        shared = [context.RawArray("f", _size(self.parameters)) for _ in range(1 + count)]
        for parameter, view in zip(self.parameters, _views(shared[0], self.parameters), strict=True):
            parameter.data = view.copy_(parameter.data)
        self._gradients = [_views(memory, self.parameters) for memory in shared[1:]]
        self._connections: list[Connection] = []
        self._processes = []
        for memory in shared[1:]:
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_work, args=(theirs, pickled, shared[0], memory, threads, bf16), daemon=True
            )
            process.start()
            theirs.close()  # so that the pipe ends with the worker
            self._connections.append(ours)
            self._processes.append(process)
        self._busy: list[int] = []

    def __len__(self) -> int:
        """How many processes there are beside this one."""
        return len(self._processes)

    def wait_until_ready(self) -> None:
        """Return when all of them have started."""
        for number in range(len(self._connections)):
            self._receive(number)

    def start(self, tasks: Sequence[Task]) -> None:
        """Give the first workers a task each."""
        self._busy = list(range(len(tasks)))
        for number, task in enumerate(tasks):
            try:
                self._connections[number].send_bytes(pickle.dumps(task))
            except OSError:
                raise self._ended(number) from None

    def collect(self) -> float:
        """Wait for the tasks and add their gradients to the parameters'.

        Returns:
            The sum of their shares times -log p.
        """
        nll = 0.0
        for number in self._busy:  # in this order, so that sums are the same in every run
            nll += pickle.loads(self._receive(number))
            for parameter, gradient in zip(self.parameters, self._gradients[number], strict=True):
                assert parameter.grad is not None
                parameter.grad += gradient
        self._busy = []
        return nll

    def stop(self) -> None:
        """End the processes, at once."""
        for connection, process in zip(self._connections, self._processes, strict=True):
            connection.close()
            process.kill()  # the other signals it ignores
            process.join()
        self._connections, self._processes = [], []

    def _receive(self, number: int) -> bytes:
        try:
            return self._connections[number].recv_bytes()
        except (EOFError, OSError):
            raise self._ended(number) from None

    def _ended(self, number: int) -> InputError:
        process = self._processes[number]
        process.join()
        return InputError(
            f"training process {number + 2} of {len(self._processes) + 1} ended with exit code "
            f"{process.exitcode}: its message may stand above; without one, memory was probably short "
            "(training.processes 1 needs least). Go on with `seq2see train --resume RUN`"
        )


def _size(parameters: Sequence[nn.Parameter]) -> int:
    return sum(-(-parameter.numel() // ALIGNMENT) * ALIGNMENT for parameter in parameters)


def _views(memory: Any, parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    """Tensors of the parameters' shapes in a memory; each has a storage of its own, as saving wants it."""
    views = []
    start = 0
    for parameter in parameters:
        flat = torch.frombuffer(memory, dtype=torch.float32, count=parameter.numel(), offset=4 * start)
        views.append(flat.view(parameter.shape))
        start += _size([parameter])
    return views


def _work(
    connection: Connection, pickled: bytes, weight_memory: Any, gradient_memory: Any, threads: int, bf16: bool
) -> None:
    """What a worker does until the training process closes the pipe or is gone."""
    # Whoever stops the training may send the signal to all its processes: the first one finishes the step.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    keep_freed_memory()
    torch.set_num_threads(threads)
    model: Seq2Seq = pickle.loads(pickled)
    parameters = list(model.parameters())
    gradients = _views(gradient_memory, parameters)
    for parameter, weight, gradient in zip(
        parameters, _views(weight_memory, parameters), gradients, strict=True
    ):
        parameter.data, parameter.grad = weight, gradient
    batch_gradients = BatchGradients(model)
    connection.send_bytes(READY)
    while True:
        try:
            task: Task = pickle.loads(connection.recv_bytes())
        except EOFError:
            sys.exit()
        torch.default_generator.manual_seed(task.seed)
        for gradient in gradients:
            gradient.zero_()
        loss = partial(batch_loss, model, objective=task.objective)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            _, nll = batch_gradients.add(task.part, task.share, loss, task.seed)
        connection.send_bytes(pickle.dumps(float(nll) * task.share))
