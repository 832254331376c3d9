"""The LightningModule: what a step is, and what is optimised how."""

from collections.abc import Sequence
from typing import Any

import lightning.pytorch as pl
import torch
import torch.distributed as dist
from torch import Tensor, nn

from translate.batches import Batch, Part, deal
from translate.collective import Ranks
from translate.config.training import TrainingConfig
from translate.model import Seq2Seq
from translate.training.clock import Clock, SharedClock
from translate.training.division import BatchGradients
from translate.training.interruption import SharedSignals
from translate.training.loss import Guide, Objective, batch_loss
from translate.training.muon import Muon, hidden_matrices
from translate.training.recorded import GradientStep
from translate.training.resident import Rows
from translate.training.schedule import learning_rate_factor
from translate.training.spelling import SharedSpelling


class TrainingModule(pl.LightningModule):
    """A Seq2Seq model in training; the model itself knows nothing of it.

    Args:
        clock: measures the run, whose learning rate may depend on it.
        processes: that share each batch; this one computes the first part.
        guide: the attention that follows the links of batches that have some.
        spellings: by which pieces of the model share steps.
    """

    def __init__(
        self,
        model: Seq2Seq,
        config: TrainingConfig,
        clock: Clock,
        processes: int = 1,
        guide: Guide | None = None,
        spellings: Sequence[SharedSpelling] = (),
    ) -> None:
        super().__init__()
        self.model = model
        self.processes = processes
        self.config = config
        self.clock = clock
        self.objective = Objective(config.label_smoothing, guide, config.r_drop, config.word_dropout)
        self.gradients = BatchGradients(model)
        self.spellings = spellings

    def on_train_start(self) -> None:
        """Let the learning rate follow the schedule from the first step on: a resumed run may end later."""
        scheduler: Any = self.lr_schedulers()
        for group, highest, factor in zip(
            scheduler.optimizer.param_groups, scheduler.base_lrs, scheduler.lr_lambdas, strict=True
        ):
            group["lr"] = highest * factor(scheduler.last_epoch)

    def on_train_batch_start(self, batch: Batch | Part | Rows, batch_idx: int) -> None:
        """Make the randomness of a batch's part its own."""
        seed = self.seed_of(self.global_rank)
        if self.device.type == "cpu":
            # For GPUs that are not there, torch.manual_seed would write down the stack of calls each time.
            torch.default_generator.manual_seed(seed)
        else:
            torch.manual_seed(seed)

    def seed_of(self, process: int) -> int:
        """A function of (seed, number of the batch, process), so that resuming is exact."""
        return hash((self.config.seed, self.trainer.fit_loop.total_batch_idx, process)) % 2**63

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """This process's part of one batch, gradients included."""
        if self.begins_step():
            self.zero_grad()
        part, share = deal(batch, self.processes)[0]
        seed = self.seed_of(self.global_rank)
        loss, nll = self.gradients.add(part, share / self.config.accumulate, self.loss, seed)
        return {"loss": loss * share, "nll": nll * share}

    def loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """What is minimised, and -log p, both a target token."""
        return batch_loss(self.model, batch, self.objective)

    def begins_step(self) -> bool:
        """Whether this batch is the first of a step."""
        return self.trainer.fit_loop.total_batch_idx % self.config.accumulate == 0

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Any) -> None:
        """Do nothing: Lightning asks for it after the loss, when the gradients are there."""

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the gradients are there."""

    @property
    def whole(self) -> Seq2Seq:
        """The model to validate and to keep, as it was when it was gathered last."""
        return self.model

    def gather_whole(self) -> None:
        """Do nothing: the model is in one piece."""

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Negative log-likelihood of the batch's target tokens, and how many there are."""
        _, nll = batch_loss(self.whole, batch, Objective())
        count = batch.tgt_mask.sum()
        return {"nll": nll * count, "tokens": count}

    def configure_optimizers(self) -> Any:
        """Muon (Jordan et al. 2024) or AdamW (Loshchilov & Hutter 2019); biases and gains are not decayed."""
        decay = self.config.weight_decay
        hidden = hidden_matrices(self.model) if self.config.optimizer == "muon" else []
        left = set(self.parameters()) - {weight for group in hidden for weight in group["params"]}
        matrices = [p for p in self.parameters() if p in left and p.ndim >= 2]
        vectors = [p for p in self.parameters() if p in left and p.ndim < 2]
        for spelling in self.spellings:
            spelling.to(self.device)
            vectors.append(spelling.steps)
        groups: list[dict[str, Any]] = [
            {"params": matrices, "weight_decay": decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        # Betas as in Vaswani et al. 2017: a second moment that forgets sooner suits a short run.
        adamw: dict[str, Any] = {"betas": (0.9, 0.98), "eps": 1e-8, "fused": self._can_fuse()}
        optimizer: torch.optim.Optimizer
        if hidden:
            rate, threads = self.config.learning_rate, torch.get_num_threads()
            optimizer = Muon(hidden, groups, rate, weight_decay=decay, threads=threads, **adamw)
        else:
            optimizer = torch.optim.AdamW(groups, lr=self.config.learning_rate, **adamw)
        for spelling in self.spellings:
            optimizer.register_step_post_hook(spelling.spread)
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: learning_rate_factor(step, self.config, self.clock.minutes)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        """Complete the gradients."""
        for spelling in self.spellings:
            spelling.collect()

    def configure_gradient_clipping(
        self,
        optimizer: Any,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Shorten gradients that are too long.

        Lightning's own way refuses a fused optimizer under bfloat16, because some scale their gradients; but
        that is for float16.
        """
        if gradient_clip_val is not None:
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            torch.nn.utils.clip_grad_norm_(parameters, gradient_clip_val)

    def _can_fuse(self) -> bool:
        return self.device.type in ("cpu", "cuda") and self.whole is self.model


class DistributedTrainingModule(TrainingModule):
    """The same in one of several processes, each with a model of its own.

    The strategy takes the mean of their gradients, so that a part's loss counts by its share of the batch's
    tokens, times the number of processes.

    Args:
        ranks: the processes.
        signals: one that any of them got is followed by all, after the same step.
    """

    def __init__(
        self,
        model: Seq2Seq,
        config: TrainingConfig,
        clock: SharedClock,
        ranks: Ranks,
        signals: SharedSignals,
        guide: Guide | None = None,
        spellings: Sequence[SharedSpelling] = (),
    ) -> None:
        super().__init__(model, config, clock, guide=guide, spellings=spellings)
        self.shared_clock, self.ranks, self.signals = clock, ranks, signals

    def training_step(self, batch: Part, batch_idx: int) -> dict[str, Tensor]:  # type: ignore[override]
        """This process's part of one batch; -log p is the whole batch's."""
        seconds = self.shared_clock.measure() if self.ranks.is_first else 0.0
        count, seconds, *asked = self.ranks.add([batch.tgt_tokens, seconds, *self.signals.asked])
        self.shared_clock.told = seconds
        self.signals.agree(asked)
        loss, nll = batch_loss(self.model, batch.batch, self.objective)
        share = batch.tgt_tokens / count
        nll = nll.detach() * share
        dist.all_reduce(nll)
        return {"loss": loss * share * self.ranks.size, "nll": nll}

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Any) -> None:
        """As Lightning: it is the strategy that adds up gradients, when they are computed."""
        optimizer.zero_grad()

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """As Lightning."""
        loss.backward(*args, **kwargs)  # type: ignore[no-untyped-call]


class ResidentTrainingModule(TrainingModule):
    """The same with the corpus's ids on the device: loss and gradients are one piece of work.

    Args:
        step: does it.
    """

    def __init__(
        self,
        model: Seq2Seq,
        config: TrainingConfig,
        clock: Clock,
        step: GradientStep,
        spellings: Sequence[SharedSpelling] = (),
    ) -> None:
        super().__init__(model, config, clock, spellings=spellings)
        self.step = step

    def training_step(self, batch: Rows, batch_idx: int) -> dict[str, Tensor]:  # type: ignore[override]
        """One batch, gradients included."""
        if self.begins_step():
            self.step.zero_gradients()
        loss, nll = self.step(batch, self.seed_of(self.global_rank))
        return {"loss": loss, "nll": nll}


def count_parameters(model: nn.Module) -> int:
    """Number of trained values; tied ones count once."""
    return sum(parameter.numel() for parameter in model.parameters())
