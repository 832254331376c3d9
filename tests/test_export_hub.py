import dataclasses
import fnmatch
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
import yaml
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError
from starlette.testclient import TestClient
from tiny import TRANSFORMER, separate_tokenizers, tiny_run

from translate import Translator
from translate.cli import main
from translate.config.data import DataConfig
from translate.config_files import load_config
from translate.errors import InputError
from translate.export.hub import find_run
from translate.export.hub_folder import About, export_hub, without_paths
from translate.run_directory import RunDirectory
from translate.serve import server

TEXTS = ["Ein Hund läuft.", "Zwei Kinder"]
SIGNATURE = "nrefs:1|case:mixed|version:2.6.0"
EVALUATIONS = [
    {
        "test_set": "/home/somebody/data/mine_de_en/test",
        "scores": [
            {"name": "BLEU", "value": 31.4159, "signature": SIGNATURE},
            {"name": "chrF2", "value": 59.0, "signature": SIGNATURE},
            {"name": "BLEU (lowercased, Moses-tokenised)", "value": 32.0, "signature": SIGNATURE},
        ],
    }
]


@pytest.fixture
def run(tmp_path):
    return RunDirectory.open(tiny_run(tmp_path))


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """Stand in for the hub: a folder user/name is a repository, each with one revision, v1."""
    repositories, cache = tmp_path / "repositories", tmp_path / "cache"

    def snapshot_download(repository, *, revision, allow_patterns):
        folder = repositories / repository
        if not folder.is_dir():
            raise error(RepositoryNotFoundError, "404")
        if revision not in (None, "v1"):
            raise error(RevisionNotFoundError, "404")
        target = cache / repository
        target.mkdir(parents=True, exist_ok=True)
        for path in folder.rglob("*"):
            name = path.relative_to(folder).as_posix()
            if path.is_file() and any(fnmatch.fnmatch(name, pattern) for pattern in allow_patterns):
                shutil.copyfile(path, target / name)
        return str(target)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    monkeypatch.chdir(tmp_path)
    return SimpleNamespace(repositories=repositories, cache=cache)


def error(kind, message):
    """One of the hub's errors, without the answer that it came in."""
    made = kind.__new__(kind)
    Exception.__init__(made, message)
    return made


def offer(hub, run, name="somebody/mine"):
    folder = hub.repositories / name
    shutil.copytree(export_hub(run, About()), folder)
    return folder


def texts_of(translator):
    return [each.text for each in translator.translate(TEXTS)]


# The folder


@pytest.mark.parametrize("tokenizers", [None, separate_tokenizers()], ids=["joint", "separate"])
@pytest.mark.parametrize("model", [None, TRANSFORMER], ids=["recurrent", "transformer"])
def test_a_folder_translates_as_its_run(model, tokenizers, tmp_path):
    settings = {} if model is None else {"model": model}
    run = RunDirectory.open(tiny_run(tmp_path, tokenizers=tokenizers, **settings))
    elsewhere = export_hub(run, About()).rename(tmp_path / "elsewhere")
    ours, theirs = (Translator(path, "cpu").translate(TEXTS) for path in (run.path, elsewhere))
    assert ours == theirs


def test_a_folder_holds_what_translating_and_aligning_need_and_no_more(run):
    for name in ("last.ckpt", "previous.ckpt", "metrics.csv", "valid.src", "data.json", "evaluation.json"):
        (run.path / name).write_text("[]")
    (run.path / "ids").mkdir()
    run.save_json(run.alignment_path, {"layer": 0})
    held = {path.name for path in export_hub(run, About()).iterdir()}
    assert held == {
        "config.yaml", "model.safetensors", "tokenizer.model", "alignment.json", "README.md", "files.json",
        "export.json",
    }  # fmt: skip


def test_where_files_were_is_left_out(run):
    config = run.config
    home = "/home/somebody"
    files = {name: f"{home}/{name}" for name in ("corpus", "src", "tgt", "valid_src", "valid_tgt")}
    text = DataConfig(**files, monolingual=f"{home}/more", reverse=f"{home}/back", pairs=(f"{home}/a.tsv",))
    run.save_config(
        dataclasses.replace(
            config,
            data=dataclasses.replace(text, src_lang="de", tgt_lang="en", max_length=31),
            tokenizer=dataclasses.replace(config.tokenizer, path=f"{home}/tokenizer.model"),
            initial=dataclasses.replace(config.initial, run=f"{home}/first"),
            training=dataclasses.replace(config.training, alignment_links=f"{home}/train.links"),
        )
    )
    run.save_json(run.evaluation_path, EVALUATIONS)
    folder = export_hub(run, About())
    for path in folder.iterdir():
        assert b"somebody" not in path.read_bytes(), path.name
    kept = load_config(folder / "config.yaml")
    assert kept == without_paths(run.config)
    assert (kept.model, kept.search) == (config.model, config.search)
    assert (kept.data.src_lang, kept.data.tgt_lang, kept.data.max_length) == ("de", "en", 31)
    assert kept.training.alignment_links == "train.links"


def test_an_export_of_an_export_is_the_same(run):
    first = export_hub(run, About())
    again = export_hub(RunDirectory.open(first), About())
    for name in ("config.yaml", "model.safetensors", "tokenizer.model", "files.json"):
        assert (first / name).read_bytes() == (again / name).read_bytes()


# The card


def card(run, about):
    text = (export_hub(run, about) / "README.md").read_text(encoding="utf-8")
    _, metadata, body = text.split("---\n", 2)
    return yaml.safe_load(metadata), body


def test_the_card_has_metadata_that_the_hub_reads(run):
    run.save_json(run.evaluation_path, EVALUATIONS)
    metadata, body = card(run, About(("de", "en"), "cc-by-4.0"))
    assert metadata["language"] == ["de", "en"]
    assert (metadata["license"], metadata["library_name"]) == ("cc-by-4.0", "seq2see")
    assert metadata["pipeline_tag"] == "translation"
    assert metadata["metrics"] == ["bleu", "chrf", "ter"]
    (model,) = metadata["model-index"]
    (result,) = model["results"]
    assert (model["name"], result["dataset"]["name"]) == ("run", "mine_de_en/test")
    assert [(each["type"], each["value"]) for each in result["metrics"]] == [("bleu", 31.42), ("chrf", 59.0)]
    assert f"| mine_de_en/test | BLEU | 31.4 | `{SIGNATURE}` |" in body
    assert "| BLEU (lowercased, Moses-tokenised) | 32.0 |" in body
    assert "A translation model, de to en: recurrent encoder, recurrent decoder, additive attention." in body


def test_without_a_corpus_or_scores_the_card_says_so(run):
    metadata, body = card(run, About())
    assert not {"language", "datasets", "metrics", "model-index"} & metadata.keys()
    assert metadata["license"] == "unknown"
    assert "Trained on text that its maker has not described." in body
    assert "It has not been scored on a test set." in body


def test_languages_come_from_the_config_and_licence_of_the_text_from_the_corpus(tmp_path):
    (tmp_path / "a.de").write_text("".join(f"Satz {letter}\n" for letter in "abcdefghijklmnopqrstuvwxyz"))
    (tmp_path / "a.en").write_text("".join(f"sentence {letter}\n" for letter in "abcdefghijklmnopqrstuvwxyz"))
    files = ["--src", str(tmp_path / "a.de"), "--tgt", str(tmp_path / "a.en")]
    assert main(["corpus", "files", *files, "--out", str(tmp_path / "corpus")]) == 0
    path = tiny_run(tmp_path, directions="both")
    config = (path / "config.yaml").read_text()
    config = config.replace("corpus: null", f"corpus: {tmp_path / 'corpus'}", 1)
    config = config.replace("src_lang: null", "src_lang: de").replace("tgt_lang: null", "tgt_lang: en")
    (path / "config.yaml").write_text(config)
    metadata, body = card(RunDirectory.open(path), About())
    about = json.loads((tmp_path / "corpus" / "corpus.json").read_text())
    assert (metadata["language"], metadata["datasets"]) == (["de", "en"], [about["name"]])
    assert "A translation model, de to en and back: " in body
    assert f"Licence of the text: {about['licence']}." in body
    shutil.rmtree(tmp_path / "corpus")
    assert "datasets" not in card(RunDirectory.open(path), About())[0]


# By name


def test_a_model_is_downloaded_by_its_name(hub, run):
    offer(hub, run)
    translator = Translator("somebody/mine", "cpu")
    assert translator.directory.path == hub.cache / "somebody/mine"
    assert texts_of(translator) == texts_of(Translator(run.path, "cpu"))


def test_commands_take_a_name_too(hub, run, capsys):
    offer(hub, run)
    for verb in ("translate", "align"):
        assert main([verb, "somebody/mine@v1", "Hund", "--device", "cpu"]) == 0
        by_name = capsys.readouterr().out
        assert main([verb, str(run.path), "Hund", "--device", "cpu"]) == 0
        assert capsys.readouterr().out == by_name


def test_evaluation_takes_a_name_too(hub, run, capsys):
    offer(hub, run)
    Path("t.de").write_text("Ein Hund\n")
    Path("t.en").write_text("A dog\n")
    assert main(["evaluate", "somebody/mine", "--src", "t.de", "--ref", "t.en", "--threads", "1"]) == 0
    assert "BLEU" in capsys.readouterr().out


def served(monkeypatch, *arguments):
    """What a server that is started so answers to a text: exit code and answers."""
    answers = []

    def serve(app, *_):
        with TestClient(app) as client:
            asked = {"q": TEXTS[0], "source": "de", "target": "en"}
            answers.append(client.post("/translate", json=asked).json())

    monkeypatch.setattr(server, "serve", serve)
    return main(["serve", *arguments, "--port", "0"]), answers


def test_a_server_takes_a_name_too(hub, run, monkeypatch):
    offer(hub, run)
    answer = {"translatedText": Translator(run.path).translate(TEXTS[:1])[0].text}
    assert served(monkeypatch, "somebody/mine@v1", "--languages", "de-en") == (0, [answer])


def test_a_server_asks_the_model_of_a_name_for_its_languages(hub, run, monkeypatch, capsys):
    offer(hub, run, "somebody/silent")
    assert served(monkeypatch, "somebody/silent") == (2, [])
    assert "somebody/silent does not say which languages it translates" in capsys.readouterr().err
    data = dataclasses.replace(run.config.data, src_lang="de", tgt_lang="en")
    run.save_config(dataclasses.replace(run.config, data=data))
    offer(hub, run)
    code, [answer] = served(monkeypatch, "somebody/mine")
    assert code == 0
    assert answer["translatedText"]


def test_a_server_of_a_name_that_the_hub_has_not_does_not_start(hub, monkeypatch, capsys):
    assert served(monkeypatch, "somebody/else", "--languages", "de-en") == (3, [])
    assert "the Hugging Face hub has no somebody/else" in capsys.readouterr().err


def test_only_files_of_a_model_are_downloaded(hub, run):
    folder = offer(hub, run)
    for name in ("model.bin", "last.ckpt", "code.py", "deep/config.yaml"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x")
    find_run("somebody/mine")
    held = {path.name for path in (hub.cache / "somebody/mine").iterdir()}
    assert held == {"config.yaml", "model.safetensors", "tokenizer.model", "README.md", "files.json"}


def test_a_folder_here_goes_before_the_hub(hub, run):
    offer(hub, run, "some/run")
    shutil.copytree(run.path, "some/run")
    assert find_run("some/run").path == Path("some/run")


def test_where_the_first_part_is_a_folder_here_a_name_is_a_path(hub, run):
    offer(hub, run, "runs/mine")
    Path("runs").mkdir()
    with pytest.raises(InputError, match=r"^runs/mine: no such run directory; a run directory is made by"):
        find_run("runs/mine")


@pytest.mark.parametrize(
    "path", ["mine", "./somebody/mine", "/somebody/mine", "a/b/c", Path("somebody/mine")]
)
def test_other_paths_are_never_looked_for_on_the_hub(path, hub, run):
    offer(hub, run)
    with pytest.raises(InputError, match=r"no such run directory; a run directory is made by"):
        find_run(path)


def test_a_name_that_the_hub_has_not_is_told(hub):
    message = (
        r"^somebody/else is no folder here \(a run directory is made by `seq2see train --out DIR`\), and the "
        r"Hugging Face hub has no somebody/else, or a private one: log in with `hf auth login`$"
    )
    with pytest.raises(InputError, match=message):
        find_run("somebody/else")


def test_a_revision_that_the_hub_has_not_is_told(hub, run):
    offer(hub, run)
    message = r"^somebody/mine on the Hugging Face hub has no revision v2$"
    with pytest.raises(InputError, match=message):
        find_run("somebody/mine@v2")


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (
            error(GatedRepoError, "403"),
            r"^a/b on the Hugging Face hub is open only to whom its owner has let in: ask on its page, then "
            r"log in with `hf auth login`$",
        ),
        (
            ConnectionError("no way\nthere"),
            r"^a/b is no folder here .+, and it cannot be had from the Hugging Face hub: no way$",
        ),
        (TimeoutError(), r"cannot be had from the Hugging Face hub: TimeoutError$"),
    ],
)
def test_what_the_hub_refuses_is_told(raised, message, monkeypatch):
    def snapshot_download(*_args, **_options):
        raise raised

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    with pytest.raises(InputError, match=message):
        find_run("a/b")


def test_a_repository_of_something_else_is_refused(hub):
    (hub.repositories / "somebody/else").mkdir(parents=True)
    message = r"^somebody/else on the Hugging Face hub is no model of seq2see: it has no config.yaml; "
    with pytest.raises(InputError, match=message):
        find_run("somebody/else")


# Checksums


@pytest.mark.parametrize("name", ["config.yaml", "model.safetensors", "tokenizer.model"])
def test_a_changed_file_is_damaged(name, hub, run):
    folder = offer(hub, run)
    (folder / name).write_bytes((folder / name).read_bytes() + b"\n")
    message = rf"{name} is damaged \(not as files\.json says\): get the model anew$"
    for place in ("somebody/mine", folder):
        with pytest.raises(InputError, match=message):
            Translator(place)


def test_a_missing_file_is_told(hub, run):
    folder = offer(hub, run)
    (folder / "tokenizer.model").unlink()
    with pytest.raises(InputError, match=r"tokenizer\.model is missing: get the model anew$"):
        find_run("somebody/mine")


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "model.bin", "..\\secret"])
def test_names_of_other_files_are_refused(name, hub, run):
    folder = offer(hub, run)
    (folder / "files.json").write_text(json.dumps({"sha256": {name: "0"}}))
    with pytest.raises(InputError, match=r"names .+, which is no file of a model: do not use it$"):
        find_run("somebody/mine")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"sha256": 1}'])
def test_a_damaged_list_is_told(content, hub, run):
    folder = offer(hub, run)
    (folder / "files.json").write_text(content)
    with pytest.raises(InputError, match=r"files\.json is damaged: get the model anew$"):
        find_run("somebody/mine")


# Putting it there


class Hub:
    """Stands in for huggingface_hub.HfApi."""

    def __init__(self, monkeypatch, *, public=False, failure=None):
        self.done = []
        self.public = public
        self.failure = failure
        monkeypatch.setattr(huggingface_hub, "HfApi", lambda **_: self)
        monkeypatch.setattr(huggingface_hub, "get_token", lambda: "secret")

    def create_repo(self, name, *, private, exist_ok):
        if self.failure is not None:
            raise self.failure
        self.done.append(("create", name, private, exist_ok))
        return f"https://huggingface.co/{name}"

    def repo_info(self, _name):
        return SimpleNamespace(private=not self.public)

    def upload_folder(self, *, repo_id, folder_path, commit_message):
        assert commit_message
        self.done.append(("upload", repo_id, sorted(path.name for path in Path(folder_path).iterdir())))


def upload(run, *options):
    return main(["export", str(run.path), "--format", "hub", "--upload", "me/mine", *options])


@pytest.mark.parametrize("private", [False, True])
def test_a_folder_is_uploaded(private, run, monkeypatch, capsys):
    hub = Hub(monkeypatch)
    assert upload(run, *["--private"] * private) == 0
    held = ["README.md", "config.yaml", "export.json", "files.json", "model.safetensors", "tokenizer.model"]
    assert hub.done == [("create", "me/mine", private, True), ("upload", "me/mine", held)]
    made, address = capsys.readouterr().out.splitlines()
    assert made.startswith(f"{run.hub_path}: 0.")
    assert address == "https://huggingface.co/me/mine"


def test_nothing_private_goes_into_a_public_repository(run, monkeypatch, capsys):
    hub = Hub(monkeypatch, public=True)
    assert upload(run, "--private") == 3
    assert [what for what, *_ in hub.done] == ["create"]
    message = (
        "me/mine exists on the Hugging Face hub and is public, so --private cannot hold: nothing was uploaded"
    )
    assert message in capsys.readouterr().err


def test_without_a_login_nothing_is_uploaded(run, monkeypatch, capsys):
    hub = Hub(monkeypatch)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    assert upload(run) == 3
    assert hub.done == []
    message = (
        "error: nobody is logged in to the Hugging Face hub: log in with `hf auth login`, or set HF_TOKEN\n"
    )
    assert message in capsys.readouterr().err


def test_what_the_hub_says_against_it_is_told(run, monkeypatch, capsys):
    Hub(monkeypatch, failure=ConnectionError("no way\nthere"))
    assert upload(run) == 3
    assert "error: me/mine cannot be put on the Hugging Face hub: no way\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--format", "hub", "--upload", "mine"],
            "--upload mine: needed is USER/NAME, as on the Hugging Face hub",
        ),
        (["--upload", "me/mine"], "--upload is for --format hub, not for ctranslate2"),
        (["--format", "onnx", "--licence", "mit"], "--licence is for --format hub, not for onnx"),
        (["--languages", "de", "en"], "--languages is for --format hub, not for ctranslate2"),
        (["--format", "hub", "--private"], "--private is for --upload"),
    ],
)
def test_options_without_their_format_are_refused(options, message, run, capsys):
    assert main(["export", str(run.path), *options]) == 2
    assert f"error: {message}\n" in capsys.readouterr().err
    assert not run.hub_path.exists()


def test_languages_and_licence_of_the_command_are_on_the_card(run):
    options = ["--format", "hub", "--languages", "de", "gsw", "--licence", "apache-2.0"]
    assert main(["export", str(run.path), *options]) == 0
    _, metadata, _ = (run.hub_path / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    about = yaml.safe_load(metadata)
    assert (about["language"], about["license"]) == (["de", "gsw"], "apache-2.0")
