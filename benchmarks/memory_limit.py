"""A limit of memory for a program, as a container has it: a cgroup of its own, on Linux for root."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


@contextmanager
def memory_limit(size: int | None) -> Iterator[list[str]]:
    """Yield what is put before a command so that it and its children get no more than `size` bytes.

    Nothing, when there is no limit. Swapping does not help them. Pages of files count too, but are given back
    when memory is short.

    Raises:
        OSError: no such group can be made.
    """
    if size is None:
        yield []
        return
    second = (ROOT / "cgroup.controllers").is_file()
    group = ROOT / f"{'' if second else 'memory/'}seq2see_{os.getpid()}"
    group.mkdir()
    try:
        if second:
            limits = {"memory.max": size, "memory.swap.max": 0}
        else:
            limits = {"memory.limit_in_bytes": size, "memory.memsw.limit_in_bytes": size}
        for name, value in limits.items():
            if name.endswith("max") or (group / name).exists():  # the second one only where it can swap
                (group / name).write_text(str(value))
        yield ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(group / "cgroup.procs")]
    finally:
        group.rmdir()


def why_no_limit() -> str | None:
    """Say why no memory can be limited here, if so."""
    try:
        with memory_limit(2**30):
            return None
    except OSError as error:
        return f"no cgroup with a limit of memory can be made here ({error})"
