"""One clock and one way to count tokens for every system, inside that system's own training.

A program of this folder starts a system's own training code and hands the meter its batches; the end of an
optimiser's step is seen by torch's own hook, whoever takes the step.

How tokens are counted: every sentence pair of a batch has its pieces, source and target, plus one end of
sentence on each side. Padding and the beginning of the target count nothing. A system that does not end its
sources (eole) is counted as if it did: what is compared is the text that is learnt from in a second.
"""

import time
from typing import Any

import torch
from job import Job
from torch.optim.optimizer import register_optimizer_step_post_hook

COMPARED = 5  # losses at the beginning and at the end whose means say whether the model learns


class Measured(BaseException):
    """There is enough to tell the speed from; not an Exception, so that no system keeps on training."""


class Meter:
    """Counts tokens from the end of the warm-up until the time is over, then raises Measured.

    The time is the wall's, from the end of a step to the end of a step: everything that a system does
    between two steps is in it. What it does once (reading the corpus, the first batches) is in the warm-up.
    """

    def __init__(self, job: Job) -> None:
        torch.set_num_threads(job["threads"])
        self.warm_up, self.limit = int(job["warm_up_steps"]), float(job["seconds"])
        self.steps = self.tokens = self.pairs = 0
        self.losses: list[float] = []
        self.seconds = self.cpu_seconds = 0.0
        register_optimizer_step_post_hook(self._end_step)

    def count(self, pieces: int, pairs: int) -> None:
        """Note a batch before its step: its pieces on both sides (special ones not counted), its pairs."""
        self.tokens += pieces + 2 * pairs
        self.pairs += pairs

    def note_loss(self, loss: float) -> None:
        """Note a step's training loss a target token."""
        self.losses.append(loss)

    def result(self) -> dict[str, Any]:
        """What was measured, as JSON."""
        few = min(COMPARED, len(self.losses) // 2)
        return {
            "tokens": self.tokens,
            "pairs": self.pairs,
            "steps": self.steps - self.warm_up,
            "seconds": round(self.seconds, 3),
            "cpu_seconds": round(self.cpu_seconds, 3),  # of this process alone
            "first_loss": round(sum(self.losses[:few]) / few, 4),
            "last_loss": round(sum(self.losses[-few:]) / few, 4),
        }

    def _end_step(self, *_: Any) -> None:
        self.steps += 1
        if self.steps == self.warm_up:
            self.tokens = self.pairs = 0
            self._started, self._cpu_started = time.perf_counter(), time.process_time()
        elif self.steps > self.warm_up:
            self.seconds = time.perf_counter() - self._started
            self.cpu_seconds = time.process_time() - self._cpu_started
            if self.seconds >= self.limit:
                raise Measured
