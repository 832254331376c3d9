"""`seq2see train --monolingual`: text of the target language becomes training pairs."""

import shutil
from dataclasses import replace

import pytest
import torch
from test_train_command import seq2see
from tiny_training import assert_same_run, copy_run, numbers, tiny_config, weights, with_data, write_pairs

from translate.config.data import DataConfig, InitialConfig
from translate.errors import InputError, UsageError
from translate.run_directory import RunDirectory
from translate.stored_pairs import IdPairs
from translate.tokenizer import EOS_ID
from translate.training.prepare import prepare_run
from translate.training.trainer import resume, train
from translate.translator import Translator

MONO = [tgt for _, tgt in numbers(100, seed=7)]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A run of both directions."""
    folder = tmp_path_factory.mktemp("both")
    return train(with_data(tiny_config(folder, max_steps=2), directions="both"), folder / "both")


@pytest.fixture
def config(both, tmp_path):
    (tmp_path / "mono.tgt").write_text("".join(f"{line}\n" for line in MONO))
    config = tiny_config(tmp_path, max_steps=6, checkpoint_every=1, validate_every=3)
    return with_data(config, monolingual=str(tmp_path / "mono.tgt"), reverse=str(both.path))


def kept(run):
    """The pairs that the run has kept for people to look at."""
    src, tgt = (
        path.read_text().split("\n")[:-1]
        for path in (run.back_translated_src_path, run.back_translated_tgt_path)
    )
    return list(zip(src, tgt, strict=True))


def test_each_line_is_translated_back_and_a_share_of_them_is_in_each_epoch(both, config, tmp_path):
    run = prepare_run(config, tmp_path / "run")
    lines = [line for line in dict.fromkeys(MONO) if line not in run.read_valid()[1]]
    back = [found.text for found in Translator(both.path, backwards=True).translate(lines)]
    expected = [(src, tgt) for src, tgt in zip(back, lines, strict=True) if src.strip()]
    assert kept(run) == expected
    genuine, made = run.read_json(run.data_path)["parts"]
    assert (genuine["each_epoch"], genuine["pairs_used"]) == (40, 40)
    assert (made["what"], made["from"]) == ("back-translated", config.data.monolingual)
    assert made["pairs"] == made["pairs_used"] == len(expected) > 40
    assert made["each_epoch"] == 40
    assert IdPairs(run.ids_path).pairs == 40 + len(expected)
    assert not (tmp_path / "run.translations").exists()


def test_fewer_lines_than_their_share_are_all_there(config, tmp_path):
    (tmp_path / "mono.tgt").write_text("".join(f"{line}\n" for line in MONO[:5]))
    run = prepare_run(config, tmp_path / "run")
    assert run.read_json(run.data_path)["parts"][1]["each_epoch"] == len(kept(run)) <= 5


def test_a_tag_begins_each_source(config, tmp_path):
    run = prepare_run(with_data(config, monolingual_tag="<BT>"), tmp_path / "run")
    assert all(src.startswith("<BT> ") for src, _ in kept(run))


def test_the_run_resumes_without_text_or_teacher(both, config, tmp_path):
    gone = copy_run(both, tmp_path / "reverse")
    run = prepare_run(with_data(config, reverse=str(gone.path)), tmp_path / "run")
    again = copy_run(run, tmp_path / "again")
    shutil.rmtree(gone.path)
    for name in ("mono.tgt", "train.src", "train.tgt"):
        (tmp_path / name).unlink()
    resume(run.path)
    stopped = resume(again.path, max_steps=2)
    assert run.read_json(run.summary_path)["steps"] == 6
    assert stopped.read_json(stopped.summary_path)["steps"] == 2
    assert "back-translated pairs, from " in run.card_path.read_text()


def test_resuming_is_exact(config, tmp_path):
    # By a schedule that does not depend on the number of steps.
    config = replace(config, training=replace(config.training, schedule="inverse_sqrt"))
    whole = prepare_run(config, tmp_path / "whole")
    stopped = copy_run(whole, tmp_path / "stopped")
    resume(whole.path)
    resume(stopped.path, max_steps=3)
    resume(stopped.path, max_steps=6)
    assert_same_run(stopped, whole)


def test_fine_tuning_a_run_of_both_directions_needs_no_other(both, config, tmp_path):
    config = with_data(config, reverse=None, directions="both")
    initial = InitialConfig(str(both.path), mix=0.5)
    run = train(replace(config, initial=initial), tmp_path / "run")
    genuine, made, old = run.read_json(run.data_path)["parts"]
    assert (genuine["each_epoch"], made["each_epoch"], old["each_epoch"]) == (40, 40, 80)
    assert run.read_metrics()[0]["step"] == "0"


def test_without_a_reverse_run_it_is_asked_for(config, tmp_path):
    with pytest.raises(
        UsageError, match="--monolingual needs --reverse RUN, which translates it back: a run of"
    ):
        prepare_run(with_data(config, reverse=None), tmp_path / "run")


def test_a_reverse_run_that_says_nothing_is_an_error(both, config, tmp_path):
    mute = copy_run(both, tmp_path / "mute")
    model = mute.load_model()
    with torch.no_grad():
        model.output.bias[EOS_ID] = 1000
    mute.save_weights(model, mute.tokenizers())
    assert weights(mute).keys() == weights(both).keys()
    with pytest.raises(InputError, match=r"mute has only empty translations for .*mono\.tgt: needed is one"):
        prepare_run(with_data(config, reverse=str(mute.path)), tmp_path / "run")


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(
        UsageError, match=rf"data\.monolingual_share is {share}: it must be above 0 and below"
    ):
        DataConfig(monolingual_share=share)


def test_a_reverse_run_alone_is_refused():
    with pytest.raises(UsageError, match=r"data\.reverse is the run that translates data\.monolingual back"):
        DataConfig(reverse="run")


def test_the_command_makes_the_pairs_on_the_way(both, config, tmp_path, capsys):
    src, tgt = write_pairs(tmp_path, "few", numbers(20))
    flags = ["--src", src, "--tgt", tgt, "--monolingual", config.data.monolingual, "--reverse", both.path]
    flags += ["--model.embedding_size", 8, "--model.encoder.size", 6, "--model.attention.size", 6]
    flags += ["--model.decoder.size", 7, "--vocab-size", 290, "--device", "cpu", "--threads", 1]
    assert seq2see(*flags, "--max-steps", 1, "--out", tmp_path / "run") == 0
    err = capsys.readouterr().err
    assert "texts with torch" in err
    assert " back-translated pairs in each epoch, from " in err
    assert RunDirectory.open(tmp_path / "run").config.data.reverse == str(both.path)
