"""Count how many lines exports translate as torch does; one JSON, which holds no text.

    python benchmarks/export_equal.py --src data/multi30k_de_en/valid.de --runs runs/multi30k_bahdanau
    python benchmarks/speed_tables.py

Each run is copied aside and exported there: to ONNX, which the shipped example translates with, in a process
of its own that has onnxruntime but no torch; and to CTranslate2 where that can run the model, which also
searches with the run's own beam.
"""

import argparse
import itertools
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from measuring import Row, fingerprint, machine, save
from quality_table import ROOT
from speed_tables import EQUAL

from translate.config.search import SearchConfig
from translate.errors import UsageError
from translate.export.ctranslate2_model import check_exportable, export_ctranslate2
from translate.export.onnx_model import export_onnx
from translate.run_directory import RunDirectory
from translate.text_files import stream_lines
from translate.translator import EngineChoice, Translator

EXAMPLE = ROOT / "docs" / "examples" / "translate_onnx.py"
# Runs a program as if it were all that is installed beside what it names.
ALONE = """
import runpy, sys
sys.modules |= {"torch": None, "translate": None}
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def compare(run: RunDirectory, lines: Sequence[str]) -> Iterator[Row]:
    """Export a run, and yield how many of its translations each export makes too."""
    greedy = replace(run.config.search, beam_size=1, n_best=1)
    ours = _translations(run, "torch", lines, greedy)
    yield _row("onnx", greedy, ours, _by_example(export_onnx(run), lines))
    try:
        check_exportable(run.config.model)
    except UsageError:
        return
    export_ctranslate2(run)
    for search in (greedy, replace(run.config.search, n_best=1)):
        ours = _translations(run, "torch", lines, search)
        yield _row("ctranslate2", search, ours, _translations(run, "ctranslate2", lines, search))


def _row(export: str, search: SearchConfig, ours: list[str], theirs: list[str]) -> Row:
    equal = sum(our == their for our, their in zip(ours, theirs, strict=True))
    return {"export": export, "beam_size": search.beam_size, "lines": len(ours), "equal": equal}


def _translations(
    run: RunDirectory, engine: EngineChoice, lines: Sequence[str], search: SearchConfig
) -> list[str]:
    return [each.text for each in Translator(run.path, "cpu", engine).translate(lines, search)]


def _by_example(folder: Path, lines: Sequence[str]) -> list[str]:
    """What docs/examples/translate_onnx.py makes of the lines, where there is neither torch nor seq2see."""
    command = [sys.executable, "-X", "utf8", "-c", ALONE, str(EXAMPLE), str(folder)]
    text = "".join(f"{line}\n" for line in lines)
    done = subprocess.run(command, input=text, stdout=subprocess.PIPE, encoding="utf-8", check=True)
    return done.stdout.split("\n")[:-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="run directories of the models")
    parser.add_argument("--src", type=Path, required=True, help="a file with text to translate")
    parser.add_argument("--lines", type=int, default=40, help="how many of its lines (default: 40)")
    parser.add_argument("--results", type=Path, default=EQUAL, help="the JSON file to write")
    options = parser.parse_args()
    lines = list(itertools.islice(stream_lines(options.src), options.lines))
    text = {"name": f"{options.src.parent.name}/{options.src.name}", "sha256": fingerprint(options.src)}
    versions = {name: version(name) for name in ("onnx", "onnxruntime", "ctranslate2")}
    rows = []
    for path in options.runs:
        original = RunDirectory.open(path)
        with tempfile.TemporaryDirectory() as aside:
            for name in filter(lambda name: (path / name).is_file(), RunDirectory.NEEDED):
                shutil.copyfile(path / name, Path(aside, name))
            about = {"run": path.resolve().name, "weights_sha256": original.weights_sha256()}
            rows += [{**about, **row} for row in compare(RunDirectory.open(aside), lines)]
    save(options.results, {"machine": machine(), "versions": versions, "text": text, "rows": rows})
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
