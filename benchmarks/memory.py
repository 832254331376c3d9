"""The anonymous memory of running processes (Linux): what they hold, without the pages of mapped files."""

import os
import time
from collections.abc import Collection
from pathlib import Path
from statistics import median
from threading import Event, Thread
from typing import Any, Self

EVERY = 0.1  # seconds: no step of a preparation that needs memory is over sooner
EVERY_WHEN_READY = 0.5  # reading what a process holds makes it wait a little


class MemoryWatch:
    """While it is entered, looks again and again how much all processes that we have started hold together.

    Args:
        ready: a path that appears when the preparation is over.
        cores: that the watching may use.
    """

    def __init__(self, ready: Path, cores: Collection[int]) -> None:
        self.ready, self.cores = ready, cores
        self._preparing: list[int] = []  # KiB
        self._running: list[tuple[float, int]] = []  # when; KiB
        self._over = Event()
        self._thread = Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def result(self, seconds: float) -> dict[str, Any]:
        """What was seen, in KiB; steady is the median of the last `seconds`."""
        since = self._running[-1][0] - seconds
        return {
            "peak_preparing_kib": max(self._preparing, default=0),
            "peak_running_kib": max(size for _, size in self._running),
            "steady_kib": round(median(size for when, size in self._running if when >= since)),
        }

    def _watch(self) -> None:
        os.sched_setaffinity(0, self.cores)  # of this thread
        ready = False
        while not self._over.wait(EVERY_WHEN_READY if ready else EVERY):
            ready = ready or self.ready.exists()
            size = sum(map(anonymous, _descendants(os.getpid())))
            if size and ready:
                self._running.append((time.monotonic(), size))
            elif size:
                self._preparing.append(size)


def _descendants(pid: int) -> list[int]:
    found = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in _read(children).split():
            found += [int(child), *_descendants(int(child))]
    return found


def anonymous(pid: int) -> int:
    """KiB, of what is shared with other processes its share; 0 when the process has ended."""
    for line in _read(Path(f"/proc/{pid}/smaps_rollup")).splitlines():
        if line.startswith("Pss_Anon:"):
            return int(line.split()[1])
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return ""
