"""What the processes of one job tell one another, on one machine or many: torch's process groups."""

import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from translate.errors import InputError
from translate.platforms import Device
from translate.ranks import Place

T = TypeVar("T")

# How long the others wait for what only the first process does: reading a large corpus takes hours.
PATIENCE = timedelta(days=7)


class Ranks:
    """The processes of a job; a single one tells itself.

    Args:
        place: which of them this is.
        group: of all of them, on the host's side; None: there is one.
    """

    def __init__(self, place: Place = Place(), group: Any = None) -> None:  # noqa: B008  # a tuple
        self.place, self._group = place, group

    def __deepcopy__(self, _: dict[int, Any]) -> "Ranks":
        """Return itself: an averaged model's copy has the same others."""
        return self

    @property
    def rank(self) -> int:
        """Which this is."""
        return self.place.rank

    @property
    def size(self) -> int:
        """How many there are."""
        return self.place.size

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes files and logs."""
        return self.rank == 0

    def decide(self, work: Callable[[], T]) -> T:
        """Let the first process do something, and give all of them what came of it.

        Raises:
            SystemExit: the first one has failed, and says why.
        """
        if self.size == 1:
            return work()
        told: list[Any] = [None]
        if not self.is_first:
            dist.broadcast_object_list(told, group=self._group)
            if told[0] is None:
                raise SystemExit(1)
            return told[0][0]  # type: ignore[no-any-return]
        try:
            result = work()
            told = [(result,)]
        finally:
            dist.broadcast_object_list(told, group=self._group)
        return result

    def gather(self, value: T) -> list[T]:
        """Return everybody's value, in the order of their ranks."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value, group=self._group)
        return values

    def add(self, numbers: Sequence[float]) -> list[float]:
        """Return the sums over all processes, in double precision."""
        sums = torch.tensor(numbers, dtype=torch.float64)
        dist.all_reduce(sums, group=self._group)
        return sums.tolist()


@contextmanager
def joined(place: Place, device: Device) -> Iterator[Ranks]:
    """Meet the other processes, if there are some; only the first one says what is no error.

    Raises:
        InputError: contact with the others is lost, in this or in what is done meanwhile.
    """
    if place.size == 1:
        yield Ranks()
        return
    _as_torchrun_says(place)
    if device == "cuda":
        torch.cuda.set_device(place.local_rank)
    ours = not dist.is_initialized()
    log = logging.getLogger("translate")
    level = log.level
    if place.rank:
        log.setLevel(logging.ERROR)
    try:
        if ours:
            dist.init_process_group("cpu:gloo,cuda:nccl" if device == "cuda" else "gloo")
        yield Ranks(place, dist.new_group(backend="gloo", timeout=PATIENCE))
    except RuntimeError as error:
        if not (isinstance(error, dist.DistError) or "gloo" in str(error)):
            raise
        raise InputError(
            f"process {place.rank + 1} of {place.size} has lost contact with the others "
            f"({str(error).splitlines()[0]}): one may have ended, and its message stand above, or the "
            "network be down; what was done until the last checkpoint or part is kept"
        ) from error
    finally:
        log.setLevel(level)
        if ours and dist.is_initialized():
            dist.destroy_process_group()


def _as_torchrun_says(place: Place) -> None:
    """Say where this is, and where the first one is, as torchrun would where SLURM has said it."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    os.environ |= {name: str(value) for name, value in zip(names, place, strict=True)}
    os.environ.setdefault("GROUP_RANK", str(place.rank // place.local_size))
    nodes = os.environ.get("SLURM_STEP_NODELIST", "")
    if "MASTER_ADDR" not in os.environ and nodes:
        os.environ["MASTER_ADDR"] = _first_node(nodes)
    # Another one for each job: those of one node may be started together.
    os.environ.setdefault("MASTER_PORT", str(15000 + int(os.environ.get("SLURM_JOB_ID", "0")) % 10000))


def _first_node(nodes: str) -> str:
    """Return the first name of a list as SLURM writes it: gpu01 of gpu[01-03,7],cpu1."""
    return re.sub(r"\[(\w+).*?\]", r"\1", nodes).partition(",")[0]
