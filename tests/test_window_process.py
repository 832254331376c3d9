"""The process that prepares windows: a real one, which is asked, told to end, and killed."""

import logging

import pytest
from tiny_training import numbers, tiny_config, with_data, write_pairs

from translate.errors import InputError
from translate.training.prepare import prepare_run
from translate.training.trainer import train
from translate.training.window_process import WindowProcess, start_process
from translate.training.windows import read_window


def test_a_process_prepares_windows_and_says_what_there_is_to_say(tmp_path, caplog):
    pairs = numbers(40)
    pairs[20] = ("a " * 300, "b")
    config = with_data(tiny_config(tmp_path), window=16)
    write_pairs(tmp_path, "train", pairs)
    run = prepare_run(config, tmp_path / "run")
    process = WindowProcess(run.path)
    caplog.set_level(logging.INFO)
    process.start(1)
    assert process.number == 1
    process.finish()
    assert process.number is None
    assert "left out 1 of 16 training pairs with more than data.max_length = 256 pieces" in caplog.text
    found = read_window(run, 1)
    assert found is not None
    assert (found.pairs, found.used, found.last) == (16, 15, False)
    (tmp_path / "train.src").unlink()
    process.start(0)
    with pytest.raises(InputError, match=r"train\.src: no such file"):
        process.finish()
    process._process.kill()
    process._process.join()
    with pytest.raises(InputError, match="prepares windows of the text ended with exit code -9: its message"):
        process.start(1)
    process.stop()


def test_a_process_that_is_killed_at_work_is_an_error(tmp_path):
    run = prepare_run(with_data(tiny_config(tmp_path), window=16), tmp_path / "run")
    process = WindowProcess(run.path)
    process.start(1)
    process._process.kill()  # before it can answer: it has yet to start
    with pytest.raises(InputError, match=rf"Go on with `seq2see train --resume {run.path}`"):
        process.finish()
    process.stop()


def test_a_process_ends_when_the_training_one_is_gone(tmp_path):
    run = prepare_run(with_data(tiny_config(tmp_path), window=16), tmp_path / "run")
    process, connection = start_process(str(run.path))
    connection.send(1)
    connection.close()
    process.join()
    assert process.exitcode == 0


def test_training_in_windows_ends_its_process(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    run = train(with_data(tiny_config(tmp_path, max_steps=7), window=16), tmp_path / "run")
    assert "windows of 16 pairs, of which the next is prepared while one is trained on" in caplog.text
    assert "window 1: 16 of 16 pairs in " in caplog.text
    assert "window 3: 8 of 8 pairs in " in caplog.text
    assert all(path.name.isdecimal() for path in run.windows_path.iterdir())
