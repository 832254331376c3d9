"""`seq2see train` as people type it: flags, messages, exit codes, what is seen while it trains."""

import io
import os
import re
import signal
import sys

import pytest
from tiny_training import probe, tiny_config

from translate import cli
from translate.config_files import dump_config
from translate.platforms import Facts
from translate.run_directory import RunDirectory
from translate.training.progress import Progress

# What tiny_config's settings are as flags; a few under their everyday names.
FLAGS = [
    *("--model.embedding_size", "8", "--model.encoder.size", "6", "--model.attention.size", "6"),
    *("--model.decoder.size", "7", "--vocab-size", "290", "--batch_tokens=80", "--device", "cpu"),
    *("--precision", "float32", "--threads", "1", "--max-steps", "4", "--training.validate-every", "4"),
]


def seq2see(*words: object) -> int:
    return cli.main(["train", *map(str, words)])


@pytest.fixture
def files(tmp_path):
    data = tiny_config(tmp_path).data
    return [
        "--src",
        data.src,
        "--tgt",
        data.tgt,
        "--valid-src",
        data.valid_src,
        "--valid-tgt",
        data.valid_tgt,
    ]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run at its end: step 4."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "tiny.yaml").write_text(dump_config(tiny_config(folder, max_steps=4)))
    assert seq2see("--config", folder / "tiny.yaml", "--out", folder / "run") == 0
    return RunDirectory.open(folder / "run")


def test_two_files_and_flags_make_a_run(files, tmp_path, capsys):
    assert seq2see(*files, *FLAGS, "--out", tmp_path / "run", "--seed", 3) == 0
    run = RunDirectory.open(tmp_path / "run")
    assert run.load_model().output.in_features == 8
    config = run.config
    assert (config.training.seed, config.tokenizer.vocab_size, config.data.batch_tokens) == (3, 290, 80)
    captured = capsys.readouterr()
    assert captured.out == ""
    for message in (
        "training the tokenizer on 40 pairs\n",
        " parameters, 40 pairs in 6 batches an epoch, 8.6% of their slots padding; 1 process, float32: as",
        "step 4 of 4, loss ",
        "step 4, epoch 0.67, ",
        "done: 4 steps in ",
    ):
        assert message in captured.err


def test_flags_win_over_the_config_file(tmp_path, capsys):
    config = tiny_config(tmp_path, max_steps=4)
    (tmp_path / "tiny.yaml").write_text(dump_config(config))
    flags = ["--max-steps", 2, "--config", tmp_path / "tiny.yaml", "--training.ema-decay", 0.5]
    assert seq2see("--out", tmp_path / "run", *flags) == 0
    training = RunDirectory.open(tmp_path / "run").config.training
    assert (training.max_steps, training.ema_decay, training.validate_every) == (2, 0.5, 4)


def test_without_a_place_to_go_nothing_begins(files, capsys):
    assert seq2see(*files) == 2
    assert (
        "where to? Give --out DIR for a new run, or --resume RUN to go on with one" in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--out", "x"], "--out"),
        (["--seed", "2"], "--seed"),
        (["--out", "x", "--training.patience", "2"], "--out, --training.patience"),
        (["--max-steps", "9", "--src", "a.de"], "--src"),
    ],
)
def test_resume_takes_nothing_but_steps_beside_it(flags, named, trained, capsys):
    assert seq2see("--resume", trained.path, *flags) == 2
    message = (
        f"--resume takes all settings from {trained.path}: beside it only --max-steps can be given, got "
    )
    assert f"{message}{named}\n" in capsys.readouterr().err


def test_a_config_file_beside_resume_is_refused_too(trained, tmp_path, capsys):
    (tmp_path / "more.yaml").write_text("training: {patience: 3}\n")
    assert seq2see("--resume", trained.path, "--config", tmp_path / "more.yaml") == 2
    assert "only --max-steps can be given, got --training.patience" in capsys.readouterr().err


def test_a_run_at_its_end_says_so(trained, capsys):
    assert seq2see("--resume", trained.path) == 0
    assert capsys.readouterr().err == "already at step 4 of 4: nothing to do\n"


def test_a_run_goes_on_to_more_steps(tmp_path, capsys):
    (tmp_path / "tiny.yaml").write_text(dump_config(tiny_config(tmp_path, max_steps=2)))
    assert seq2see("--config", tmp_path / "tiny.yaml", "--out", tmp_path / "run") == 0
    assert seq2see("--resume", tmp_path / "run", "--max-steps", 3) == 0
    err = capsys.readouterr().err
    assert "going on from step 2 of 3\n" in err
    assert "done: 3 steps in " in err


def test_a_used_folder_is_refused(trained, files, capsys):
    assert seq2see(*files, "--out", trained.path) == 3
    err = capsys.readouterr().err
    assert f"{trained.path} exists and is not empty" in err
    assert f"`seq2see train --resume {trained.path}`" in err


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--max-steps", "0"], 2, "training.max_steps is 0: it must be at least 1"),
        (["--training.accumulate", "0"], 2, "training.accumulate is 0: it must be at least 1"),
        (["--training.validate_every", "0"], 2, "training.validate_every is 0: it must be at least 1"),
        (["--training.valid_beam_size", "0"], 2, "training.valid_beam_size is 0: it must be at least 1"),
        (["--learning-rate", "-0.1"], 2, "training.learning_rate is -0.1: it must be at least 0"),
        (["--training.max_minutes", "-1"], 2, "training.max_minutes is -1.0: it must be at least 0"),
        (["--seed", "-1"], 2, "training.seed is -1: it must be at least 0"),
        (
            ["--training.label_smoothing", "1"],
            2,
            "training.label_smoothing is 1.0: it must be at least 0 and",
        ),
        (["--training.ema_decay", "1.5"], 2, "training.ema_decay is 1.5: it must be at least 0 and below 1"),
        (["--batch-tokens", "0"], 2, "data.batch_tokens is 0: it must be at least 1"),
        (["--data.max_length", "0"], 2, "data.max_length is 0: it must be at least 1"),
        (["--data.valid_size", "0"], 2, "data.valid_size is 0: it must be at least 1"),
        (["--max-step", "9"], 2, "unknown flag --max-step; did you mean --max-steps"),
        (["--src", "missing.de"], 3, "missing.de: no such file"),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_written(flags, code, message, files, tmp_path, capsys):
    assert seq2see(*files, *flags, "--out", tmp_path / "run") == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_missing_device_is_said_before_any_work_is_done(files, tmp_path, monkeypatch, capsys):
    facts = Facts("Linux", 1, cpu_bf16=False, cuda=False, cuda_bf16=False, mps=False)
    monkeypatch.setattr("translate.training.processes.gather_facts", lambda: facts)
    assert seq2see(*files, "--device", "cuda", "--out", tmp_path / "run") == 2
    err = capsys.readouterr().err
    assert "\nseq2see train: error: device cuda is not there: this machine has cpu\n" in err


@pytest.mark.parametrize(
    ("number", "code", "last"),
    [(signal.SIGINT, 130, "seq2see train: interrupted\n"), (signal.SIGTERM, 143, "")],
)
def test_a_signal_is_an_exit_code_and_a_way_to_go_on(
    number, code, last, files, tmp_path, monkeypatch, capsys
):
    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        probe(patch, on_train_batch_start=lambda _: os.kill(os.getpid(), number))
        assert seq2see(*files, *FLAGS, "--out", tmp_path / "run") == code
    assert signal.getsignal(number) is before
    err = capsys.readouterr().err
    assert "warning: stopping after this step, with a checkpoint (once more: at once, without)\n" in err
    stopped = f"stopped at step 1; go on with `seq2see train --resume {tmp_path / 'run'}`\n"
    assert err.endswith(f"warning: {stopped}{last}")
    assert seq2see("--resume", tmp_path / "run") == 0
    assert "going on from step 1 of 4\n" in capsys.readouterr().err


def test_ctrl_c_while_the_run_is_prepared_leaves_nothing(files, tmp_path, monkeypatch, capsys):
    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr(
        "translate.stored_pairs.IdPairs.write", lambda *_: os.kill(os.getpid(), signal.SIGINT)
    )
    assert seq2see(*files, *FLAGS, "--out", tmp_path / "run") == 130
    assert sorted(tmp_path.iterdir()) == before


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


FACTS = r"loss \d+\.\d{3}, tokens/s [\d,]+, (BLEU \d+\.\d\d, )?min left \d+\.\d"


def test_without_a_terminal_there_are_plain_lines(files, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Progress, "LINE_EVERY", 0.0)
    assert seq2see(*files, *FLAGS, "--out", tmp_path / "run", "--training.validate_every", 2) == 0
    err = capsys.readouterr().err
    assert "\r" not in err
    lines = re.findall(rf"^step (\d) of 4, {FACTS}$", err, re.MULTILINE)
    assert [(step, bool(score)) for step, score in lines] == [("1", 0), ("2", 0), ("3", 1), ("4", 1)]


def test_on_a_terminal_there_is_a_bar_and_messages_stand_above_it(files, tmp_path, monkeypatch):
    monkeypatch.setattr(Progress, "BAR_EVERY", 0.0)
    monkeypatch.setattr("tqdm.tqdm.monitor_interval", 0)  # no thread that outlives the test
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert seq2see(*files, *FLAGS, "--out", tmp_path / "run", "--training.validate_every", 2) == 0
    shown = terminal.getvalue()
    assert re.search(r"\d/4 \[\d\d:\d\d, .*(step/s|s/step), loss=\d\.\d{3}, tokens/s=", shown)
    assert "validating: " in shown
    assert re.search(r"BLEU=\d+\.\d\d, min left=0\.\d", shown)
    assert re.search(r"(^|[\r\n] *\r?)step 2, epoch 0\.33, \d+\.\d\d min: validation BLEU .*\n", shown)
    assert "step 2 of 4" not in shown  # the bar says it
    assert "done: 4 steps in " in shown.rpartition("\r")[2]
