"""The command `seq2see`: finds the verb, runs it, and turns what went wrong into a message and an exit code.

    0    done                                  130  Ctrl-C
    1    a bug in seq2see (with a traceback)   141  nobody reads the output any more (quiet)
    2    a wrong flag, key or setting          143  SIGTERM
    3    a file, corpus, model or hub that is missing or bad

Signals count from 128, as in a shell.
"""

import ast
import atexit
import gc
import importlib.util
import io
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from translate import __version__
from translate.commands import run_verb
from translate.errors import InputError, UsageError

VERBS = (
    "doctor",
    "corpus",
    "tokenizer",
    "train",
    "tune",
    "translate",
    "evaluate",
    "compare",
    "align",
    "export",
    "serve",
    "teach",
    "demo",
)  # in the order of work


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code.

    Args:
        argv: the words after `seq2see`; by default those this process was started with.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    # Python looks for garbage once more when it ends. Among all that torch has made that takes long, and for
    # nothing: the system takes all memory back.
    atexit.register(gc.freeze)
    name = " ".join(["seq2see", *[verb for verb in arguments[:1] if verb in VERBS]])
    if isinstance(sys.stdout, io.TextIOWrapper):  # results are UTF-8, whatever the locale
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    try:
        with _messages_on_stderr(), _sigterm_as_exit():
            code = _exit_code(arguments)
            sys.stdout.flush()  # here, where a broken pipe is still understood
            return code
    except UsageError as error:
        return _say(f"{name}: error: {error}\nsee `{name} --help`", 2)
    except InputError as error:
        return _say(f"{name}: error: {error}", 3)
    except KeyboardInterrupt:
        return _say(f"{name}: interrupted", 130)
    except BrokenPipeError:
        _forget_stdout()
        return 141
    except OSError as error:  # no permission, disk full, ...: nothing that a traceback would explain
        where = f"{error.filename}: " if error.filename else ""
        return _say(f"{name}: error: {where}{error.strerror or error}", 3)
    except Exception:
        return _say(f"{traceback.format_exc()}{name}: a bug: please report the lines above", 1)


def overview() -> str:
    """The help of the command itself: its verbs, each with the first line of its module's docstring."""
    lines = [
        "usage: seq2see VERB [options]",
        "",
        "Machine translation you can see through: train, translate, look at the alignments.",
        "",
        "verbs, in the order of work:",
        *(f"  {verb:<12}{_summary(verb)}" for verb in VERBS),
        "",
        "options:",
        "  --help      Show this, or after a verb its options.",
        "  --version   Show the version.",
    ]
    return "\n".join(lines)


def _exit_code(arguments: list[str]) -> int:
    try:
        return _run(arguments)
    except SystemExit as leaving:  # a parser's after --help, or our own at SIGTERM
        return int(leaving.code or 0)


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(overview())
        return 0
    verb, *rest = arguments
    if verb == "--version":
        print(f"seq2see {__version__}")
        return 0
    if verb not in VERBS:
        from translate.config_files import did_you_mean

        what = "flag" if verb.startswith("-") else "verb"
        known = ("--help", "--version") if verb.startswith("-") else VERBS
        raise UsageError(f"unknown {what} {verb}{did_you_mean(verb, known)}")
    return run_verb(verb, rest)


def _summary(verb: str) -> str:
    """Read the docstring without running the module: eight imports would be felt."""
    spec = importlib.util.find_spec(f"translate.commands.{verb}")
    assert spec is not None, f"no module for the verb {verb}"
    assert spec.origin is not None
    doc = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) or ""
    return doc.partition("\n")[0]


def _say(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code


class _MessageFormatter(logging.Formatter):
    """Notes as they are; what is more than a note says so."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return f"{record.levelname.lower()}: {text}" if record.levelno >= logging.WARNING else text


@contextmanager
def _messages_on_stderr() -> Iterator[None]:
    """Show the package's log on stderr: stdout is for results."""
    log = logging.getLogger("translate")
    handler = logging.StreamHandler()  # the stderr of now, which a test may have replaced
    handler.setFormatter(_MessageFormatter())
    level, propagate = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False  # a library that sets up the root logger would show everything twice
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
        log.propagate = propagate


@contextmanager
def _sigterm_as_exit() -> Iterator[None]:
    """Let SIGTERM unwind the stack, so that half-written files are removed."""
    if threading.current_thread() is not threading.main_thread():  # only there may handlers be set
        yield
        return

    def leave(_signal: int, _frame: FrameType | None) -> None:
        raise SystemExit(143)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _forget_stdout() -> None:
    """Send what is still buffered nowhere, or Python complains about the pipe when it ends."""
    try:
        stdout = sys.stdout.fileno()
    except (OSError, ValueError):  # replaced by something in memory
        return
    with Path(os.devnull).open("wb") as nothing:
        os.dup2(nothing.fileno(), stdout)
