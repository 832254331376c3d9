"""The installed product: what the wheel holds, and that it works outside the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # a copy: building leaves folders behind
    source.mkdir()
    for name in ("translate", "seq2see.py", "pyproject.toml", "README.md", "LICENSE"):
        (source / name).symlink_to(ROOT / name)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), "."]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_every_module_the_type_marker_and_the_licence(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "translate").rglob("*.py")}
    pages = {
        path.relative_to(ROOT).as_posix()
        for folder in ("alignment/page", "comparison_page", "corpus_page", "html_page", "serve/page")
        for path in (ROOT / "translate" / folder).iterdir()
    }
    assert len(pages) == 5 + 2 + 1 + 4 + 9
    assert modules | pages | {"translate/py.typed", "seq2see.py"} <= held
    assert any(name.endswith("licenses/LICENSE") for name in held)
    assert not any(name.startswith(("tests/", "data/", "configs/", "scripts/")) for name in held)


def test_the_installed_wheel_trains_on_two_files_translates_and_aligns(wheel, tmp_path):
    site, work = tmp_path / "site", tmp_path / "work"
    work.mkdir()
    with zipfile.ZipFile(wheel) as archive:  # installing a pure wheel is unpacking it
        archive.extractall(site)
    # Different in letters: sources that differ in digits only are not held out from one another.
    src = [f"das ist Satz {first}{second} von vielen ." for first in "abcdef" for second in "klmnopqrst"]
    (work / "a.de").write_text("".join(f"{line}\n" for line in src))
    (work / "a.en").write_text(
        "".join(f"{line}\n".replace("das ist Satz", "this is sentence") for line in src)
    )

    def seq2see(*arguments):
        environment = os.environ | {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-m", "seq2see", *arguments],
            cwd=work, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    size = ["--model.embedding-size", "8", "--model.encoder.size", "4", "--model.decoder.size", "8"]
    steps = ["--max-steps", "2", "--vocab-size", "300", "--precision", "float32"]
    seq2see("train", "--src", "a.de", "--tgt", "a.en", "--out", "run", *size, *steps)
    assert len(seq2see("translate", "run", "das ist Satz ak .").splitlines()) == 1
    assert "-" in seq2see("align", "run", "--src", "a.de", "--tgt", "a.en", "--threshold", "0.01")
    seq2see("align", "run", "--src", "a.de", "--tgt", "a.en", "--format", "html", "--out", "a.html")
    assert (work / "a.html").read_text(encoding="utf-8").startswith("<!doctype html>")
