"""Windows: a text that is larger than the disk, as many pairs of it at a time as are wanted (data.window).

A window is the next N pairs of the text that have words on both sides. On disk it is a folder like the ids of
a whole corpus, without the pairs that are held out or too long, and with what it was made from.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from itertools import compress, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from translate.config import Config
from translate.config.data import DataConfig
from translate.corpora.pairs import HUB
from translate.corpora.split import source_group
from translate.errors import InputError, UsageError
from translate.run_directory import RunDirectory
from translate.run_directory.windows import place_window
from translate.stored_pairs import write_text
from translate.tokenizer import Tokenizers
from translate.training.ids import tell_too_long, write_fitting
from translate.training.mixture import Part
from translate.training.text import (
    Pair,
    StoredPairs,
    Text,
    describe_origin,
    hash_text,
    open_text,
    without_blank,
)

DRAWN_FROM = "text.arrow"  # beside the ids, where pieces are drawn
FACTS = "window.json"  # likewise: a `Window`, and the hashes of the files
LOOK_EVERY = 1000  # pairs that are read between looks whether they are still wanted


class Window(NamedTuple):
    """What is known of a window: the same each time that it is read, or the text is another one."""

    pairs: int  # without those held out
    used: int  # not too long
    sha256: str  # of their text
    last: bool  # whether the text ends with it


def check_can_be_read_again(data: DataConfig) -> None:
    """Raise UsageError if the text comes from where it can be read only once."""
    for path in (data.src, data.tgt, *data.pairs):
        if path is None or path.startswith(HUB):
            continue
        there = Path(path)
        if path == "-" or (there.exists() and not (there.is_file() or there.is_dir())):
            raise UsageError(
                f"data.window reads the text again for each pass, and when a run goes on, but {path} can be "
                "read only once: name a file (it may be packed) or a data set of the hub"
            )


def write_first_window(run: RunDirectory, config: Config, text: Text, tokenizers: Tokenizers) -> bytes:
    """Make the first window of a new run; return 1 for each pair that is not too long, else 0.

    Raises:
        InputError: all of its pairs are too long.
    """
    run.windows_path.mkdir()
    fits, window = _write(run, config, 0, text.train, tokenizers, last=not text.more)
    run.save_json(run.windows_file, [window._asdict()])
    return fits


def _write(
    run: RunDirectory, config: Config, number: int, text: StoredPairs, tokenizers: Tokenizers, *, last: bool
) -> tuple[bytes, Window]:
    """Make the folder of a window, whole or not at all."""
    part = Part("training", describe_origin(config.data), text)
    with TemporaryDirectory(dir=run.windows_path) as aside:
        new = Path(aside, "window")
        (fits,) = write_fitting(new, [part], tokenizers, config.data.max_length, threads=1)
        if number == 0 or any(fits):  # others may be as they are: they are passed over
            tell_too_long(part, fits, config.data.max_length)
        if config.tokenizer.sampling_alpha:
            write_text(new / DRAWN_FROM, compress(text, fits))
        window = Window(len(text), sum(fits), hash_text(text), last)
        hashes = {path.name: _hash_file(path) for path in sorted(new.iterdir())}
        run.save_json(new / FACTS, {**window._asdict(), "files": hashes})
        place_window(run, new, number)
    return fits, window


def read_window(run: RunDirectory, number: int) -> Window | None:
    """Return what the folder of a window says of it; None if there is none."""
    try:
        facts = _read_facts(run, number)
        return Window(*(facts[name] for name in Window._fields))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def is_undamaged(run: RunDirectory, number: int) -> bool:
    """Whether the files of a window are as they were written."""
    try:
        hashes = _read_facts(run, number)["files"].items()
        return all(_hash_file(run.window_path(number) / name) == known for name, known in hashes)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return False


def _read_facts(run: RunDirectory, number: int) -> Any:
    return json.loads((run.window_path(number) / FACTS).read_text(encoding="utf-8"))


class WindowReader:
    """Cuts the text of a run into windows; goes on where it stands, or begins the text again.

    Args:
        wanted: asked now and then while the text is read; what it raises ends it.
    """

    def __init__(self, run: RunDirectory, wanted: Callable[[], None] = lambda: None) -> None:
        self.run, self.wanted, self.tokenizers = run, wanted, run.tokenizers()
        self._text: Iterator[Pair] = iter(())
        self._first: Pair | None = None  # of the next window, since only then is it known that there is one
        self._next: int | None = None  # number of that window

    def prepare(self, number: int) -> Window:
        """Make the folder of a window.

        Raises:
            InputError: the text is missing or bad, or ends before this window.
        """
        if number != self._next:
            self._begin(number)
        self._next = None  # not known if something goes wrong
        with TemporaryDirectory(dir=self.run.windows_path) as aside:
            text = StoredPairs.write(Path(aside, "text"), self._kept())
            self._first = next(self._text, None)
            _, window = _write(
                self.run, self.run.config, number, text, self.tokenizers, last=self._first is None
            )
        self._next = number + 1
        return window

    def _begin(self, number: int) -> None:
        """Open the text, and pass over all windows before this one."""
        data = self.run.config.data
        opened = open_text(data, self.run.config.training.seed)
        # What was held out of the first window is left out of all.
        valid = self.run.read_valid()[0] if opened.valid is None else []
        self.groups = {source_group(src) for src in valid}
        self._text = self._while_wanted(without_blank(opened.train, "training"))
        passed = sum(1 for _ in islice(self._text, number * data.window))
        self._first = next(self._text, None)
        if self._first is None:
            raise InputError(
                f"{describe_origin(data)} has {passed:,} pairs, but window {number + 1} of {data.window:,} "
                "pairs each was in it before: training in windows needs the text that it began with; restore "
                "it, or train again"
            )

    def _kept(self) -> Iterator[Pair]:
        """Yield the pairs of the next window, without those held out."""
        assert self._first is not None
        yield from self._not_held_out([self._first])
        yield from self._not_held_out(islice(self._text, self.run.config.data.window - 1))

    def _not_held_out(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        for src, tgt in pairs:
            if not (self.groups and source_group(src) in self.groups):
                yield src, tgt

    def _while_wanted(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        for number, pair in enumerate(pairs):
            if number % LOOK_EVERY == 0:
                self.wanted()
            yield pair


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
