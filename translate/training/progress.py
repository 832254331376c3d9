"""What a person sees of a training."""

import logging
import sys
import time
from contextlib import ExitStack
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from translate.training.validation import Validation

log = logging.getLogger(__name__)


class Progress(Callback):
    """A bar on a terminal, plain lines elsewhere: rate, time left, loss and last BLEU."""

    BAR_EVERY = 2.0  # seconds between new facts beside the bar
    LINE_EVERY = 30.0  # seconds between plain lines

    def __init__(self, validation: Validation) -> None:
        self.validation = validation
        self._bar: Any = None
        self._open = ExitStack()

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Open the bar where the run stands."""
        if sys.stderr.isatty():
            self._bar = self._open.enter_context(
                tqdm(total=trainer.max_steps, initial=trainer.global_step, unit="step", dynamic_ncols=True)
            )
            # Messages go above the bar, not into it.
            self._open.enter_context(logging_redirect_tqdm([logging.getLogger("translate")]))
        self._reset(trainer)

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count; show now and then."""
        # Sums of tensors, since a number would have to be waited for.
        self._tokens += batch.src_mask.sum() + batch.tgt_mask.sum()
        self._nll += outputs["nll"]
        self._batches += 1
        if self._bar is not None:
            self._bar.update(trainer.global_step - self._bar.n)
        seconds = time.monotonic() - self._since
        if seconds >= (self.LINE_EVERY if self._bar is None else self.BAR_EVERY):
            self._show(trainer, seconds)
            self._reset(trainer)

    def on_validation_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Say why the bar stands still."""
        if self._bar is not None:
            self._bar.set_description("validating")

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Leave the validation out of the rate."""
        if self._bar is not None:
            self._bar.set_description()
        self._reset(trainer)

    def teardown(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        """Close the bar."""
        self._open.close()
        self._bar = None

    def on_exception(
        self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Close the bar: after an exception Lightning does not call `teardown`."""
        self._open.close()
        self._bar = None

    def _show(self, trainer: pl.Trainer, seconds: float) -> None:
        rate, nll = float(self._tokens) / seconds, float(self._nll) / self._batches
        for logger in trainer.loggers:
            logger.log_metrics({"train/nll": nll, "train/tokens_per_second": rate}, step=trainer.global_step)
        shown = {"loss": f"{nll:.3f}", "tokens/s": f"{rate:,.0f}"}
        if self.validation.last_bleu is not None:
            shown["BLEU"] = f"{self.validation.last_bleu:.2f}"
        if self._bar is not None:
            self._bar.set_postfix(shown)
            return
        steps, left = trainer.global_step - self._first, trainer.max_steps - trainer.global_step
        facts = ", ".join(f"{name} {value}" for name, value in shown.items())
        if steps:
            facts += f", {left * seconds / steps / 60:.1f} min left"
        log.info("step %d of %d, %s", trainer.global_step, trainer.max_steps, facts)

    def _reset(self, trainer: pl.Trainer) -> None:
        self._tokens, self._nll, self._batches = torch.tensor(0), torch.tensor(0.0), 0
        self._first, self._since = trainer.global_step, time.monotonic()
