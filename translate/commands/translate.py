"""Translate text: lines in, as many lines out, in their order, as they come.

Translates TEXTS, a file, or standard input; on a terminal, line by line. Blank lines stay blank, and a line
that is too long for the model is translated in parts. With --format, the file given is a document, whose
structure stays as it was. Started by torchrun or srun, all processes share the lines of --src; begun again
after it was stopped, such a job goes on with what is missing in --out.

With --json each line out is an object: src, translation, score and, with --n-best, alternatives, with
--ensemble, the runs as ensemble. Otherwise --n-best gives lines `number ||| translation ||| score`, where
lines in are numbered from 0 (as Moses does).
Scores are log-probabilities, divided by length ** length_penalty.
"""

import dataclasses
import itertools
import json
import logging
import os
import select
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from jsonargparse import ArgumentParser, Namespace

from translate.commands.document_options import add_document, check_document, read_given_document
from translate.commands.engine_options import add_engine
from translate.commands.evaluate import SEARCH_OPTIONS, add_ensemble
from translate.commands.steering_options import (
    Kept,
    add_steering,
    check_steering,
    read_pattern,
    read_steering,
)
from translate.errors import InputError, UsageError
from translate.ranks import find_place
from translate.text_files import decode_lines, read_lines

if TYPE_CHECKING:
    from translate.bulk import Chunk, Line, Translated
    from translate.config.search import SearchConfig
    from translate.translation import Translation

log = logging.getLogger(__name__)

# Lines of a file that are translated, and written, before the next: enough to find some of like lengths.
CHUNK_LINES = 1024
CHUNK_BYTES = 2**16  # likewise of a stream: what a pipe holds on Linux


def add_arguments(parser: ArgumentParser) -> None:
    """Declare which model, where text comes from and goes to, and how is searched."""
    parser.add_argument(
        "run", type=str, help="Run directory of the model, or user/name of the Hugging Face hub."
    )
    # Without a type: what has one is read as YAML first, which some sentences are not made for.
    parser.add_argument("texts", nargs="*", help="Sentences to translate.")
    parser.add_argument(
        "--src", type=str, help="Text to translate (.gz is read as is). Default: standard input, -."
    )
    parser.add_argument(
        "--out", type=str, default="-", help="File for the translations, written whole or not at all."
    )
    parser.add_argument(
        "--backwards",
        action="store_true",
        help="Translate from the run's target language to its source language; for a run trained with "
        "data.directions both.",
    )
    add_ensemble(parser)
    parser.add_argument("--json", action="store_true", help="Write one JSON object a line.")
    parser.add_argument(
        "--json_input",
        action="store_true",
        help="Read one JSON object a line: its src is translated, with --json its other fields pass through.",
    )
    parser.add_argument("--n_best", type=int, help="Translations of each line, at most --beam-size.")
    parser.add_argument(
        "--max_length", type=int, help="Most pieces of a translation, however long its source is."
    )
    for name, (kind, about) in SEARCH_OPTIONS.items():
        parser.add_argument(f"--{name}", type=kind, help=f"{about} Default: as in the run's config.")
    add_document(parser)
    add_steering(parser)
    parser.add_argument(
        "--on_long",
        type=Literal["split", "truncate", "error"],
        default="split",
        help="A line with more pieces than the model was trained on is translated in parts, only at its "
        "beginning, or refused.",
    )
    parser.add_argument(
        "--strict", action="store_true", help="Refuse text that is not UTF-8, instead of reading U+FFFD."
    )
    parser.add_argument(
        "--batch_tokens",
        type=int,
        help="Slots of a batch: its sentences times the longest times --beam-size. Default: what suits the "
        "engine.",
    )
    add_engine(parser)
    parser.add_argument(
        "--threads", type=int, default=0, help="Processor threads of all processes together; 0: one per core."
    )
    parser.add_argument(
        "--processes",
        type=int,
        default=0,
        help="Processes that share a long text, each with a model of its own; 0: one per processor thread as "
        "soon as so much is left to translate that starting them pays.",
    )


def run(options: Namespace) -> None:
    """Translate chunk by chunk; the output is flushed after each."""
    _check_usage(options)
    place = find_place(os.environ)
    if place.size > 1:
        from translate.commands.translate_parts import translate_parts

        translate_parts(options, place)
        return
    # A file that is missing is found out before a model is loaded.
    document = read_given_document(options)
    lines = _given_lines(options) if document is None else document.texts()
    steering, pattern = read_steering(options), read_pattern(options)

    from tqdm import tqdm

    started = time.perf_counter()
    from translate.bulk import Manner, Text, translate_text  # from here on it takes time
    from translate.platforms import keep_freed_memory
    from translate.translator import Translator

    keep_freed_memory()
    translator = Translator(
        options.run,
        options.device,
        options.engine,
        options.threads,
        backwards=options.backwards,
        ensemble=options.ensemble,
    )
    opening_seconds = time.perf_counter() - started
    search = search_config(options, translator.config.search)
    log.info("translating with %s", translator.describe())
    total = None if lines is None else len(lines)
    # A bar among the lines on a terminal would only be in the way.
    hidden = True if options.out == "-" and sys.stdout.isatty() else None
    text = Text(_records(lines, options), total, text_is_waiting if lines is None else lambda: True)
    manner = Manner(search, options.on_long, options.batch_tokens, steering, pattern, options.json)
    kept = Kept(steering)
    with (
        _open_out(options.out) as out,
        tqdm(desc="translating", unit="line", total=total, disable=hidden, leave=False) as bar,
        closing(translate_text(translator, text, manner, options.processes, opening_seconds)) as translated,
    ):
        of_document: list[str] = []  # which is one whole
        for lines, translations in _written(translated, options, search.n_best, kept, bar.update):
            if document is None:
                out.write(lines)
                out.flush()
            else:
                of_document += [translation.text for translation in translations]
        if document is not None:
            out.write(document.join(of_document, translator.link_marked(document, of_document)))
    if pattern is not None:
        log.info(kept.placeholders_shown())
    if steering.glossary is not None:
        log.info(kept.terms_shown())


def _check_usage(options: Namespace) -> None:
    """Refuse options that contradict one another or make no sense, before anything is read."""
    if options.texts and options.src is not None:
        raise UsageError("sentences are given, and --src too: leave one out")
    for name, least in (("max_length", 1), ("batch_tokens", 1), ("threads", 0), ("processes", 0)):
        value = getattr(options, name)
        if value is not None and value < least:
            raise UsageError(f"--{name.replace('_', '-')} is {value}: it must be at least {least}")
    for name in ("max_length_ratio", "max_length_offset"):
        if options.max_length is not None and getattr(options, name) is not None:
            raise UsageError(f"--max-length and --{name.replace('_', '-')} are both given: leave one out")
    check_document(options)
    check_steering(options)
    out = Path(options.out)
    if not out.absolute().parent.is_dir():
        raise InputError(f"{out} cannot be written: its folder does not exist")
    if out.is_dir():
        raise InputError(f"{out} is a folder: --out must be a file")


def search_config(options: Namespace, config: "SearchConfig") -> "SearchConfig":
    """The run's, but for what is given."""
    given = {name: getattr(options, name) for name in ("n_best", *SEARCH_OPTIONS)}
    given = {name: value for name, value in given.items() if value is not None}
    if options.max_length is not None:
        given |= {"max_length_ratio": 0.0, "max_length_offset": options.max_length}
    if options.sample:  # a place of a beam for each draw
        given |= {
            "beam_size": max(options.n_best or 1, 1),
            "n_best": 1 if options.n_best is None else options.n_best,
        }
        given["mbr"] = 0
    return dataclasses.replace(config, **given)


def _given_lines(options: Namespace) -> Sequence[str] | None:
    """The lines to translate; None when they are still to come, from standard input."""
    if options.texts:
        return list(options.texts)
    if options.src in (None, "-"):
        return None
    return read_lines(options.src, strict=options.strict)


def _records(lines: Sequence[str] | None, options: Namespace) -> Iterator["Chunk"]:
    """Yield chunks of what is translated, each text with the fields that pass through."""
    number = 0
    for chunk in _chunks(lines, strict=options.strict):
        yield [record(line, number + n, options) for n, line in enumerate(chunk)]
        number += len(chunk)


def text_is_waiting() -> bool:
    """Whether text waits in standard input. Nobody can tell of a stream in memory or, on Windows, of a pipe;
    and what people type is answered line by line.
    """
    try:
        return not sys.stdin.isatty() and bool(select.select([sys.stdin], [], [], 0)[0])
    except (OSError, ValueError):
        return False


def _chunks(lines: Sequence[str] | None, *, strict: bool) -> Iterator[Sequence[str]]:
    """Yield as many lines as may wait for one another."""
    if lines is None:
        read = sys.stdin.buffer.read1  # type: ignore[union-attr]  # every buffered stream has it
        return _arriving_lines(read, prompt=sys.stdin.isatty(), strict=strict)
    return (lines[start : start + CHUNK_LINES] for start in range(0, len(lines), CHUNK_LINES))


def _arriving_lines(read: Callable[[int], bytes], *, prompt: bool, strict: bool) -> Iterator[list[str]]:
    """Yield all lines that are there, and wait only when there is none: what is typed is answered at once."""
    waiting: deque[bytes] = deque()

    def feed() -> Iterator[bytes]:
        for lines in _arriving_bytes(read, prompt=prompt):
            waiting.extend(lines)
            while waiting:
                yield waiting.popleft()

    chunk = []
    for line in decode_lines(feed(), "standard input", strict=strict):
        chunk.append(line)
        if not waiting:
            yield chunk
            chunk = []


def _arriving_bytes(read: Callable[[int], bytes], *, prompt: bool) -> Iterator[list[bytes]]:
    """Yield what each read gives, which is what has come until then, as lines without their ends."""
    rest = b""
    while True:
        if prompt:
            print("> ", end="", file=sys.stderr, flush=True)
        data = read(CHUNK_BYTES)
        *lines, rest = (rest + data).split(b"\n")
        if lines:
            yield lines
        if not data:
            break
    if prompt:
        print(file=sys.stderr)
    if rest:  # a last line without its end
        yield [rest]


def record(line: str, number: int, options: Namespace) -> "Line":
    """The text of a line; with --json-input, that of its object, and the object."""
    if not options.json_input:
        return line, {}
    if not line.strip():
        return "", {}
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict) or not isinstance(fields.get("src"), str):
        where = "the texts given" if options.texts else options.src or "standard input"
        raise InputError(
            f"{where}: line {number + 1} is {line[:40]!r}; with --json-input it must be a JSON object with a "
            'text named "src"'
        )
    return fields["src"], fields


def _written(
    translated: "Translated", options: Namespace, n_best: int, kept: Kept, advance: Callable[[int], object]
) -> Iterator[tuple[str, list["Translation"]]]:
    """Yield the lines that are written for each chunk, and its translations."""
    number = 0
    for chunk, translations in translated:
        kept.add(translations)
        lines = zip(translations, chunk, itertools.count(number))
        yield "".join(shown(one, n, fields, options, n_best) for one, (_, fields), n in lines), translations
        number += len(chunk)
        advance(len(chunk))


def shown(
    translation: "Translation", number: int, fields: dict[str, Any], options: Namespace, n_best: int
) -> str:
    """The lines for one translation."""
    if not options.json and n_best == 1:
        return f"{translation.text}\n"
    if not options.json:
        return "".join(f"{number} ||| {text} ||| {score:.4f}\n" for text, score in translation.alternatives)
    fields_out = {
        "src": translation.src,
        "translation": translation.text,
        "score": round(translation.score, 4),
    }
    if n_best > 1:
        fields_out["alternatives"] = [
            {"translation": text, "score": round(score, 4)} for text, score in translation.alternatives
        ]
    if options.ensemble:
        fields_out["ensemble"] = [options.run, *options.ensemble]
    line = json.dumps({**fields, **fields_out}, ensure_ascii=False)
    # What is no text (a lone surrogate) can only be written as JSON's escape, which looks like Python's.
    return line.encode(errors="backslashreplace").decode() + "\n"


@contextmanager
def _open_out(path: str) -> Iterator[TextIO]:
    """Open standard output, or a file that gets its name when it is whole."""
    if path == "-":
        yield sys.stdout
        return
    if Path(path).exists() and not Path(path).is_file():  # /dev/null or a named pipe: not to be replaced
        with Path(path).open("w", encoding="utf-8", newline="\n") as stream:
            yield stream
        return
    aside = Path(path).with_name(f".{Path(path).name}.{os.getpid()}")
    try:
        with aside.open("w", encoding="utf-8", newline="\n") as stream:
            yield stream
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
