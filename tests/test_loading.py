"""What comes from strangers is read, never run, and does not fill the memory."""

import ast
import json
import zipfile
from pathlib import Path

import pytest
import torch
from tiny import tiny_run

from translate.config_files import load_config
from translate.corpora.corpus import find_files
from translate.errors import InputError
from translate.run_directory import FORMAT, RunDirectory
from translate.run_directory.checkpoints import find_checkpoint, save_checkpoint
from translate.training.trainer import resume

PACKAGE = Path(__file__).parents[1] / "translate"


@pytest.fixture
def run(tmp_path):
    """As far as resuming looks before it loads a checkpoint."""
    run = RunDirectory.open(tiny_run(tmp_path))
    run.ids_path.mkdir()
    run.save_valid([("a", "b")])
    run.save_json(run.data_path, {"format": FORMAT})
    return run


class Evil:
    def __reduce__(self):
        return Path.mkdir, (Path("evil"),)


def pack(path):
    """A checkpoint with a million zeros in a few bytes."""
    torch.save({"global_step": 1, "zeros": torch.zeros(250_000)}, path)
    with zipfile.ZipFile(path) as file:
        contents = {entry.filename: file.read(entry) for entry in file.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in contents.items():
            file.writestr(name, content)
    assert path.stat().st_size < 100_000


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (
            lambda path: torch.save({"global_step": Evil()}, path),
            "holds more than tensors and plain values: it",
        ),
        (pack, "is packed, and might fill the memory: it"),
        (lambda path: path.write_bytes(b""), "is no checkpoint of a training: it"),
        (lambda path: path.write_bytes(b"garbage"), "is no checkpoint of a training: it"),
        (lambda path: torch.save([1], path), "is no checkpoint of a training: it"),
        (lambda path: torch.save({"global_step": 1}, path), "is no checkpoint of a training: it"),
        (
            lambda path: torch.save({"global_step": [], "callbacks": {}}, path),
            "is no checkpoint of a training: it",
        ),
    ],
    ids=["pickle", "packed", "empty", "garbage", "list", "half", "types"],
)
def test_a_checkpoint_that_is_none_of_ours_is_refused_whatever_its_checksum_says(
    write, message, run, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    save_checkpoint(run, write)
    with pytest.raises(InputError, match=rf"last\.ckpt {message} is none of ours, and is not loaded"):
        resume(run.path)
    assert not Path("evil").exists()


def test_weights_that_are_a_pickle_are_not_loaded(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"output.bias": Evil()}, run.weights_path)
    with pytest.raises(InputError, match=r"model\.safetensors is damaged"):
        run.load_model()
    assert not Path("evil").exists()


def aliases_of_aliases():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: !!python/object/apply:os.mkdir [evil]", "could not determine a constructor for the tag"),
        ("!!python/object/new:pathlib.Path [evil]", "could not determine a constructor for the tag"),
        (aliases_of_aliases(), "it has more than 10,000 values, those of its aliases counted"),
        ("model: &a {encoder: *a}", "it has more than 10,000 values, those of its aliases counted"),
        ("[" * 5000, "its values are nested too deeply"),
        ("training: {seed: 2001-13-45}", "a value makes no sense (month must be in 1..12)"),
        ("training: {seed: !!bool x}", "a value makes no sense ('x')"),
        ("training: {seed: !!timestamp x}", "a value makes no sense ("),
        ("model: !!map x", "expected a mapping"),
        (f"training: {{seed: {'9' * 5000}}}", "a value makes no sense (Exceeds the limit"),
    ],
    ids=["tag", "whole", "aliases", "itself", "deep", "day", "bool", "timestamp", "map", "digits"],
)
def test_a_config_from_a_stranger_is_refused(text, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_config(path)
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)
    assert not Path("evil").exists()


ABOUT = {
    "name": "n",
    "src_lang": "de",
    "tgt_lang": "en",
    "splits": {},
    "links": [],
    "licence": "",
    "citation": "",
    "url": "",
    "seed": 1,
    "dropped": {},
    "sha256": {},
    "settings": {},
}


@pytest.mark.parametrize(
    "change",
    [{"splits": 3}, {"links": {}}, {"links": [3]}, {"sha256": []}, {"src_lang": None}, {"settings": "x"}],
    ids=str,
)
def test_a_corpus_json_of_wrong_kinds_is_damaged(change, tmp_path):
    (tmp_path / "corpus.json").write_text(json.dumps(ABOUT))
    assert find_files(tmp_path).splits == {}
    (tmp_path / "corpus.json").write_text(json.dumps(ABOUT | change))
    with pytest.raises(InputError, match=r"corpus\.json is damaged \(keys are missing or of a wrong kind\)"):
        find_files(tmp_path)


def test_json_that_is_nested_without_end_is_damaged(run, tmp_path):
    for name in ("corpus.json", "data.json"):
        (tmp_path / name).write_text("[" * 100_000)
    with pytest.raises(InputError, match=r"corpus\.json is damaged \(.*recursion.*\)"):
        find_files(tmp_path)
    with pytest.raises(
        InputError, match=r"data\.json is damaged \(.*recursion.*\): restore it, or remove it"
    ):
        run.read_json(tmp_path / "data.json")
    run.checksums_path.write_text("[" * 100_000)
    run.checkpoint_path.write_bytes(b"x")
    with pytest.raises(InputError, match="damaged"):
        find_checkpoint(run)


def test_nothing_in_the_package_loads_what_can_run_code():
    """Where pickle is used, it is between our own processes."""
    loads, pickles = [], []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            call, given = (
                ast.unparse(node.func),
                {word.arg: ast.unparse(word.value) for word in node.keywords},
            )
            if call == "torch.load":
                loads.append(given.get("weights_only"))
            if call == "trainer.fit":
                loads.append(given.get("weights_only"))
            if call == "yaml.load":
                loads.append(str(given.get("Loader") == "_Loader"))
            if call in ("pickle.load", "pickle.loads"):
                pickles.append(path.name)
            assert call not in ("eval", "exec", "yaml.unsafe_load", "yaml.full_load", "pickle.Unpickler")
            assert "allow_pickle" not in given
            assert "trust_remote_code" not in given
    assert len(loads) >= 3
    assert set(loads) == {"True"}
    assert set(pickles) == {"workers.py"}
