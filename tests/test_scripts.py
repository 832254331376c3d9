import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import seq2see

ROOT = Path(__file__).parents[1]
SCRIPTS = {
    "train": "train",
    "train_tokenizer": "tokenizer",
    "translate_file": "translate",
    "evaluate": "evaluate",
    "export_alignments": "align",
    "prepare_corpus": "corpus",
}


def test_these_are_all_the_scripts():
    assert {path.stem for path in (ROOT / "scripts").glob("*.py")} == set(SCRIPTS)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_has_at_most_ten_lines(script):
    assert len((ROOT / "scripts" / f"{script}.py").read_text().splitlines()) <= 10


def test_the_slurm_script_hands_its_arguments_to_every_task(tmp_path):
    """With a stand-in for srun, which is not here."""
    srun = tmp_path / "srun"
    srun.write_text('#!/bin/bash\nprintf "%s\\n" "$@"\n')
    srun.chmod(0o755)
    words = [ROOT / "scripts" / "slurm_train.sh", "--resume", "runs/my run"]
    said = subprocess.run(
        words, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=True
    )
    assert said.stdout.splitlines() == [
        "--kill-on-bad-exit=1", "seq2see", "train", "--resume", "runs/my run"
    ]  # fmt: skip


@pytest.mark.parametrize(("script", "verb"), SCRIPTS.items())
def test_a_script_has_the_help_of_its_verb(script, verb, capsys, monkeypatch):
    assert seq2see.main([verb, "--help"]) == 0
    expected = capsys.readouterr().out

    monkeypatch.setattr("sys.argv", [f"{script}.py", "--help"])
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(ROOT / "scripts" / f"{script}.py"), run_name="__main__")
    assert caught.value.code == 0
    assert capsys.readouterr().out == expected


def run(command: list[str], folder: Path) -> tuple[int, str, str]:
    """Run a command from a folder; the checkout is importable, as after `pip install -e`."""
    environment = {"PYTHONPATH": str(ROOT), "PATH": "", "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return result.returncode, result.stdout, result.stderr


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_script_does_what_its_verb_does(tmp_path):
    flags = ["synthetic", "--size", "200", "--out", "made"]
    for name in ("verb", "script"):
        (tmp_path / name).mkdir()
    by_verb = run(["-m", "seq2see", "corpus", *flags], tmp_path / "verb")
    by_script = run([str(ROOT / "scripts" / "prepare_corpus.py"), *flags], tmp_path / "script")
    assert by_verb[0] == 0, by_verb[2]
    assert by_script == by_verb
    assert contents(tmp_path / "script") == contents(tmp_path / "verb") != {}


def test_a_script_fails_as_its_verb_does(tmp_path):
    words = ["nowhere", "--hypotheses", "none.txt"]
    by_verb = run(["-m", "seq2see", "evaluate", *words], tmp_path)
    by_script = run([str(ROOT / "scripts" / "evaluate.py"), *words], tmp_path)
    assert by_script == by_verb
    assert by_verb[0] in (2, 3)
    assert re.match("seq2see evaluate: error: ", by_verb[2])
