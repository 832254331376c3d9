"""What a program of this folder is asked, and what it answers: two JSON files named on its command line.

Only the standard library, since it runs in environments that have nothing of ours.
"""

import json
import resource
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
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,  # Linux: KiB
        "versions": {name: version(name) for name in packages},
    }
    Path(sys.argv[2]).write_text(json.dumps({**result, **about}), encoding="utf-8")
