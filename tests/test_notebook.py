"""docs/notebook.ipynb: it runs, and what is stored in it came from running it."""

import importlib
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "docs/notebook.ipynb"


def code_of(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def texts(cell):
    return "".join(output.get("text", "") for output in cell.outputs if output.get("name") == "stdout")


def pictures(cell):
    return [output for output in cell.outputs if "image/png" in output.get("data", {})]


@pytest.fixture(scope="module")
def stored():
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def executed():
    """With a few steps of training, where the notebook has many."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    [steps] = [cell for cell in code_of(notebook) if "STEPS = 1500" in cell.source]
    steps.source = steps.source.replace("STEPS = 1500", "STEPS = 3")
    for cell in code_of(notebook):
        cell.outputs = []
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "docs")
        return importlib.import_module("run_notebook").run(notebook)


def test_the_notebook_trains_translates_aligns_draws_and_scores(executed):
    *_, drawing, scoring = code_of(executed)
    assert len(pictures(drawing)) == 1
    assert [line.split()[0] for line in texts(scoring).splitlines()] == ["BLEU", "chrF2", "TER", "AER"]
    aligning = next(cell for cell in code_of(executed) if "translator.align(test" in cell.source)
    assert texts(aligning).startswith("additive attention\n")


def test_what_is_stored_came_from_one_run_from_top_to_bottom(stored):
    cells = code_of(stored)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert sum(len(pictures(cell)) for cell in cells) == 1
    outputs = [output for cell in cells for output in cell.outputs]
    assert {output.get("name") for output in outputs} <= {"stdout", None}
    assert all(str(Path.home()) not in texts(cell) and "/tmp" not in texts(cell) for cell in cells)


def test_the_notebook_has_what_the_executed_one_has(stored, executed):
    """Each cell still shows what it showed when it was stored: the code was not changed since."""
    for before, now in zip(code_of(stored), code_of(executed), strict=True):
        assert bool(texts(before)) == bool(texts(now))
        assert len(pictures(before)) == len(pictures(now))
    first = "translate.corpora.synthetic"
    assert any(first in cell.source for cell in code_of(stored))
    corpus = [
        next(cell for cell in code_of(nb) if "make_synthetic(8000" in cell.source)
        for nb in (stored, executed)
    ]
    assert texts(corpus[0]) == texts(corpus[1]) != ""
