"""A run's model for other engines: made whole, and known by what it was made from."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from translate.errors import InputError
from translate.run_directory import RunDirectory, fingerprint
from translate.whole_files import sha256_of, sync

if TYPE_CHECKING:
    from translate.model import Seq2Seq
    from translate.tokenizer import Tokenizers

EXPORT_FACTS = "export.json"  # what an export was made from and how


class Export(NamedTuple):
    """The model for another engine, as it lies in a run directory."""

    path: Path  # folder that the engine reads
    quantization: str  # of the weights, such as int8
    positions: int  # most pieces of a source or a translation, its end counted
    current: bool  # made from the weights and tokenizers that are in the run directory now


def save_export(
    run: RunDirectory,
    write: Callable[["Seq2Seq", "Tokenizers", Path], None],
    quantization: str,
    positions: int,
) -> Export:
    """Let `write` make the export for CTranslate2; else as `write_export`."""
    write_export(run, run.export_path, write, {"quantization": quantization, "positions": positions})
    return Export(run.export_path, quantization, positions, current=True)


def write_export(
    run: RunDirectory,
    folder: Path,
    write: Callable[["Seq2Seq", "Tokenizers", Path], None],
    facts: Mapping[str, object],
) -> None:
    """Let `write` make an export of model and tokenizers in a new folder; it then replaces the old one.

    Whenever this is killed, there is a whole export or none. What it was made from lies beside it, with
    further facts.

    Raises:
        InputError: as `load_model`.
    """
    run.need_weights()
    # Before the weights are read: should training replace them meanwhile, the export is not current.
    weights_sha256 = sha256_of(run.weights_path)
    tokenizers = run.tokenizers()
    aside, old = (folder.with_name(folder.name + suffix) for suffix in (".new", ".old"))
    for leftover in (aside, old):
        shutil.rmtree(leftover, ignore_errors=True)
    aside.mkdir()
    try:
        write(run.load_model(), tokenizers, aside)
        made_from = {"weights_sha256": weights_sha256, "tokenizers": fingerprint(tokenizers)}
        run.save_json(aside / EXPORT_FACTS, {**made_from, **facts})
        for path in aside.iterdir():
            sync(path)
        if folder.exists():
            folder.rename(old)
        aside.rename(folder)
    finally:
        for leftover in (aside, old):
            shutil.rmtree(leftover, ignore_errors=True)


def find_export(run: RunDirectory, tokenizers: "Tokenizers") -> Export | None:
    """Return the export, if there is one; the tokenizers are the run's.

    Raises:
        InputError: it is damaged, or there are no weights that it could be of.
    """
    if not run.export_path.is_dir():
        return None
    run.need_weights()
    try:
        about = run.read_json(run.export_path / EXPORT_FACTS)
        made_from = (about["weights_sha256"], about["tokenizers"])
        quantization, positions = str(about["quantization"]), int(about["positions"])
    except (ValueError, TypeError, KeyError):
        raise InputError(
            f"{run.export_path} is damaged (no good {EXPORT_FACTS}): make it anew with "
            f"`seq2see export {run.path}`, or remove it"
        ) from None
    current = made_from == (sha256_of(run.weights_path), fingerprint(tokenizers))
    return Export(run.export_path, quantization, positions, current)
