"""What a program of this folder is asked, and what it answers: two JSON files named on its command line.

Only the standard library, since it runs in environments that have nothing of ours.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

Job = dict[str, Any]


def read_job() -> Job:
    """Read what is asked."""
    job: Job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    return job


def write_result(result: dict[str, Any], *packages: str) -> None:
    """Answer, with the versions of what was measured and the most memory that it had."""
    about = {
        "peak_memory_mb": _peak_memory_mb(),
        "versions": {name: version(name) for name in packages},
    }
    Path(sys.argv[2]).write_text(json.dumps({**result, **about}), encoding="utf-8")


def _peak_memory_mb() -> int:
    """The most that this process had; getrusage would count what its parent had when it was started."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024  # KiB
