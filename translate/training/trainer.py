"""Training a run: prepared once, started and resumed alike."""

import logging
import os
import signal
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.utilities.warnings import PossibleUserWarning
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy, Strategy

from translate.batches import Batch, BatchLoader
from translate.collective import Ranks, joined
from translate.config import Config
from translate.config.training import TrainingConfig
from translate.model import Seq2Seq
from translate.platforms import Plan, keep_freed_memory, set_threads
from translate.ranks import find_place
from translate.run_directory import RunDirectory
from translate.run_directory.checkpoints import find_checkpoint
from translate.tokenizer import Tokenizers
from translate.training.board import cut_events
from translate.training.checkpoints import CheckpointFile
from translate.training.data_parallel import DataParallel
from translate.training.faults import explain_faults
from translate.training.interruption import Interrupted
from translate.training.module import count_parameters
from translate.training.prepare import prepare_run
from translate.training.processes import check_place, count_processes, plan_training, share_threads
from translate.training.setup import make_callbacks, make_module, set_up
from translate.training.spelling import SharedSpelling, shared_spellings
from translate.training.summary import finish, read_progress, why_ended
from translate.training.validation import Validation
from translate.training.window_loader import WindowLoader
from translate.training.workers import Workers

log = logging.getLogger(__name__)

BOARD = "tensorboard"  # folder in the run directory


def train(config: Config, out: str | Path) -> RunDirectory:
    """Prepare a run directory at `out` and train in it.

    Raises:
        InputError: something about the corpus, or `out` is not empty; a disk that is full and the like.
        UsageError: settings that do not go together, or a device that is not there.
        KeyboardInterrupt: Ctrl-C, after a checkpoint.
        SystemExit: 143 on SIGTERM, after a checkpoint.
    """
    place = find_place(os.environ)
    check_place(config.training, place)
    plan = plan_training(config, place)  # a device that is missing is an error before any work is done
    # The run keeps to what is chosen now: bfloat16 or not, and one process or two, make another model.
    settings = replace(
        config.training, precision=plan.precision, processes=count_processes(config, plan, place)
    )
    chosen = replace(config, training=settings)
    with joined(place, plan.device) as ranks:
        run = ranks.decide(lambda: prepare_run(chosen, out))
        if ranks.size > 1:
            plan = plan_training(run.config, place)  # as exact as the first process has chosen
        with explain_faults(run):
            _fit(run, run.config, plan, ranks)
    return run


def resume(path: str | Path, max_steps: int | None = None) -> RunDirectory:
    """Go on with a run from its last checkpoint, to its own or a new number of steps.

    Raises:
        InputError: something in the run directory is missing or damaged.
        UsageError, KeyboardInterrupt, SystemExit: as `train` does.
    """
    run = RunDirectory.open(path)
    run.check_resumable()
    config = run.config
    if max_steps is not None:
        config = replace(config, training=replace(config.training, max_steps=max_steps))
    place = find_place(os.environ)
    plan = plan_training(config, place)
    with joined(place, plan.device) as ranks, explain_faults(run):
        _fit(run, config, plan, ranks)
    return run


def _fit(run: RunDirectory, config: Config, plan: Plan, ranks: Ranks) -> None:
    settings = config.training
    checkpoint, damaged = ranks.decide(lambda: find_checkpoint(run))
    for path in damaged:
        log.warning("%s is damaged (its checksum is wrong): going on from %s", path, checkpoint)
    step, state = read_progress(checkpoint)
    tokenizers = run.tokenizers()
    torch.manual_seed(settings.seed)
    model = run.build_model(tokenizers)
    if checkpoint is None and config.initial.run is not None:
        run.load_initial(model, tokenizers)
    ended = why_ended(step, state, settings)
    if ended is not None:
        log.info("%s: nothing to do", ended)
        if ranks.is_first and (run.read_json(run.summary_path) or {}).get("steps") != step:
            finish(run, plan, ranks, state, count_parameters(model), step)  # stopped just before its end
        return
    if checkpoint is not None:
        log.info("going on from step %d of %d", step, settings.max_steps)
    if ranks.is_first:
        run.save_config(config)
        logged = -1 if checkpoint is None else step
        run.truncate_metrics(logged)
        cut_events(run.path / BOARD, logged)
    spellings: list[SharedSpelling] = []
    if settings.share_spelling:
        spellings = shared_spellings(model, *(each.vocabulary() for each in tokenizers))
    if checkpoint is None and config.initial.run is None:
        for spelling in spellings:
            spelling.draw()
    validation, steps = _take_steps(run, config, plan, ranks, model, tokenizers, spellings, checkpoint)
    if ranks.is_first:
        finish(run, plan, ranks, validation.state_dict(), count_parameters(model), steps)


def _take_steps(
    run: RunDirectory,
    config: Config,
    plan: Plan,
    ranks: Ranks,
    model: Seq2Seq,
    tokenizers: Tokenizers,
    spellings: Sequence[SharedSpelling],
    checkpoint: Path | None,
) -> tuple[Validation, int]:
    """Train from a checkpoint or the beginning to the end; return what was validated, and the last step."""
    threads = share_threads(config.training.threads, ranks.place)
    processes = count_processes(config, plan, ranks.place)
    setup = set_up(run, config, plan, ranks, model, tokenizers, spellings)
    loader = setup.loader
    validation = Validation(run, config, tokenizers, loader, setup.clock, ranks)
    valid_batches = validation.batches()
    log.info(
        "%s parameters, %s; %d process%s, %s: %s",
        f"{count_parameters(model):,}", loader.describe(),
        processes * ranks.size, "" if processes * ranks.size == 1 else "es", plan.precision, plan.why,
    )  # fmt: skip
    keep_freed_memory()  # from here on: planning an epoch of millions of pairs needs other memory than a step
    with setup.signals, warnings.catch_warnings(), ExitStack() as stack:
        _ignore_known_warnings()
        if isinstance(loader, WindowLoader):
            stack.callback(loader.stop)
        callbacks: list[pl.Callback] = []
        if processes > 1:
            stack.callback(set_threads, threads)  # each process has its share of them until then
            share = max(1, threads // processes)
            workers = Workers(model, processes - 1, share, plan.precision == "bf16")
            stack.callback(workers.stop)
            callbacks.append(DataParallel(workers, share))
        callbacks += make_callbacks(setup, validation, valid_batches)
        trainer = _trainer(run, config, plan, ranks, callbacks)
        module = make_module(setup, processes, stack)
        try:
            trainer.fit(
                module,
                _Endless(loader),
                valid_batches,
                ckpt_path=checkpoint,
                weights_only=True,
            )
        except Interrupted as stop:
            log.warning(
                "stopped at step %d; go on with `seq2see train --resume %s`", trainer.global_step, run.path
            )
            if stop.signal_number == signal.SIGINT:
                raise KeyboardInterrupt from None
            raise SystemExit(128 + stop.signal_number) from None
    return validation, trainer.global_step


class _Endless:
    """The batches of all epochs, or windows, as one epoch.

    At the end of an epoch Lightning would take a step with the batches accumulated so far, and resuming
    there would lose its place.
    """

    def __init__(self, loader: BatchLoader | WindowLoader) -> None:
        self.loader = loader

    def __len__(self) -> int:
        return 2**40  # more batches than any run; without a length, Lightning would read one ahead

    def __iter__(self) -> Iterator[Batch]:
        while True:
            yield from self.loader

    def state_dict(self) -> dict[str, Any]:
        return self.loader.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.loader.load_state_dict(state)


def _trainer(
    run: RunDirectory, config: Config, plan: Plan, ranks: Ranks, callbacks: list[pl.Callback]
) -> pl.Trainer:
    settings = config.training
    # Lightning's advice is for those who write against it; ours go through our own log.
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return pl.Trainer(
        accelerator={"cpu": "cpu", "cuda": "gpu", "mps": "mps"}[plan.device],
        devices=ranks.place.local_size,
        num_nodes=ranks.place.nodes,
        strategy="auto" if ranks.size == 1 else _strategy(settings, ranks),
        use_distributed_sampler=False,  # the batches are dealt out already
        precision="bf16-mixed" if plan.precision == "bf16" else "32-true",
        max_steps=settings.max_steps,
        accumulate_grad_batches=settings.accumulate,
        gradient_clip_val=settings.clip_norm or None,
        # Every so many batches, not steps, whatever the epoch.
        val_check_interval=settings.validate_every * settings.accumulate,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        callbacks=callbacks,
        logger=TensorBoardLogger(run.path, name="", version=BOARD),
        plugins=[CheckpointFile(), *([] if ranks.size == 1 else [TorchElasticEnvironment()])],
        log_every_n_steps=1,  # when to log is for Progress to say
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=run.path,
    )


def _strategy(settings: TrainingConfig, ranks: Ranks) -> Strategy:
    if not settings.sharding:
        return DDPStrategy()
    return ModelParallelStrategy(
        data_parallel_size=ranks.size,
        tensor_parallel_size=1,
        save_distributed_checkpoint=False,  # so that any number of processes can go on, also one
    )


def _ignore_known_warnings() -> None:
    """Lightning's own use of torch, and its advice on loaders that are not ours."""
    warnings.filterwarnings("ignore", ".*LeafSpec.*", FutureWarning)
    warnings.filterwarnings("ignore", ".*does not have many workers", PossibleUserWarning)
    warnings.filterwarnings("ignore", "GPU available but not used", PossibleUserWarning)
