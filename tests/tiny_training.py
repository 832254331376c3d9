"""Trainings of a second: what the tests of translate/training run, stop and compare."""

import random
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from safetensors.torch import load_file

from translate.config import Config
from translate.config.data import DataConfig
from translate.config.model import AttentionConfig, DecoderConfig, EncoderConfig, ModelConfig
from translate.config.search import SearchConfig
from translate.config.tokenizer import TokenizerConfig
from translate.config.training import TrainingConfig
from translate.corpora.corpus import Corpus, to_dataset, write_corpus
from translate.run_directory import RunDirectory
from translate.training import trainer as training

SIZE = 8
TRANSFORMER = {"type": "transformer", "size": SIZE, "heads": 2, "feed_forward_size": 12}
MODELS = {
    "gru": ModelConfig(
        SIZE,
        0.2,
        encoder=EncoderConfig(size=6),
        attention=AttentionConfig(size=6),
        decoder=DecoderConfig(size=7),
    ),
    "lstm": ModelConfig(
        SIZE,
        0.2,
        encoder=EncoderConfig(size=6, cell="lstm", layers=2),
        attention=AttentionConfig("general", size=6),
        decoder=DecoderConfig(size=6, cell="lstm", layers=2, feeding="parallel"),
    ),
    "transformer": ModelConfig(
        SIZE,
        0.2,
        encoder=EncoderConfig(**TRANSFORMER),
        attention=AttentionConfig("scaled_dot", size=SIZE, heads=2),
        decoder=DecoderConfig(**TRANSFORMER),
    ),
}


def numbers(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Pairs of two to five letters and the same letters in upper case, backwards."""
    rng = random.Random(seed)
    texts = (" ".join(rng.choices("abcdefgh", k=rng.randint(2, 5))) for _ in range(count))
    return [(text, text[::-1].upper()) for text in texts]


def write_pairs(folder: Path, name: str, pairs: list[tuple[str, str]]) -> tuple[str, str]:
    """Write them as two files; return their paths."""
    for side, suffix in enumerate(("src", "tgt")):
        (folder / f"{name}.{suffix}").write_bytes("".join(f"{pair[side]}\n" for pair in pairs).encode())
    return str(folder / f"{name}.src"), str(folder / f"{name}.tgt")


def corpus_folder(folder: Path, **parts: list[tuple[str, str]]) -> str:
    """Write a corpus with these parts and return where it is."""
    splits = {name: to_dataset(pairs) for name, pairs in parts.items()}
    write_corpus(
        Corpus("numbers", "de", "zh", splits, {}, "CC0", "us", "https://example.org", 1), folder / "corpus"
    )
    return str(folder / "corpus")


def tiny_config(folder: Path, model: str = "gru", pairs: int = 40, **training: Any) -> Config:
    """A run of 10 steps on files that are written into the folder; 40 pairs are 5 batches or so."""
    src, tgt = write_pairs(folder, "train", numbers(pairs))
    valid_src, valid_tgt = write_pairs(folder, "valid", numbers(4, seed=1))
    settings: dict[str, Any] = {
        "max_steps": 10,
        "warmup_steps": 3,
        "learning_rate": 0.02,
        "validate_every": 4,
        "precision": "float32",
        "device": "cpu",
        "threads": 1,
    }
    return Config(
        DataConfig(None, src, tgt, valid_src, valid_tgt, batch_tokens=80),
        TokenizerConfig(vocab_size=290),
        MODELS[model],
        TrainingConfig(**settings | training),
        SearchConfig(
            max_length_ratio=0.5, max_length_offset=2
        ),  # what is hardly trained seldom ends by itself
    )


def with_data(config: Config, **settings: Any) -> Config:
    """Change where the text comes from."""
    return replace(config, data=replace(config.data, **settings))


def copy_run(run: RunDirectory, to: Path) -> RunDirectory:
    """As a kill would leave it: everything that is on the disk now."""
    shutil.copytree(run.path, to)
    return RunDirectory.open(to)


class Probe(pl.Callback):
    """Does something at hooks of a training, after all other callbacks.

    Args:
        hooks: name -> what to do with the trainer, such as `on_train_batch_end`.
    """

    def __init__(self, **hooks: Callable[[pl.Trainer], None]) -> None:
        for name, do in hooks.items():
            setattr(self, name, lambda trainer, *_, do=do, **__: do(trainer))


def probe(monkeypatch: Any, **hooks: Callable[[pl.Trainer], None]) -> None:
    """Put a probe into the next trainings."""
    build = training._trainer

    def with_probe(*args: Any) -> pl.Trainer:
        trainer = build(*args)
        trainer.callbacks.append(Probe(**hooks))
        return trainer

    monkeypatch.setattr(training, "_trainer", with_probe)


def resume_interrupted(run: RunDirectory, monkeypatch: Any, *steps: int) -> None:
    """Go on with a run to its end, with a Ctrl-C after each of these steps."""

    def interrupt(trainer: pl.Trainer) -> None:
        if trainer.global_step in steps:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        probe(patch, on_train_batch_end=interrupt)
        for _ in steps:
            with pytest.raises(KeyboardInterrupt):
                training.resume(run.path)
    training.resume(run.path)


def checkpoint(run: RunDirectory) -> dict[str, Any]:
    """What is in last.ckpt, without the times."""
    # Going on reads it with weights_only=True, whose unpickler is in Python and ten times slower.
    state: dict[str, Any] = torch.load(run.checkpoint_path, weights_only=False)
    del state["callbacks"]["Validation"]["seconds"]
    return state


def weights(run: RunDirectory) -> dict[str, torch.Tensor]:
    """What is in model.safetensors, whose header has its entries in any order."""
    return load_file(run.weights_path)


def assert_same_run(one: RunDirectory, other: RunDirectory) -> None:
    """Equal in every bit, but for times."""
    assert_equal(weights(one), weights(other), "weights")
    untimed = [[row | {"minutes": ""} for row in run.read_metrics()] for run in (one, other)]
    assert untimed[0] == untimed[1]
    assert_equal(checkpoint(one), checkpoint(other))
    summaries = [run.read_json(run.summary_path) | {"minutes": 0} for run in (one, other)]
    assert summaries[0] == summaries[1]


def assert_equal(one: Any, other: Any, where: str = "checkpoint") -> None:
    """Compare nested dicts and lists of tensors and plain values."""
    assert type(one) is type(other), where
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_equal(one[key], other[key], f"{where}[{key!r}]")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for number, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_equal(a, b, f"{where}[{number}]")
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other), where
    else:
        assert one == other, where


def with_training(run: RunDirectory, **settings: Any) -> None:
    """Change settings of a run that exists."""
    config = run.config
    run.save_config(replace(config, training=replace(config.training, **settings)))
