"""One clock for every system that translates: text to text, without its start.

Only the standard library, since it runs in environments that have nothing of ours.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from job import Job

WARM_UP = 2  # batches that are translated before the clock starts

Translate = Callable[[list[str]], list[str]]


def time_translating(job: Job, translate: Translate) -> dict[str, Any]:
    """Translate one line in so many of the job's text.

    The time is that from lines to lines, cutting them into pieces included; that to the first line begins
    with the process.
    """
    lines = _read(job)[:: job["one_in"]]
    translate(lines[:1])
    first_line = time.time() - job["launched"]
    translate(lines[: WARM_UP * job["batch"]])
    started, cpu_started = time.perf_counter(), time.process_time()
    translations = translate(lines)
    return {
        "seconds": round(time.perf_counter() - started, 3),
        "cpu_seconds": round(time.process_time() - cpu_started, 3),
        "first_line_seconds": round(first_line, 3),
        "sentences": len(lines),
        "translations": translations,
    }


def in_batches(job: Job, translate: Translate) -> Translate:
    """A function that translates so many lines at a time; the translations come in the order of the lines.

    Unless the job says of which lines a batch is, they are of like numbers of pieces.
    """
    batch, pieces = job["batch"], dict(zip(_read(job), job["lengths"], strict=True))

    def translate_all(lines: list[str]) -> list[str]:
        order = list(range(len(lines)))
        if not job["batches"]:
            order.sort(key=lambda number: pieces[lines[number]])
        translations = [""] * len(lines)
        for start in range(0, len(order), batch):
            numbers = order[start : start + batch]
            for number, text in zip(numbers, translate([lines[n] for n in numbers]), strict=True):
                translations[number] = text
        return translations

    return translate_all


def _read(job: Job) -> list[str]:
    return Path(job["text"]).read_text(encoding="utf-8").rstrip("\n").split("\n")
