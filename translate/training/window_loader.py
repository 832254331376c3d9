"""The batches of one window of the text after another, as if each were an epoch."""

import logging
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from translate.batches import BatchLoader, Pairs
from translate.collective import Ranks
from translate.errors import InputError
from translate.run_directory import RunDirectory
from translate.run_directory.windows import remove_unfinished_windows, remove_windows
from translate.stored_pairs import IdPairs
from translate.tokenizer import Tokenizers
from translate.training.sampling import SampledPairs
from translate.training.text import describe_origin
from translate.training.window_process import WindowProcess
from translate.training.windows import DRAWN_FROM, Window, is_undamaged, read_window

log = logging.getLogger(__name__)


class Place(NamedTuple):
    """Where an epoch's window is."""

    number: int  # of the window in the text, from 0
    window: Window
    passed: int  # times that the whole text was read before


class Windows:
    """The windows of a run's text: the one in use and the next one lie on disk.

    What is known of each is kept in the run, so that another text is noticed when one is read again.
    """

    def __init__(self, run: RunDirectory) -> None:
        self.run = run
        self.known = [Window(**facts) for facts in run.read_json(run.windows_file)]
        self._process = WindowProcess(run.path)
        self._whole: set[int] = set()  # windows on disk that are known to be so

    def prepare(self, epoch: int) -> Place:
        """Wait for the window of an epoch; begin with the next one, and remove all others.

        Raises:
            InputError: the text is missing, bad or another one than before.
        """
        number = self._number(epoch)
        if self._process.number is None:  # what is left of a run that was killed goes
            remove_windows(self.run, but=(number, self._number(epoch + 1)))
        self._make(number)
        following = self._number(epoch + 1)
        remove_windows(self.run, but=(number, following))
        self._whole &= {number, following}
        if not self._is_whole(following):
            self._process.start(following)
        return Place(number, self.known[number], epoch // len(self.known) if self.known[-1].last else 0)

    def stop(self) -> None:
        """Leave what is not yet prepared."""
        if self._process.number is not None:
            self._process.stop()
            remove_unfinished_windows(self.run)
        self._process.stop()

    def _number(self, epoch: int) -> int:
        """Which window an epoch has: as many as are known, if the end of the text is."""
        return epoch % len(self.known) if self.known[-1].last else epoch

    def _make(self, number: int) -> None:
        if self._process.number is None and not self._is_whole(number):
            self._process.start(number)
        if self._process.number is not None:
            self._process.finish()
            self._note(number)

    def _note(self, number: int) -> None:
        """Compare a window that was made with what is known of it, or know it from now on."""
        window = read_window(self.run, number)
        if number > len(self.known) or window is None:
            raise InputError(
                f"{self.run.windows_file} or {self.run.windows_path} was changed while the run was trained: "
                "restore them, or train again"
            )
        if number == len(self.known):
            self.known.append(window)
            self.run.save_json(self.run.windows_file, [each._asdict() for each in self.known])
        elif window != self.known[number]:
            size = self.run.config.data.window
            raise InputError(
                f"{describe_origin(self.run.config.data)} has changed: pairs {number * size + 1:,} to "
                f"{(number + 1) * size:,} are not those that training began with, and training in windows "
                "reads them again and again; restore the text, or train again"
            )
        self._whole.add(number)

    def _is_whole(self, number: int) -> bool:
        """Whether a window is on disk as it should be; looked at once, since only training touches it."""
        if number in self._whole:
            return True
        if number >= len(self.known) or read_window(self.run, number) != self.known[number]:
            return False
        if is_undamaged(self.run, number):
            self._whole.add(number)
        return number in self._whole


class WindowLoader:
    """What `BatchLoader` is for a whole corpus: an epoch is a window, and begins where the text goes on.

    Args:
        ranks: the first process prepares windows, the others wait for them and map the same files.
    """

    def __init__(self, run: RunDirectory, tokenizers: Tokenizers, ranks: Ranks) -> None:
        self.run, self.tokenizers, self.ranks = run, tokenizers, ranks
        self.windows = Windows(run)
        self.epoch = 0
        self.consumed = 0
        self._length = 1  # before a window is open; training may say where it is

    def __len__(self) -> int:
        """Batches of the window that was opened last."""
        return self._length

    def __iter__(self) -> Iterator[Any]:
        """Go on where the last window or the loaded state ended."""
        loader = self._open()
        while not len(loader):  # all pairs are too long, or held out
            self.epoch += 1
            loader = self._open()
        loader.consumed = self.consumed
        for batch in loader:
            self.epoch, self.consumed = loader.epoch, loader.consumed
            yield batch

    def describe(self) -> str:
        """What there is to be trained on, for people."""
        size = self.run.config.data.window
        return f"windows of {size:,} pairs, of which the next is prepared while one is trained on"

    def stop(self) -> None:
        """Prepare no more windows."""
        self.windows.stop()

    def state_dict(self) -> dict[str, Any]:
        """Where the loader stands."""
        return {"epoch": self.epoch, "consumed": self.consumed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Stand where the state was taken."""
        self.epoch, self.consumed = state["epoch"], state["consumed"]

    def _open(self) -> BatchLoader:
        """Wait for the window, and plan its batches."""
        config = self.run.config
        started = time.monotonic()
        place = self.ranks.decide(lambda: self.windows.prepare(self.epoch))
        pairs = IdPairs(self.run.window_path(place.number), both=config.data.directions == "both")
        loader = BatchLoader(
            self._drawn(pairs, place.number), config.data.batch_tokens, config.training.seed,
            self.ranks.rank, self.ranks.size, epoch=self.epoch,
        )  # fmt: skip
        self.ranks.gather(None)  # the first one removes this window when it comes to the next
        self._length = max(1, len(loader))
        log.info(
            "window %d%s: %d of %d pairs in %d batches, after waiting %.1f s for it",
            place.number + 1, f" in pass {place.passed + 1} over the text" if place.passed else "",
            place.window.used, place.window.pairs, len(loader), time.monotonic() - started,
        )  # fmt: skip
        return loader

    def _drawn(self, pairs: IdPairs, number: int) -> Pairs:
        alpha = self.run.config.tokenizer.sampling_alpha
        if not alpha:
            return pairs
        text = self.run.window_path(number) / DRAWN_FROM
        return SampledPairs(pairs, text, self.tokenizers, alpha, self.run.config.data.max_length)
