"""What a validation is: translating, scoring, keeping the best weights, stopping early."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torch.utils.data import DataLoader

from translate.batches import Batch, BatchLoader, collate
from translate.collective import Ranks
from translate.config import Config
from translate.evaluation import bleu
from translate.grouping import group_by_tokens
from translate.run_directory import RunDirectory
from translate.tokenizer import Tokenizers
from translate.torch_engine import TorchEngine
from translate.training.clock import Clock
from translate.training.module import TrainingModule
from translate.training.window_loader import WindowLoader
from translate.translation import TextOptions, translate_texts

log = logging.getLogger(__name__)


class Validation(Callback):
    """Scores the (averaged) weights by translating the validation text; keeps the best ones.

    Stands before the averaging callback, whose own hook at the end of a validation takes the averaged
    weights out of the model again.

    Args:
        loader: tells which epoch it is.
        clock: measures the run; set to a checkpoint's time when one is loaded.
        ranks: share the translating; the first one writes.
    """

    def __init__(
        self,
        run: RunDirectory,
        config: Config,
        tokenizers: Tokenizers,
        loader: BatchLoader | WindowLoader,
        clock: Clock,
        ranks: Ranks,
    ) -> None:
        self.run, self.config, self.tokenizers, self.ranks = run, config, tokenizers, ranks
        self.src, self.tgt = run.read_valid()
        self.old = run.read_old_valid()  # of the run that is fine-tuned
        self.search = replace(config.search, beam_size=config.training.valid_beam_size, n_best=1, mbr=0)
        self.loader = loader
        self.clock = clock
        self.best_bleu = -1.0  # less than any, so that the first weights are kept
        self.best_step = 0
        self.last_bleu: float | None = None
        self.not_better = 0  # validations since
        self.may_stop = True  # early; not while the run waits to be guided
        self._nll: list[dict[str, Tensor]] = []

    def on_validation_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Forget the last validation; gather the model, for the averaging callback too."""
        assert isinstance(module, TrainingModule)
        module.gather_whole()
        self._nll = []

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Collect the loss of the batches."""
        self._nll.append(outputs)

    def on_validation_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Translate, score, log, and keep the weights if they are the best so far."""
        assert isinstance(module, TrainingModule)
        score = self.last_bleu = self._bleu(module, self.src, self.tgt)
        old_score = None if self.old is None else self._bleu(module, *self.old)
        nll = sum(float(part["nll"]) for part in self._nll) / sum(int(part["tokens"]) for part in self._nll)
        if score > self.best_bleu:
            self.best_bleu, self.best_step, self.not_better = score, trainer.global_step, 0
            if self.ranks.is_first:
                self.run.save_weights(module.whole, self.tokenizers)
        else:
            self.not_better += 1
        if self.ranks.is_first:
            self._report(trainer, nll, score, old_score)
        if self.may_stop and 0 < self.config.training.patience <= self.not_better:
            log.info("BLEU has not risen for %d validations: training stops early", self.not_better)
            trainer.should_stop = True

    def batches(self) -> DataLoader[Batch]:
        """The validation text, without what is too long."""
        most = self.config.data.max_length
        src = [row[:most] for row in self.tokenizers.src.encode_batch(self.src)]
        tgt = [row[:most] for row in self.tokenizers.tgt.encode_batch(self.tgt)]
        lengths = [len(src_row) + len(tgt_row) + 2 for src_row, tgt_row in zip(src, tgt, strict=True)]
        groups = group_by_tokens(lengths, self.config.data.batch_tokens)
        batches = [collate([src[n] for n in group], [tgt[n] for n in group]) for group in groups]
        return DataLoader(batches, batch_size=None)  # type: ignore[arg-type]  # a list is dataset enough

    def _bleu(self, module: TrainingModule, src: Sequence[str], tgt: Sequence[str]) -> float:
        mine = slice(self.ranks.rank, None, self.ranks.size)
        translations = translate_texts(
            TorchEngine(module.whole),
            self.tokenizers,
            src[mine],
            self.search,
            TextOptions(max_src_length=self.config.data.max_length, on_long="truncate", scored=False),
        )
        texts = [""] * len(src)
        # Everybody's, so that all come to the same score, and decide alike.
        for rank, found in enumerate(self.ranks.gather([each.text for each in translations])):
            texts[rank :: self.ranks.size] = found
        return bleu(texts, tgt, self.config.data.tgt_lang)

    def forget_best(self) -> None:
        """Let the best weights until now not compete with what comes."""
        self.best_bleu, self.best_step, self.not_better = -1.0, 0, 0

    def state_dict(self) -> dict[str, Any]:
        """What choosing the best weights and stopping early depend on."""
        return {
            "best_bleu": self.best_bleu,
            "best_step": self.best_step,
            "last_bleu": self.last_bleu,
            "not_better": self.not_better,
            "seconds": self.clock.seconds,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.best_bleu = state_dict["best_bleu"]
        self.best_step = state_dict["best_step"]
        self.last_bleu = state_dict["last_bleu"]
        self.not_better = state_dict["not_better"]
        self.clock.restart(state_dict["seconds"])

    def _report(self, trainer: pl.Trainer, nll: float, score: float, old_score: float | None) -> None:
        """To metrics.csv, TensorBoard and the log."""
        step = trainer.global_step
        row = {
            "step": step,
            "epoch": f"{self.loader.epoch + self.loader.consumed / len(self.loader):.2f}",
            "minutes": f"{self.clock.minutes:.2f}",
            "learning_rate": f"{trainer.optimizers[0].param_groups[0]['lr']:.3g}",
            "valid_nll": f"{nll:.4f}",
            "valid_bleu": f"{score:.2f}",
            "best_bleu": f"{self.best_bleu:.2f}",
        }
        scores = {"valid/nll": nll, "valid/bleu": score}
        if old_score is not None:
            row["old_bleu"] = f"{old_score:.2f}"
            scores["valid/old_bleu"] = old_score
        self.run.append_metrics(row)
        for logger in trainer.loggers:
            logger.log_metrics(scores, step=step)
        search = "greedy" if self.search.beam_size == 1 else f"beam {self.search.beam_size}"
        log.info(
            "step %d, epoch %s, %s min: validation BLEU %.2f (%s), -log p %.3f a token%s%s",
            step, row["epoch"], row["minutes"], score, search, nll,
            ", best so far" if self.best_step == step else "",
            "" if old_score is None else f"; BLEU on the old validation text {old_score:.2f}",
        )  # fmt: skip
