"""Where a run stands, and what is said of it when it has ended."""

import logging
import zipfile
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from translate.collective import Ranks
from translate.config.training import TrainingConfig
from translate.errors import InputError
from translate.platforms import Plan
from translate.run_directory import RunDirectory
from translate.training.card import model_card
from translate.training.processes import count_processes

log = logging.getLogger(__name__)


def read_progress(checkpoint: Path | None) -> tuple[int, Mapping[str, Any]]:
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


def why_ended(step: int, state: Mapping[str, Any], settings: TrainingConfig) -> str | None:
    """Why there is no step left to take, if there is none."""
    if step >= settings.max_steps:
        return f"already at step {step} of {settings.max_steps}"
    if 0 < settings.patience <= state.get("not_better", 0):
        return f"stopped early at step {step}, after {settings.patience} validations without a better BLEU"
    minutes = state.get("seconds", 0.0) / 60
    if 0 < settings.max_minutes <= minutes:
        return f"already at {minutes:.1f} of {settings.max_minutes:g} minutes (step {step})"
    return None


def finish(
    run: RunDirectory, plan: Plan, ranks: Ranks, state: Mapping[str, Any], parameters: int, step: int
) -> None:
    """Write the summary and the model card."""
    processes = count_processes(run.config, plan, ranks.place)
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
