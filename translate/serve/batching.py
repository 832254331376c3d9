"""Requests gathered into batches: one thread computes, whatever the items are and whoever asked.

A job is what one request asks for: items of one kind. Items of the same kind are computed together, those of
many jobs at once, each job's in turn, so that a long request holds up no short one.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

Compute = Callable[[Any, list[Any]], Sequence[Any]]  # a kind and its items -> a result of each
Finish = Callable[[list[Any]], Any]  # results of a job's items -> what is made of them


class FullError(Exception):
    """So much is waiting that no more is taken."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"the queue is full for about {seconds} s")
        self.seconds = seconds  # until what is waiting now will be done, as a guess


class ClosedError(Exception):
    """The server is stopping."""


@dataclass(eq=False)
class _Job:
    kind: Hashable
    items: Sequence[Any]
    sizes: Sequence[int]
    finish: Finish
    future: "Future[Any]" = field(default_factory=Future)
    taken: int = 0  # items that were computed or are being
    results: dict[int, Any] = field(default_factory=dict)

    def waiting(self) -> int:
        return sum(self.sizes[self.taken :])

    def deliver(self) -> None:
        """All is computed: set the result, if somebody still waits for it."""
        if self.future.set_running_or_notify_cancel():
            try:
                self.future.set_result(
                    self.finish([self.results[number] for number in range(len(self.items))])
                )
            except Exception as error:
                self.future.set_exception(error)


class Batcher:
    """A bounded queue and the thread that works on it.

    Args:
        compute: results of items of one kind; runs in the thread only.
        budget: size of a batch; an item larger than that is a batch of its own.
        wait: seconds that the first item waits for others.
        limit: size of what may wait; whatever its size, a job is taken when nothing waits.
        most: jobs that may wait.
    """

    def __init__(self, compute: Compute, *, budget: int, wait: float, limit: int, most: int) -> None:
        self._compute = compute
        self._budget, self._wait, self._limit, self._most = budget, wait, limit, most
        self._jobs: deque[_Job] = deque()  # with items that are still to be taken
        self._waiting = 0
        self._seconds_each = 0.0  # to compute size 1, lately
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="batcher", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """The size of what waits."""
        return self._waiting

    @property
    def alive(self) -> bool:
        """Whether what is submitted now would be computed."""
        return self._thread.is_alive() and not self._closed

    def submit(
        self, kind: Hashable, items: Sequence[Any], sizes: Sequence[int], finish: Finish = list
    ) -> "Future[Any]":
        """Queue a job; its future gets what `finish` makes of its results. Cancelled, it leaves the queue.

        Raises:
            FullError: there is no room.
            ClosedError: `close` was called.
        """
        job = _Job(kind, items, sizes, finish)
        with self._changed:
            if self._closed:
                raise ClosedError
            size = job.waiting()
            if self._waiting and (self._waiting + size > self._limit or len(self._jobs) >= self._most):
                raise FullError(max(1, math.ceil(self._waiting * self._seconds_each)))
            if items:
                self._jobs.append(job)
                self._waiting += size
                self._changed.notify()
            else:
                job.deliver()
        job.future.add_done_callback(lambda future: self._remove(job) if future.cancelled() else None)
        return job.future

    def close(self) -> None:
        """Take no more jobs, and come back when all are done."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._closed)
                self._changed.wait_for(lambda: self._waiting >= self._budget or self._closed, self._wait)
                if self._jobs:
                    batch = self._take()
                elif self._closed:
                    return
                else:  # all were cancelled
                    continue
            started = time.perf_counter()
            self._answer(batch)
            size = sum(job.sizes[number] for job, number in batch)
            each = (time.perf_counter() - started) / max(size, 1)
            self._seconds_each = 0.8 * self._seconds_each + 0.2 * each if self._seconds_each else each

    def _take(self) -> list[tuple[_Job, int]]:
        """Take a batch off the queue: one item of each job in turn."""
        batch: list[tuple[_Job, int]] = []
        room = self._budget
        turns = deque(job for job in self._jobs if job.kind == self._jobs[0].kind)
        self._jobs.rotate(-1)  # whatever is left of the first job, another one is first next time
        while turns:
            job = turns.popleft()
            size = job.sizes[job.taken]
            if batch and size > room:
                if all(job is not other for other, _ in batch):  # it had no turn, so it is first next time
                    self._jobs.remove(job)
                    self._jobs.appendleft(job)
                break
            batch.append((job, job.taken))
            room -= size
            self._waiting -= size
            job.taken += 1
            if job.taken < len(job.items):
                turns.append(job)
            else:
                self._jobs.remove(job)
        return batch

    def _answer(self, batch: list[tuple[_Job, int]]) -> None:
        """Compute a batch. If that fails, each job is tried alone: one fails for no other's items."""
        batch = [(job, number) for job, number in batch if not job.future.cancelled()]
        jobs = list(dict.fromkeys(job for job, _ in batch))
        if not jobs:
            return
        try:
            results = self._compute(jobs[0].kind, [job.items[number] for job, number in batch])
        except Exception as error:
            if len(jobs) == 1:
                self._remove(jobs[0])
                if jobs[0].future.set_running_or_notify_cancel():
                    jobs[0].future.set_exception(error)
                return
            for alone in jobs:
                self._answer([(job, number) for job, number in batch if job is alone])
            return
        for (job, number), result in zip(batch, results, strict=True):
            job.results[number] = result
        for job in jobs:
            if len(job.results) == len(job.items):
                job.deliver()

    def _remove(self, job: _Job) -> None:
        with self._changed:
            if job in self._jobs:
                self._jobs.remove(job)
                self._waiting -= job.waiting()
