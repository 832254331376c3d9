"""Train a model: tokenizer, encoder-decoder, validation by BLEU, all into one run directory.

With --devices N a process is started for each of N devices; torchrun and srun do so on several machines.
"""

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jsonargparse import Namespace

from translate.arguments import Parser
from translate.config import ALIASES, Config
from translate.config_files import dump_config, read_config
from translate.errors import UsageError
from translate.ranks import find_place
from translate.run_directory import RunDirectory

STEPS = "training.max_steps"
TEXT = {"data.corpus", "data.src", "data.pairs"}  # of which one is given, or there is nothing to train on


def add_arguments(parser: Parser) -> None:
    """Declare the options: where the run goes; every setting of the config is a flag too."""
    parser.add_argument("--out", type=str, help="New folder for the run.")
    parser.add_argument(
        "--resume",
        type=str,
        metavar="RUN",
        help="Go on with this run from its last checkpoint; beside it only --max-steps can be given.",
    )
    parser.add_config(complete)


def run(options: Namespace) -> None:
    """Train, or go on training."""
    complete(options)
    config = read_config(options)
    if options.resume is None:
        if options.out is None:
            raise UsageError("where to? Give --out DIR for a new run, or --resume RUN to go on with one")
        _train(config, options.out)
        return
    flags = {setting: f"--{name}".replace("_", "-") for name, setting in ALIASES.items()}
    others = ["--out"] if options.out is not None else []
    others += [flags.get(name, f"--{name}") for name in options.given if name != STEPS]
    if others:
        raise UsageError(
            f"--resume takes all settings from {options.resume}: beside it only --max-steps can be given, "
            f"got {', '.join(others)}"
        )
    _resume(options.resume, config.training.max_steps if STEPS in options.given else None)


def _train(config: Config, out: str) -> None:
    if _is_to_launch(config):
        from translate.training.launch import launch

        with TemporaryDirectory() as folder:
            file = Path(folder, "config.yaml")
            file.write_text(dump_config(config), encoding="utf-8")
            launch(config.training.devices, ["train", f"--config={file}", f"--out={out}"])
        return
    from translate.training.trainer import train

    train(config, out)


def _resume(run: str, max_steps: int | None) -> None:
    config = RunDirectory.open(run).config
    if _is_to_launch(config):
        from translate.training.launch import launch

        steps = [] if max_steps is None else [f"--max-steps={max_steps}"]
        launch(config.training.devices, ["train", f"--resume={run}", *steps])
        return
    from translate.training.trainer import resume

    resume(run, max_steps)


def _is_to_launch(config: Config) -> bool:
    """Whether several processes are wanted, and it is for us to start them."""
    settings = config.training
    return settings.devices > 1 and settings.nodes <= 1 and find_place(os.environ).size == 1


def complete(options: Namespace) -> None:
    """Set what nobody gave: in fine-tuning as in the old run, else, without a config file, by corpus size."""
    settings: dict[str, Any] = {}
    if options.resume is not None:
        return
    if options.initial.run is not None:
        from translate.training.initial import fine_tuning_settings

        settings = fine_tuning_settings(options.initial.run, options.given)
    elif options.config is None and not TEXT.isdisjoint(options.given):
        from translate.training.recipe import recipe_settings

        config = read_config(options)
        settings = recipe_settings(config.data, config.training.seed, options.given)
    for name, value in settings.items():
        options[name] = value
