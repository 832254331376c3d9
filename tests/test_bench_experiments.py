"""The queue of experiments: what is listed can be trained, and what is finished is kept."""

import importlib
import json
from pathlib import Path

import pytest
from tiny_training import numbers

from translate.arguments import Parser
from translate.cli import main
from translate.commands import train
from translate.config_files import read_config
from translate.corpora import Corpus, to_dataset, write_corpus

TINY = """
model: {embedding_size: 8, encoder: {size: 6}, attention: {size: 6}, decoder: {size: 7}}
tokenizer: {vocab_size: 290}
data: {batch_tokens: 80}
training: {max_steps: 4, validate_every: 2, precision: float32, device: cpu}
search: {max_length_ratio: 0.5, max_length_offset: 2}
"""


@pytest.fixture
def experiments(pytestconfig, monkeypatch):
    monkeypatch.syspath_prepend(pytestconfig.rootpath / "benchmarks")
    return importlib.import_module("experiments")


@pytest.fixture
def listed(tmp_path):
    """Write a list of runs."""

    def write(text: str) -> Path:
        path = tmp_path / "experiments.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_run_that_is_like_another_changes_what_it_says(experiments, listed):
    path = listed(
        "- {name: a, corpus: c, config: f, settings: {x: 1, y: 2}, search: {length-penalty: 0.6}}\n"
        "- {name: b, like: a, why: because, settings: {y: 3}, seeds: [1, 2], test: true}\n"
    )
    first, *others = experiments.read_runs(path)
    assert first == ("a", "c", "f", {"x": 1, "y": 2}, {"length-penalty": 0.6}, False, 1)
    assert [run.label for run in others] == ["b.1", "b.2"]
    assert all(run.settings == {"x": 1, "y": 3} and run.test for run in others)
    assert others[0].search == first.search


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {corpus: c}", "has no name of its own"),
        ("- {name: a}\n- {name: a}", "name of its own"),
        ("- {name: a, sede: 1}", "unknown entries: sede"),
        ("- {name: a, like: b}", "a is like b, which does not stand before it"),
    ],
)
def test_a_list_with_a_mistake_is_refused(experiments, listed, text, message):
    with pytest.raises(SystemExit, match=message):
        experiments.read_runs(listed(text))


def test_every_run_that_is_listed_has_a_config_and_settings_that_there_are(
    experiments, pytestconfig, monkeypatch
):
    parser = Parser("seq2see train")
    train.add_arguments(parser)
    monkeypatch.chdir(pytestconfig.rootpath)
    runs = experiments.read_runs(experiments.EXPERIMENTS)
    assert runs
    for run in runs:
        config = read_config(parser.parse_args(experiments.training(run, Path("out"))[1:]))
        assert (config.data.corpus, config.training.seed) == (run.corpus, run.seed)


def test_the_queue_keeps_what_is_finished_and_goes_on_after_a_failure(
    experiments, tmp_path, monkeypatch, capsys
):
    pairs = numbers(12)
    parts = {"train": numbers(40), "valid": pairs[:4], "test": pairs[4:8], "test_new": pairs[8:]}
    splits = {name: to_dataset(those) for name, those in parts.items()}
    corpus = str(tmp_path / "corpus")
    write_corpus(Corpus("numbers", "en", "de", splits, {}, "CC0", "us", "https://example.org", 1), corpus)
    config = tmp_path / "tiny.yaml"
    config.write_text(TINY, encoding="utf-8")
    ran = []

    def in_process(arguments, log):
        ran.append(arguments[0])
        capsys.readouterr()
        if code := main(arguments):
            raise RuntimeError(f"exit code {code}")
        return capsys.readouterr().out

    monkeypatch.setattr(experiments, "seq2see", in_process)
    monkeypatch.setattr(experiments, "RESULTS", tmp_path / "results")
    (tmp_path / "results").mkdir()
    good = experiments.Run(
        "good", corpus, str(config), {"model.dropout": 0.1}, {"length-penalty": 0.5}, True, 3
    )
    bad = good._replace(name="bad", settings={"model.dropout": 2})
    queue = experiments.Queue([bad, good], tmp_path, commits=False)
    queue.work(min(experiments.os.sched_getaffinity(0)))
    assert queue.failed == ["bad.3"]
    assert ran == ["train", "train", "evaluate", "evaluate", "evaluate"]
    result = json.loads((tmp_path / "results/good.3.json").read_text(encoding="utf-8"))
    assert list(result["evaluations"]) == ["valid", "test", "test_new"]
    assert result["evaluations"]["valid"]["search"]["length_penalty"] == 0.5
    assert "--model.dropout 0.1" in result["commands"][0]
    assert len(result["validations"]) == 3  # a head, and two
    assert (tmp_path / "results/good.3.test.txt").read_bytes().count(b"\n") == 4
    assert not experiments.Queue([good], tmp_path, commits=False).waiting
