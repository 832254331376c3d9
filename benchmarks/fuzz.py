"""Feed the readers of text with what a coverage-guided fuzzer makes up, and see whether one breaks.

    pip install -e ".[fuzz]"
    python benchmarks/fuzz.py --minutes 10

Each reader has a process of its own. Broken is one that raises anything but the two documented errors
(translate/errors.py), or takes more than ten seconds or 2 GB. One JSON in benchmarks/results.
"""

import argparse
import gzip
import importlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from measuring import machine, save
from quality_table import ROOT

RESULTS = ROOT / "benchmarks" / "results" / "fuzz.json"
READERS = (
    "translate.text_files",
    "translate.alignment.aer",
    "translate.config_files",
    "translate.corpora",
)  # imported before the first input, so that their branches are watched

CORPUS = (
    b'{"name": "n", "src_lang": "de", "tgt_lang": "en", "splits": {"train": 1}, "links": [], "licence": "",'
    b' "citation": "", "url": "", "seed": 1, "dropped": {}, "sha256": {}, "settings": {}}'
)
# Where mutation begins.
SEEDS = {
    "lines": [b"ein Hund\nzwei\r\n", b"\xef\xbb\xbfx\n\xc3\xa4\xff\n"],
    "gzip": [gzip.compress(b"ein Hund\nzwei\n", mtime=0)],
    "parallel": [b"eins\nzwei\n\0one\ntwo\n"],
    "gold": [b"0-0 1p2 2?1\n\n", b"1 1 1 S 0.5\n1 2 2 P\n"],
    "config": [b"model: {attention: {score: dot}}\n", b"training:\n  seed: 3\n  schedule: cosine\n"],
    "corpus": [CORPUS],
}


def read_lines(data: bytes, folder: Path) -> None:
    from translate.text_files import read_lines

    _read_both(read_lines, _write(folder / "lines.txt", data))


def read_gzip(data: bytes, folder: Path) -> None:
    from translate.text_files import read_lines

    _read_both(read_lines, _write(folder / "lines.gz", data))


def read_parallel(data: bytes, folder: Path) -> None:
    from translate.text_files import read_parallel

    src, _, tgt = data.partition(b"\0")
    read_parallel(_write(folder / "src", src), _write(folder / "tgt", tgt))


def read_gold(data: bytes, folder: Path) -> None:
    from translate.alignment.aer import read_gold, read_links
    from translate.errors import InputError

    path = _write(folder / "gold", data)
    for one_based in (False, True):
        for read in (read_gold, read_links):
            with suppress(InputError):
                read(path, one_based=one_based)


def read_config(data: bytes, folder: Path) -> None:
    from translate.config_files import load_config

    load_config(_write(folder / "config.yaml", data))


def read_corpus(data: bytes, folder: Path) -> None:
    from translate.corpora import load_corpus

    _write(folder / "corpus.json", data)
    load_corpus(folder)


TARGETS: dict[str, Callable[[bytes, Path], None]] = {
    "lines": read_lines,
    "gzip": read_gzip,
    "parallel": read_parallel,
    "gold": read_gold,
    "config": read_config,
    "corpus": read_corpus,
}


def _write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _read_both(read: Callable[..., object], path: Path) -> None:
    """Leniently, which always succeeds on text, and strictly."""
    read(path, strict=False)
    read(path, strict=True)


def try_one(target: str, data: bytes, folder: Path) -> None:
    """Let a reader read; the documented errors are none."""
    from translate.errors import InputError, UsageError

    with suppress(InputError, UsageError):
        TARGETS[target](data, folder)


def fuzz(target: str, arguments: list[str]) -> None:
    """What a target's process does, until its time is over or the reader breaks."""
    import atheris

    with atheris.instrument_imports(include=["translate", "yaml"]):
        for name in READERS:
            importlib.import_module(name)
    folder = Path(tempfile.mkdtemp())
    atheris.Setup([sys.argv[0], *arguments], lambda data: try_one(target, data, folder))
    atheris.Fuzz()


def measure(target: str, seconds: int) -> dict[str, Any]:
    """Fuzz a reader for so long."""
    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(SEEDS[target]):
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
    raised = re.findall(r"^=== Uncaught Python exception: ===\n(.*)$", told, re.MULTILINE)
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
