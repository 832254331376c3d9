"""Translating a long text in several processes: chunks of lines go out, translations come back in order.

A search takes many small steps in turn, in which a second thread finds little to do. A second process, with a
model of its own, has its own steps to take.
"""

import logging
import re
import signal
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from logging.handlers import QueueHandler
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from queue import SimpleQueue
from typing import Any, NamedTuple

from translate.config.search import SearchConfig
from translate.engine import EngineName
from translate.errors import InputError
from translate.parts import OnLong
from translate.platforms import keep_freed_memory
from translate.steering import Steering
from translate.translation import Translation
from translate.translator import Translator

Line = tuple[str, dict[str, Any]]  # what is translated, and what belongs to it and passes through
Chunk = list[Line]  # what is translated at once
Translated = Generator[tuple[Chunk, list[Translation]], None, None]


class Text(NamedTuple):
    """Lines that may still be arriving."""

    chunks: Iterator[Chunk]
    total: int | None  # lines of all chunks; None: nobody knows
    ready: Callable[[], bool]  # whether the next chunk (or the end) comes without waiting for it


class Manner(NamedTuple):
    """How lines are translated."""

    search: SearchConfig
    on_long: OnLong
    batch_tokens: int | None
    steering: Steering = Steering()
    placeholders: re.Pattern[str] | None = None  # to be kept
    scored: bool = True  # scores are wanted


class Opening(NamedTuple):
    """What another process needs to have the same translator."""

    run: str
    device: str
    engine: EngineName
    threads: int
    weights: tuple[int, ...]  # when they were written: they may have been replaced meanwhile
    backwards: bool
    ensemble: tuple[str, ...] = ()  # the other run directories


class Answer(NamedTuple):
    """What a process has made of a chunk."""

    translations: list[Translation]
    messages: list[logging.LogRecord]
    error: Exception | None


@dataclass
class Pending:
    """A chunk that was read, and is not yet given back."""

    chunk: Chunk
    answer: Answer | None = None


def translate_text(
    translator: Translator,
    text: Text,
    manner: Manner,
    processes: int,
    opening_seconds: float,
    first_line: int = 1,
) -> Translated:
    """Yield the chunks of a text, in their order, each with its translations as soon as they are there.

    Args:
        translator: translates as long as the text is not known to be long.
        processes: to translate with from the start; 0: one for each of the engine's threads, as soon as there
            is enough left to do that starting them pays.
        opening_seconds: what opening the translator took, and what starting the processes will.
        first_line: number of the first line, in messages.

    Raises:
        InputError: a line is too long, a process has ended, or the weights are no longer those that the
            translator has.
    """
    engine = translator.engine
    count = processes or (engine.threads if engine.device == "cpu" else 1)
    done, seconds = 0, 0.0
    source = _errors_as_items(text.chunks)
    for chunk in source:
        if isinstance(chunk, Exception):
            raise chunk
        # Of a stream nobody knows the end: as much again is expected as there has been.
        left = seconds if text.total is None else seconds / max(done, 1) * (text.total - done)
        pays = processes > 0 or left * (1 - 1 / count) > 2 * opening_seconds
        if count > 1 and pays and translator.is_current() and text.ready():
            following = next(source, None)
            if following is not None:
                opening = Opening(
                    str(translator.directory.path),
                    engine.device,
                    engine.name,
                    max(1, engine.threads // count),
                    translator.weights_written,
                    translator.backwards,
                    tuple(str(member.path) for member in translator.members[1:]),
                )
                with Workers(count, opening, manner) as workers:
                    yield from workers.translate(
                        chain([chunk, following], source), text.ready, first_line + done
                    )
                return
        started = time.perf_counter()
        translations = _translate(translator, _texts(chunk), first_line + done, manner)
        seconds += time.perf_counter() - started
        done += len(chunk)
        yield chunk, translations


class Workers:
    """Processes that translate chunks, each with a translator of its own."""

    def __init__(self, count: int, opening: Opening, manner: Manner) -> None:
        context = get_context("spawn")  # a fork of a process with threads can hang
        self._connections: list[Connection] = []
        self._processes = []
        with _no_ctrl_c():
            for _ in range(count):
                ours, theirs = context.Pipe()
                process = context.Process(target=_work, args=(theirs, opening, manner), daemon=True)
                process.start()
                theirs.close()  # so that the pipe ends with the process
                self._connections.append(ours)
                self._processes.append(process)

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_error: object) -> None:
        """End the processes, at once."""
        for connection, process in zip(self._connections, self._processes, strict=True):
            connection.close()
            process.kill()  # the other signals it ignores
            process.join()

    def translate(
        self, source: Iterator[Chunk | Exception], ready: Callable[[], bool], first_line: int
    ) -> Translated:
        """As `translate_text`. Chunks are read ahead while they are ready; nobody who waits for a translation
        waits for more text.
        """
        idle = list(self._connections)
        busy: dict[Connection, Pending] = {}
        pending: deque[Pending] = deque()  # in the order of the text
        limit = 2 * len(idle)  # of chunks that wait, translated, for a slow one before them
        while True:
            while idle and len(pending) < limit and (not pending or ready()):
                chunk = next(source, None)
                if chunk is None:
                    break
                if isinstance(chunk, Exception):  # its turn comes after all that was read before
                    pending.append(Pending([], Answer([], [], chunk)))
                    continue
                connection = idle.pop()
                busy[connection] = Pending(chunk)
                pending.append(busy[connection])
                self._send(connection, (_texts(chunk), first_line))
                first_line += len(chunk)
            if not pending:
                return
            answering = wait(busy) if busy else []
            for connection in [one for one in busy if one in answering]:
                busy.pop(connection).answer = self._receive(connection)
                idle.append(connection)
            while pending and (answer := pending[0].answer) is not None:
                for message in answer.messages:
                    logging.getLogger(message.name).handle(message)
                if answer.error is not None:
                    raise answer.error
                yield pending.popleft().chunk, answer.translations

    def _send(self, connection: Connection, task: tuple[list[str], int]) -> None:
        try:
            connection.send(task)
        except OSError:
            raise self._ended(connection) from None

    def _receive(self, connection: Connection) -> Answer:
        try:
            answer: Answer = connection.recv()
        except (EOFError, OSError):
            raise self._ended(connection) from None
        return answer

    def _ended(self, connection: Connection) -> InputError:
        process = self._processes[self._connections.index(connection)]
        process.join()
        return InputError(
            f"one of {len(self._processes)} translating processes ended with exit code {process.exitcode}: "
            "its message may stand above; without one, memory was probably short (--processes 1 needs least)"
        )


@contextmanager
def _no_ctrl_c() -> Iterator[None]:
    """Keep Ctrl-C waiting, also from processes that are started, until they ignore it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # starting it lets signals through again
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


def _errors_as_items(chunks: Iterator[Chunk]) -> Iterator[Chunk | Exception]:
    """What goes wrong in reading is said when all that was read before has been translated."""
    try:
        yield from chunks
    except Exception as error:
        yield error


def _texts(chunk: Chunk) -> list[str]:
    return [text for text, _ in chunk]


def _translate(
    translator: Translator, texts: list[str], first_line: int, manner: Manner
) -> list[Translation]:
    if manner.placeholders is not None:
        from translate.keeping import translate_keeping  # needs torch

        return translate_keeping(
            translator,
            texts,
            manner.search,
            manner.placeholders,
            on_long=manner.on_long,
            batch_tokens=manner.batch_tokens,
            first_line=first_line,
            steering=manner.steering,
        )
    return translator.translate(
        texts,
        manner.search,
        manner.on_long,
        manner.batch_tokens,
        first_line,
        manner.steering,
        scored=manner.scored,
    )


def _work(connection: Connection, opening: Opening, manner: Manner) -> None:
    """What a process does until the first one closes the pipe or is gone."""
    # Whoever stops the translating may send the signal to all processes: the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    keep_freed_memory()
    messages: SimpleQueue[logging.LogRecord] = SimpleQueue()
    log = logging.getLogger("translate")
    log.addHandler(QueueHandler(messages))
    log.setLevel(logging.INFO)
    log.propagate = False
    translator: Translator | None = None
    while True:
        try:
            texts, first_line = connection.recv()
        except (EOFError, ConnectionError):
            sys.exit()
        translations: list[Translation] = []
        failure: Exception | None = None
        try:
            translator = translator or _open(opening)
            translations = _translate(translator, texts, first_line, manner)
        except Exception as error:
            error.add_note(traceback.format_exc())  # shown if it is a bug
            failure = error
        answer = Answer(translations, [messages.get() for _ in range(messages.qsize())], failure)
        try:
            connection.send(answer)
        except ConnectionError:
            sys.exit()


def _open(opening: Opening) -> Translator:
    translator = Translator(
        opening.run,
        opening.device,
        opening.engine,
        opening.threads,
        backwards=opening.backwards,
        ensemble=opening.ensemble,
    )
    written = zip(translator.members, translator.weights_written, opening.weights, strict=True)
    for member, now, then in written:
        if now != then:
            raise InputError(
                f"{member.weights_path} was replaced while translating began: run the command again"
            )
    return translator
