"""`seq2see translate` in several processes of a launcher: each translates every n-th part of the text."""

import os
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from translate.commands.steering_options import read_pattern, read_steering
from translate.commands.translate import CHUNK_LINES, record, search_config, shown
from translate.errors import UsageError
from translate.ranks import Place
from translate.text_files import stream_lines

PART_LINES = 4 * CHUNK_LINES  # what a stopped process has to translate again, at most

# What the output does not depend on, or is told by the hash of the weights.
NOT_OF_THE_JOB = ("run", "device", "threads", "processes", "batch_tokens")


def translate_parts(options: Namespace, place: Place) -> None:
    """Translate this process's share; the first one waits for the others and joins what all have made.

    The file may be read by all and the output's folder written by all, on whatever machine they are.

    Raises:
        UsageError: the text or the output is no file.
        InputError: there are parts of another job, or another process has ended.
    """
    _check_usage(options)
    os.environ |= _own_gpu(place)
    from translate.collective import joined  # from here on it takes time
    from translate.output_parts import Parts
    from translate.platforms import count_cores, keep_freed_memory
    from translate.translator import Translator

    keep_freed_memory()
    with joined(place, "cpu") as ranks:
        started = time.perf_counter()
        threads = max(1, (options.threads or count_cores()) // place.local_size)
        translator = Translator(
            options.run,
            options.device,
            options.engine,
            threads,
            backwards=options.backwards,
            ensemble=options.ensemble,
        )
        opening_seconds = time.perf_counter() - started
        parts = Parts(Path(options.out))
        hashes = [member.weights_sha256() for member in translator.members]
        ranks.decide(lambda: parts.begin(_job(options, hashes, translator.engine.name)))
        count = 0
        for number, lines in enumerate(_parts(options)):
            count += 1
            if number % ranks.size == ranks.rank and not parts.has(number):
                with parts.open(number) as out:
                    for line in _translated(translator, options, lines, number * PART_LINES, opening_seconds):
                        out.write(line)
        ranks.gather(count)  # all have come here
        if ranks.is_first:
            parts.join(count)


def _check_usage(options: Namespace) -> None:
    if options.texts or options.src in (None, "-") or not Path(options.src).is_file():
        raise UsageError("several processes share a file: give it by --src")
    if options.out == "-" or (Path(options.out).exists() and not Path(options.out).is_file()):
        raise UsageError("several processes write a file: give it by --out")
    if options.format is not None:
        raise UsageError("several processes share lines, but a document is one whole: leave out --format")
    if options.processes > 1:
        raise UsageError(
            f"--processes is {options.processes}, but a launcher has started several already: leave it out"
        )


def _own_gpu(place: Place) -> dict[str, str]:
    """Leave this process one of the GPUs that it may use; where the launcher has done so, it has one."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = str(place.local_rank) if visible is None else visible
    listed = gpus.split(",")
    return {"CUDA_VISIBLE_DEVICES": listed[place.local_rank] if len(listed) > place.local_rank else gpus}


def _job(options: Namespace, hashes: list[str], engine: str) -> dict[str, Any]:
    text = Path(options.src).stat()
    settings = {name: value for name, value in vars(options).items() if name not in NOT_OF_THE_JOB}
    terms = options.glossary and Path(options.glossary).stat().st_mtime_ns
    return settings | {
        "engine": engine,
        "glossary_written": terms,
        "weights_sha256": hashes,
        "src_bytes": text.st_size,
        "src_written": text.st_mtime_ns,
        "part_lines": PART_LINES,
    }


def _parts(options: Namespace) -> Iterator[list[str]]:
    lines = stream_lines(options.src, strict=options.strict)
    while part := list(islice(lines, PART_LINES)):
        yield part


def _translated(
    translator: Any, options: Namespace, lines: list[str], before: int, opening_seconds: float
) -> Iterator[str]:
    """Yield what is written for each line of a part, which has so many lines before it."""
    from translate.bulk import Manner, Text, translate_text

    search = search_config(options, translator.config.search)
    records = [record(line, before + number, options) for number, line in enumerate(lines)]
    chunks = (records[start : start + CHUNK_LINES] for start in range(0, len(records), CHUNK_LINES))
    text = Text(chunks, len(records), lambda: True)
    wanted = read_steering(options), read_pattern(options)
    manner = Manner(search, options.on_long, options.batch_tokens, *wanted, scored=options.json)
    number = before
    for chunk, translations in translate_text(translator, text, manner, 1, opening_seconds, before + 1):
        for translation, (_, fields) in zip(translations, chunk, strict=True):
            yield shown(translation, number, fields, options, search.n_best)
            number += 1
