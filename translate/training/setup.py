"""What a training is made of: batches, callbacks in their order, and the module that takes the steps."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import NamedTuple

import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader

from translate.batches import Batch, BatchLoader, Pairs
from translate.collective import Ranks
from translate.config import Config, GuidedHead, guided_head
from translate.model import Seq2Seq
from translate.platforms import Plan
from translate.run_directory import RunDirectory
from translate.stored_pairs import IdPairs
from translate.tokenizer import Tokenizers
from translate.training.averaging import CheckpointAverage, ExponentialMovingAverage
from translate.training.bad_steps import BadSteps
from translate.training.checkpoints import Checkpoints
from translate.training.clock import Clock, SharedClock
from translate.training.guide import SelfAlignment
from translate.training.initial import FirstValidation
from translate.training.interruption import SharedSignals, Signals
from translate.training.loss import Guide
from translate.training.mixture import mixture
from translate.training.module import DistributedTrainingModule, ResidentTrainingModule, TrainingModule
from translate.training.progress import Progress
from translate.training.recorded import CudaGraphs, GradientStep
from translate.training.resident import ResidentPairs
from translate.training.sampling import SampledPairs
from translate.training.sharding import ShardedTrainingModule
from translate.training.spelling import SharedSpelling
from translate.training.validation import Validation
from translate.training.window_loader import WindowLoader

LOOK_EVERY = 16  # steps: what a GPU has counted is not waited for more often


class Setup(NamedTuple):
    """What the parts of a training share."""

    run: RunDirectory
    config: Config
    plan: Plan
    ranks: Ranks
    model: Seq2Seq
    spellings: Sequence[SharedSpelling]  # none, unless pieces share steps
    pairs: IdPairs | None  # not of a text in windows
    resident: ResidentPairs | None  # the same pairs, on the GPU
    loader: BatchLoader | WindowLoader
    head: GuidedHead | None
    clock: Clock
    signals: Signals


def set_up(
    run: RunDirectory,
    config: Config,
    plan: Plan,
    ranks: Ranks,
    model: Seq2Seq,
    tokenizers: Tokenizers,
    spellings: Sequence[SharedSpelling],
) -> Setup:
    """Open the training pairs, and say how they become batches."""
    alone = ranks.size == 1
    clock, signals = (Clock(), Signals()) if alone else (SharedClock(), SharedSignals())
    if config.data.window:
        windows = WindowLoader(run, tokenizers, ranks)
        return Setup(run, config, plan, ranks, model, spellings, None, None, windows, None, clock, signals)
    both = config.data.directions == "both"
    pairs, resident = IdPairs(run.ids_path, both=both), None
    batched: Pairs = pairs
    if plan.resident:
        batched = resident = ResidentPairs(pairs, config.data.batch_tokens, torch.device(plan.device))
    if config.tokenizer.sampling_alpha:
        batched = _sampled(run, pairs, tokenizers)
    head = guided_head(config)
    if head is not None and config.training.alignment_links != "self":
        pairs.use_links(run.links_path, head.shift)
    loader = BatchLoader(
        batched,
        config.data.batch_tokens,
        config.training.seed,
        ranks.rank,
        ranks.size,
        draw=mixture(run.read_json(run.data_path), both=both),
    )
    return Setup(run, config, plan, ranks, model, spellings, pairs, resident, loader, head, clock, signals)


def _sampled(run: RunDirectory, pairs: IdPairs, tokenizers: Tokenizers) -> SampledPairs:
    run.check_text()
    alpha, max_length = run.config.tokenizer.sampling_alpha, run.config.data.max_length
    return SampledPairs(pairs, run.text_path, tokenizers, alpha, max_length)


def make_callbacks(
    setup: Setup, validation: Validation, valid_batches: DataLoader[Batch]
) -> list[pl.Callback]:
    """Return what is done between the steps, in an order that each of them relies on."""
    run, config, plan, ranks = setup.run, setup.config, setup.plan, setup.ranks
    settings = config.training
    average: ExponentialMovingAverage | None = None
    callbacks: list[pl.Callback] = [validation]
    if settings.average == "ema":
        average = ExponentialMovingAverage(settings.ema_decay, torch.device(plan.device))
        callbacks.append(average)
    elif settings.average == "checkpoints":
        callbacks.append(CheckpointAverage(run, settings.average_checkpoints, ranks))
    if ranks.is_first:
        callbacks.append(Progress(settings, validation))
    callbacks.append(BadSteps(run, look_every=LOOK_EVERY if plan.device == "cuda" or plan.resident else 1))
    if setup.head is not None and settings.alignment_links == "self":
        assert setup.pairs is not None  # nothing is guided in windows
        layers = config.model.decoder.layers if setup.head.shift else 1
        callbacks.append(
            SelfAlignment(
                run, settings, setup.pairs, setup.head, setup.clock, layers, validation, ranks, average
            )
        )
    if config.initial.run is not None:
        callbacks.append(FirstValidation(validation, valid_batches))
    callbacks.append(Checkpoints(run, settings, setup.clock, setup.signals, ranks))
    return callbacks


def make_module(setup: Setup, processes: int, stack: ExitStack) -> TrainingModule:
    """Return what takes the steps; what has to be undone when these are over is left to the stack."""
    settings, model, clock, signals = setup.config.training, setup.model, setup.clock, setup.signals
    guide = None
    if setup.head is not None:
        guide = Guide(setup.head.layer, setup.head.head, settings.alignment_weight)
    module = TrainingModule(model, settings, clock, processes, guide, setup.spellings)
    if isinstance(clock, SharedClock) and isinstance(signals, SharedSignals):
        if settings.sharding:
            return ShardedTrainingModule(model, settings, clock, setup.ranks, signals)
        return DistributedTrainingModule(model, settings, clock, setup.ranks, signals, guide, setup.spellings)
    if setup.resident is not None:
        record = stack.enter_context(CudaGraphs()) if setup.plan.graphs else None
        gradients = GradientStep(model, setup.resident, module.objective, 1 / settings.accumulate, record)
        return ResidentTrainingModule(model, settings, clock, gradients, setup.spellings)
    return module
