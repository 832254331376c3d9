"""Feed the readers of text with what a coverage-guided fuzzer makes up, and see whether one breaks.

    pip install -e ".[fuzz]"
    python benchmarks/fuzz.py --minutes 10

Each reader has a process of its own. Broken is one that raises anything but the two documented errors
(translate/errors.py), or takes more than ten seconds or 2 GB. One JSON in benchmarks/results.
"""

import argparse
import importlib
import logging
import os
import re
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from fuzz_targets import TARGETS
from measuring import machine, save
from quality_table import ROOT

RESULTS = ROOT / "benchmarks" / "results" / "fuzz.json"
WATCHED = ["translate", "yaml", "babel.messages", "markdown_it", "html", "_markupbase"]


def try_one(target: str, data: bytes, folder: Path) -> None:
    """Let a reader read; the documented errors are none."""
    from translate.errors import InputError, UsageError

    with suppress(InputError, UsageError):
        TARGETS[target].feed(data, folder)


def fuzz(target: str, arguments: list[str]) -> None:
    """What a target's process does, until its time is over or the reader breaks."""
    import atheris

    with atheris.instrument_imports(include=WATCHED):
        for name in TARGETS[target].modules:
            importlib.import_module(name)
    logging.disable()  # of a million broken records
    folder = Path(tempfile.mkdtemp())
    atheris.Setup([sys.argv[0], *arguments], lambda data: try_one(target, data, folder))
    atheris.Fuzz()


def measure(target: str, seconds: int) -> dict[str, Any]:
    """Fuzz a reader for so long."""
    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(TARGETS[target].seeds):
            Path(folder, f"seed{number}").write_bytes(data)
        command = [sys.executable, __file__, "--target", target, folder, f"-max_total_time={seconds}"]
        command += [
            "-print_final_stats=1",
            "-timeout=10",
            "-rss_limit_mb=2048",
            f"-artifact_prefix={folder}/",
        ]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
        broken_by = [path.read_bytes().hex() for path in Path(folder).glob("*-*")] if done.returncode else []
    told = done.stdout + done.stderr
    counted = re.search(r"stat::number_of_executed_units:\s*(\d+)", told)
    covered = re.findall(r"cov: (\d+)", told)
    raised = re.findall(r"^ *=== Uncaught Python exception: ===\n(.*)$", told, re.MULTILINE)
    return {
        "target": target,
        "seconds": seconds,
        "inputs": int(counted[1]) if counted else 0,
        "covered": int(covered[-1]) if covered else 0,  # branches
        "broken": raised[-1] if raised else told[-2000:] if done.returncode else None,
        "broken_by": broken_by[:1],
    }


def main() -> None:
    if sys.argv[1:2] == ["--target"]:
        fuzz(sys.argv[2], sys.argv[3:])
        return
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10, help="of all readers together (default: 10)")
    parser.add_argument("--readers", nargs="+", choices=TARGETS, default=list(TARGETS), help="default: all")
    parser.add_argument("--results", default=str(RESULTS), help="the JSON file to write")
    options = parser.parse_args()
    os.chdir(ROOT)
    seconds = round(60 * options.minutes / len(options.readers))
    rows = []
    for target in options.readers:
        rows.append(measure(target, seconds))
        print({name: value for name, value in rows[-1].items() if name != "broken_by"}, flush=True)
    save(Path(options.results), {"machine": machine(), "minutes": options.minutes, "rows": rows})
    sys.exit(any(row["broken"] for row in rows))


if __name__ == "__main__":
    main()
