import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tiny import TRANSFORMER, tiny_export, tiny_run

from translate import Translator
from translate.bulk import Manner, Opening, Text, Workers, translate_text
from translate.errors import InputError
from translate.run_directory import RunDirectory

ROOT = Path(__file__).parents[1]
LINES = ["Ein Hund läuft.", "", "Zwei Kinder", "Guten Morgen!", "Hund im Park", "Wie geht es dir?", "Zwei"]
LONG = "Zwei Kinder spielen im Park und im Wald und auf der Wiese. " * 2


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Of the engine that starts sooner."""
    return str(tiny_export(tmp_path_factory.mktemp("bulk"), max_length=20).path)


@pytest.fixture(scope="module")
def translator(run):
    return Translator(run, "cpu", "ctranslate2", threads=2)


@pytest.fixture(scope="module")
def manner(translator):
    return Manner(translator.config.search, "split", None)


def in_chunks(lines, size=2):
    return [[(line, {"line": line}) for line in lines[n : n + size]] for n in range(0, len(lines), size)]


def text_of(chunks, total=None, ready=lambda: True):
    return Text(iter(chunks), total, ready)


def is_alive(group):
    """Whether a group of processes has any left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def processes():
    return len(multiprocessing.active_children())


def test_several_processes_give_what_one_gives_in_order(translator, manner):
    one = list(translate_text(translator, text_of(in_chunks(LINES)), manner, 1, 1.0))
    assert [chunk for chunk, _ in one] == in_chunks(LINES)
    assert processes() == 0
    with closing(translate_text(translator, text_of(in_chunks(LINES)), manner, 3, 1.0)) as several:
        first = next(several)
        assert processes() == 3
        assert [first, *several] == one
    assert processes() == 0


def test_the_torch_engine_shares_a_text_too(tmp_path):
    translator = Translator(tiny_run(tmp_path), "cpu", threads=2)
    manner = Manner(translator.config.search, "split", None)
    found = translate_text(translator, text_of(in_chunks(LINES, 4)), manner, 2, 1.0)
    wanted = [each.text for each in translator.translate(LINES)]
    assert [each.text for _, translations in found for each in translations] == wanted


@pytest.mark.parametrize(
    ("total", "opening_seconds", "ready", "started"),
    [
        (len(LINES), 0.0, True, True),
        (None, 0.0, True, True),  # a stream that has more to give
        (None, 0.0, False, False),  # a slow one
        (len(LINES), 3600.0, True, False),  # not worth it
        (None, 3600.0, True, False),
        (2, 0.0, True, False),  # nothing is left after the first chunk
    ],
)
def test_by_default_processes_start_when_that_pays(
    translator, manner, total, opening_seconds, ready, started
):
    lines = LINES[:total]
    text = text_of(in_chunks(lines), total, lambda: ready)
    with closing(translate_text(translator, text, manner, 0, opening_seconds)) as translated:
        counts = [processes() for _ in translated]
    assert counts[0] == 0
    assert any(counts) == started


def test_a_text_that_is_one_chunk_is_not_shared(translator, manner):
    with closing(translate_text(translator, text_of(in_chunks(LINES, 9)), manner, 2, 0.0)) as translated:
        assert [processes() for _ in translated] == [0]


def test_one_thread_means_one_process(run, manner):
    translator = Translator(run, "cpu", "ctranslate2", threads=1)
    with closing(translate_text(translator, text_of(in_chunks(LINES)), manner, 0, 0.0)) as translated:
        assert not any(processes() for _ in translated)


def test_nobody_who_waits_for_a_translation_waits_for_more_text(translator, manner):
    given = []

    def slowly():
        for chunk in in_chunks(LINES):
            given.append(chunk)
            yield chunk

    text = text_of(slowly(), ready=lambda: len(given) < 2)
    with closing(translate_text(translator, text, manner, 3, 0.0)) as translated:
        next(translated)
        next(translated)
        assert len(given) == 2


def test_what_goes_wrong_in_reading_is_said_after_what_was_read_before(translator, manner):
    def chunks():
        yield from in_chunks(LINES[:4])
        raise InputError("no more")

    found = []
    with (
        pytest.raises(InputError, match="no more"),
        closing(translate_text(translator, text_of(chunks()), manner, 2, 0.0)) as translated,
    ):
        found.extend(chunk for chunk, _ in translated)
    assert found == in_chunks(LINES[:4])
    assert processes() == 0


def test_a_line_that_is_refused_is_so_in_its_turn_and_by_its_number(translator, manner):
    lines = [*LINES[:4], LONG, *LINES]
    found = []
    with (
        pytest.raises(InputError, match="line 5 has "),
        closing(
            translate_text(translator, text_of(in_chunks(lines)), manner._replace(on_long="error"), 2, 0.0)
        ) as translated,
    ):
        found.extend(chunk for chunk, _ in translated)
    assert found == in_chunks(LINES[:4])


def test_warnings_arrive_in_order_and_once(translator, manner, caplog):
    lines = [*LINES[:2], LONG, *LINES[:4], LONG]
    with caplog.at_level(logging.WARNING, "translate"):
        list(translate_text(translator, text_of(in_chunks(lines)), manner, 2, 0.0))
    numbers = [record.getMessage().partition(": line ")[2].partition(" ")[0] for record in caplog.records]
    assert numbers == ["3", "8"]


def test_a_bug_in_a_process_shows_where(translator, manner):
    broken = manner._replace(search=replace(manner.search, beam_size=2), batch_tokens="many")
    with pytest.raises(TypeError) as caught:
        list(translate_text(translator, text_of(in_chunks(LINES)), broken, 2, 0.0))
    assert "group_by_tokens" in caught.value.__notes__[0]


def test_a_process_that_ends_is_an_input_error(translator, manner):
    with closing(translate_text(translator, text_of(in_chunks(LINES * 9)), manner, 2, 0.0)) as translated:
        next(translated)
        for process in multiprocessing.active_children():
            process.kill()
        with pytest.raises(InputError, match="one of 2 translating processes ended with exit code -9"):
            list(translated)


def test_weights_that_were_replaced_are_not_mixed_with_the_old(tmp_path, manner):
    run = tiny_export(tmp_path)
    translator = Translator(run.path, "cpu", "ctranslate2", threads=2)
    opening = Opening(str(run.path), "cpu", "ctranslate2", 1, translator.weights_written, False)
    run.weights_path.touch()
    with closing(translate_text(translator, text_of(in_chunks(LINES)), manner, 2, 0.0)) as translated:
        assert not any(processes() for _ in translated)
    with (
        Workers(1, opening, manner) as workers,
        pytest.raises(InputError, match=r"model\.safetensors was replaced while translating began"),
    ):
        list(workers.translate(iter(in_chunks(LINES)), lambda: True, 1))
    run.weights_path.unlink()
    assert not translator.is_current()


@pytest.mark.skipif(os.name != "posix", reason="how signals and pipes end a process is for POSIX systems")
@pytest.mark.parametrize("signals", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_processes_ends_them_quietly(run, signals, tmp_path):
    (tmp_path / "in.txt").write_text("Ein Hund läuft.\n" * 100_000, encoding="utf-8")
    command = [sys.executable, "-m", "seq2see", "translate", run, "--processes", "2", "--threads", "2"]
    with (
        (tmp_path / "in.txt").open() as stdin,
        subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process,
    ):
        process.stdout.read(1)
        os.killpg(process.pid, signals)
        _, messages = process.communicate()
    assert process.returncode == 128 + signals
    said = "seq2see translate: interrupted\n" if signals == signal.SIGINT else ""
    assert messages.decode() == "translating with ctranslate2 in float32 on cpu\n" + said
    deadline = time.monotonic() + 60
    while is_alive(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_alive(process.pid)


@pytest.mark.skipif(os.name != "posix", reason="how a reader that goes away is told is for POSIX systems")
def test_a_reader_that_goes_away_is_no_error(run):
    command = f"yes Hund | {sys.executable} -m seq2see translate {run} --threads 2 --processes 2 | head -n 1"
    result = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, check=False)
    assert result.stdout.count(b"\n") == 1
    assert result.stderr.decode() == "translating with ctranslate2 in float32 on cpu\n"


def test_several_processes_translate_backwards_too(tmp_path):
    translator = Translator(tiny_run(tmp_path, directions="both"), "cpu", threads=2, backwards=True)
    manner = Manner(translator.config.search, "split", None)
    found = translate_text(translator, text_of(in_chunks(LINES, 4)), manner, 2, 1.0)
    wanted = [each.text for each in translator.translate(LINES)]
    assert [each.text for _, translations in found for each in translations] == wanted


def test_several_processes_translate_with_an_ensemble(tmp_path):
    (tmp_path / "other").mkdir()
    other = RunDirectory.open(tiny_run(tmp_path / "other", TRANSFORMER, seed=1))
    translator = Translator(tiny_run(tmp_path), "cpu", threads=2, ensemble=[other.path])
    manner = Manner(translator.config.search, "split", None)
    found = translate_text(translator, text_of(in_chunks(LINES, 4)), manner, 2, 1.0)
    wanted = translator.translate(LINES)
    assert [each.text for _, translations in found for each in translations] == [each.text for each in wanted]

    written = translator.weights_written
    opening = Opening(str(translator.directory.path), "cpu", "torch", 1, written, False, (str(other.path),))
    other.weights_path.touch()
    with (
        Workers(1, opening, manner) as workers,
        pytest.raises(InputError, match=r"other/run/model\.safetensors was replaced while translating began"),
    ):
        list(workers.translate(iter(in_chunks(LINES)), lambda: True, 1))
