import importlib
import importlib.metadata
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import seq2see

ROOT = Path(__file__).parents[1]


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Make it look as if a distribution was installed, by setuptools or by another tool."""

    def write(name, files):
        folder = tmp_path / f"{name.replace('-', '_')}-3.6.1.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 3.6.1\n")
        for file, text in files.items():
            (folder / file).write_text(text)
        monkeypatch.syspath_prepend(tmp_path)

    return write


OWNED = [
    {"top_level.txt": "translate\n"},
    {"top_level.txt": "other\ntranslate\n"},
    {"RECORD": "other.py,,\ntranslate/__init__.py,sha256=abc,12\n"},
    {"RECORD": "translate.py,,\n"},
]
NOT_OWNED = [
    {"top_level.txt": "translates\n"},
    {"RECORD": "other/translate/__init__.py,,\ntranslated/__init__.py,,\n"},
    {},
]


@pytest.mark.parametrize("files", OWNED)
def test_another_owner_of_the_import_name_stops_every_command(install, capsys, files):
    install("translate", files)
    assert seq2see.main(["--version"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "seq2see: error: the import name `translate` also belongs to translate, and there can be only one: "
        "pip uninstall translate, then install seq2see again\n"
    )


def test_all_other_owners_are_named(install, capsys):
    install("translate-toolkit", OWNED[0])
    install("translate", OWNED[2])
    assert seq2see.main([]) == 3
    assert "pip uninstall translate translate-toolkit," in capsys.readouterr().err


@pytest.mark.parametrize("files", NOT_OWNED)
def test_a_distribution_without_that_name_is_no_trouble(install, capsys, files):
    install("innocent", files)
    assert seq2see.main(["--version"]) == 0


def test_we_are_no_trouble_to_ourselves(install):
    install("seq2see", OWNED[0])
    assert seq2see.foreign_package() is None


@pytest.mark.parametrize("files", OWNED)
def test_the_answer_is_that_of_the_standard_library(install, files):
    install("some-package", files)
    importlib.invalidate_caches()
    every = set(importlib.metadata.packages_distributions()["translate"])
    assert seq2see.other_owners() == every - {"seq2see"}


def run_in(folder: Path) -> subprocess.CompletedProcess[str]:
    """Start a copy of the launcher in a folder that has another `translate`."""
    shutil.copy(ROOT / "seq2see.py", folder)
    # Nothing else is installed, and no variable says where it would be.
    command = [sys.executable, "-S", "-E", "seq2see.py", "--version"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_foreign_module_of_that_name_is_named(tmp_path):
    (tmp_path / "translate.py").write_text("")
    result = run_in(tmp_path)
    assert (result.returncode, result.stdout) == (3, "")
    assert f"{tmp_path / 'translate.py'} is not seq2see's" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_missing_package_is_said_to_be_missing(tmp_path):
    result = run_in(tmp_path)
    assert result.returncode == 3
    assert "the package `translate` cannot be imported: No module named 'translate'" in result.stderr


def test_a_package_that_lost_its_first_file_is_noticed(tmp_path):
    (tmp_path / "translate").mkdir()
    (tmp_path / "translate" / "cli.py").write_text("")
    result = run_in(tmp_path)
    assert result.returncode == 3
    assert "the package `translate` lacks its first file: install seq2see again" in result.stderr


def test_a_missing_library_is_named(tmp_path):
    (tmp_path / "translate").mkdir()
    (tmp_path / "translate" / "__init__.py").write_text("__version__ = '1'\n")
    (tmp_path / "translate" / "cli.py").write_text("import jsonargparse_is_gone\n")
    result = run_in(tmp_path)
    assert result.returncode == 3
    assert "jsonargparse_is_gone cannot be imported" in result.stderr


def test_it_runs_as_a_module():
    command = [sys.executable, "-m", "seq2see", "--version"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.startswith("seq2see ")
