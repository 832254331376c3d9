import ast
import dataclasses
import io
import json
import runpy
import sys
import tomllib
from pathlib import Path

import jaxtyping
import onnxruntime
import pytest
import torch
from tiny import (
    MODEL,
    TRANSFORMER,
    decided,
    separate_tokenizers,
    tiny_run,
    tiny_tokenizers,
    trimmed_tokenizers,
)

from translate import Translator
from translate.cli import main
from translate.config.search import SearchConfig
from translate.export import ONNX
from translate.export.onnx_model import dims, export_onnx, put_together, take_apart
from translate.padding import pad
from translate.run_directory import RunDirectory
from translate.tokenizer import BACKWARDS_ID, BOS_ID, EOS_ID

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "docs" / "examples" / "translate_onnx.py"
GREEDY = SearchConfig(beam_size=1, max_length_ratio=1.0, max_length_offset=2)
TEXTS = [
    "Ein Hund läuft.",
    "Zwei",
    "",
    "Guten Morgen! Wie geht es dir?",
    "Hund\u2581 über  die Wiese",
    "Park 漢",
]

SCALED_DOT = dataclasses.replace(MODEL, attention=dataclasses.replace(MODEL.attention, score="scaled_dot"))
# Whatever else a recurrent decoder may have: all at once.
UNUSUAL = dataclasses.replace(
    MODEL,
    tie_embeddings=False,
    encoder=dataclasses.replace(MODEL.encoder, cell="lstm", layers=2, bridging=True),
    attention=dataclasses.replace(
        MODEL.attention, normalizer="entmax15", coverage=True, end_of_sentence=False
    ),
    decoder=dataclasses.replace(MODEL.decoder, cell="lstm", layers=2, feeding="conditional"),
)
HYBRID = dataclasses.replace(MODEL, encoder=TRANSFORMER.encoder)
TWO_LAYERS = dataclasses.replace(
    TRANSFORMER, encoder=dataclasses.replace(TRANSFORMER.encoder, positions="rotary", layers=1)
)
ROTARY = dataclasses.replace(
    MODEL,
    attention=TRANSFORMER.attention,
    decoder=dataclasses.replace(TRANSFORMER.decoder, positions="rotary", layers=1),
)
KINDS = {
    "bahdanau": MODEL,
    "scaled_dot": SCALED_DOT,
    "hybrid": HYBRID,
    "transformer": TWO_LAYERS,
    "rotary": ROTARY,
    "unusual": UNUSUAL,
}
VOCABULARIES = {
    "unusual": separate_tokenizers,
    "transformer": trimmed_tokenizers,
    "bahdanau": trimmed_tokenizers,
}


@pytest.fixture(scope="module", autouse=True)
def _lengths_may_be_symbols():
    """torch.export runs the model with lengths that are no int, which the checks of shapes refuse."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def tiny_onnx(folder, kind):
    """A run whose model says different things of different sources, exported."""
    model, tokenizers = KINDS[kind], VOCABULARIES.get(kind, tiny_tokenizers)()
    run = RunDirectory.open(tiny_run(folder, model, GREEDY, tokenizers=tokenizers))
    untrained = run.load_model()
    if model.decoder.type == "transformer":
        run.save_weights(decided(untrained), run.tokenizers())
    else:
        with torch.no_grad():
            for parameter in untrained.parameters():
                parameter.mul_(3)
            untrained.output.bias[EOS_ID] = 2
        run.save_weights(untrained, run.tokenizers())
    export_onnx(run)
    return run


@pytest.fixture(scope="module", params=KINDS)
def run(request, tmp_path_factory):
    return tiny_onnx(tmp_path_factory.mktemp(request.param), request.param)


def by_example(folder, texts, monkeypatch, capsys):
    """What docs/examples/translate_onnx.py makes of some lines."""
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), str(folder)])
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{text}\n" for text in texts)))
    runpy.run_path(str(EXAMPLE))
    return capsys.readouterr().out.split("\n")[:-1]


def test_the_example_translates_as_torch_does(run, monkeypatch, capsys):
    ours = [each.text for each in Translator(run.path, "cpu").translate(TEXTS, GREEDY)]
    assert by_example(run.onnx_path, TEXTS, monkeypatch, capsys) == ours
    assert len({*ours}) > 3
    assert ours[2] == ""


def test_log_probabilities_are_torchs_at_other_lengths_than_the_traced(run):
    model = run.load_model()
    encoder, step = (
        onnxruntime.InferenceSession(run.onnx_path / name) for name in ("encoder.onnx", "step.onnx")
    )
    batches = [(1,), (2,), (17,)]
    if model_takes_rows(run):
        batches += [(6, 3, 1), (5, 5, 5, 4)]
    for lengths in batches:
        src, mask = pad([[*range(4, 4 + length), EOS_ID] for length in lengths])
        state = model.start(src, mask)
        named = outputs(encoder, src=src, src_mask=mask)
        tokens = torch.full((len(lengths),), BOS_ID)
        for _ in range(9):
            with torch.no_grad():
                log_probs, state = model.step(tokens, state)
            found = outputs(step, tokens=tokens, **named)
            torch.testing.assert_close(found.pop("log_probs"), log_probs, atol=1e-4, rtol=0)
            named |= {name.removeprefix("next_"): value for name, value in found.items()}
            tokens = log_probs[:, 4:].argmax(dim=1) + 4


def model_takes_rows(run):
    return json.loads((run.onnx_path / "config.json").read_text())["encoder_rows"] is None


def outputs(session, **inputs):
    names = [output.name for output in session.get_outputs()]
    values = session.run(None, {name: value.numpy() for name, value in inputs.items()})
    return {name: torch.from_numpy(value) for name, value in zip(names, values, strict=True)}


def test_recurrent_encoders_take_one_sentence_others_any_number(run):
    assert model_takes_rows(run) == (run.config.model.encoder.type == "transformer")


def test_a_step_gives_anew_what_it_changes_and_takes_the_rest_as_the_encoder_gave_it(run):
    encoder, step = (
        onnxruntime.InferenceSession(run.onnx_path / name) for name in ("encoder.onnx", "step.onnx")
    )
    given = {each.name: each.type for each in encoder.get_outputs()}
    assert {each.name: each.type for each in step.get_inputs()} == {"tokens": "tensor(int64)", **given}
    new = {each.name.removeprefix("next_") for each in step.get_outputs()} - {"log_probs"}
    assert new < given.keys()
    assert not new & {"keys", "values", "mask", "keys_0", "values_0"}


def test_the_folder_says_what_a_program_must_know(run):
    about = json.loads((run.onnx_path / "config.json").read_text())
    tokenizers = run.tokenizers()
    joint = tokenizers.src is tokenizers.tgt
    assert about["tokenizers"] == (
        {"src": "tokenizer.model", "tgt": "tokenizer.model"}
        if joint
        else {"src": "src.model", "tgt": "tgt.model"}
    )
    for side, name in about["tokenizers"].items():
        assert (run.onnx_path / name).read_bytes() == (run.path / name).read_bytes(), side
    assert [about[f"{name}_id"] for name in ("pad", "bos", "eos", "unk", "backwards")] == [0, 1, 2, 3, None]
    assert (about["max_source_length"], about["max_length_ratio"], about["max_length_offset"]) == (32, 1.0, 2)
    facts = json.loads((run.onnx_path / "export.json").read_text())
    assert facts["weights_sha256"] == run.weights_sha256()
    assert facts["torch"] == torch.__version__


def test_both_directions_have_their_mark(tmp_path, monkeypatch):
    from translate.export import onnx_model

    monkeypatch.setattr(onnx_model, "write_graphs", lambda *_: None)
    run = RunDirectory.open(tiny_run(tmp_path, directions="both"))
    export_onnx(run)
    assert json.loads((run.onnx_path / "config.json").read_text())["backwards_id"] == BACKWARDS_ID


def test_a_state_is_put_together_as_it_was(run):
    model = run.load_model()
    src, mask = pad([[4, 5, 6, EOS_ID]])
    state = model.start(src, mask)
    parts = take_apart(state)
    again = take_apart(put_together(parts.changing | parts.constant))
    assert [*again.changing, *again.constant] == [*parts.changing, *parts.constant]


def test_the_example_needs_three_libraries_and_forty_lines():
    tree = ast.parse(EXAMPLE.read_text(encoding="utf-8"))
    names = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert names - sys.stdlib_module_names - {"pathlib"} == {"numpy", "onnxruntime", "sentencepiece"}
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    assert sum(bool(line.strip()) for line in lines) <= 45


def test_a_tensor_without_a_known_name_is_refused():
    with pytest.raises(ValueError, match=r"^no tensor of a graph is called weights$"):
        dims("weights")


# The command


@pytest.mark.parametrize("missing", [["onnx"], ["onnxscript"], ["onnx", "onnxscript"]])
def test_without_onnx_one_is_told_how_to_get_it(missing, tmp_path, monkeypatch, capsys):
    for name in missing:
        monkeypatch.setitem(sys.modules, name, None)
    path = tiny_run(tmp_path)
    assert main(["export", str(path), "--format", "onnx"]) == 3
    wanted = " ".join(f"'{each}'" for each in ONNX)
    assert f"error: {' and '.join(missing)} missing: pip install {wanted}\n" in capsys.readouterr().err
    assert not (path / "onnx").exists()


def test_the_extra_asks_for_what_is_needed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert tuple(project["optional-dependencies"]["onnx"]) == ONNX


def test_export_says_what_it_made_and_nothing_else(tmp_path, capfd):
    path = tiny_run(tmp_path)
    assert main(["export", str(path), "--format", "onnx"]) == 0
    out, err = capfd.readouterr()
    assert out == f"{path / 'onnx'}: {size(path / 'onnx')} MB\n"
    assert err == ""


def size(folder):
    return f"{sum(file.stat().st_size for file in folder.iterdir()) / 1e6:.1f}"


def test_quantization_is_for_ctranslate2(tmp_path, capsys):
    path = tiny_run(tmp_path)
    assert main(["export", str(path), "--format", "onnx", "--quantization", "int8"]) == 2
    assert "error: --quantization is for --format ctranslate2, not for onnx\n" in capsys.readouterr().err
