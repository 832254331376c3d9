import json
import logging
from dataclasses import replace

import pytest
from tiny import tiny_run

from translate.arguments import Parser
from translate.commands import compare
from translate.corpora.corpus import Corpus, to_dataset, write_corpus
from translate.errors import InputError, UsageError
from translate.run_directory import RunDirectory

PAIRS = [
    ("Ein Hund läuft.", "A dog runs."),
    ("Zwei Kinder spielen im Park.", "Two children are playing in the park."),
    ("Guten Morgen!", "Good morning!"),
]


def main(*arguments):
    parser = Parser("seq2see compare")
    compare.add_arguments(parser)
    compare.run(parser.parse_args([*map(str, arguments), "--threads=1", "--samples=50"]))


def as_json(capsys, *arguments):
    main(*arguments, "--json")
    return json.loads(capsys.readouterr().out)


def write_lines(path, lines):
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
    return path


@pytest.fixture
def files(tmp_path):
    """A test set of three sentences, translated well by b and badly by a."""
    write_lines(tmp_path / "test.de", [src for src, _ in PAIRS])
    write_lines(tmp_path / "test.en", [tgt for _, tgt in PAIRS])
    write_lines(tmp_path / "a.txt", ["A cat.", "Two children.", "Good morning!"])
    write_lines(tmp_path / "b.txt", ["A dog runs.", "Two children play in the park.", "Good morning!"])
    return tmp_path


@pytest.fixture
def systems(files):
    return "--hyp-a", files / "a.txt", "--hyp-b", files / "b.txt"


def make_corpus(folder, tgt_lang="en"):
    splits = {name: to_dataset(PAIRS) for name in ("train", "valid", "test")} | {
        "short": to_dataset(PAIRS[:1])
    }
    write_corpus(Corpus("dogs", "de", tgt_lang, splits, {}, "own", "none", "none", 1), folder)
    return folder


def make_run(folder, **data):
    """A run that was never trained, with validation text."""
    folder.mkdir()
    run = RunDirectory.open(tiny_run(folder))
    run.save_valid(PAIRS[:2])
    run.save_config(replace(run.config, data=replace(run.config.data, **data)))
    return run.path


@pytest.fixture
def runs(tmp_path):
    return make_run(tmp_path / "one"), make_run(tmp_path / "two")


# Translations that were made elsewhere


def test_two_files_are_compared_without_a_model(files, systems, capsys):
    found = as_json(capsys, *systems, "--ref", files / "test.en", "--src", files / "test.de")

    assert found["a"] == {"name": str(files / "a.txt"), "hypotheses": str(files / "a.txt")}
    assert (found["test_set"], found["src_lang"], found["tgt_lang"]) == (str(files / "test.en"), "de", "en")
    assert [metric["name"] for metric in found["metrics"]] == ["BLEU", "chrF2"]
    assert found["metrics"][0]["compared"]["difference"] > 0
    assert (found["exact"], found["identical"], found["better"]) == ([1, 2], 1, [0, 2])
    assert [bucket["name"] for bucket in found["by_length"]] == ["0-4", "5-9"]
    assert [example["line"] for example in found["b_best"]] == [1, 2]
    assert (found["samples"], found["seed"], found["train_text"], found["by_frequency"]) == (50, 1, None, [])


def test_tgt_is_another_name_of_ref_and_sources_are_not_needed(files, systems, capsys):
    found = as_json(capsys, *systems, "--tgt", files / "test.en")
    assert (found["sentences"], found["by_length"]) == (3, [])


def test_the_table_shows_scores_counts_buckets_and_examples(files, systems, capsys):
    train_text = write_lines(files / "train.en", ["A dog runs."])
    main(*systems, "--ref", files / "test.en", "--src", files / "test.de", "--train-text", train_text)

    out = capsys.readouterr().out
    assert out.startswith(f"{files / 'test.en'}: 3 sentences\nA  {files / 'a.txt'}\nB  {files / 'b.txt'}\n\n")
    lines = out.splitlines()
    assert next(line for line in lines if line.startswith("BLEU  ")).endswith(
        "too few sentences to tell from chance"
    )
    assert any(line.startswith("BLEU: nrefs:1|case:mixed|") for line in lines)
    assert "p and interval: paired bootstrap, 50 test sets drawn" in lines
    rows = [line.split() for line in lines]
    assert ["exactly", "the", "reference", "1", "(33.3%)", "2", "(66.7%)"] in rows
    assert "both alike: 1 (33.3%)" in lines
    assert "BLEU by words of the source" in lines
    assert f"BLEU by how often {train_text} has the reference's rarest word" in lines
    assert "F-measure of words by how often it has them" in lines
    assert "    A    A cat.\n    B    A dog runs." in out
    assert "A is better in chrF by most in" not in out


def test_the_table_shows_an_interval_and_a_p_value_where_sentences_suffice(files, capsys):
    refs = write_lines(files / "many.en", ["a b c d e"] * 30)
    a, b = write_lines(files / "1", ["a b c d x"] * 30), write_lines(files / "2", ["a b c d e"] * 30)
    main("--hyp-a", a, "--hyp-b", b, "--ref", refs)
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("BLEU  "))
    assert row.split() == [
        "BLEU",
        "66.87",
        "100.00",
        "+33.13",
        "+33.13",
        "to",
        "+33.13",
        "0.020",
        "B",
        "is",
        "better",
    ]


def test_control_characters_of_a_text_do_not_reach_the_terminal(files, capsys):
    a = write_lines(files / "1", ["\x1b[31mred", "x", "y"])
    main("--hyp-a", a, "--hyp-b", files / "b.txt", "--ref", files / "test.en")
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\ufffd[31mred" in out


def test_a_page_is_written_beside_the_table(files, systems, capsys, caplog):
    with caplog.at_level(logging.INFO):
        main(*systems, "--ref", files / "test.en", "--html", files / "page.html", "--examples", 1)
    page = (files / "page.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert page.count("<li>") == 1
    assert f"wrote {files / 'page.html'}" in caplog.text
    assert capsys.readouterr().out


def test_rare_words_need_a_training_text_and_are_told_by_the_one_that_is_named(
    files, systems, capsys, caplog
):
    with caplog.at_level(logging.INFO):
        main(*systems, "--ref", files / "test.en")
    assert "no training text is known; --train-text names one" in caplog.text
    capsys.readouterr()
    train_text = write_lines(files / "train.en", ["A dog.", "A dog."])
    found = as_json(capsys, *systems, "--ref", files / "test.en", "--train-text", train_text)
    # "A", "dog" and the one "." occur twice; all other words never.
    assert [(bucket["name"], bucket["size"]) for bucket in found["by_frequency"]] == [("0", 11), ("2", 4)]
    assert found["train_text"] == str(train_text)


# Two runs


def test_runs_translate_their_common_validation_text(runs, capsys):
    found = as_json(capsys, *runs, "--beam-size", 1)
    assert found["test_set"] == f"validation text of {runs[0]} and {runs[1]}"
    assert (found["sentences"], found["identical"]) == (2, 2)  # the weights are the same
    assert (found["a"]["engine"], found["a"]["search"]["beam_size"]) == ("torch", 1)


def test_runs_translate_a_part_of_a_corpus_with_words_counted_in_its_training_part(tmp_path, capsys):
    corpus = make_corpus(tmp_path / "corpus")
    runs = [make_run(tmp_path / name, corpus=str(corpus)) for name in ("one", "two")]
    by_name = as_json(capsys, *runs, "--corpus", corpus, "--split", "short")
    by_split = as_json(capsys, *runs, "--split", "short")
    assert by_name["test_set"] == by_split["test_set"] == f"{corpus.as_posix()}/short"
    assert by_name["sentences"] == 1
    assert by_name["train_text"] == (corpus / "train.en").as_posix()
    assert [bucket["name"] for bucket in by_name["by_frequency"]] == ["1", "2"]  # "." is in two sentences


def test_words_are_counted_in_the_files_that_the_runs_were_trained_on(files, tmp_path, capsys, caplog):
    data = {"src": str(files / "test.de"), "tgt": str(files / "test.en")}
    one, two = make_run(tmp_path / "one", **data), make_run(tmp_path / "two", **data)
    assert as_json(capsys, one, two)["train_text"] == (files / "test.en").as_posix()
    other = write_lines(files / "other.en", [tgt for _, tgt in PAIRS])
    three = make_run(tmp_path / "three", **data | {"tgt": str(other)})
    with caplog.at_level(logging.INFO):
        assert as_json(capsys, one, three)["train_text"] == (files / "test.en").as_posix()
    assert f"words are counted in {files / 'test.en'}, not in {other}" in caplog.text
    (files / "test.de").unlink()
    assert as_json(capsys, one, two)["train_text"] is None


def test_backwards_sources_and_references_change_places(files, tmp_path, capsys):
    data = {"src": str(files / "test.de"), "tgt": str(files / "test.en"), "directions": "both"}
    found = as_json(
        capsys, make_run(tmp_path / "one", **data), make_run(tmp_path / "two", **data), "--backwards"
    )
    assert (found["src_lang"], found["tgt_lang"]) == ("en", "de")
    assert found["train_text"] == (files / "test.de").as_posix()


# What is refused


def test_fewer_than_two_systems_are_refused(files):
    with pytest.raises(UsageError, match=r"^0 of 2 systems given: name two run directories, or --hyp-a"):
        main()
    with pytest.raises(UsageError, match=r"^1 of 2 systems given"):
        main("run")
    with pytest.raises(UsageError, match=r"^1 of 2 systems given"):
        main("--hyp-b", "x", "--ref", "y")


def test_a_run_and_a_file_are_not_compared():
    with pytest.raises(
        UsageError, match=r"^run and --hyp-b are both given: compare two run directories, or two"
    ):
        main("run", "--hyp-b", "x")


def test_files_without_references_are_refused(systems):
    with pytest.raises(UsageError, match=r"^--hyp-a and --hyp-b need references to be compared with"):
        main(*systems)


@pytest.mark.parametrize("flags", [("--beam-size", 2), ("--backwards",)])
def test_options_of_translating_are_refused_for_files(systems, flags):
    with pytest.raises(UsageError, match=f"^{flags[0]} is for translating, but --hyp-a is compared as it is"):
        main(*systems, "--ref", "x", *flags)


@pytest.mark.parametrize(("given", "lacking"), [("src", "ref"), ("ref", "src")])
def test_runs_need_sources_and_references(given, lacking):
    with pytest.raises(
        UsageError, match=rf"^--{given} is given without --{lacking}: a test set of files needs"
    ):
        main("a", "b", f"--{given}", "x")


@pytest.mark.parametrize(
    ("name", "value", "least"), [("samples", 0, 1), ("examples", -1, 0), ("seed", -1, 0)]
)
def test_numbers_that_are_too_small_are_refused(name, value, least):
    parser = Parser("seq2see compare")
    compare.add_arguments(parser)
    with pytest.raises(UsageError, match=rf"^--{name} is {value}: it must be at least {least}$"):
        compare.run(parser.parse_args(["a", "b", f"--{name}={value}"]))


def test_a_page_in_no_folder_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(InputError, match=r"page\.html cannot be written: its folder does not exist"):
        main("a", "b", "--html", tmp_path / "no" / "page.html")


def test_a_file_of_another_length_is_named_with_both_counts(files, systems):
    write_lines(files / "b.txt", ["one", "two"])
    with pytest.raises(InputError, match=r"b\.txt has 2 lines but .*test\.en has 3: there must be one"):
        main(*systems, "--ref", files / "test.en")


def test_runs_with_different_validation_text_need_a_test_set(runs):
    RunDirectory.open(runs[1]).save_valid(PAIRS)
    with pytest.raises(
        InputError,
        match=r"one/run and .*two/run have different validation text \(2 and 3 pairs\): give --corpus",
    ):
        main(*runs)


def test_a_run_without_validation_text_needs_a_test_set(runs):
    (runs[1] / "valid.tgt").unlink()
    with pytest.raises(InputError, match=r"two/run/valid\.tgt is missing: give --corpus, or --src and --ref"):
        main(*runs)


def test_a_part_of_two_different_corpora_is_refused(tmp_path):
    one, two = (make_run(tmp_path / name, corpus=str(tmp_path / f"of_{name}")) for name in ("one", "two"))
    with pytest.raises(
        UsageError,
        match=r"^--split is of one corpus, but .*one/run was trained on .*of_one and .*on .*of_two: give",
    ):
        main(one, two, "--split", "test")


def test_runs_into_different_languages_are_refused(tmp_path):
    one, two = make_run(tmp_path / "one", tgt_lang="en"), make_run(tmp_path / "two", tgt_lang="fr")
    with pytest.raises(
        UsageError, match=r"^.*one/run is into en, but .*two/run is into fr: systems and test set"
    ):
        main(one, two)


def test_runs_from_different_languages_are_refused(files, tmp_path):
    one = make_run(tmp_path / "one", corpus=str(make_corpus(tmp_path / "corpus")))
    two = make_run(tmp_path / "two", src="train.cs", tgt="train.en")
    with pytest.raises(
        UsageError, match=r"^.*one/run is from de, but .*two/run is from cs: systems and test"
    ):
        main(one, two)


def test_a_test_set_of_another_language_than_the_runs_is_refused(files, tmp_path):
    runs = [make_run(tmp_path / name, tgt_lang="en") for name in ("one", "two")]
    with pytest.raises(
        UsageError, match=r"one/run is into en, but .*/of_fr/test is into fr: systems and test"
    ):
        main(*runs, "--corpus", make_corpus(tmp_path / "of_fr", "fr"))


def test_a_country_makes_no_other_language(tmp_path, capsys):
    one, two = make_run(tmp_path / "one", tgt_lang="en-GB"), make_run(tmp_path / "two", tgt_lang="en")
    assert as_json(capsys, one, two)["tgt_lang"] == "en-GB"
