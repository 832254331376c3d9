"""Starting a training process for each device of this machine, as torchrun does."""

import logging
import signal
import sys
from collections.abc import Sequence
from uuid import uuid4

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")  # which torch's launcher takes; Windows lacks two
TAKEN = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]


def launch(devices: int, words: Sequence[str]) -> None:
    """Run `seq2see` with these words in so many processes, until all of them have ended.

    Raises:
        KeyboardInterrupt: Ctrl-C; the processes have saved a checkpoint.
        SystemExit: one has failed, with its exit code; or 143 on SIGTERM.
    """
    # What went wrong is said by the process itself.
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=devices,
        run_id=uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="127.0.0.1",  # else the machine's own name, which need not be known to itself
        max_restarts=0,
    )
    handlers = {number: signal.getsignal(number) for number in TAKEN}
    try:
        elastic_launch(config, sys.executable)("-m", "seq2see", *words)
    except ChildFailedError as error:
        raise SystemExit(_exit_code(error)) from None
    except SignalException as stop:
        if stop.sigval == signal.SIGINT:
            raise KeyboardInterrupt from None
        raise SystemExit(128 + stop.sigval) from None
    finally:  # torch's stay otherwise, and make another error of a later Ctrl-C
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _exit_code(error: ChildFailedError) -> int:
    """The exit code of the first process: others may only have lost it, or been told to stop with it."""
    codes = [
        failed.exitcode if failed.exitcode > 0 else 128 - failed.exitcode
        for _, failed in sorted(error.failures.items())
    ]
    stopped = 128 + signal.SIGTERM
    return next((code for code in codes if code != stopped), stopped)
