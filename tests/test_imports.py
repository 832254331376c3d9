"""Who may import whom, read from the source: one way only, and one door for each outside library."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny import tiny_export, tiny_run

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "translate"

# A module imports from lines above its own, and from its own folder; nothing else of ours.
ORDER = [
    ["errors"],
    ["compression"],
    [
        "bootstrap",
        "config",
        "grouping",
        "labels",
        "languages",
        "mbr",
        "output_parts",
        "placeholders",
        "platforms",
        "ranks",
        "text_files",
        "whole_files",
    ],
    ["collective", "engine", "fused_attention", "html_page"],
    ["attention", "config_files", "corpora", "dropout", "gru", "search", "tokenizer"],
    [
        "arguments",
        "constrained",
        "documents",
        "forcing",
        "glossary",
        "padding",
        "parts",
        "sampling",
        "subword_sampling",
        "transformer",
        "trimming",
    ],
    ["steering"],
    ["batches", "encoders"],
    ["decoders", "stored_pairs"],
    ["model"],
    ["ensemble", "run_directory"],
    ["alignment", "torch_engine"],
    ["export", "translation"],
    ["translator"],
    ["evaluation"],
    ["keeping"],
    ["bulk"],
    ["comparison", "teaching"],
    ["comparison_page", "corpus_page"],
    ["serve", "training", "tuning"],
    ["commands"],
    ["cli"],
]
LEVEL = {name: level for level, names in enumerate(ORDER) for name in names}

# Each outside library, and who may import it.
DOORS = {
    "babel": ["corpora", "documents"],
    "ctranslate2": ["export"],
    "datasets": ["corpora", "stored_pairs"],
    "entmax": ["attention"],
    "fastapi": ["serve"],
    "ftfy": ["corpora.report.flaws"],
    "h11": ["serve.server"],
    "huggingface_hub": ["export"],
    "jsonargparse": ["arguments", "commands", "config_files"],
    "lightning": ["training"],
    "lxml": ["corpora"],
    "markdown_it": ["documents"],
    "matplotlib": ["alignment.fonts", "alignment.heatmap"],
    "onnx": ["export"],
    "onnxruntime": ["export"],
    "prometheus_client": ["serve.observing"],
    "py3langid": ["languages"],
    "pyarrow": ["compression", "corpora", "stored_pairs"],
    "pydantic": ["serve"],
    "sacrebleu": ["evaluation"],
    "sacremoses": ["evaluation"],
    "safetensors": ["run_directory"],
    "scipy": ["alignment.words"],
    "sentencepiece": ["subword_sampling", "tokenizer", "trimming"],
    "starlette": ["serve"],
    "systran_align": ["alignment.statistical"],
    "tensorboard": ["training"],
    "uvicorn": ["serve.server"],
    "yaml": ["config_files"],
}

# What takes long to import, and what `--help` can do without.
HEAVY = {
    "ctranslate2",
    "datasets",
    "fastapi",
    "huggingface_hub",
    "lightning",
    "matplotlib",
    "numpy",
    "onnx",
    "onnxruntime",
    "pandas",
    "sacrebleu",
    "scipy",
    "sentencepiece",
    "torch",
}


DOCUMENTS = {
    "po": 'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\nmsgid "Hund"\nmsgstr ""\n',
    "xliff": (
        '<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2"><file original="a" '
        'source-language="de" target-language="en" datatype="plaintext"><body><trans-unit id="1">'
        "<source>Hund</source></trans-unit></body></file></xliff>"
    ),
    "md": "# Hund\n",
}


def modules() -> dict[str, Path]:
    """Dotted name below `translate` -> file; the package itself is ""."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


def imports(path: Path) -> Iterator[str]:
    """Every module imported anywhere in a file, functions and type checks included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part(name: str) -> str:
    """The file or folder of ours that an import such as translate.alignment.extract.Alignment is of."""
    return name.removeprefix("translate").removeprefix(".").partition(".")[0]


@pytest.mark.parametrize("module", modules())
def test_imports_point_one_way(module: str) -> None:
    if module == "":  # the public names, imported when they are asked for
        return
    assert part(module) in LEVEL, f"say in ORDER where translate.{module} belongs"
    for name in imports(modules()[module]):
        if name.split(".")[0] != "translate" or part(name) in ("", "__version__", part(module)):
            continue
        assert LEVEL[part(name)] < LEVEL[part(module)], f"translate.{module} may not import {name}"


@pytest.mark.parametrize("module", modules())
def test_each_outside_library_has_one_door(module: str) -> None:
    for name in imports(modules()[module]):
        doors = DOORS.get(name.split(".")[0])
        assert doors is None or any(module == door or module.startswith(f"{door}.") for door in doors), (
            f"translate.{module} may not import {name}: only {', '.join(doors)} may"
        )


def test_the_order_names_no_module_that_is_gone() -> None:
    assert set(LEVEL) == {part(module) for module in modules()} - {""}


def loaded_by(code: str) -> set[str]:
    """The heavy libraries that a new Python has loaded after running some code."""
    code += f"\nimport sys; print('loaded', *sorted({HEAVY} & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(result.stdout.splitlines()[-1].split()[1:])


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_by("import translate; translate.__version__") == set()


def test_translating_loads_neither_lightning_nor_datasets_nor_matplotlib(tmp_path: Path) -> None:
    run = str(tiny_run(tmp_path))
    loaded = loaded_by(f"from translate import Translator; Translator({run!r}).translate(['Hund'])")
    assert "torch" in loaded
    assert not loaded & {"ctranslate2", "datasets", "huggingface_hub", "lightning", "matplotlib", "sacrebleu"}


def test_aligning_loads_neither_lightning_nor_datasets_nor_matplotlib(tmp_path: Path) -> None:
    run = str(tiny_run(tmp_path))
    loaded = loaded_by(f"from translate import Translator; Translator({run!r}).align('Hund', 'dog')")
    assert "torch" in loaded
    assert not loaded & {"ctranslate2", "datasets", "lightning", "matplotlib", "sacrebleu"}


def test_translating_with_ctranslate2_does_not_load_torch(tmp_path: Path) -> None:
    run = str(tiny_export(tmp_path).path)
    code = (
        f"import seq2see\nassert seq2see.main(['translate', {run!r}, 'Hund', '--engine', 'ctranslate2']) == 0"
    )
    loaded = loaded_by(code)
    assert "ctranslate2" in loaded
    assert not loaded & {"datasets", "lightning", "matplotlib", "sacrebleu", "torch"}


def test_translating_documents_does_not_load_datasets(tmp_path: Path) -> None:
    run = str(tiny_run(tmp_path / "run"))
    commands = []
    for kind, text in DOCUMENTS.items():
        (tmp_path / kind).write_text(text, encoding="utf-8")
        commands.append(
            ["translate", run, "--format", kind, str(tmp_path / kind), "--out", f"{tmp_path}/new.{kind}"]
        )
    loaded = loaded_by(f"import seq2see\nfor each in {commands!r}: assert seq2see.main(each) == 0")
    assert "torch" in loaded
    assert not loaded & {"datasets", "lightning", "matplotlib", "sacrebleu"}


def test_help_of_every_verb_loads_nothing_heavy() -> None:
    code = (
        "import seq2see\nfrom translate.cli import VERBS\nassert seq2see.main(['--help']) == 0\n"
        "for verb in VERBS:\n    assert seq2see.main([verb, '--help']) == 0"
    )
    assert loaded_by(code) == set()
