from pathlib import Path

import pytest
from jsonargparse import ArgumentParser

from translate.cli import main
from translate.commands import corpus as command
from translate.corpora.corpus import Corpus, load_corpus, to_dataset, write_corpus
from translate.errors import InputError, UsageError

WORDS = ["red", "green", "blue", "black", "white", "grey", "pink", "brown", "gold", "beige", "lilac", "cyan"]


def run(*arguments: object) -> None:
    parser = ArgumentParser(exit_on_error=False)
    command.add_arguments(parser)
    assert command.run(parser.parse_args([str(argument) for argument in arguments])) is None


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with two parallel files and a tab-separated one."""
    monkeypatch.chdir(tmp_path)
    Path("train.en").write_text("".join(f"the {word} one\n" for word in WORDS))
    Path("train.de").write_text("".join(f"das {word}\n" for word in WORDS))
    Path("pairs.tsv").write_text("".join(f"{word}\tDE {word}\n" for word in WORDS))
    return tmp_path


def test_two_files_become_a_corpus_folder(folder, capsys):
    run("files", "--src", "train.en", "--tgt", "train.de")
    corpus = load_corpus(folder / "data" / "files_en_de")
    assert {name: len(split) for name, split in corpus.splits.items()} == {"train": 10, "valid": 1, "test": 1}
    out = capsys.readouterr().out
    assert out.startswith(f"made {Path('data', 'files_en_de')}\n")


def test_the_report_says_what_is_in_it(folder, capsys):
    run("tatoeba", "--path", "pairs.tsv", "--out", "t", "--seed", "3")
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "corpus    tatoeba, en to de"
    assert lines[2].startswith("licence   CC BY 2.0 FR")
    assert lines[3].startswith("citation  Sentences by the contributors of Tatoeba")
    assert lines[4] == "source    https://www.manythings.org/anki/"
    assert [line.split() for line in lines[6:10]] == [
        ["part", "pairs", "en", "words", "de", "words"],
        ["train", "10", "10", "20"],
        ["valid", "1", "1", "2"],
        ["test", "1", "1", "2"],
    ]
    assert "test sources also in train (case, digits, punctuation aside): 0" in lines


def test_the_report_says_what_was_left_out_and_why(folder, capsys):
    with Path("pairs.tsv").open("a") as file:
        file.write("red\tDE red\nx\t \n\ty\n")
    run("tatoeba", "--path", "pairs.tsv")
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == ["left out: 2 (empty text)", "left out: 1 (repeated pair)"]


def test_the_report_counts_test_sources_that_are_in_train(folder, capsys):
    files = ["train.en", "train.de"]
    run("files", "--src", files[0], "--tgt", files[1], "--test_src", files[0], "--test_tgt", files[1])
    assert "test sources also in train (case, digits, punctuation aside): 11" in capsys.readouterr().out


def test_the_same_settings_find_the_corpus_there(folder, capsys):
    arguments = ["files", "--src", "train.en", "--tgt", "train.de", "--out", "c"]
    run(*arguments)
    first = capsys.readouterr().out.splitlines()
    before = {path: path.stat().st_mtime_ns for path in Path("c").iterdir()}
    run(*arguments)
    again = capsys.readouterr().out.splitlines()
    assert again[0] == "c is there already, made with these settings: nothing to do"
    assert again[1:] == first[1:]
    assert {path: path.stat().st_mtime_ns for path in Path("c").iterdir()} == before


def test_where_the_same_files_lie_does_not_matter(folder, capsys):
    run("files", "--src", "train.en", "--tgt", "train.de", "--out", "c")
    run("files", "--src", folder / "train.en", "--tgt", folder / "train.de", "--out", "c")
    assert "c is there already" in capsys.readouterr().out


def test_other_settings_do_not_overwrite(folder):
    run("files", "--src", "train.en", "--tgt", "train.de", "--out", "c")
    message = (
        r"^c holds a corpus made with other settings \(different: --seed, --src-lang\) "
        r"and is not overwritten: move it away, or choose another --out$"
    )
    with pytest.raises(InputError, match=message):
        run(
            "files", "--src", "train.en", "--tgt", "train.de", "--out", "c", "--seed", "2", "--src_lang", "fr"
        )
    assert load_corpus("c").seed == 1


def test_changed_input_files_do_not_overwrite(folder):
    run("tatoeba", "--path", "pairs.tsv", "--out", "c")
    Path("pairs.tsv").write_text("".join(f"{word}\tNL {word}\n" for word in WORDS))
    with pytest.raises(InputError, match=r"\(different: the input files\)"):
        run("tatoeba", "--path", "pairs.tsv", "--out", "c")


def test_a_folder_with_something_else_is_not_touched(folder):
    Path("c").mkdir()
    Path("c/mine.txt").write_text("mine")
    with pytest.raises(InputError, match=r"^c is not empty and is not overwritten"):
        run("tatoeba", "--path", "pairs.tsv", "--out", "c")
    assert [path.name for path in Path("c").iterdir()] == ["mine.txt"]


def test_a_failure_leaves_nothing(folder):
    with pytest.raises(InputError, match=r"bad\.en: no such file or folder$"):
        run("files", "--src", "bad.en", "--tgt", "train.de", "--src_lang", "en")
    with pytest.raises(InputError, match=r"pairs\.tsv.x: cannot be read \(.+\)$"):
        run("tatoeba", "--path", "pairs.tsv/x")
    Path("train.en").write_text("one\n")
    with pytest.raises(InputError, match=r"train\.en has 1 lines but train\.de has 12"):
        run("files", "--src", "train.en", "--tgt", "train.de")
    assert not Path("data").exists()


def test_languages_of_files_come_from_their_names(folder):
    assert Path("train.en").rename("train.en.txt")
    with pytest.raises(
        UsageError, match=r"^files needs --src-lang, unless the file is named like train\.en or"
    ):
        run("files", "--src", "train.en.txt", "--tgt", "train.de")
    run("files", "--src", "train.en.txt", "--tgt", "train.de", "--src_lang", "en")
    assert load_corpus("data/files_en_de").tgt_lang == "de"


def test_validation_files_of_ones_own_are_used(folder):
    Path("v.en").write_text("a\nb\n")
    Path("v.de").write_text("c\nd\n")
    run("files", "--src", "train.en", "--tgt", "train.de", "--valid_src", "v.en", "--valid_tgt", "v.de")
    assert load_corpus("data/files_en_de").splits["valid"][:] == {"src": ["a", "b"], "tgt": ["c", "d"]}


def test_multi30k_is_read_from_a_folder(folder):
    for name in ("train", "val", "test"):
        for lang in ("de", "en"):
            Path(f"{name}.{lang}").write_text(f"{name} {lang}\n")
    run("multi30k", "--path", ".", "--src_lang", "de", "--tgt_lang", "en", "--data_dir", "d")
    assert load_corpus("d/multi30k_de_en").splits["test"][0] == {"src": "test de", "tgt": "test en"}
    Path("val.de").write_text("changed\n")
    with pytest.raises(InputError, match="different: the input files"):
        run("multi30k", "--path", ".", "--src_lang", "de", "--tgt_lang", "en", "--data_dir", "d")


def test_a_hub_dataset_is_made_with_its_columns(folder):
    Path("colours").mkdir()
    Path("colours/train.csv").write_text("english,de\n" + "".join(f"{word},DE {word}\n" for word in WORDS))
    run("hub", "--dataset", "colours", "--src_lang", "en", "--tgt_lang", "de", "--src_column", "english")
    assert set(load_corpus("data/hub_en_de").splits["train"]["tgt"]) <= {f"DE {word}" for word in WORDS}


def test_home_assistant_is_looked_for_in_the_data_folder(folder):
    from translate.corpora.home_assistant import WHEEL

    Path("d").mkdir()
    Path("d", WHEEL).write_bytes(b"no wheel")
    with pytest.raises(InputError, match=r"is damaged or another file"):
        run("home-assistant", "--data_dir", "d")


def test_synthetic_comes_with_gold_alignments_and_the_report_of_its_grammar(folder, capsys):
    run("synthetic", "--size", "60", "--seed", "2")
    corpus = load_corpus("data/synthetic_en_de")
    assert len(corpus.splits["train"]) == len(corpus.links["train"]) == 60
    assert "AER" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tatoeba"], "^tatoeba needs --path$"),
        (["files"], "^files needs --src and --tgt$"),
        (["files", "--src", "train.en"], "^files needs --tgt$"),
        (["hub", "--src_lang", "en"], "^hub needs --dataset and --tgt-lang$"),
        (
            ["multi30k", "--seed", "1"],
            "^--seed is not used by multi30k, only by home-assistant, tatoeba, synthetic, ",
        ),
        (["synthetic", "--src_lang", "en"], "^--src-lang is not used by synthetic, only by home-assistant, "),
        (["tatoeba", "--path", "p", "--size", "9"], "^--size is not used by tatoeba, only by synthetic$"),
        (
            ["home-assistant", "--path", "p"],
            "^--path is not used by home-assistant, only by multi30k, tatoeba$",
        ),
        (
            ["home-assistant", "--src_column", "p"],
            "^--src-column is not used by home-assistant, only by hub, files, report$",
        ),
        (["home-assistant", "--tgt_lang", "en"], "^--src-lang and --tgt-lang are both en: they must differ$"),
        (
            ["home-assistant", "--tgt_lang", "../x"],
            r"^--tgt-lang is '\.\./x': letters, digits and hyphens are allowed",
        ),
        (
            ["files", "--src", "train.en", "--tgt", "train.de", "--valid_src", "v"],
            "^--valid-src and --valid-tgt belong together: give both or none$",
        ),
        (
            ["files", "--src", "train.en", "--tgt", "train.de", "--test_tgt", "t"],
            "^--test-src and --test-tgt belong together: give both or none$",
        ),
    ],
)
def test_options_that_do_not_fit_are_named(folder, arguments, message):
    with pytest.raises(UsageError, match=message):
        run(*arguments)
    assert not Path("data").exists()


def test_every_split_is_compared_with_train():
    pairs = {"train": [("a 1", "b")], "test": [("A 2", "b")], "test_2017_flickr": [("c", "b")]}
    splits = {name: to_dataset(part) for name, part in pairs.items()}
    corpus = Corpus("n", "en", "de", splits, {}, "l", "", "", None)
    lines = command.report(corpus).splitlines()
    assert lines[-2:] == [
        "test sources also in train (case, digits, punctuation aside): 1",
        "test_2017_flickr sources also in train (case, digits, punctuation aside): 0",
    ]
    assert not any(line.startswith(("citation", "source")) for line in lines)


def test_a_damaged_corpus_is_not_called_made(folder):
    corpus = Corpus("n", "en", "de", {"train": to_dataset([("a", "b")])}, {}, "l", "", "", None)
    write_corpus(corpus, "c")
    Path("c/corpus.json").write_text("{")
    with pytest.raises(InputError, match=r"corpus\.json is damaged"):
        run("tatoeba", "--path", "pairs.tsv", "--out", "c")


def test_files_of_pairs_become_a_corpus_folder(folder, capsys):
    Path("more.csv").write_text(
        "".join(f"de,{word}\n" if not n else f"{word},EN {n}\n" for n, word in enumerate(["en", *WORDS]))
    )
    Path("test.jsonl").write_text('{"en": "x", "de": "y"}\n{}\n')
    arguments = [
        "files",
        "--pairs",
        "pairs.tsv",
        "more.csv",
        "--weights",
        "2",
        "1",
        "--src_lang",
        "en",
        "--tgt_lang",
        "de",
    ]
    arguments += ["--test_pairs", "test.jsonl", "--out", "c"]
    run(*arguments)
    corpus = load_corpus("c")
    assert corpus.splits["test"][:] == {"src": ["x"], "tgt": ["y"]}
    assert (
        len(corpus.splits["train"])
        + len(corpus.splits["valid"])
        + corpus.dropped["further translation of a held-out source"]
        == 36
    )
    assert (
        "left out: 1 (broken record)" not in capsys.readouterr().out
    )  # test pairs are not among what train left out
    run(*arguments)
    assert "c is there already" in capsys.readouterr().out


def test_pairs_with_a_broken_record_are_refused_if_strict(folder):
    Path("pairs.tsv").write_text("a\n")
    with pytest.raises(
        InputError, match=r"^pairs\.tsv: line 1: needed are columns 1 and 2, but there are 1; without"
    ):
        run("files", "--pairs", "pairs.tsv", "--strict", "--src_lang", "en", "--tgt_lang", "de")


@pytest.mark.parametrize(("flag", "source"), [("--strict", "files"), ("--streaming", "hub")])
def test_switches_take_no_value_as_those_of_other_verbs(flag, source, capsys):
    """What follows one is another argument."""
    assert main(["corpus", source, flag, "false"]) == 2
    assert f"the folder false is not used by {source}, only by report" in capsys.readouterr().err
    assert main(["corpus", source, f"{flag}=true"]) == 2
    assert f"{flag}: takes no value, got 'true'" in capsys.readouterr().err
    assert main(["corpus", "synthetic", flag]) == 2
    assert f"{flag} is not used by synthetic, only by {source}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pairs", "pairs.tsv"], "^files needs --src-lang and --tgt-lang$"),
        (
            ["--pairs", "a.tsv", "--src", "b"],
            "^--pairs and --src are both given: files hold pairs, or one text",
        ),
        (
            ["--src", "a.en", "--tgt", "b.de", "--strict"],
            "^--strict is for --pairs, but there are none$",
        ),
        (["--test_pairs", "a.tsv", "--src_lang", "en", "--tgt_lang", "de"], "^files needs --pairs$"),
    ],
)
def test_options_of_texts_and_of_pairs_do_not_mix(arguments, message, folder):
    with pytest.raises(UsageError, match=message):
        run("files", *arguments)
