"""`seq2see teach`: whose translations a new corpus has, and what it leaves as it was."""

from dataclasses import replace

import pytest
from tiny import tiny_run

from translate import cli
from translate.corpora.corpus import Corpus, load_corpus, read_settings, to_dataset, write_corpus
from translate.run_directory import RunDirectory
from translate.translator import Translator

TRAIN = [("Hund", "dog"), ("Ein Hund", "a dog")]
MONO = ["Guten Morgen", "Zwei Hunde", "Guten Morgen"]


@pytest.fixture
def corpus(tmp_path):
    parts = {"train": TRAIN, "valid": [("Zwei", "two")], "test": [("Zwei Hunde", "two dogs")]}
    splits = {name: to_dataset(pairs) for name, pairs in parts.items()}
    links = {"train": ["0-0", "0-0 1-1"], "test": ["0-0 1-1"]}
    write_corpus(Corpus("pairs", "de", "en", splits, links, "CC0", "us", "", 1), tmp_path / "corpus")
    return tmp_path / "corpus"


@pytest.fixture
def run(tmp_path):
    return tiny_run(tmp_path, directions="both")


def seq2see(run, corpus, out, *flags) -> int:
    words = ["teach", run, "--corpus", corpus, "--out", out, "--threads", 1, "--device", "cpu", *flags]
    return cli.main([str(word) for word in words])


def pairs(folder, part="train"):
    split = load_corpus(folder).splits[part]
    return list(zip(split["src"], split["tgt"], strict=True))


def translations(run, texts, backwards=False, **search):
    translator = Translator(run, backwards=backwards)
    found = translator.translate(texts, replace(translator.config.search, **search))
    return [one.text for one in found]


def test_the_teachers_translations_replace_the_targets(run, corpus, tmp_path, capsys):
    assert seq2see(run, corpus, tmp_path / "new", "--beam-size", 3) == 0
    sources = [src for src, _ in TRAIN]
    assert pairs(tmp_path / "new") == list(zip(sources, translations(run, sources, beam_size=3), strict=True))
    for part in ("valid", "test"):
        assert pairs(tmp_path / "new", part) == pairs(corpus, part)
    new = load_corpus(tmp_path / "new")
    assert (new.name, new.links, new.licence) == ("pairs, taught", {"test": ["0-0 1-1"]}, "CC0")
    settings = read_settings(tmp_path / "new")
    assert (settings["run"], settings["beam_size"]) == (str(run), 3)
    assert settings["weights_sha256"] == [RunDirectory.open(run).weights_sha256()]
    assert capsys.readouterr().out.startswith(f"made {tmp_path / 'new'}\ncorpus    pairs, taught, de to en\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus", "new", "run"]


def test_several_runs_teach_together(run, corpus, tmp_path):
    other = RunDirectory.open(tiny_run(tmp_path / "other", seed=1))
    assert seq2see(run, corpus, tmp_path / "new", "--ensemble", other.path) == 0
    found = Translator(run, ensemble=[other.path]).translate([src for src, _ in TRAIN])
    assert [tgt for _, tgt in pairs(tmp_path / "new")] == [one.text for one in found]
    assert [one.text for one in found] != translations(run, [src for src, _ in TRAIN])
    settings = read_settings(tmp_path / "new")
    assert settings["ensemble"] == [str(other.path)]
    assert settings["weights_sha256"][1] == other.weights_sha256()


def test_targets_may_be_kept_and_count_more(run, corpus, tmp_path):
    assert seq2see(run, corpus, tmp_path / "new", "--keep", "--upsample", 2) == 0
    sources = [src for src, _ in TRAIN]
    own = list(zip(sources, translations(run, sources), strict=True))
    assert pairs(tmp_path / "new") == [*TRAIN, *TRAIN, *own]


def test_the_best_of_several_is_the_one_most_like_the_target(run, corpus, tmp_path):
    translator = Translator(run)
    search = replace(translator.config.search, beam_size=4, n_best=4)
    wanted = [one.alternatives[-1][0] for one in translator.translate([src for src, _ in TRAIN], search)]
    parts = {"train": list(zip([src for src, _ in TRAIN], wanted, strict=True))}
    old = load_corpus(corpus)
    splits = old.splits | {"train": to_dataset(parts["train"])}
    write_corpus(old._replace(splits=splits), tmp_path / "wanted")
    assert seq2see(run, tmp_path / "wanted", tmp_path / "new", "--best-of", 4) == 0
    assert [tgt for _, tgt in pairs(tmp_path / "new")] == wanted
    assert wanted != translations(run, [src for src, _ in TRAIN], beam_size=4)


def test_source_text_is_translated_and_added(run, corpus, tmp_path):
    (tmp_path / "mono.de").write_text("".join(f"{line}\n" for line in MONO))
    assert seq2see(run, corpus, tmp_path / "new", "--monolingual-src", tmp_path / "mono.de") == 0
    assert pairs(tmp_path / "new") == [*TRAIN, ("Guten Morgen", *translations(run, MONO[:1]))]


def test_target_text_is_translated_back_and_added_with_a_tag(run, corpus, tmp_path):
    (tmp_path / "mono.en").write_text("Good morning\ntwo dogs!\n")  # the second is in the test part
    flags = ["--monolingual", tmp_path / "mono.en", "--tag", "<BT>"]
    assert seq2see(run, corpus, tmp_path / "new", *flags) == 0
    (back,) = translations(run, ["Good morning"], backwards=True)
    assert pairs(tmp_path / "new") == [*TRAIN, (f"<BT> {back}", "Good morning")]


def test_an_interrupted_teacher_goes_on(run, corpus, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(
            "translate.corpora.corpus.write_corpus", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        assert seq2see(run, corpus, tmp_path / "new") == 130
    assert (tmp_path / "new.translations").is_file()
    assert not (tmp_path / "new").exists()
    with monkeypatch.context() as patch:
        patch.setattr(Translator, "translate", None)  # everything was translated
        assert seq2see(run, corpus, tmp_path / "new") == 0
    assert len(pairs(tmp_path / "new")) == 2


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--best-of", 0], "--best-of is 0: it must be at least 1"),
        (["--upsample", 0], "--upsample is 0: it must be at least 1"),
        (["--beam-size", 0], "--beam-size is 0: it must be at least 1"),
        (["--upsample", 2], "--upsample is for pairs that are kept: give --keep, or monolingual text"),
        (["--tag", "x"], "--tag marks what was translated back: give --monolingual FILE"),
        (
            ["--monolingual", "a", "--keep"],
            "--keep is for the corpus's own pairs: monolingual text has no other",
        ),
        (["--monolingual-src", "a", "--best-of", 2], "--best-of is for the corpus's own pairs"),
        (
            ["--monolingual", "a", "--monolingual-src", "b"],
            "--monolingual and --monolingual-src are both given",
        ),
    ],
)
def test_options_that_make_no_sense_are_refused(flags, message, tmp_path, capsys):
    assert seq2see("run", "corpus", tmp_path / "new", *flags) == 2
    assert f"seq2see teach: error: {message}" in capsys.readouterr().err


def test_a_folder_in_use_is_refused(run, corpus, capsys):
    assert seq2see(run, corpus, corpus) == 3
    assert f"{corpus} is not empty and is not overwritten" in capsys.readouterr().err
