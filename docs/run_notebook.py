"""Run docs/notebook.ipynb and store what it shows, after a change: `python docs/run_notebook.py`."""

import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "docs/notebook.ipynb"


def run(notebook: NotebookNode) -> NotebookNode:
    """Run all cells in a new kernel; progress and warnings (standard error) and times are not kept."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    where = {"metadata": {"path": str(ROOT / "docs")}}
    client = NotebookClient(notebook, timeout=900, kernel_name="python3", resources=where)
    client.execute(env=os.environ | {"PYTHONPATH": path})
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    notebook.metadata.language_info = {"name": "python"}  # the version says nothing
    return notebook


if __name__ == "__main__":
    nbformat.write(run(nbformat.read(NOTEBOOK, as_version=4)), NOTEBOOK)
