"""What a person sees of a training."""

import logging
import sys
import time
from contextlib import ExitStack
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from translate.config.training import TrainingConfig
from translate.training.validation import Validation

log = logging.getLogger(__name__)


class Progress(Callback):
    """A bar on a terminal, plain lines elsewhere: rate, time left, loss and last BLEU."""

    BAR_EVERY = 2.0  # seconds between new facts beside the bar
    LINE_EVERY = 30.0  # seconds between plain lines
    # As tqdm's own, but for the time left: a run may end by its minutes before its steps.
    BAR = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}, {rate_fmt}{postfix}]"

    def __init__(self, config: TrainingConfig, validation: Validation) -> None:
        self.config, self.validation = config, validation
        self._bar: Any = None
        self._open = ExitStack()

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Open the bar where the run stands."""
        if sys.stderr.isatty():
            step = trainer.global_step
            self._bar = self._open.enter_context(
                tqdm(
                    total=trainer.max_steps,
                    initial=step,
                    unit="step",
                    bar_format=self.BAR,
                    dynamic_ncols=True,
                )
            )
            # Messages go above the bar, not into it.
            self._open.enter_context(logging_redirect_tqdm([logging.getLogger("translate")]))
        self._reset()

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count; show now and then."""
        self._tokens += batch.tokens
        self._nll += outputs["nll"]
        self._batches += 1
        if self._bar is not None:
            self._bar.update(trainer.global_step - self._bar.n)
        if time.monotonic() - self._since >= (self.LINE_EVERY if self._bar is None else self.BAR_EVERY):
            self._show(trainer)
            self._reset()

    def on_validation_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Show the loss next to the score that comes, and why the bar stands still."""
        if self._batches:
            self._show(trainer)
        if self._bar is not None:
            self._bar.set_description("validating")

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Leave the validation out of the rate."""
        if self._bar is not None:
            self._bar.set_description()
        self._reset()

    def teardown(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        """Close the bar."""
        self._open.close()
        self._bar = None

    def on_exception(self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException) -> None:
        """Close the bar: after an exception Lightning does not call `teardown`."""
        self.teardown(trainer, module, "fit")

    def _show(self, trainer: pl.Trainer) -> None:
        seconds = time.monotonic() - self._since
        rate, nll = float(self._tokens) / seconds, float(self._nll) / self._batches
        for logger in trainer.loggers:
            logger.log_metrics({"train/nll": nll, "train/tokens_per_second": rate}, step=trainer.global_step)
        facts = {"loss": f"{nll:.3f}", "tokens/s": f"{rate:,.0f}"}
        if self.validation.last_bleu is not None:
            facts["BLEU"] = f"{self.validation.last_bleu:.2f}"
        facts["min left"] = f"{self._minutes_left(trainer, seconds):.1f}"
        if self._bar is not None:
            self._bar.set_postfix(facts)
        else:
            listed = ", ".join(f"{name} {value}" for name, value in facts.items())
            log.info("step %d of %d, %s", trainer.global_step, trainer.max_steps, listed)

    def _minutes_left(self, trainer: pl.Trainer, seconds: float) -> float:
        steps = trainer.max_steps - trainer.global_step
        left = steps * self.config.accumulate * seconds / self._batches / 60
        if self.config.max_minutes:
            left = min(left, self.config.max_minutes - self.validation.clock.minutes)
        return max(0.0, left)

    def _reset(self) -> None:
        # Sums of tensors, where they are: to have a number one would have to wait for the device.
        self._tokens: Any = 0
        self._nll: Any = 0.0
        self._batches = 0
        self._since = time.monotonic()
