"""Training a run: prepared once, started and resumed alike."""

import logging
import signal
import warnings
from dataclasses import replace
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.data import DataLoader

from translate.batches import Batch, BatchLoader, IdPairs, collate
from translate.config import Config, TrainingConfig
from translate.errors import UsageError
from translate.padding import group_by_tokens
from translate.platforms import Plan, choose_plan, gather_facts, keep_freed_memory, set_threads
from translate.run_directory import RunDirectory
from translate.tokenizer import Tokenizers
from translate.training.callbacks import (
    Checkpoints,
    ExponentialMovingAverage,
    Interrupted,
    Progress,
    Validation,
)
from translate.training.card import model_card
from translate.training.module import TrainingModule, count_parameters
from translate.training.prepare import prepare_run

log = logging.getLogger(__name__)


def train(config: Config, out: str | Path) -> RunDirectory:
    """Prepare a run directory at `out` and train in it.

    Raises:
        InputError: something about the corpus, or `out` is not empty.
        UsageError: settings that do not go together, or a device that is not there.
        KeyboardInterrupt: Ctrl-C, after a checkpoint.
        SystemExit: 143 on SIGTERM, after a checkpoint.
    """
    _plan(config)  # a device that is missing is an error before any work is done
    run = prepare_run(config, out)
    _fit(run, config)
    return run


def resume(path: str | Path, max_steps: int | None = None) -> RunDirectory:
    """Go on with a run from its last checkpoint, to its own or a new number of steps.

    Raises as `train` does.
    """
    run = RunDirectory.open(path)
    config = run.config
    if max_steps is not None and max_steps != config.training.max_steps:
        config = replace(config, training=replace(config.training, max_steps=max_steps))
        run.save_config(config)
    _fit(run, config)
    return run


def _fit(run: RunDirectory, config: Config) -> None:
    checkpoint, damaged = run.find_checkpoint()
    for path in damaged:
        log.warning("%s is damaged (its checksum is wrong): going on from %s", path, checkpoint)
    settings = config.training
    step, finished = _progress(checkpoint, settings)
    if finished:
        log.info("already at step %d of %d: nothing to do", step, settings.max_steps)
        return
    if checkpoint is not None:
        log.info("going on from step %d of %d", step, settings.max_steps)
    run.truncate_metrics(step)
    plan = _plan(config)
    keep_freed_memory()
    set_threads(settings.threads)
    torch.manual_seed(settings.seed)
    tokenizers = run.tokenizers()
    model = run.build_model(tokenizers)
    loader = BatchLoader(IdPairs(run.ids_path), config.data.batch_tokens, settings.seed)
    validation = Validation(run, config, tokenizers, loader)
    log.info(
        "%s parameters, %d pairs in %d batches an epoch, %.1f%% of their slots padding; %s",
        f"{count_parameters(model):,}", len(loader.pairs), len(loader), 100 * loader.padding(), plan.why,
    )  # fmt: skip
    trainer = _trainer(run, config, plan, validation, step)
    try:
        with warnings.catch_warnings():
            _ignore_known_warnings()
            trainer.fit(
                TrainingModule(model, settings, validation.minutes),
                loader,
                _valid_batches(validation, tokenizers, config),
                ckpt_path=checkpoint,
                weights_only=True,
            )
    except Interrupted as stop:
        log.warning("stopped at step %d; go on with `seq2see train --resume %s`", trainer.global_step, run.path)
        if stop.signal_number == signal.SIGINT:
            raise KeyboardInterrupt from None
        raise SystemExit(128 + stop.signal_number) from None
    _finish(run, plan, validation, count_parameters(model), trainer.global_step)


def _trainer(run: RunDirectory, config: Config, plan: Plan, validation: Validation, step: int) -> pl.Trainer:
    settings = config.training
    # Lightning's advice is for those who write against it; ours go through our own log.
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    callbacks: list[pl.Callback] = [validation]
    if settings.average == "ema":
        callbacks.append(ExponentialMovingAverage(settings.ema_decay, torch.device(plan.device)))
    callbacks += [Progress(validation), Checkpoints(run, settings.checkpoint_every, validation)]
    return pl.Trainer(
        accelerator={"cpu": "cpu", "cuda": "gpu", "mps": "mps"}[plan.device],
        devices=1,
        precision="bf16-mixed" if plan.precision == "bf16" else "32-true",
        max_steps=settings.max_steps,
        accumulate_grad_batches=settings.accumulate,
        gradient_clip_val=settings.clip_norm or None,
        # Every so many batches, not steps, whatever the epoch.
        val_check_interval=settings.validate_every * settings.accumulate,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        callbacks=callbacks,
        logger=TensorBoardLogger(run.path, name="", version="tensorboard", purge_step=step or None),
        log_every_n_steps=1,  # when to log is for Progress to say
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=run.path,
    )


def _plan(config: Config) -> Plan:
    return choose_plan(config.training.device, config.training.precision, gather_facts())


def _valid_batches(validation: Validation, tokenizers: Tokenizers, config: Config) -> DataLoader[Batch]:
    src = [row[: config.data.max_length] for row in tokenizers.src.encode_batch(validation.src)]
    tgt = [row[: config.data.max_length] for row in tokenizers.tgt.encode_batch(validation.tgt)]
    lengths = [len(src_row) + len(tgt_row) + 2 for src_row, tgt_row in zip(src, tgt, strict=True)]
    groups = group_by_tokens(lengths, config.data.batch_tokens)
    batches = [collate([src[n] for n in group], [tgt[n] for n in group]) for group in groups]
    return DataLoader(batches, batch_size=None)  # type: ignore[arg-type]  # a list is dataset enough


def _finish(run: RunDirectory, plan: Plan, validation: Validation, parameters: int, step: int) -> None:
    summary = {
        "parameters": parameters,
        "steps": step,
        "minutes": round(validation.elapsed() / 60, 2),
        "best_bleu": round(validation.best_bleu, 2),
        "best_step": validation.best_step,
        "device": plan.device,
        "precision": plan.precision,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    run.save_json(run.summary_path, summary)
    run.save_card(model_card(run))
    log.info(
        "done: %d steps in %.1f min, best validation BLEU %.2f at step %d; %s",
        step, summary["minutes"], validation.best_bleu, validation.best_step, run.path,
    )  # fmt: skip


def _progress(checkpoint: Path | None, settings: TrainingConfig) -> tuple[int, bool]:
    """The step a run stands at, and whether it has come to its end."""
    if checkpoint is None:
        return 0, settings.max_steps <= 0
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    step, validation = int(state["global_step"]), state["callbacks"]["Validation"]
    stopped_early = 0 < settings.patience <= validation["not_better"]
    out_of_time = 0 < settings.max_minutes <= validation["seconds"] / 60
    return step, step >= settings.max_steps or stopped_early or out_of_time


def _ignore_known_warnings() -> None:
    """Lightning's own use of torch, and its advice on loaders that are not ours."""
    warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*GPU available but not used.*")
