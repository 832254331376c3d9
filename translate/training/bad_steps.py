"""Steps whose gradients are NaN or infinite: not taken, and in the end not tried any more."""

import logging
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer

from translate.batches import Part
from translate.errors import InputError
from translate.run_directory import RunDirectory

log = logging.getLogger(__name__)


class BadSteps(Callback):
    """Skips a step with a gradient that is no number, and makes the next ones smaller for a while.

    The optimizer's own `found_inf` leaves weights, moments and their count as they were. A loss that is no
    number has such gradients. The step counts all the same, so that the rest of the run is the same batches.

    Args:
        run: where the batches of the last step go when training stops.
        look_every: steps between looks at what the device has counted; a look waits for it.
    """

    MOST = 10  # in a row: by then it is not one strange batch
    LOWEST = 6  # halvings: below 1/64 of the learning rate nothing would be learnt
    RECOVERED = 100  # good steps after which the learning rate is doubled again, until it is the schedule's

    def __init__(self, run: RunDirectory, look_every: int) -> None:
        self.run, self.look_every = run, look_every
        self.halvings = 0  # of the learning rate, now
        self.good = 0  # steps since the last look that found a bad one, or since the last doubling
        self.seen = 0  # skipped steps at the last look
        self._skipped: Tensor | None = None  # steps of the run; on the device, as is the next
        self._in_a_row: Tensor | None = None
        self._loaded = (0, 0)
        self._batches: list[Any] = []  # of the step under way

    def on_train_batch_start(
        self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Remember the batch: the step that it is part of may be the last one."""
        if trainer.fit_loop.total_batch_idx % trainer.accumulate_grad_batches == 0:
            self._batches = []
        self._batches.append(batch.batch if isinstance(batch, Part) else batch)

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        """Let the optimizer skip a bad step, and take a smaller one after it."""
        gradients = [
            p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None
        ]
        norm = torch.nn.utils.get_total_norm(gradients)
        if isinstance(norm, DTensor):  # of gradients in shards
            norm = norm.full_tensor()
        bad = (~norm.isfinite()).float()
        if self._skipped is None or self._in_a_row is None:
            self._skipped, self._in_a_row = (bad.new_tensor(count) for count in self._loaded)
        self._skipped = self._skipped + bad
        self._in_a_row = (self._in_a_row + 1) * bad
        if optimizer.param_groups[0]["fused"]:  # as in the checkpoint that it goes on from
            optimizer.found_inf = bad  # type: ignore[attr-defined]
        elif bad:
            optimizer.zero_grad()  # without gradients it does nothing
        for group in optimizer.param_groups:  # the schedule sets it anew after the step
            group["lr"] *= 0.5**self.halvings

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look at what was counted, if it is time."""
        mid_step = (trainer.fit_loop.total_batch_idx + 1) % trainer.accumulate_grad_batches
        if mid_step or trainer.global_step % self.look_every or self._skipped is None:
            return
        assert self._in_a_row is not None
        skipped, in_a_row = int(self._skipped), int(self._in_a_row)
        if in_a_row >= self.MOST:
            self._stop(trainer.global_step, in_a_row)
        if skipped > self.seen:
            self.halvings = min(self.halvings + 1, self.LOWEST)
            log.warning(
                "step %d: %d of the last %d steps had NaN or infinite gradients and %s skipped; the learning "
                "rate is 1/%d of the schedule's for a while",
                trainer.global_step, skipped - self.seen, self.look_every,
                "was" if skipped - self.seen == 1 else "were", 2**self.halvings,
            )  # fmt: skip
            self.seen, self.good = skipped, 0
        elif self.halvings:
            self.good += self.look_every
            if self.good >= self.RECOVERED:
                self.halvings, self.good = self.halvings - 1, 0

    def state_dict(self) -> dict[str, Any]:
        """What the next steps depend on."""
        skipped, in_a_row = self._loaded
        if self._skipped is not None and self._in_a_row is not None:
            skipped, in_a_row = int(self._skipped), int(self._in_a_row)
        return {
            "halvings": self.halvings,
            "good": self.good,
            "seen": self.seen,
            "skipped": skipped,
            "in_a_row": in_a_row,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.halvings, self.good, self.seen = (state_dict[name] for name in ("halvings", "good", "seen"))
        self._loaded = state_dict["skipped"], state_dict["in_a_row"]

    def _stop(self, step: int, in_a_row: int) -> None:
        tensors = {
            f"{number}.{name}": value.cpu().contiguous()
            for number, batch in enumerate(self._batches)
            for name, value in batch._asdict().items()
            if isinstance(value, Tensor)
        }
        self.run.save_batch(tensors)
        raise InputError(
            f"the gradients of {in_a_row} steps in a row are NaN or infinite: training stops at step {step}. "
            f"{self.run.bad_batch_path} has the batch of the last one; the checkpoint before is whole. Train "
            "again with a lower --training.learning_rate, and look whether the text has lines of garbage"
        )
