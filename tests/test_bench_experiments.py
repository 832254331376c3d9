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
from translate.corpora.corpus import Corpus, to_dataset, write_corpus

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


@pytest.fixture
def tiny_queue(experiments, tmp_path, monkeypatch, capsys):
    """Make a corpus of these parts besides its training text, and have commands run here.

    Returns the corpus, a config, and the verbs that ran, as they come.
    """

    def make(**parts):
        splits = {name: to_dataset(pairs) for name, pairs in {"train": numbers(40), **parts}.items()}
        corpus, config, ran = str(tmp_path / "corpus"), tmp_path / "tiny.yaml", []
        about = ("CC0", "us", "https://example.org", 1)
        write_corpus(Corpus("numbers", "en", "de", splits, {}, *about), corpus)
        config.write_text(TINY, encoding="utf-8")

        def in_process(arguments, log):
            ran.append(arguments[0])
            capsys.readouterr()
            if code := main(arguments):
                raise RuntimeError(f"exit code {code}")
            return capsys.readouterr().out

        monkeypatch.setattr(experiments, "seq2see", in_process)
        monkeypatch.setattr(experiments, "RESULTS", tmp_path / "results")
        return corpus, str(config), ran

    return make


def test_a_run_that_is_like_another_changes_what_it_says(experiments, listed):
    path = listed(
        "- {name: a, corpus: c, config: f, settings: {x: 1, y: 2}, search: {length-penalty: 0.6}}\n"
        "- {name: b, like: a, why: because, settings: {y: 3}, seeds: [1, 2], test: true}\n"
    )
    first, *others = experiments.read_runs(path)
    assert first[:7] == ("a", "c", "f", {"x": 1, "y": 2}, {"length-penalty": 0.6}, False, 1)
    assert [run.label for run in others] == ["b.1", "b.2"]
    assert all(run.settings == {"x": 1, "y": 3} and run.test for run in others)
    assert (others[0].search, others[0].like, others[0].why) == (first.search, "a", "because")


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
        corpus = str(Path("out", f"{run.lessons[-1].name}.corpus")) if run.lessons else run.corpus
        assert (config.data.corpus, config.training.seed) == (corpus, run.seed)


def test_the_queue_keeps_what_is_finished_and_goes_on_after_a_failure(experiments, tiny_queue, tmp_path):
    pairs = numbers(12)
    parts = {"valid": pairs[:4], "test": pairs[4:8], "test_new": pairs[8:]}
    corpus, config, ran = tiny_queue(**parts)

    def read(label):
        return json.loads((tmp_path / f"results/{label}.json").read_text(encoding="utf-8"))

    good = experiments.Run("good", corpus, config, {"model.dropout": 0.1}, {"length-penalty": 0.5}, True, 3)
    bad = good._replace(name="bad", settings={"model.dropout": 2})
    queue = experiments.Queue([bad, good], tmp_path, commits=False)
    core = min(experiments.os.sched_getaffinity(0))
    queue.work(core)
    assert queue.failed == ["bad.3"]
    assert ran == ["train", "train", "evaluate", "evaluate", "evaluate"]
    queue.waiting.append(good._replace(name="again", like="good", test=False, settings={}))
    queue.work(core)
    again = read("again.3")
    assert again["difference"]["from"] == "good.3.valid.txt"
    bleu = [scores["evaluations"]["valid"]["scores"][0]["value"] for scores in (again, read("good.3"))]
    assert again["difference"]["difference"] == pytest.approx(bleu[0] - bleu[1])
    result = read("good.3")
    assert list(result["evaluations"]) == ["valid", "test", "test_new"]
    assert result["evaluations"]["valid"]["search"]["length_penalty"] == 0.5
    assert "--model.dropout 0.1" in result["commands"][0]
    assert len(result["validations"]) == 3  # a head, and two
    assert (tmp_path / "results/good.3.test.txt").read_bytes().count(b"\n") == 4
    assert not experiments.Queue([good], tmp_path, commits=False).waiting


def result(name, bleu, like=None, p_value=None, **tests):
    """What experiments.py keeps of a run, as far as the table wants it."""
    parts = {"valid": bleu, **tests}
    names = ("BLEU", "BLEU (lowercased, Moses-tokenised)")
    evaluations = {
        part: {"scores": [{"name": each, "value": value, "signature": "s"} for each in names]}
        for part, value in parts.items()
    }
    found = (
        None if p_value is None else {"from": f"{like}.1.valid.txt", "difference": 1.5, "p_value": p_value}
    )
    return {
        "name": name,
        "why": "an idea",
        "like": like,
        "config": "configs/a.yaml",
        "corpus_is": {"name": "m", "src_lang": "en", "tgt_lang": "de", "splits": {"train": 1234}},
        "machine": {"cpu": "C", "torch": "2"},
        "summary": {"steps": 4400, "minutes": 29.6},
        "difference": found,
        "evaluations": evaluations,
    }


def test_the_table_has_means_and_differences(pytestconfig, monkeypatch):
    monkeypatch.syspath_prepend(pytestconfig.rootpath / "benchmarks")
    tables = importlib.import_module("experiments_table")
    results = {
        "base": [result("base", 38.0), result("base", 39.0)],
        "idea": [result("idea", 40.0, "base", 0.01, test=41.26)],
    }
    lines = tables.table(results).splitlines()
    assert lines[0] == "**base**: m, en to de, 1,234 pairs, [configs/a.yaml](../configs/a.yaml)"
    assert lines[4] == "| base | an idea | 4,400 | 30 | 38.5 (38.0 to 39.0) |  | 2 |  |  |"
    assert lines[5].endswith("| 40.0 | +1.5 to base (p < 0.05 in 1 of 1) | 1 | 41.3 | 41.3 |")


def test_the_fine_tuning_table_has_both_domains_before_and_after(pytestconfig, monkeypatch):
    monkeypatch.syspath_prepend(pytestconfig.rootpath / "benchmarks")
    tables = importlib.import_module("experiments_table")

    def row(name, old, new):
        bleu = {"old": old, "new": new}
        return {
            "name": name,
            "summary": {"steps": 1000},
            "machine": {"cpu": "C", "torch": "2"},
            "evaluation": {
                domain: {"test_set": f"data/{domain}_en_de/test", "scores": [{"value": value}]}
                for domain, value in bleu.items()
            },
        }

    rows = [row("before", 35.0, 1.0), row("mix_0.5_seed_1", 30.0, 20.0), row("mix_0.5_seed_2", 32.0, 22.0)]
    lines = tables.finetuning_table(rows).splitlines()
    assert lines[2] == "| before | 1,000 | 35.0 | 1.0 | 1 |"
    assert lines[3] == "| after, --mix 0.5 | 1,000 | 31.0 (30.0 to 32.0) | 21.0 (20.0 to 22.0) | 2 |"
    assert lines[-1].startswith("Test parts of old_en_de (old) and new_en_de (new).")


def test_the_page_has_the_tables_of_the_kept_results(pytestconfig, monkeypatch):
    monkeypatch.syspath_prepend(pytestconfig.rootpath / "benchmarks")
    tables = importlib.import_module("experiments_table")
    page = tables.PAGE.read_text(encoding="utf-8")
    assert tables.fill(page) == page, "a table is stale: run benchmarks/experiments_table.py"


def test_a_run_may_build_on_others(experiments, listed):
    path = listed(
        "- {name: a, corpus: c, seeds: [1, 2]}\n"
        "- {name: b, like: a, seeds: [2], init: a, settings: {x: 1}, lessons: ["
        "{name: l, teachers: [a.1, a.2], flags: [--keep]}, {name: m, teachers: [z.1]}]}\n"
        "- {name: d, like: b, lessons: [], seeds: [1]}\n"
        "- {name: e, like: a, ensemble: [a.1, a.2]}\n"
    )
    first, _, taught, started, together = experiments.read_runs(path)
    folder = Path("runs")
    assert experiments.training(first, folder) == (
        ["train", "--corpus", "c", "--out", "runs/a.1", "--seed", "1", "--threads", "1"]
    )
    assert [" ".join(command) for command in experiments.teaching(taught, folder)] == [
        "teach runs/a.1 --ensemble runs/a.2 --corpus c --out runs/l.corpus --threads 1 --keep",
        "teach runs/z.1 --corpus runs/l.corpus --out runs/m.corpus --threads 1",
    ]
    assert " ".join(experiments.training(taught, folder)) == (
        "train --init-from runs/a.2 --corpus runs/m.corpus --out runs/b.2 --seed 2 --threads 1 --x 1"
    )
    assert " ".join(experiments.training(started, folder)) == (
        "train --init-from runs/a.1 --corpus c --out runs/d.1 --seed 1 --threads 1 --x 1"
    )
    assert together.ensemble == ["a.1", "a.2"]
    assert (together.lessons, together.init) == ([], None)


def test_teachers_a_beginning_and_an_ensemble(experiments, tiny_queue, tmp_path):
    corpus, config, ran = tiny_queue(valid=numbers(8)[:4])
    plain = experiments.Run("plain", corpus, config, {}, {}, False, 1)
    lessons = [experiments.Lesson("lesson", ["plain.1"], ["--keep"])]
    taught = plain._replace(name="taught", lessons=lessons, init="plain")
    again = taught._replace(name="again")
    together = plain._replace(name="together", like="plain", ensemble=["plain.1", "taught.1"])
    results = [experiments.carry_out(run, tmp_path) for run in (plain, taught, together)]
    assert ran == ["train", "evaluate", "teach", "train", "evaluate", "evaluate"]
    experiments.prepare(again, tmp_path, tmp_path / "log")
    assert ran[6:] == ["train"], "what the lesson made is there"
    lines = (tmp_path / "lesson.corpus" / "train.en").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 80
    assert [len(result["commands"]) for result in results] == [2, 3, 1]
    minutes = [result["summary"]["minutes"] for result in results]
    assert minutes[2] == pytest.approx(minutes[0] + minutes[1])
    assert f"--ensemble {tmp_path / 'taught.1'}" in results[2]["commands"][0]
    assert results[2]["evaluations"]["valid"]["sentences"] == 4
