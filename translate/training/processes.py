"""The device, processes and threads that a run trains with."""

import torch

from translate.config import Config
from translate.config.model import ModelConfig
from translate.config.training import TrainingConfig
from translate.errors import UsageError
from translate.platforms import (
    Plan,
    choose_plan,
    choose_processes,
    count_cores,
    gather_facts,
    has_bf16_lstm,
    set_threads,
)
from translate.ranks import Place


def check_place(settings: TrainingConfig, place: Place) -> None:
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


def plan_training(config: Config, place: Place) -> Plan:
    """Choose device and precision, and whether the GPU holds the pairs and replays recorded steps."""
    plan = choose_plan(config.training.device, config.training.precision, gather_facts())
    if plan[:2] == ("cpu", "bf16") and _has_lstm_layers(config.model) and not has_bf16_lstm():
        raise UsageError(
            "training.precision bf16: this processor has no LSTM layers in bfloat16: set it to float32 or "
            "auto, or model.encoder.cell and model.decoder.cell to gru"
        )
    if place.size > 1 and plan.device == "mps":
        raise UsageError("several processes cannot train on device mps: set training.device cpu")
    if place.size > 1 and plan.device == "cuda" and place.local_size > torch.cuda.device_count():
        raise UsageError(
            f"{place.local_size} processes were started here, but this machine has "
            f"{torch.cuda.device_count()} GPUs: each needs its own"
        )
    # Links come with the batches that the host makes, drawn pieces with text, and a text in windows from the
    # disk; and gradients that several processes add up are not those of a recorded step.
    by_host = config.training.alignment == "guided" or config.tokenizer.sampling_alpha or config.data.window
    if by_host or place.size > 1:
        return plan._replace(resident=False, graphs=False)
    return plan._replace(graphs=plan.graphs and config.training.cuda_graphs)


def _has_lstm_layers(model: ModelConfig) -> bool:
    """Whether the model calls torch's LSTM, which reads a whole sentence at once."""
    encoder, decoder = model.encoder, model.decoder
    return (encoder.type, encoder.cell) == ("recurrent", "lstm") or (
        (decoder.type, decoder.cell, decoder.feeding) == ("recurrent", "lstm", "parallel")
    )


def count_processes(config: Config, plan: Plan, place: Place) -> int:
    """How many share each batch with one copy of the weights."""
    settings = config.training
    if place.size > 1:
        return 1
    if plan.device == "cpu" and settings.processes:
        return settings.processes
    return choose_processes(plan.device, settings.threads or count_cores(), config.data.batch_tokens)


def share_threads(threads: int, place: Place) -> int:
    """Give this process its share of the machine's threads (0: one per core); return how many."""
    if place.size == 1:
        return set_threads(threads)
    return set_threads(max(1, (threads or count_cores()) // place.local_size))
