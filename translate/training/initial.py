"""Fine-tuning: what a run takes from the one that it begins with."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from torch.utils.data import DataLoader

from translate.batches import Batch
from translate.config import Config
from translate.config.data import DataConfig
from translate.config_files import setting_values
from translate.corpora.split import source_group
from translate.errors import InputError, UsageError
from translate.run_directory import RunDirectory
from translate.training.mixture import Part
from translate.training.module import TrainingModule
from translate.training.text import Pair, StoredPairs, describe_origin, open_text, without_blank
from translate.training.validation import Validation

# A short run, so that little is forgotten, often validated, since the best weights may come soon; it ends
# when validation BLEU has not risen for half of it. Chosen, not tuned.
RECIPE = {
    "training.max_steps": 1000,
    "training.warmup_steps": 100,
    "training.validate_every": 100,
    "training.patience": 5,
}
LEARNING_RATE = 0.2  # of the highest learning rate that the old run had; chosen, not tuned
# How weights are trained, not what they are: all else that is said of the model has to stay.
FREE = {"model.dropout", "model.decoder.context_only"}
INHERITED = ("data.directions", "data.max_length", "data.batch_tokens")


def fine_tuning_settings(run: str, given: Collection[str]) -> dict[str, Any]:
    """What the settings are that nobody gave, when training begins with a run.

    Raises:
        InputError: there is no such run.
    """
    values = setting_values(_without_path(RunDirectory.open(run).config))
    settings = {
        name: value
        for name, value in values.items()
        if name in INHERITED or name.startswith(("model.", "tokenizer.", "search."))
    }
    settings |= RECIPE | {"training.learning_rate": LEARNING_RATE * values["training.learning_rate"]}
    return {name: value for name, value in settings.items() if name not in given}


def open_initial(config: Config) -> RunDirectory | None:
    """Return the run that training begins with, if it begins with one.

    Raises:
        InputError: there is none, or none with good weights.
        UsageError: settings of model or tokenizer differ from that run's.
    """
    path = config.initial.run
    if path is None:
        return None
    run = RunDirectory.open(path)
    if config.tokenizer.path is not None:
        raise UsageError(
            f"tokenizer.path is {config.tokenizer.path}, but training begins with {path} and takes its "
            "tokenizer: leave it out"
        )
    ours, theirs = setting_values(config), setting_values(_without_path(run.config))
    for name, value in ours.items():
        fixed = name.startswith(("model.", "tokenizer.")) and name not in FREE
        if fixed and value != theirs[name]:
            raise UsageError(
                f"{name} is {value}, but {path}, whose weights training begins with, has {theirs[name]}: "
                f"leave it out (only {' and '.join(sorted(FREE))} may differ)"
            )
    run.load_model()  # damage is found out now
    return run


def read_old_text(config: Config, old: RunDirectory, valid: list[Pair], path: Path) -> Part:
    """Read the pairs that the old run was trained on, for mixing in.

    Left out are those whose source, but for case, digits and punctuation, is in either validation text.

    Args:
        config: may say where that text is now.
        valid: the new validation text.
        path: of the file that they are kept in.

    Raises:
        InputError: the text is missing or bad.
    """
    initial, data = config.initial, old.config.data
    if initial.corpus or initial.src or initial.tgt:
        data = DataConfig(corpus=initial.corpus, src=initial.src, tgt=initial.tgt)
    sources = chain((src for src, _ in valid), (old.read_valid()[0] if old.valid_src_path.is_file() else ()))
    held_out = {source_group(src) for src in sources}

    def kept() -> Iterator[Pair]:
        for src, tgt in without_blank(open_text(data, old.config.training.seed).train, "old training"):
            if source_group(src) not in held_out:
                yield src, tgt

    try:
        pairs = StoredPairs.write(path, kept())
    except InputError as error:
        if data is not old.config.data:
            raise
        raise InputError(
            f"{error}. --mix needs the training text of {old.path}: say where it is now by --mix-corpus, or "
            "by --mix-src and --mix-tgt"
        ) from None
    return Part("old", describe_origin(data), pairs, initial.mix, repeats=True)


def _without_path(config: Config) -> Config:
    """Where a run's tokenizer once came from is no setting of those that begin with it."""
    return replace(config, tokenizer=replace(config.tokenizer, path=None))


class FirstValidation(Callback):
    """Validates the weights that training begins with, before its first step.

    Args:
        validation: scores them.
        batches: the validation text.
    """

    def __init__(self, validation: Validation, batches: DataLoader[Batch]) -> None:
        self.validation, self.batches = validation, batches

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Score, unless the run goes on."""
        assert isinstance(module, TrainingModule)
        if trainer.global_step:
            return
        module.eval()
        with torch.no_grad():
            self.validation.on_validation_epoch_start(trainer, module)
            for number, batch in enumerate(self.batches):
                outputs = module.validation_step(trainer.strategy.batch_to_device(batch), number)
                self.validation.on_validation_batch_end(trainer, module, outputs, batch, number)
            self.validation.on_validation_epoch_end(trainer, module)
        module.train()
