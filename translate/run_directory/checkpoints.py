"""What training goes on from: two checkpoints with their checksums, and the weights that are averaged."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from translate.errors import InputError
from translate.run_directory import RunDirectory
from translate.whole_files import aside, sha256_of, sync, write_whole

if TYPE_CHECKING:
    import torch


def save_checkpoint(run: RunDirectory, write: Callable[[Path], None]) -> None:
    """Make `last.ckpt` what `write` writes to its argument; the one before becomes `previous.ckpt`.

    Killed at any moment, one of the two is whole and known by its checksum; a damaged one takes no
    whole one's place.
    """
    with aside(run.checkpoint_path) as new:
        write(new)
        sync(new)
        known = _checksums(run)
        last_sum = sha256_of(run.checkpoint_path) if run.checkpoint_path.is_file() else None
        kept = [last_sum] if last_sum in known else known
        write_whole(run.checksums_path, json.dumps([sha256_of(new), *kept]).encode())
        if last_sum in known:
            run.checkpoint_path.replace(run.previous_checkpoint_path)


def find_checkpoint(run: RunDirectory) -> tuple[Path | None, list[Path]]:
    """Return the newest whole checkpoint (None before the first), and those passed over as damaged.

    Raises:
        InputError: there are checkpoints, and all are damaged.
    """
    known = _checksums(run)
    paths = [path for path in (run.checkpoint_path, run.previous_checkpoint_path) if path.is_file()]
    damaged: list[Path] = []
    for path in paths:
        if sha256_of(path) in known:
            return path, damaged
        damaged.append(path)
    if damaged:
        raise InputError(
            f"{' and '.join(map(str, damaged))}: damaged (not as {run.checksums_path.name} says); "
            "restore them, or train again with another --out"
        )
    return None, []


def _checksums(run: RunDirectory) -> list[str]:
    try:
        known = json.loads(run.checksums_path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return []
    return known if isinstance(known, list) else []


def save_snapshot(run: RunDirectory, step: int, weights: "Mapping[str, torch.Tensor]") -> None:
    """Keep the weights of a step."""
    from safetensors.torch import save_file

    run.snapshots_path.mkdir(exist_ok=True)
    path = _snapshot_path(run, step)
    with aside(path) as new:
        save_file({name: tensor.detach().contiguous() for name, tensor in weights.items()}, str(new))


def load_snapshot(run: RunDirectory, step: int) -> "dict[str, torch.Tensor]":
    """Return the weights of a step; InputError if they are missing or damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = _snapshot_path(run, step)
    try:
        return load_file(str(path))
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{path} is missing or damaged ({error}), but its weights are averaged: restore it, or train "
            "again"
        ) from None


def remove_snapshots(run: RunDirectory, but: Sequence[int]) -> None:
    """Remove the weights of all other steps."""
    kept = [_snapshot_path(run, step) for step in but]
    for path in run.snapshots_path.iterdir():
        if path not in kept:
            path.unlink()


def _snapshot_path(run: RunDirectory, step: int) -> Path:
    return run.snapshots_path / f"step{step}.safetensors"
