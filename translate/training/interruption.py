"""Ctrl-C and SIGTERM while a model is trained: the step under way is finished first."""

import logging
import signal
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Any

log = logging.getLogger(__name__)

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(BaseException):
    """A signal asked training to stop, and it has; no `except Exception` may swallow it.

    Not a KeyboardInterrupt, which Lightning turns into exit code 1.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"stopped by signal {signal_number}")
        self.signal_number = signal_number


class Signals:
    """Notes the first Ctrl-C or SIGTERM inside a `with` block; the second one raises Interrupted at once.

    Only in the main thread: elsewhere Python allows no handlers, and whoever runs us there has signals in
    hand. A signal that was ignored before (as nohup does) stays so.
    """

    def __init__(self) -> None:
        self.received = 0  # number of the signal
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Signals":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.getsignal(number) for number in SIGNALS}
        self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler or signal.SIG_DFL)

    def listen(self) -> None:
        """Take the signals over, from whoever has done so since."""
        for number, before in self._before.items():
            signal.signal(number, signal.SIG_IGN if before == signal.SIG_IGN else self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.received:  # asked twice: whoever is in a hurry is obeyed
            raise Interrupted(number)
        self.received = number
        log.warning("stopping after this step, with a checkpoint (once more: at once, without)")


class SharedSignals(Signals):
    """The same for several processes, which stop after the same step: asked is one thing, agreed another.

    Launchers send a signal more than once (SLURM to everybody, torchrun again to those it has started), so
    nobody is taken to be in a hurry.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked = [0] * len(SIGNALS)  # how often, of each

    def agree(self, asked: Sequence[float]) -> None:
        """Follow the signals that any of the processes got."""
        self.received = next((number for number, times in zip(SIGNALS, asked, strict=True) if times), 0)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if not any(self.asked):
            log.warning("stopping after this step, with a checkpoint")
        self.asked[SIGNALS.index(number)] += 1
