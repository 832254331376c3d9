import logging
import os
import signal
import subprocess
import sys
import threading
import types
from pathlib import Path

import pytest

from translate import __version__, cli
from translate.cli import VERBS, main
from translate.errors import InputError, UsageError

ROOT = Path(__file__).parents[1]


@pytest.fixture
def verb(monkeypatch):
    """Let `seq2see doctor` do what a test says, with the flags that it says."""

    def replace(run, add_arguments=lambda parser: None):
        module = types.ModuleType("translate.commands.doctor", "Look at this.")
        module.run = run
        module.add_arguments = add_arguments
        monkeypatch.setitem(sys.modules, "translate.commands.doctor", module)

    return replace


def raising(error):
    def run(options):
        raise error

    return run


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_alone_it_shows_the_verbs_in_the_order_of_work(capsys, words):
    assert main(words) == 0
    out, err = capsys.readouterr()
    shown = [line.split()[0] for line in out.splitlines() if line.startswith("  ") and line.strip()[0] != "-"]
    assert shown == list(VERBS)
    assert err == ""


def test_every_verb_has_one_line_of_help(capsys):
    main(["--help"])
    out = capsys.readouterr().out
    assert "  train       Train a model" in out
    assert all(len(line) <= 130 for line in out.splitlines())


def test_the_version_is_the_packages(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"seq2see {__version__}\n"


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_has_help(capsys, name):
    assert main([name, "--help"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"usage: seq2see {name} ")
    assert err == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trian"], "seq2see: error: unknown verb trian; did you mean train?\n"),
        (["--verison"], "seq2see: error: unknown flag --verison; did you mean --version?\n"),
        (["doctor", "--netwrok"], "seq2see doctor: error: unknown flag --netwrok; did you mean --network?\n"),
    ],
)
def test_an_unknown_word_is_a_usage_error(capsys, words, message):
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(message)
    assert err.splitlines()[1].startswith("see `seq2see ")


def test_a_verbs_code_is_the_exit_code(verb):
    verb(lambda options: None)
    assert main(["doctor"]) == 0
    verb(lambda options: 3)
    assert main(["doctor"]) == 3


def test_a_verb_gets_its_options(verb, capsys):
    verb(
        lambda options: print(options.beam_size), lambda parser: parser.add_argument("--beam_size", type=int)
    )
    assert main(["doctor", "--beam-size", "4"]) == 0
    assert capsys.readouterr().out == "4\n"


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (
            UsageError("these do not go together"),
            2,
            "error: these do not go together\nsee `seq2see doctor --help`",
        ),
        (InputError("a.de, line 3: not UTF-8"), 3, "error: a.de, line 3: not UTF-8"),
        (PermissionError(13, "Permission denied", "a.de"), 3, "error: a.de: Permission denied"),
        (OSError(28, "No space left on device"), 3, "error: No space left on device"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_what_went_wrong_is_an_exit_code_and_one_message(verb, capsys, error, code, message):
    verb(raising(error))
    assert main(["doctor"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"seq2see doctor: {message}\n"


def test_a_bug_shows_its_traceback(verb, capsys):
    verb(raising(ZeroDivisionError("by zero")))
    assert main(["doctor"]) == 1
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "ZeroDivisionError: by zero" in err
    assert "a bug" in err


def test_a_broken_pipe_is_quiet(verb, capsys):
    verb(raising(BrokenPipeError(32, "Broken pipe")))
    assert main(["doctor"]) == 141
    assert capsys.readouterr() == ("", "")


def test_a_reader_that_leaves_early_hears_nothing():
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "seq2see", "--help"]
    result = subprocess.run(command, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (result.returncode, result.stderr) == (141, b"")


def test_messages_go_to_stderr_and_results_to_stdout(verb, capsys):
    def run(options):
        log = logging.getLogger("translate.somewhere")
        log.debug("not shown")
        log.info("a note")
        log.warning("%d lines were cut", 2)
        print("a result")

    verb(run)
    assert main(["doctor"]) == 0
    assert capsys.readouterr() == ("a result\n", "a note\nwarning: 2 lines were cut\n")


def test_nothing_of_the_log_stays_set_up(verb):
    log = logging.getLogger("translate")
    before = (log.level, log.propagate, list(log.handlers))
    verb(raising(InputError("x")))
    main(["doctor"])
    assert (log.level, log.propagate, list(log.handlers)) == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without asking it")
def test_sigterm_unwinds_and_ends_with_143(verb):
    cleaned = []

    def run(options):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        finally:
            cleaned.append(True)

    verb(run)
    before = signal.getsignal(signal.SIGTERM)
    assert main(["doctor"]) == 143
    assert cleaned
    assert signal.getsignal(signal.SIGTERM) is before


def test_it_runs_in_another_thread_too(verb):
    codes = []
    verb(lambda options: 3)
    thread = threading.Thread(target=lambda: codes.append(main(["doctor"])))
    thread.start()
    thread.join()
    assert codes == [3]


def test_results_are_utf8_whatever_the_locale():
    code = "from translate import cli; cli.overview = lambda: 'läuft 中 \\udcff'; cli.main([])"
    environment = os.environ | {"PYTHONIOENCODING": "latin-1"}
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=True
    )
    assert result.stdout.decode("utf-8") == f"läuft 中 ?{os.linesep}"


def test_no_garbage_is_looked_for_when_the_process_ends():
    code = (
        "import atexit, gc\natexit.register(lambda: print(gc.get_freeze_count() > 0))\n"
        "from translate import cli\ncli.main(['--version'])\nassert gc.get_freeze_count() == 0"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "True"


def test_arguments_default_to_the_processs_own(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["seq2see", "--version"])
    assert cli.main() == 0
    assert capsys.readouterr().out == f"seq2see {__version__}\n"
