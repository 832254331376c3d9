"""Windows prepared by a thread of the test's own process: what the process does, without starting one."""

import threading
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from translate.training import window_process


class ThreadForProcess(threading.Thread):
    """A thread that can be ended as a process can: it looks whether its pipe is closed."""

    exitcode = None

    def kill(self) -> None:
        """Do nothing: closing the pipe is enough."""


def start_thread(path: str) -> tuple[ThreadForProcess, Connection]:
    """Stand in for `window_process.start_process`."""
    ours, theirs = Pipe()

    def work() -> None:
        with theirs:
            window_process.prepare_windows(theirs, path)

    thread = ThreadForProcess(target=work, daemon=True)
    thread.start()
    return thread, ours
