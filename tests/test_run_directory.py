import os
import stat
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import tiny_run, tiny_tokenizers

from translate.config import Config
from translate.config.tokenizer import TokenizerConfig
from translate.errors import InputError, UsageError
from translate.run_directory import FORMAT, RunDirectory
from translate.run_directory.checkpoints import find_checkpoint, save_checkpoint
from translate.run_directory.exports import find_export, save_export
from translate.tokenizer import Tokenizer, Tokenizers


class Killed(BaseException):
    """What a kill is to the code: it ends there."""


@pytest.fixture
def run(tmp_path):
    return RunDirectory.open(tiny_run(tmp_path))


def empty(folder: Path) -> RunDirectory:
    """A run directory without anything in it."""
    folder.mkdir()
    return RunDirectory(folder)


# Making and opening


def test_a_run_directory_is_made_whole_or_not_at_all(tmp_path):
    def prepare(run):
        run.save_config(Config())
        assert not (tmp_path / "new" / "run").exists()
        raise Killed

    with pytest.raises(Killed):
        RunDirectory.create(tmp_path / "new" / "run", prepare)
    assert list((tmp_path / "new").iterdir()) == []
    run = RunDirectory.create(tmp_path / "new" / "run", lambda run: run.save_config(Config()))
    assert list((tmp_path / "new").iterdir()) == [run.path] == [tmp_path / "new" / "run"]


def test_what_a_kill_left_over_is_cleared_away(tmp_path):
    (tmp_path / "run.unfinished" / "ids").mkdir(parents=True)
    run = RunDirectory.create(tmp_path / "run", lambda run: run.save_config(Config()))
    assert list(tmp_path.iterdir()) == [run.path]
    assert list(run.path.iterdir()) == [run.config_path]


def test_an_empty_folder_may_become_a_run_directory(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    run = RunDirectory.create(".", lambda run: run.save_config(Config()))
    assert run.path == tmp_path / "empty"
    assert run.config == Config()


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_nothing_is_overwritten(kind, tmp_path):
    out = tmp_path / "out"
    if kind == "folder":
        out.mkdir()
        (out / "letter.txt").touch()
    else:
        out.touch()
    message = rf"out exists and is not empty: .* another --out, or .*`seq2see train --resume {out}`"
    with pytest.raises(InputError, match=message):
        RunDirectory.create(out, lambda run: pytest.fail("prepared"))


def test_a_missing_run_directory_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none: no such run directory; .* made by `seq2see train"):
        RunDirectory.open(tmp_path / "none")


def test_a_folder_without_config_is_no_run_directory(tmp_path):
    with pytest.raises(InputError, match=r"has no config\.yaml, so it is no run directory; .* made by"):
        RunDirectory.open(tmp_path)


def test_a_wrong_key_in_the_config_names_the_file(run):
    run.config_path.write_text("modle: {}\n")
    with pytest.raises(UsageError, match=r"config\.yaml: unknown key modle; did you mean model\?"):
        _ = RunDirectory.open(run.path).config


# Tokenizers and weights


def test_the_model_comes_back_as_it_was_saved_ready_to_translate(run):
    tokenizers = run.tokenizers()
    assert tokenizers.src is tokenizers.tgt
    torch.manual_seed(1)
    saved = run.build_model(tokenizers)
    run.save_weights(saved, tokenizers)
    loaded = run.load_model()
    assert not loaded.training
    assert loaded.output.weight is loaded.src_embedding.weight  # still tied
    for name, weight in saved.state_dict().items():
        assert torch.equal(weight, loaded.state_dict()[name])


def test_separate_tokenizers_come_back_separate(run):
    src = Tokenizer.train(["eins zwei drei"], TokenizerConfig(vocab_size=270))
    (run.path / "tokenizer.model").unlink()
    run.save_tokenizers(Tokenizers(src, tiny_tokenizers().tgt))
    tokenizers = run.tokenizers()
    assert (tokenizers.src.sha256, tokenizers.tgt.sha256) == (src.sha256, tiny_tokenizers().tgt.sha256)
    run.save_weights(run.build_model(tokenizers), tokenizers)
    model = run.load_model()
    assert model.src_embedding.num_embeddings == len(src)
    assert model.output.weight is model.tgt_embedding.weight


def test_others_may_read_the_weights_where_they_may_read_the_settings(run):
    run.config_path.chmod(0o640)
    run.save_weights(run.load_model(), run.tokenizers())
    assert stat.S_IMODE(run.weights_path.stat().st_mode) == stat.S_IMODE(run.config_path.stat().st_mode)


def test_missing_weights_say_how_to_get_them(run):
    run.weights_path.unlink()
    message = r"has no model\.safetensors: .* first validation; go on with `seq2see train --resume .*run`"
    with pytest.raises(InputError, match=message):
        run.load_model()


def test_a_missing_tokenizer_is_an_error(run):
    (run.path / "tokenizer.model").unlink()
    with pytest.raises(InputError, match=r"run has no tokenizer\.model: the run directory is incomplete"):
        run.load_model()


def test_a_damaged_tokenizer_is_named(run):
    (run.path / "tokenizer.model").write_bytes(b"garbage")
    with pytest.raises(InputError, match=r"tokenizer\.model: damaged"):
        run.load_model()


def test_the_tokenizer_of_another_run_is_refused(run):
    Tokenizer.train(["another text altogether"], TokenizerConfig(vocab_size=280)).save(
        run.path / "tokenizer.model"
    )
    with pytest.raises(InputError, match=r"model\.safetensors was trained with another tokenizer than .*run"):
        run.load_model()


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff" * 1000])
def test_weights_that_are_none_are_damaged(content, run):
    run.weights_path.write_bytes(content)
    with pytest.raises(InputError, match=r"model\.safetensors is damaged \(.+\): restore it or train again"):
        run.load_model()


@pytest.mark.parametrize("length", [4, 100, -1])
def test_truncated_weights_are_damaged(length, run):
    run.weights_path.write_bytes(run.weights_path.read_bytes()[:length])
    with pytest.raises(InputError, match=r"model\.safetensors is damaged \(.+\): restore it or train again"):
        run.load_model()


def change_weights(run: RunDirectory, change, **metadata: str) -> None:
    """Save other tensors under the same tokenizers."""
    tensors = load_file(run.weights_path)
    change(tensors)
    tokenizers = run.tokenizers()
    fingerprint = f"{tokenizers.src.sha256} {tokenizers.tgt.sha256}"
    save_file(tensors, run.weights_path, {"tokenizers": fingerprint, "format": FORMAT, **metadata})


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: tensors.pop("output.bias"),
        lambda tensors: tensors.update(more=torch.zeros(2)),
        lambda tensors: tensors.update({"output.bias": torch.zeros(3)}),
    ],
    ids=["missing", "unknown", "shape"],
)
def test_weights_of_another_model_are_refused(change, run):
    change_weights(run, change)
    message = r"model\.safetensors does not fit the model in .*config\.yaml: the two belong together"
    with pytest.raises(InputError, match=message):
        run.load_model()


def test_weights_that_meant_something_else_are_refused(run):
    change_weights(run, lambda tensors: None, format="1")
    message = r"model\.safetensors is of format 1, .* computes with format 2: train again, or use the version"
    with pytest.raises(InputError, match=message):
        run.load_model()


def test_a_run_whose_weights_will_mean_something_else_does_not_go_on(run):
    for path in (run.ids_path, run.valid_src_path, run.valid_tgt_path):
        path.touch()
    run.save_json(run.data_path, {"format": FORMAT})
    run.check_resumable()
    run.save_json(run.data_path, {})
    with pytest.raises(InputError, match=r"data\.json is of format 1, .* computes with format 2"):
        run.check_resumable()


# Exports


def write_export(content=b"model"):
    """A stand-in for an engine's converter."""
    return lambda model, tokenizers, folder: (folder / "model.bin").write_bytes(content) and None


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "export.json"}


def test_an_export_comes_back_with_what_it_was_made_from(run):
    assert find_export(run, run.tokenizers()) is None
    saved = save_export(run, write_export(), "int8", 77)
    assert find_export(run, run.tokenizers()) == saved
    assert (saved.path, saved.quantization, saved.positions, saved.current) == (
        run.path / "ctranslate2",
        "int8",
        77,
        True,
    )
    assert files(saved.path) == {"model.bin": b"model"}


def test_an_export_of_other_weights_or_tokenizers_is_not_current(run):
    save_export(run, write_export(), "int8", 77)
    other = Tokenizer.train(["another text altogether"], TokenizerConfig(vocab_size=280))
    assert not find_export(run, Tokenizers(other, other)).current
    run.save_weights(run.build_model(run.tokenizers()), run.tokenizers())
    assert not find_export(run, run.tokenizers()).current


def test_an_export_during_which_the_weights_change_is_not_current(run):
    def write(model, tokenizers, folder):
        run.save_weights(run.build_model(tokenizers), tokenizers)

    save_export(run, write, "int8", 77)
    assert not find_export(run, run.tokenizers()).current


def test_a_new_export_replaces_the_old_one_whole_or_not_at_all(run):
    def killed(model, tokenizers, folder):
        (folder / "half").touch()
        raise Killed

    save_export(run, write_export(b"old"), "int8", 77)
    before = {path.name for path in run.path.iterdir()}
    with pytest.raises(Killed):
        save_export(run, killed, "float32", 78)
    assert files(run.export_path) == {"model.bin": b"old"}
    assert find_export(run, run.tokenizers()).quantization == "int8"
    for left_over in ("ctranslate2.new", "ctranslate2.old"):
        (run.path / left_over / "deep").mkdir(parents=True)
    save_export(run, write_export(b"new"), "float32", 78)
    assert files(run.export_path) == {"model.bin": b"new"}
    assert {path.name for path in run.path.iterdir()} == before


def test_without_weights_there_is_nothing_to_export_and_no_export_to_use(run):
    save_export(run, write_export(), "int8", 77)
    run.weights_path.unlink()
    for attempt in (
        lambda: save_export(run, write_export(), "int8", 77),
        lambda: find_export(run, run.tokenizers()),
    ):
        with pytest.raises(InputError, match=r"run has no model\.safetensors: training has not come to"):
            attempt()


# Checkpoints


def save(run: RunDirectory, content: bytes) -> None:
    save_checkpoint(run, lambda path: path.write_bytes(content) and None)


def newest(run: RunDirectory) -> bytes | None:
    path, _ = find_checkpoint(run)
    return path and path.read_bytes()


def test_the_last_checkpoint_is_found_and_the_one_before_is_kept(tmp_path):
    run = empty(tmp_path / "run")
    assert find_checkpoint(run) == (None, [])
    for number in range(4):
        save(run, b"step %d" % number)
        assert find_checkpoint(run) == (run.checkpoint_path, [])
        assert newest(run) == b"step %d" % number
        if number:
            assert run.previous_checkpoint_path.read_bytes() == b"step %d" % (number - 1)


def test_a_damaged_checkpoint_is_passed_over(tmp_path):
    run = empty(tmp_path / "run")
    save(run, b"one")
    save(run, b"two")
    run.checkpoint_path.write_bytes(b"twx")
    assert find_checkpoint(run) == (run.previous_checkpoint_path, [run.checkpoint_path])


@pytest.mark.parametrize("checksums", [None, b"", b"[", b"5", b'["x"]'])
def test_without_good_checksums_no_checkpoint_is_trusted(checksums, tmp_path):
    run = empty(tmp_path / "run")
    save(run, b"one")
    save(run, b"two")
    if checksums is None:
        run.checksums_path.unlink()
    else:
        run.checksums_path.write_bytes(checksums)
    with pytest.raises(
        InputError, match=r"last\.ckpt and .*previous\.ckpt: damaged \(not as checksums\.json says\)"
    ):
        find_checkpoint(run)


def test_a_damaged_checkpoint_takes_no_whole_ones_place(tmp_path, monkeypatch):
    run = empty(tmp_path / "run")
    save(run, b"one")
    save(run, b"two")
    run.checkpoint_path.write_bytes(b"twx")
    save(run, b"three")
    assert newest(run) == b"three"
    run.checkpoint_path.write_bytes(b"threx")
    assert newest(run) == b"one"


OPERATIONS = [(Path, "write_bytes"), (Path, "replace"), (Path, "open"), (os, "fsync")]


class KilledAt:
    """Ends the program right before the n-th operation on files."""

    def __init__(self, number: int) -> None:
        self.left = number

    def before(self, operation):
        def wrapped(*args, **kwargs):
            self.left -= 1
            if self.left < 0:
                raise Killed
            return operation(*args, **kwargs)

        return wrapped

    def __enter__(self):
        self.patch = pytest.MonkeyPatch()
        for owner, name in OPERATIONS:
            self.patch.setattr(owner, name, self.before(getattr(owner, name)))

    def __exit__(self, kind, *_):
        self.patch.undo()
        self.survived = kind is None
        return kind in (None, Killed)


@pytest.mark.parametrize("damaged", [False, True])
def test_killed_twice_at_any_moment_of_saving_a_good_checkpoint_is_left(damaged, tmp_path):
    """Two kills, since what the first one leaves behind is what the second one finds."""
    moments = 0
    for first in range(100):
        for second in range(100):
            run = empty(tmp_path / f"{first}-{second}")
            save(run, b"zero")
            save(run, b"one")
            if damaged:
                run.checkpoint_path.write_bytes(b"onx")
            old = newest(run)
            with (one := KilledAt(first)):
                save(run, b"two")
            assert newest(run) in (old, b"two")
            old = newest(run)
            with (two := KilledAt(second)):
                save(run, b"three")
            assert newest(run) in (old, b"three")
            save(run, b"four")
            assert find_checkpoint(run) == (run.checkpoint_path, [])
            moments += 1
            if two.survived:
                break
        if one.survived:
            break
    assert moments > 50


# Logs and texts


def row(step: int) -> dict[str, object]:
    return {"step": step, "valid_bleu": f"{step / 10:.2f}"}


def test_metrics_after_a_step_are_dropped(tmp_path):
    run = empty(tmp_path / "run")
    run.truncate_metrics(0)
    assert run.read_metrics() == []
    for step in (5, 10, 100):
        run.append_metrics(row(step))
    assert [row["step"] for row in run.read_metrics()] == ["5", "10", "100"]
    run.truncate_metrics(10)
    assert run.metrics_path.read_text() == "step,valid_bleu\n5,0.50\n10,1.00\n"
    run.append_metrics(row(20))
    assert run.read_metrics()[-1] == {"step": "20", "valid_bleu": "2.00"}
    run.truncate_metrics(0)
    assert run.metrics_path.read_text() == "step,valid_bleu\n"


def test_a_half_written_row_is_dropped(tmp_path):
    run = empty(tmp_path / "run")
    run.metrics_path.write_text("step,valid_bleu\n5,0.50\n10,1.")
    run.truncate_metrics(100)
    assert run.metrics_path.read_text() == "step,valid_bleu\n5,0.50\n"


def test_validation_text_comes_back_line_by_line(tmp_path):
    run = empty(tmp_path / "run")
    pairs = [("eins\rzwei", "a\u2028b"), ("", "\r"), ("x\x85y", "\ufeffz")]
    run.save_valid(pairs)
    assert list(zip(*run.read_valid(), strict=True)) == pairs


def test_json_comes_back_and_is_none_when_there_is_none(tmp_path):
    run = empty(tmp_path / "run")
    assert run.read_json(run.summary_path) is None
    run.save_json(run.summary_path, {"name": "Zoë", "steps": 3})
    assert run.read_json(run.summary_path) == {"name": "Zoë", "steps": 3}


def test_settings_are_read_once_and_follow_what_is_saved(run):
    config = Config(tokenizer=TokenizerConfig(user_defined_symbols=("{x}",)))
    run.save_config(config)
    assert run.config == RunDirectory.open(run.path).config == config
