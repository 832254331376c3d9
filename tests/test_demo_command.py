"""The demo: all steps once, and again with everything used again."""

import io
import shutil
from contextlib import redirect_stdout

import pytest

from translate import cli
from translate.corpora.corpus import write_corpus
from translate.corpora.synthetic import make_synthetic
from translate.run_directory import RunDirectory

TINY = """
tokenizer: {vocab_size: 400}
model:
  embedding_size: 8
  encoder: {size: 4}
  attention: {size: 4}
  decoder: {size: 8}
data: {batch_tokens: 512}
training: {max_steps: 2, validate_every: 2, warmup_steps: 1, precision: float32, threads: 1}
search: {beam_size: 1, max_length_ratio: 1.0, max_length_offset: 2}
"""


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """A folder where the demo found a (small, made-up) corpus in place of its own; and what it printed."""
    folder = tmp_path_factory.mktemp("demo")
    settings = {"source": "home-assistant", "src_lang": "en", "tgt_lang": "de", "seed": 1, "sha256": {}}
    write_corpus(make_synthetic(60, 1, 10, 10), folder / "data/home-assistant_en_de", settings)
    (folder / "tiny.yaml").write_text(TINY)
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as out:
        patch.chdir(folder)
        assert cli.main(["demo", "--config", "tiny.yaml"]) == 0
    return folder, out.getvalue()


@pytest.fixture
def home(once, tmp_path, monkeypatch):
    """A copy of that folder."""
    home = tmp_path / "home"
    shutil.copytree(once[0], home)
    monkeypatch.chdir(home)
    return home


def test_the_demo_does_every_step_and_the_next_one_uses_it_again(once, home, capsys):
    first = once[1]
    for verb in ("corpus home-assistant", "train", "evaluate", "translate", "align"):
        assert f"$ seq2see {verb} " in first
    assert "BLEU" in first
    assert len(list((home / "runs/demo_en_de/alignments").glob("*.png"))) == 5
    run = RunDirectory.open("runs/demo_en_de")
    weights = run.weights_path.read_bytes()

    assert cli.main(["demo", "--config", "tiny.yaml"]) == 0
    out, err = capsys.readouterr()
    assert out.count("used again") == 3
    assert "$ seq2see evaluate" not in out
    assert "$ seq2see align" not in out
    assert "nrefs:1|case:mixed" in out
    assert "nothing to do" in err
    assert run.weights_path.read_bytes() == weights


@pytest.mark.usefixtures("home")
def test_a_demo_that_was_interrupted_goes_on(capsys):
    run = RunDirectory.open("runs/demo_en_de")
    run.evaluation_path.unlink()  # as if Ctrl-C had come during the evaluation

    assert cli.main(["demo", "--config", "tiny.yaml"]) == 0
    assert "$ seq2see evaluate" in capsys.readouterr().out
    assert run.evaluation_path.is_file()
