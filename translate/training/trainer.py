"""Training a run: prepared once, started and resumed alike."""

import logging
import os
import signal
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.utilities.warnings import PossibleUserWarning
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy, Strategy
from torch.utils.data import DataLoader

from translate.batches import Batch, BatchLoader, IdPairs, Pairs, collate
from translate.collective import Ranks, joined
from translate.config import Config, guided_head
from translate.config.training import TrainingConfig
from translate.errors import InputError, UsageError
from translate.grouping import group_by_tokens
from translate.platforms import (
    Plan,
    choose_plan,
    choose_processes,
    count_cores,
    gather_facts,
    keep_freed_memory,
    set_threads,
)
from translate.ranks import Place, find_place
from translate.run_directory import RunDirectory
from translate.run_directory.checkpoints import find_checkpoint
from translate.tokenizer import Tokenizers
from translate.training.averaging import CheckpointAverage, ExponentialMovingAverage
from translate.training.bad_steps import BadSteps
from translate.training.board import cut_events
from translate.training.card import model_card
from translate.training.checkpoints import CheckpointFile, Checkpoints
from translate.training.clock import Clock, SharedClock
from translate.training.data_parallel import DataParallel
from translate.training.faults import explain_faults
from translate.training.guide import SelfAlignment
from translate.training.initial import FirstValidation
from translate.training.interruption import Interrupted, SharedSignals, Signals
from translate.training.loss import Guide
from translate.training.mixture import mixture
from translate.training.module import (
    DistributedTrainingModule,
    ResidentTrainingModule,
    TrainingModule,
    count_parameters,
)
from translate.training.prepare import prepare_run
from translate.training.progress import Progress
from translate.training.recorded import CudaGraphs, GradientStep
from translate.training.resident import ResidentPairs
from translate.training.sampling import SampledPairs
from translate.training.sharding import ShardedTrainingModule
from translate.training.validation import Validation
from translate.training.workers import Workers

log = logging.getLogger(__name__)

BOARD = "tensorboard"  # folder in the run directory
LOOK_EVERY = 16  # steps: what a GPU has counted is not waited for more often


def train(config: Config, out: str | Path) -> RunDirectory:
    """Prepare a run directory at `out` and train in it.

    Raises:
        InputError: something about the corpus, or `out` is not empty; a disk that is full and the like.
        UsageError: settings that do not go together, or a device that is not there.
        KeyboardInterrupt: Ctrl-C, after a checkpoint.
        SystemExit: 143 on SIGTERM, after a checkpoint.
    """
    place = find_place(os.environ)
    _check_place(config.training, place)
    plan = _plan(config, place)  # a device that is missing is an error before any work is done
    # The run keeps to what is chosen now: bfloat16 or not, and one process or two, make another model.
    settings = replace(config.training, precision=plan.precision, processes=_processes(config, plan, place))
    chosen = replace(config, training=settings)
    with joined(place, plan.device) as ranks:
        run = ranks.decide(lambda: prepare_run(chosen, out))
        if ranks.size > 1:
            plan = _plan(run.config, place)  # as exact as the first process has chosen
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
    plan = _plan(config, place)
    with joined(place, plan.device) as ranks, explain_faults(run):
        _fit(run, config, plan, ranks)
    return run


def _fit(run: RunDirectory, config: Config, plan: Plan, ranks: Ranks) -> None:
    settings = config.training
    checkpoint, damaged = ranks.decide(lambda: find_checkpoint(run))
    for path in damaged:
        log.warning("%s is damaged (its checksum is wrong): going on from %s", path, checkpoint)
    step, state = _read_progress(checkpoint)
    tokenizers = run.tokenizers()
    torch.manual_seed(settings.seed)
    model = run.build_model(tokenizers)
    if checkpoint is None and config.initial.run is not None:
        run.load_initial(model, tokenizers)
    ended = _why_ended(step, state, settings)
    if ended is not None:
        log.info("%s: nothing to do", ended)
        if ranks.is_first and (run.read_json(run.summary_path) or {}).get("steps") != step:
            _finish(run, plan, ranks, state, count_parameters(model), step)  # stopped just before its end
        return
    if checkpoint is not None:
        log.info("going on from step %d of %d", step, settings.max_steps)
    if ranks.is_first:
        run.save_config(config)
        logged = -1 if checkpoint is None else step
        run.truncate_metrics(logged)
        cut_events(run.path / BOARD, logged)
    threads = _set_threads(settings.threads, ranks.place)
    processes = _processes(config, plan, ranks.place)
    pairs, resident = IdPairs(run.ids_path, both=config.data.directions == "both"), None
    batched: Pairs = pairs
    if plan.resident:
        batched = resident = ResidentPairs(pairs, config.data.batch_tokens, torch.device(plan.device))
    if config.tokenizer.sampling_alpha:
        batched = _sampled(run, pairs, tokenizers)
    head = guided_head(config)
    if head is not None and settings.alignment_links != "self":
        pairs.use_links(run.links_path, head.shift)
    draw = mixture(run.read_json(run.data_path), both=config.data.directions == "both")
    loader = BatchLoader(batched, config.data.batch_tokens, settings.seed, ranks.rank, ranks.size, draw=draw)
    clock = Clock() if ranks.size == 1 else SharedClock()
    validation = Validation(run, config, tokenizers, loader, clock, ranks)
    valid_batches = _valid_batches(validation, tokenizers, config)
    first = [FirstValidation(validation, valid_batches)] if config.initial.run is not None else []
    log.info(
        "%s parameters, %d pairs in %d batches an epoch, %.1f%% of their slots padding; %d process%s, %s: %s",
        f"{count_parameters(model):,}", len(loader.pairs), len(loader), 100 * loader.padding(),
        processes * ranks.size, "" if processes * ranks.size == 1 else "es", plan.precision, plan.why,
    )  # fmt: skip
    keep_freed_memory()  # from here on: planning an epoch of millions of pairs needs other memory than a step
    signals = Signals() if ranks.size == 1 else SharedSignals()
    with signals, warnings.catch_warnings(), ExitStack() as stack:
        _ignore_known_warnings()
        parallel: list[pl.Callback] = []
        if processes > 1:
            stack.callback(set_threads, threads)  # each process has its share of them until then
            share = max(1, threads // processes)
            workers = Workers(model, processes - 1, share, plan.precision == "bf16")
            stack.callback(workers.stop)
            parallel = [DataParallel(workers, share)]
        average: ExponentialMovingAverage | None = None
        averages: list[pl.Callback] = []
        if settings.average == "ema":
            averages = [average := ExponentialMovingAverage(settings.ema_decay, torch.device(plan.device))]
        elif settings.average == "checkpoints":
            averages = [CheckpointAverage(run, settings.average_checkpoints, ranks)]
        guides: list[pl.Callback] = []
        guide = None
        if head is not None:
            guide = Guide(head.layer, head.head, settings.alignment_weight)
            if settings.alignment_links == "self":
                layers = config.model.decoder.layers if head.shift else 1
                guides = [
                    SelfAlignment(run, settings, pairs, head, clock, layers, validation, ranks, average)
                ]
        callbacks = [
            *parallel,
            validation,  # in an order that each of them relies on
            *averages,
            *([Progress(settings, validation)] if ranks.is_first else []),
            BadSteps(run, look_every=LOOK_EVERY if plan.device == "cuda" or plan.resident else 1),
            *guides,
            *first,
            Checkpoints(run, settings, clock, signals, ranks),
        ]
        trainer = _trainer(run, config, plan, ranks, callbacks)
        module = TrainingModule(model, settings, clock, processes, guide)
        if isinstance(clock, SharedClock) and isinstance(signals, SharedSignals):
            if settings.sharding:
                module = ShardedTrainingModule(model, settings, clock, ranks, signals)
            else:
                module = DistributedTrainingModule(model, settings, clock, ranks, signals, guide)
        if resident is not None:
            record = stack.enter_context(CudaGraphs()) if plan.graphs else None
            gradients = GradientStep(model, resident, module.objective, 1 / settings.accumulate, record)
            module = ResidentTrainingModule(model, settings, clock, gradients)
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
    if ranks.is_first:
        _finish(run, plan, ranks, validation.state_dict(), count_parameters(model), trainer.global_step)


class _Endless:
    """The batches of all epochs as one epoch.

    At the end of an epoch Lightning would take a step with the batches accumulated so far, and resuming
    there would lose its place.
    """

    def __init__(self, loader: BatchLoader) -> None:
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


def _sampled(run: RunDirectory, pairs: IdPairs, tokenizers: Tokenizers) -> SampledPairs:
    run.check_text()
    alpha, max_length = run.config.tokenizer.sampling_alpha, run.config.data.max_length
    return SampledPairs(pairs, run.text_path, tokenizers, alpha, max_length)


def _check_place(settings: TrainingConfig, place: Place) -> None:
    """Refuse settings that the launcher contradicts."""
    for name, wanted, there in (
        ("devices", settings.devices, place.local_size),
        ("nodes", settings.nodes, place.nodes),
    ):
        if wanted not in (0, there):
            raise UsageError(
                f"training.{name} is {wanted}, but {place.size} processes were started, {place.local_size} a "
                "machine: leave it out, or start as many with torchrun (--nnodes "
                f"{settings.nodes or place.nodes} --nproc-per-node {settings.devices or place.local_size})"
            )
    if settings.sharding and place.size == 1:
        raise UsageError(
            "training.sharding needs several processes: give --devices, or start them with torchrun"
        )
    if settings.processes > 1 and place.size > 1:
        raise UsageError(
            f"training.processes is {settings.processes}, but a launcher has started {place.size} "
            "processes already: leave it out"
        )


def _set_threads(threads: int, place: Place) -> int:
    if place.size == 1:
        return set_threads(threads)
    return set_threads(max(1, (threads or count_cores()) // place.local_size))


def _processes(config: Config, plan: Plan, place: Place) -> int:
    """How many share each batch with one copy of the weights."""
    settings = config.training
    if place.size > 1:
        return 1
    if plan.device == "cpu" and settings.processes:
        return settings.processes
    return choose_processes(plan.device, settings.threads or count_cores(), config.data.batch_tokens)


def _plan(config: Config, place: Place) -> Plan:
    plan = choose_plan(config.training.device, config.training.precision, gather_facts())
    if place.size > 1 and plan.device == "mps":
        raise UsageError("several processes cannot train on device mps: set training.device cpu")
    if place.size > 1 and plan.device == "cuda" and place.local_size > torch.cuda.device_count():
        raise UsageError(
            f"{place.local_size} processes were started here, but this machine has "
            f"{torch.cuda.device_count()} GPUs: each needs its own"
        )
    # Links come with the batches that the host makes, and drawn pieces with text; and gradients that several
    # processes add up are not those of a recorded step.
    if config.training.alignment == "guided" or config.tokenizer.sampling_alpha or place.size > 1:
        return plan._replace(resident=False, graphs=False)
    return plan._replace(graphs=plan.graphs and config.training.cuda_graphs)


def _valid_batches(validation: Validation, tokenizers: Tokenizers, config: Config) -> DataLoader[Batch]:
    src = [row[: config.data.max_length] for row in tokenizers.src.encode_batch(validation.src)]
    tgt = [row[: config.data.max_length] for row in tokenizers.tgt.encode_batch(validation.tgt)]
    lengths = [len(src_row) + len(tgt_row) + 2 for src_row, tgt_row in zip(src, tgt, strict=True)]
    groups = group_by_tokens(lengths, config.data.batch_tokens)
    batches = [collate([src[n] for n in group], [tgt[n] for n in group]) for group in groups]
    return DataLoader(batches, batch_size=None)  # type: ignore[arg-type]  # a list is dataset enough


def _read_progress(checkpoint: Path | None) -> tuple[int, Mapping[str, Any]]:
    """The step a run stands at, and what `Validation` remembers of it."""
    if checkpoint is None:
        return 0, {}
    none_of_ours = "is none of ours, and is not loaded"
    try:
        with zipfile.ZipFile(checkpoint) as file:
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in file.infolist()):
                raise InputError(f"{checkpoint} is packed, and might fill the memory: it {none_of_ours}")
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
        return int(state["global_step"]), state["callbacks"]["Validation"]
    except UnpicklingError:
        raise InputError(
            f"{checkpoint} holds more than tensors and plain values: it {none_of_ours}"
        ) from None
    except (zipfile.BadZipFile, RuntimeError, KeyError, TypeError):
        raise InputError(f"{checkpoint} is no checkpoint of a training: it {none_of_ours}") from None


def _why_ended(step: int, state: Mapping[str, Any], settings: TrainingConfig) -> str | None:
    """Why there is no step left to take, if there is none."""
    if step >= settings.max_steps:
        return f"already at step {step} of {settings.max_steps}"
    if 0 < settings.patience <= state.get("not_better", 0):
        return f"stopped early at step {step}, after {settings.patience} validations without a better BLEU"
    minutes = state.get("seconds", 0.0) / 60
    if 0 < settings.max_minutes <= minutes:
        return f"already at {minutes:.1f} of {settings.max_minutes:g} minutes (step {step})"
    return None


def _finish(
    run: RunDirectory, plan: Plan, ranks: Ranks, state: Mapping[str, Any], parameters: int, step: int
) -> None:
    processes = _processes(run.config, plan, ranks.place)
    summary = {
        "parameters": parameters,
        "steps": step,
        "minutes": round(state["seconds"] / 60, 2),
        "best_bleu": round(state["best_bleu"], 2),
        "best_step": state["best_step"],
        **_forgotten(run, state["best_step"]),
        "device": plan.device,
        "precision": plan.precision,
        "processes": processes * ranks.size,
        "threads": max(1, torch.get_num_threads() // processes),  # of each
        "torch": torch.__version__,
    }
    run.save_json(run.summary_path, summary)
    run.save_card(model_card(run))
    log.info(
        "done: %d steps in %.1f min, best validation BLEU %.2f at step %d; %s",
        step, summary["minutes"], state["best_bleu"], state["best_step"], run.path,
    )  # fmt: skip


def _forgotten(run: RunDirectory, best_step: int) -> dict[str, float]:
    """BLEU before fine-tuning, and on the old run's validation text before and with the best weights."""
    rows = {int(row["step"]): row for row in run.read_metrics()}
    if 0 not in rows:
        return {}
    facts = {"initial_bleu": float(rows[0]["valid_bleu"])}
    if "old_bleu" in rows[0]:
        facts |= {
            "old_bleu_before": float(rows[0]["old_bleu"]),
            "old_bleu": float(rows[best_step]["old_bleu"]),
        }
    return facts


def _ignore_known_warnings() -> None:
    """Lightning's own use of torch, and its advice on loaders that are not ours."""
    warnings.filterwarnings("ignore", ".*LeafSpec.*", FutureWarning)
    warnings.filterwarnings("ignore", ".*does not have many workers", PossibleUserWarning)
    warnings.filterwarnings("ignore", "GPU available but not used", PossibleUserWarning)
