"""What happens around the steps: averaging, validation by real decoding, checkpoints, progress, interruption."""

import logging
import signal
import sys
import time
from collections.abc import Sequence
from types import FrameType
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, WeightAveraging
from torch import Tensor
from tqdm import tqdm

from translate.config import Config
from translate.evaluation import bleu
from translate.run_directory import RunDirectory
from translate.tokenizer import Tokenizers
from translate.training.module import TrainingModule
from translate.translator import translate_texts

log = logging.getLogger(__name__)

Outputs = Any  # what a step of TrainingModule returned


class Interrupted(BaseException):
    """A signal asked training to stop, and it has, with a checkpoint; no `except Exception` may swallow it."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"stopped by signal {signal_number}")
        self.signal_number = signal_number


class ExponentialMovingAverage(WeightAveraging):
    """Lightning's weight averaging with a decay that begins low, so that the first steps are soon forgotten.

    After n steps the old average keeps min(decay, (1 + n) / (10 + n)), as TensorFlow's ExponentialMovingAverage does.
    """

    def __init__(self, decay: float, device: torch.device) -> None:
        super().__init__(device=device, use_buffers=True, multi_avg_fn=self._blend)
        self.decay = decay

    @torch.no_grad()
    def _blend(
        self, averages: Sequence[Tensor], current: Sequence[Tensor], updates: Tensor | int
    ) -> None:
        n = int(updates)
        decay = min(self.decay, (1 + n) / (10 + n))
        torch._foreach_lerp_(list(averages), list(current), 1 - decay)


class Validation(Callback):
    """Scores the (averaged) weights by translating the validation text; keeps the best ones.

    Stands before the averaging callback, whose own hook at the end of a validation takes the averaged
    weights out of the model again.
    """

    def __init__(self, run: RunDirectory, config: Config, tokenizers: Tokenizers, loader: Any) -> None:
        self.run, self.config, self.tokenizers = run, config, tokenizers
        self.src = run.valid_src_path.read_text(encoding="utf-8").split("\n")[:-1]
        self.tgt = run.valid_tgt_path.read_text(encoding="utf-8").split("\n")[:-1]
        self.loader = loader
        self.best_bleu = -1.0
        self.best_step = 0
        self.last_bleu: float | None = None
        self.not_better = 0
        self.seconds = 0.0  # of training, resumed parts added up
        self._since = time.monotonic()
        self._nll: list[tuple[Tensor, Tensor]] = []

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Begin to count the time."""
        self._since = time.monotonic()

    def on_validation_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Forget the last validation."""
        self._nll = []

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        module: pl.LightningModule,
        outputs: Outputs,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Collect the loss of the batches."""
        self._nll.append(outputs)

    def on_validation_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Translate, score, log, and keep the weights if they are the best so far."""
        assert isinstance(module, TrainingModule)
        translations = translate_texts(
            module.model,
            self.tokenizers,
            self.src,
            self._search(),
            max_src_length=self.config.data.max_length,
            on_long="truncate",
        )
        score = self.last_bleu = bleu([translation.text for translation in translations], self.tgt)
        self.seconds, self._since = self.elapsed(), time.monotonic()
        nll = sum(float(total) for total, _ in self._nll) / max(1, sum(int(count) for _, count in self._nll))
        better = score > self.best_bleu
        if better:
            self.best_bleu, self.best_step, self.not_better = score, trainer.global_step, 0
            self.run.save_weights(module.model, self.tokenizers)
        else:
            self.not_better += 1
        self._write(trainer, nll, score)
        patience = self.config.training.patience
        if patience and self.not_better >= patience:
            log.info("BLEU has not risen for %d validations: training stops early", self.not_better)
            trainer.should_stop = True

    def elapsed(self) -> float:
        """Seconds of training so far."""
        return self.seconds + time.monotonic() - self._since

    def minutes(self) -> float:
        """Minutes of training so far."""
        return self.elapsed() / 60

    def out_of_time(self) -> bool:
        """Whether the run has used up its minutes."""
        limit = self.config.training.max_minutes
        return limit > 0 and self.minutes() >= limit

    def state_dict(self) -> dict[str, Any]:
        """What choosing the best model and stopping early depend on."""
        return {
            "best_bleu": self.best_bleu,
            "best_step": self.best_step,
            "last_bleu": self.last_bleu,
            "not_better": self.not_better,
            "seconds": self.elapsed(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        for name, value in state_dict.items():
            setattr(self, name, value)

    def _search(self) -> Any:
        from dataclasses import replace

        return replace(self.config.search, beam_size=self.config.training.valid_beam_size, n_best=1)

    def _write(self, trainer: pl.Trainer, nll: float, score: float) -> None:
        row = {
            "step": trainer.global_step,
            "epoch": f"{self.loader.epoch + self.loader.consumed / len(self.loader):.2f}",
            "minutes": f"{self.seconds / 60:.2f}",
            "learning_rate": f"{trainer.optimizers[0].param_groups[0]['lr']:.3g}",
            "valid_nll": f"{nll:.4f}",
            "valid_bleu": f"{score:.2f}",
            "best_bleu": f"{self.best_bleu:.2f}",
        }
        self.run.append_metrics(row)
        for logger in trainer.loggers:
            logger.log_metrics({"valid/nll": nll, "valid/bleu": score}, step=trainer.global_step)
        search = "greedy" if self.config.training.valid_beam_size == 1 else f"beam {self._search().beam_size}"
        log.info(
            "step %d, epoch %s, %s min: validation BLEU %.2f (%s), -log p %.3f a token%s",
            trainer.global_step, row["epoch"], row["minutes"], score, search, nll,
            ", best so far" if self.best_step == trainer.global_step else "",
        )  # fmt: skip


class Checkpoints(Callback):
    """Writes a checkpoint at each validation, every so many steps, and when a signal asks to stop.

    Stands after the averaging callback, so that a step's average is in the checkpoint too.
    """

    def __init__(self, run: RunDirectory, every: int, validation: Validation) -> None:
        self.run, self.every, self.validation = run, every, validation
        self._signal = 0
        self._handlers: dict[int, Any] = {}
        self._saved_at = -1

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Take over Ctrl-C and SIGTERM: a step is finished before training stops."""
        self._saved_at = trainer.global_step
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                self._handlers[number] = signal.signal(number, self._ask)
        except ValueError:
            pass  # not the main thread: whoever runs us there has signals in hand

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Outputs, batch: Any, batch_idx: int
    ) -> None:
        """Save if it is time; stop if asked to; let the last step be validated."""
        if self._signal:
            self.save(trainer)
            raise Interrupted(self._signal)
        if trainer.global_step == trainer.max_steps or self.validation.out_of_time():
            trainer.should_stop = True  # makes Lightning validate now, whatever the interval
        elif self.every and trainer.global_step % self.every == 0:
            self.save(trainer)

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Save after each validation."""
        self.save(trainer)

    def save(self, trainer: pl.Trainer) -> None:
        """Write last.ckpt, once a step."""
        if self._saved_at != trainer.global_step:
            self.run.save_checkpoint(lambda path: trainer.save_checkpoint(path))
            self._saved_at = trainer.global_step

    def teardown(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        """Give the signals back."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self._signal:  # asked twice: whoever is in a hurry is obeyed
            raise KeyboardInterrupt
        self._signal = number
        log.warning("stopping after this step, with a checkpoint (once more: at once, without)")


class Progress(Callback):
    """A bar on a terminal, plain lines elsewhere: rate, time left, loss and last BLEU."""

    EVERY = 30.0  # seconds between plain lines

    def __init__(self, validation: Validation) -> None:
        self.validation = validation
        self._bar: Any = None
        self._tokens = 0
        self._nll = 0.0
        self._steps = 0
        self._since = 0.0

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Open the bar where the run stands."""
        if sys.stderr.isatty():
            self._bar = tqdm(
                total=trainer.max_steps, initial=trainer.global_step, unit="step", dynamic_ncols=True
            )
        self._reset()

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Outputs, batch: Any, batch_idx: int
    ) -> None:
        """Count; show now and then."""
        self._tokens += int(batch.src_mask.sum() + batch.tgt_mask.sum())
        self._nll += float(outputs["nll"])
        self._steps += 1
        seconds = time.monotonic() - self._since
        if self._bar is not None:
            self._bar.update(trainer.global_step - self._bar.n)
        if seconds < (2.0 if self._bar is not None else self.EVERY):
            return
        rate, nll = self._tokens / seconds, self._nll / self._steps
        for logger in trainer.loggers:
            logger.log_metrics({"train/nll": nll, "train/tokens_per_second": rate}, step=trainer.global_step)
        last = self.validation.last_bleu
        shown = {"loss": f"{nll:.3f}", "tokens/s": f"{rate:,.0f}"}
        if last is not None:
            shown["BLEU"] = f"{last:.2f}"
        if self._bar is not None:
            self._bar.set_postfix(shown)
        else:
            left = (trainer.max_steps - trainer.global_step) * seconds / self._steps / 60
            facts = ", ".join(f"{name} {value}" for name, value in shown.items())
            log.info("step %d of %s, %s, %.1f min left", trainer.global_step, trainer.max_steps, facts, left)
        self._reset()

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Leave the validation out of the rate."""
        self._reset()

    def teardown(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _reset(self) -> None:
        self._tokens, self._nll, self._steps, self._since = 0, 0.0, 0, time.monotonic()
