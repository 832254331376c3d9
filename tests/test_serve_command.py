"""The verb: what it needs, what it refuses, and that it serves."""

import importlib.util

import pytest
from tiny import tiny_run

from translate.cli import main
from translate.serve import server


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return str(tiny_run(tmp_path_factory.mktemp("runs"), directions="both"))


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        ([], 2, "does not say which languages it translates (data.src_lang, data.tgt_lang): name them with"),
        (["--languages", "de-en", "fr-en"], 2, "there are 1 runs, but --languages names 2 pairs"),
        (
            ["--languages", "deen"],
            2,
            "--languages has 'deen': needed is a pair of two languages such as de-en",
        ),
        (["--languages", "de-de"], 2, "--languages has 'de-de': needed is a pair"),
        (["--max-characters", "0"], 2, "--max-characters is 0: it must be at least 1"),
        (["--requests-per-minute", "-1"], 2, "--requests-per-minute is -1: it must be at least 0"),
        (["--seconds", "0"], 2, "--seconds is 0.0: it must be more than 0"),
        (["--port", "70000"], 2, "--port is 70000: it must be at most 65535"),
        (["--host", "nowhere.invalid"], 2, "cannot listen on nowhere.invalid, port"),
        (["--api-keys", "missing.txt"], 3, "missing.txt"),
    ],
)
def test_what_cannot_be_is_refused(run, capsys, flags, code, message):
    port = [] if "--port" in flags else ["--port", "0"]
    assert main(["serve", run, *flags, *port]) == code
    assert message in capsys.readouterr().err


def test_two_runs_of_the_same_direction_are_refused(run, tmp_path, capsys):
    other = str(tiny_run(tmp_path))
    assert main(["serve", run, other, "--languages", "de-en", "en-de", "--port", "0"]) == 2
    message = f"{run} and {other} both translate from en to de: leave one out"
    assert message in capsys.readouterr().err


def test_a_folder_that_is_no_run_is_refused(tmp_path, capsys):
    assert main(["serve", str(tmp_path), "--languages", "de-en", "--port", "0"]) == 3
    assert "has no config.yaml, so it is no run directory" in capsys.readouterr().err


def test_what_is_not_installed_is_named_with_how_to_get_it(run, capsys, monkeypatch):
    find = importlib.util.find_spec
    absent = ("fastapi", "uvicorn")
    monkeypatch.setattr("translate.serve.find_spec", lambda name: None if name in absent else find(name))
    assert main(["serve", run]) == 3
    error = capsys.readouterr().err
    assert "serving needs fastapi, uvicorn, which are not installed: pip install 'seq2see[serve]'" in error


def test_it_serves_with_what_was_asked_for(run, monkeypatch, capsys, tmp_path):
    served, addresses = [], []

    def serve(*arguments):
        served.append(arguments)
        addresses.append(arguments[1].getsockname()[0])

    monkeypatch.setattr(server, "serve", serve)
    monkeypatch.setenv("SEQ2SEE_API_KEYS", "one")
    flags = [
        "--languages",
        "de-en",
        "--port",
        "0",
        "--seconds",
        "7",
        "--max-texts",
        "3",
        "--queue-tokens",
        "9",
    ]
    assert main(["serve", run, *flags, "--cors", "https://a.example"]) == 0
    [(app, listening, seconds)] = served
    service = app.state.service
    assert seconds == 7
    assert addresses == ["127.0.0.1"]  # unless it is told otherwise
    assert (service.limits.seconds, service.limits.texts, service.limits.characters) == (7, 3, 20_000)
    assert "one" in service.keys
    assert listening.fileno() == -1  # closed when the server has ended
    service.models[0].batcher.close()
