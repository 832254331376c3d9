"""Fine-tuning: what is taken from the run before, what is mixed in, and that it resumes exactly."""

import csv
import logging
import shutil
from dataclasses import replace

import numpy as np
import pytest
from test_train_command import seq2see
from tiny_training import (
    assert_equal,
    assert_same_run,
    checkpoint,
    copy_run,
    corpus_folder,
    numbers,
    probe,
    tiny_config,
    weights,
    with_data,
    with_training,
    write_pairs,
)

from translate.batches import BatchLoader
from translate.config.data import InitialConfig
from translate.config_files import dump_config
from translate.errors import InputError, UsageError
from translate.evaluation import bleu
from translate.run_directory import RunDirectory
from translate.stored_pairs import IdPairs
from translate.training.mixture import mixture
from translate.training.prepare import prepare_run
from translate.training.trainer import resume, train
from translate.translator import Translator

NEW = numbers(24, seed=5)


@pytest.fixture(scope="module", params=["forward", "both"])
def old(request, tmp_path_factory):
    """A run to fine-tune; its text lies beside it."""
    folder = tmp_path_factory.mktemp(request.param)
    config = with_data(tiny_config(folder, max_steps=6), directions=request.param)
    return train(config, folder / "old")


@pytest.fixture(scope="module")
def new(old, tmp_path_factory):
    """A config of four steps that begins with the old run, mixed half and half."""
    return fine_tuning(tmp_path_factory.mktemp("new"), old, mix=0.5)


def fine_tuning(folder, old, **initial):
    src, tgt = write_pairs(folder, "new", NEW)
    valid_src, valid_tgt = write_pairs(folder, "new_valid", numbers(4, seed=6))
    config = tiny_config(folder, max_steps=6, checkpoint_every=1, validate_every=3, learning_rate=0.005)
    config = with_data(config, src=src, tgt=tgt, valid_src=valid_src, valid_tgt=valid_tgt)
    config = with_data(config, directions=old.config.data.directions)
    return replace(config, initial=InitialConfig(str(old.path), **initial))


@pytest.fixture(scope="module")
def tuned(new, tmp_path_factory):
    return train(new, tmp_path_factory.mktemp("tuned") / "run")


def greedy_bleu(run, valid):
    translator = Translator(run.path, device="cpu")
    found = translator.translate(valid[0], replace(translator.config.search, beam_size=1))
    return round(bleu([one.text for one in found], valid[1]), 2)


def test_the_first_validation_is_that_of_the_old_weights(old, tuned):
    first = tuned.read_metrics()[0]
    assert first["step"] == "0"
    assert float(first["valid_bleu"]) == greedy_bleu(old, tuned.read_valid())
    assert float(first["old_bleu"]) == greedy_bleu(old, old.read_valid())
    assert float(first["old_bleu"]) == float(old.read_metrics()[-1]["best_bleu"])


def test_the_old_weights_are_kept_where_training_makes_none_better(old, new, tmp_path):
    worse = replace(new, training=replace(new.training, learning_rate=0.0))
    run = train(worse, tmp_path / "run")
    assert run.read_json(run.summary_path)["best_step"] == 0
    assert_equal(weights(run), weights(old), "weights")


def test_training_changes_the_weights(old, tuned):
    state = checkpoint(tuned)["state_dict"]
    assert any(not (state[f"model.{name}"] == value).all() for name, value in weights(old).items())


def test_the_tokenizer_is_the_old_one_byte_for_byte(old, tuned):
    names = {path.name for path in old.path.glob("*.model")}
    assert names == {path.name for path in tuned.path.glob("*.model")} != set()
    for name in names:
        assert (tuned.path / name).read_bytes() == (old.path / name).read_bytes()


def test_the_run_says_what_it_was_made_from(old, tuned):
    summary, card = tuned.read_json(tuned.summary_path), tuned.card_path.read_text()
    rows = tuned.read_metrics()
    best = next(row for row in rows if int(row["step"]) == summary["best_step"])
    assert summary["initial_bleu"] == float(rows[0]["valid_bleu"])
    assert (summary["old_bleu_before"], summary["old_bleu"]) == (
        float(rows[0]["old_bleu"]),
        float(best["old_bleu"]),
    )
    assert f"Fine-tuned from {old.path}, with its tokenizer (weights' sha256 {old.weights_sha256()})" in card
    used = tuned.read_json(tuned.data_path)["parts"][1]["pairs_used"]
    assert f"Mixed in, drawn anew for each epoch: 24 of {used} old pairs, from " in card
    assert f"Before fine-tuning: {summary['initial_bleu']}." in card
    assert f"On the validation text of the run before: {summary['old_bleu_before']}, after" in card
    assert tuned.config.initial.run == str(old.path)


def epoch_texts(run, epoch):
    """The sources of an epoch, as often as they are in it, and how many of them are read backwards."""
    both = run.config.data.directions == "both"
    pairs, tokenizers = IdPairs(run.ids_path, both=both), run.tokenizers()
    draw = mixture(run.read_json(run.data_path), both=both)
    loader = BatchLoader(pairs, run.config.data.batch_tokens, run.config.training.seed, draw=draw)
    rows = np.concatenate(loader.plan(epoch))
    texts = [tokenizers.src.decode(row) for row in pairs.batch(rows[rows < pairs.pairs]).src.tolist()]
    return sorted(texts), int((rows >= pairs.pairs).sum())


def test_an_epoch_has_every_new_pair_once_and_as_many_old_ones_drawn_anew(tuned):
    new, old = sorted(src for src, _ in NEW), {src for src, _ in numbers(40)}
    first, backwards = epoch_texts(tuned, 0)
    second, _ = epoch_texts(tuned, 1)
    assert len(first) == 48
    assert backwards == (48 if tuned.config.data.directions == "both" else 0)
    for texts in (first, second):
        rest = list(texts)
        for src in new:
            rest.remove(src)
        assert len(rest) == len(set(rest)) == 24
        assert set(rest) <= old
    assert first != second


def test_resuming_after_any_step_ends_as_if_undisturbed(new, tuned, tmp_path, monkeypatch):
    run = prepare_run(new, tmp_path / "run")
    killed = []

    def kill(trainer):
        killed.append(copy_run(run, tmp_path / f"{len(killed)}"))

    with monkeypatch.context() as patch:
        probe(patch, on_train_start=kill, on_train_batch_end=kill)
        resume(run.path)
    assert_same_run(run, tuned)
    assert killed[0].read_metrics()[0]["step"] == "0"  # validated, but not yet begun
    for stopped in (killed[0], killed[1], killed[4]):
        resume(stopped.path)
        assert_same_run(stopped, tuned)


def test_the_new_run_needs_nothing_of_the_old_one(old, new, tuned, tmp_path):
    gone = copy_run(old, tmp_path / "old")
    run = prepare_run(replace(new, initial=replace(new.initial, run=str(gone.path))), tmp_path / "run")
    shutil.rmtree(gone.path)
    resume(run.path)
    assert_equal(weights(run), weights(tuned), "weights")


def test_without_mix_only_new_pairs_are_there(old, tmp_path):
    run = prepare_run(fine_tuning(tmp_path, old), tmp_path / "run")
    about = run.read_json(run.data_path)
    assert "parts" not in about
    assert IdPairs(run.ids_path).pairs == 24
    assert mixture(about, both=False) is None


def test_no_source_of_a_validation_text_is_mixed_in(old, new, tmp_path):
    valid = write_pairs(tmp_path, "held", [(numbers(40)[3][0].upper() + "!", "X")])
    run = prepare_run(with_data(new, valid_src=valid[0], valid_tgt=valid[1]), tmp_path / "run")
    part = run.read_json(run.data_path)["parts"][1]
    twins = sum(src.replace(" ", "") == numbers(40)[3][0].replace(" ", "") for src, _ in numbers(40))
    assert part["pairs"] == 40 - twins


def test_old_text_that_is_gone_is_named_and_may_be_given(old, new, tmp_path):
    moved = copy_run(old, tmp_path / "moved")
    data = replace(moved.config.data, src="gone.de")
    moved.save_config(replace(moved.config, data=data))
    new = replace(new, initial=replace(new.initial, run=str(moved.path)))
    with pytest.raises(
        InputError,
        match=r"gone\.de: no such file\. --mix needs the training text of .*moved: say where it is now by "
        "--mix-corpus, or by --mix-src and --mix-tgt",
    ):
        prepare_run(new, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    given = replace(new.initial, corpus=corpus_folder(tmp_path, train=numbers(9, seed=9)))
    run = prepare_run(replace(new, initial=given), tmp_path / "run")
    part = run.read_json(run.data_path)["parts"][1]
    assert (part["from"], part["pairs"], part["each_epoch"]) == (given.corpus, 9, 24)
    src, tgt = write_pairs(tmp_path, "again", numbers(5, seed=3))
    run = prepare_run(replace(new, initial=replace(new.initial, src=src, tgt=tgt)), tmp_path / "files")
    assert run.read_json(run.data_path)["parts"][1]["pairs"] == 5
    missing = replace(new, initial=replace(new.initial, src="nowhere.src", tgt=tgt))
    with pytest.raises(InputError, match=r"nowhere\.src: no such file$"):
        prepare_run(missing, tmp_path / "missing")


def test_a_run_without_validation_text_can_be_fine_tuned(old, tmp_path):
    bare = copy_run(old, tmp_path / "bare")
    bare.valid_src_path.unlink()
    run = train(fine_tuning(tmp_path, bare, mix=0.25), tmp_path / "run")
    assert "old_bleu" not in run.read_metrics()[0]
    assert "old_bleu" not in run.read_json(run.summary_path)
    assert "Before fine-tuning" in run.card_path.read_text()


def test_another_model_than_the_old_one_is_refused(old, new, tmp_path):
    other = replace(new, model=replace(new.model, encoder=replace(new.model.encoder, size=12)))
    message = rf"model\.encoder\.size is 12, but {old.path}, whose weights training begins with, has 6: leave"
    with pytest.raises(UsageError, match=message):
        train(other, tmp_path / "run")
    other = replace(new, tokenizer=replace(new.tokenizer, vocab_size=300))
    with pytest.raises(UsageError, match=r"tokenizer\.vocab_size is 300, but .* has 290"):
        train(other, tmp_path / "run")
    other = replace(new, tokenizer=replace(new.tokenizer, path="x.model"))
    with pytest.raises(UsageError, match=r"tokenizer\.path is x\.model, but .* takes its tokenizer"):
        train(other, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_another_dropout_is_not(new, tmp_path):
    run = prepare_run(replace(new, model=replace(new.model, dropout=0.5)), tmp_path / "run")
    assert run.config.model.dropout == 0.5


def test_a_run_without_weights_is_refused(old, new, tmp_path):
    bare = copy_run(old, tmp_path / "bare")
    bare.weights_path.unlink()
    with pytest.raises(InputError, match=r"bare has no model\.safetensors"):
        train(replace(new, initial=replace(new.initial, run=str(bare.path))), tmp_path / "run")


def test_damaged_weights_to_begin_with_are_named(new, tmp_path):
    run = prepare_run(new, tmp_path / "run")
    run.initial_path.write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"run/initial\.safetensors is damaged"):
        resume(run.path)


def test_links_of_a_file_know_nothing_of_what_is_mixed_in(new, tmp_path):
    (tmp_path / "links").write_text("0-0\n" * len(NEW))
    training = replace(new.training, alignment="guided", alignment_links=str(tmp_path / "links"))
    with pytest.raises(UsageError, match=r"links has no links for old pairs: choose self or fast_align"):
        prepare_run(replace(new, training=training), tmp_path / "run")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"run": "x", "mix": 1.0}, r"initial\.mix is 1\.0: it must be at least 0 and below 1"),
        ({"run": "x", "mix": -0.1}, r"initial\.mix is -0\.1: it must be"),
        ({"mix": 0.5}, "initial.mix, corpus, src and tgt are for fine-tuning: give --init-from RUN"),
        ({"run": "x", "corpus": "y"}, "name what is mixed in: give --mix, such as 0.5"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(UsageError, match=message):
        InitialConfig(**settings)


def test_the_command_takes_from_the_run_what_is_not_given(old, tmp_path, capsys):
    src, tgt = write_pairs(tmp_path, "new", NEW)
    flags = ["--src", src, "--tgt", tgt, "--init-from", old.path, "--mix", 0.5, "--device", "cpu"]
    flags += ["--threads", 1, "--max-steps", 2, "--precision", "float32"]
    assert seq2see(*flags, "--out", tmp_path / "run") == 0
    run = RunDirectory.open(tmp_path / "run")
    config, theirs = run.config, old.config
    assert (config.model, config.tokenizer, config.search) == (theirs.model, theirs.tokenizer, theirs.search)
    assert config.data.directions == theirs.data.directions
    assert config.data.batch_tokens == theirs.data.batch_tokens
    training = config.training
    assert (training.max_steps, training.validate_every, training.patience) == (2, 100, 5)
    assert training.learning_rate == pytest.approx(theirs.training.learning_rate / 5)
    with run.metrics_path.open() as file:
        assert next(csv.reader(file))[-1] == "old_bleu"
    err = capsys.readouterr().err
    assert "22 of 40 old pairs in each epoch, from " in err
    assert "; BLEU on the old validation text " in err


def test_the_command_names_both_values(old, tmp_path, capsys):
    src, tgt = write_pairs(tmp_path, "new", NEW)
    flags = ["--src", src, "--tgt", tgt, "--init-from", old.path, "--out", tmp_path / "run"]
    assert seq2see(*flags, "--model.encoder.size", 12) == 2
    assert f"model.encoder.size is 12, but {old.path}, whose weights" in capsys.readouterr().err
    (tmp_path / "old.yaml").write_text(dump_config(old.config))
    values = ["--config", tmp_path / "old.yaml", "--data.valid_src", "null", "--data.valid_tgt", "null"]
    more = ["--training.max_steps", 1, "--tokenizer.path", "null"]
    assert seq2see(*values, *flags, *more) == 0  # the same said again contradicts nothing


def test_a_fine_tuned_run_can_be_fine_tuned_and_resumed_further(tuned, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    run = train(fine_tuning(tmp_path, tuned, mix=0.5), tmp_path / "run")
    with_training(run, schedule="inverse_sqrt")
    resume(run.path, max_steps=8)
    assert [row["step"] for row in run.read_metrics()] == ["0", "3", "6", "8"]
    assert "going on from step 6 of 8" in caplog.text
