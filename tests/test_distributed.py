"""Several processes that train one model: real ones, which meet through gloo."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from one_of_several import LOSSES, trained, without_dropout
from tiny_training import assert_same_run, tiny_config, weights, with_data

from translate import cli
from translate.run_directory import RunDirectory

DRIVER = Path(__file__).with_name("one_of_several.py")
ALL = (
    "same_losses",
    "stopped_and_resumed",
    "every_setting",
    "first_fails",
    "sharded",
    "translated",
    "in_windows",
)


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def start(arguments, size=2):
    """Start processes as torchrun would; return what they wrote."""
    common = {
        "WORLD_SIZE": size,
        "LOCAL_WORLD_SIZE": size,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": free_port(),
    }
    processes = [
        subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            env=os.environ
            | {name: str(value) for name, value in {**common, "RANK": rank, "LOCAL_RANK": rank}.items()},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(size)
    ]
    said = [process.communicate(timeout=1500)[0] for process in processes]
    return [(process.returncode, each) for process, each in zip(processes, said, strict=True)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("two")


@pytest.fixture(scope="module")
def ended(folder):
    """Exit code and messages of two processes that have done everything."""
    return start([DRIVER, folder, *ALL])


@pytest.fixture(scope="module")
def found(folder, ended):
    assert [code for code, _ in ended] == [0, 0], ended[0][1] + ended[1][1]
    return [json.loads((folder / f"found{rank}.json").read_text()) for rank in range(2)]


def test_two_processes_losses_are_those_of_one_for_100_steps(found, folder, tmp_path):
    alone = trained(without_dropout(tiny_config(tmp_path, **LOSSES, processes=1)), tmp_path / "run")
    assert len(alone) == 100
    for each in found:
        assert each["same_losses"] == pytest.approx(alone, abs=1e-5, rel=0)
    one, two = RunDirectory(tmp_path / "run"), RunDirectory(folder / "losses")
    for name, expected in weights(one).items():
        torch.testing.assert_close(weights(two)[name], expected, atol=1e-4, rtol=1e-3)
    columns = ("step", "epoch", "valid_bleu", "best_bleu")
    rows = [[[row[column] for column in columns] for row in run.read_metrics()] for run in (one, two)]
    assert rows[0] == rows[1]
    assert [row[0] for row in rows[1]] == ["40", "80", "100"]


def test_a_signal_to_one_stops_all_after_the_same_step_and_they_resume_exactly(found, folder):
    assert [each["stopped_and_resumed"] for each in found] == [143, 143]
    assert_same_run(RunDirectory(folder / "straight"), RunDirectory(folder / "stopped"))


def test_all_settings_work_and_all_stop_early_together(found, folder):
    """Guided links, drawn pieces, R-Drop, word dropout and averages of checkpoints."""
    assert found[0]["every_setting"] == found[1]["every_setting"] < 40
    run = RunDirectory(folder / "settings")
    assert run.links_path.is_file()
    assert len(list(run.snapshots_path.iterdir())) == 4


def test_two_processes_train_on_the_same_windows_as_one(found, folder, tmp_path):
    config = with_data(tiny_config(tmp_path, max_steps=12, accumulate=2, processes=1), window=16)
    alone = trained(without_dropout(config), tmp_path / "run")
    assert len(alone) == 24
    for each in found:
        assert each["in_windows"] == pytest.approx(alone, abs=1e-5, rel=0)
    assert_same_run(RunDirectory(folder / "windows_lost"), RunDirectory(folder / "windows"))


def test_only_the_first_process_speaks(found, ended):
    assert "best so far" in ended[0][1]
    assert "loss" in ended[0][1]
    assert "validation BLEU" not in ended[1][1]


def test_all_end_when_the_first_cannot_prepare_the_run(found):
    assert "is not empty: nothing is overwritten" in found[0]["first_fails"]
    assert found[1]["first_fails"] == "SystemExit(1)"


def test_the_summary_counts_all_processes(found, folder):
    summary = RunDirectory(folder / "losses").read_json(folder / "losses" / "summary.json")
    assert (summary["processes"], summary["threads"]) == (2, 1)


def test_processes_share_a_text_and_join_it_in_order(found, folder):
    words = ["translate", folder / "losses", "--src", folder / "text", "--out", folder / "alone.out"]
    assert cli.main([*map(str, words), "--n-best", "2", "--beam-size", "2"]) == 0
    alone, whole = (
        [line.rpartition(" ||| ")[0] for line in (folder / name).read_text().splitlines()]
        for name in ("alone.out", "whole.out")
    )  # without the scores, whose last digit is another in another batch
    assert len(alone) == 60
    assert whole == alone
    assert not (folder / "whole.out.parts").exists()


def test_a_translation_begun_again_makes_only_the_parts_that_are_missing(found, folder):
    assert [each["translated"] for each in found] == [[0, 130, 0], [0, 0, 0]]
    whole, again = ((folder / name).read_text().splitlines() for name in ("whole.out", "again.out"))
    assert again == ["kept", *whole[8:]]


def test_a_model_in_shards_trains_as_one_in_one_piece(found, folder):
    for each in found:
        assert len(each["sharded"]["whole"]) == 6
        assert each["sharded"]["shards"] == pytest.approx(each["sharded"]["whole"], abs=1e-5, rel=0)
    one, other = (weights(RunDirectory(folder / name)) for name in ("unsharded", "sharded"))
    for name, expected in one.items():
        torch.testing.assert_close(other[name], expected, atol=1e-4, rtol=1e-3)


def test_a_single_process_goes_on_with_a_checkpoint_made_of_shards(found, folder):
    losses = []
    for name in ("unsharded", "sharded"):
        run = RunDirectory.open(folder / name)
        run.save_config(replace(run.config, training=replace(run.config.training, max_steps=9)))
        losses.append(trained(run.config, run.path))
    assert len(losses[0]) == 3
    assert losses[1] == pytest.approx(losses[0], abs=1e-5, rel=0)
