"""A process that prepares the next window while the training one is busy with this.

A process, not a thread: reading text and looking at its pairs is work of the Python interpreter, which one
thread at a time has, and training takes thousands of short turns in it each second.
"""

import logging
import signal
import traceback
from collections.abc import Callable
from logging.handlers import QueueHandler
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

from translate.errors import InputError
from translate.run_directory import RunDirectory
from translate.training.windows import WindowReader


class Answer(NamedTuple):
    """What has become of a window."""

    messages: list[logging.LogRecord]
    error: Exception | None


class WindowProcess:
    """Prepares windows of a run, one at a time; starts when the first one is asked for.

    Args:
        path: of the run directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.number: int | None = None  # of the window that it prepares
        self._process: Any = None
        self._connection: Any = None

    def start(self, number: int) -> None:
        """Begin to prepare a window."""
        if self._process is None:
            self._process, self._connection = start_process(str(self.path))
        try:
            self._connection.send(number)
        except OSError:
            raise self._ended() from None
        self.number = number

    def finish(self) -> None:
        """Wait until the window is prepared; say what there was to say.

        Raises:
            InputError: the text is missing or bad, or the process has ended.
        """
        try:
            answer: Answer = self._connection.recv()
        except (EOFError, OSError):
            raise self._ended() from None
        self.number = None
        for message in answer.messages:
            logging.getLogger(message.name).handle(message)
        if answer.error is not None:
            raise answer.error

    def stop(self) -> None:
        """End the process, at once."""
        if self._process is not None:
            self._connection.close()
            self._process.kill()  # the other signals it ignores
            self._process.join()
        self._process = self.number = None

    def _ended(self) -> InputError:
        self._process.join()
        return InputError(
            "the process that prepares windows of the text ended with exit code "
            f"{self._process.exitcode}: its message may stand above; without one, memory was probably short. "
            f"Go on with `seq2see train --resume {self.path}`"
        )


def start_process(path: str) -> tuple[BaseProcess, Connection]:
    """Start a process; return it with our end of its pipe."""
    context = get_context("spawn")  # a fork of a process with threads can hang
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, path), daemon=True)
    process.start()
    theirs.close()  # so that the pipe ends with the process
    return process, ours


def _work(connection: Connection, path: str) -> None:
    """What the process does until the training one closes the pipe or is gone."""
    # Whoever stops the training may send the signal to all its processes: the first one finishes the step.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    messages: SimpleQueue[logging.LogRecord] = SimpleQueue()
    log = logging.getLogger("translate")
    log.addHandler(QueueHandler(messages))
    log.setLevel(logging.INFO)
    log.propagate = False

    def take_messages() -> list[logging.LogRecord]:
        return [messages.get() for _ in range(messages.qsize())]

    prepare_windows(connection, path, take_messages)


def prepare_windows(
    connection: Connection, path: str, take_messages: Callable[[], list[logging.LogRecord]] = list
) -> None:
    """Answer each number that comes with an `Answer`, until the other end of the pipe is closed."""

    def wanted() -> None:
        # Nobody asks for a window before the last one is there: what comes meanwhile is the end of the pipe.
        if connection.poll():
            raise EOFError

    reader: WindowReader | None = None
    while True:
        failure: Exception | None = None
        try:
            number = connection.recv()
            reader = reader or WindowReader(RunDirectory.open(path), wanted)
            reader.prepare(number)
        except EOFError:
            return
        except Exception as error:
            error.add_note(traceback.format_exc())  # shown if it is a bug
            failure = error
        try:
            connection.send(Answer(take_messages(), failure))
        except OSError:  # the other end was closed just now
            return
