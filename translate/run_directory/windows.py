"""The folders of windows in a run: parts of a text that is too large to be there as a whole."""

import shutil
from collections.abc import Collection
from pathlib import Path

from translate.run_directory import RunDirectory


def place_window(run: RunDirectory, new: Path, number: int) -> None:
    """Make a folder that is whole that of a window."""
    path = run.window_path(number)
    shutil.rmtree(path, ignore_errors=True)
    new.rename(path)


def remove_windows(run: RunDirectory, but: Collection[int]) -> None:
    """Remove the folders of all other windows, and what is left of unfinished ones."""
    run.windows_path.mkdir(exist_ok=True)
    _remove(run, [str(number) for number in but])


def remove_unfinished_windows(run: RunDirectory) -> None:
    """Remove what is left of windows that were not finished, if the run is still there."""
    _remove(run, [path.name for path in run.windows_path.glob("*") if path.name.isdecimal()])


def _remove(run: RunDirectory, but: Collection[str]) -> None:
    for path in run.windows_path.glob("*"):
        if path.name not in but:
            shutil.rmtree(path, ignore_errors=True)
