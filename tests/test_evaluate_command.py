import hashlib
import json
import logging
import shutil
from dataclasses import replace
from importlib.metadata import version

import pytest

from translate.arguments import Parser
from translate.commands import evaluate
from translate.config import Config
from translate.config.data import DataConfig
from translate.config.model import DecoderConfig, EncoderConfig, ModelConfig
from translate.config.search import SearchConfig
from translate.config.tokenizer import TokenizerConfig
from translate.corpora.corpus import Corpus, to_dataset, write_corpus
from translate.errors import InputError, UsageError
from translate.run_directory import RunDirectory
from translate.tokenizer import train_tokenizers

TEST = [
    ("Hello {name}, here is the tea.", "Hallo {name}, hier ist der Tee."),
    ("The tea is green.", "Der Tee ist grün."),
    ("Where is the cup?", "Wo ist die Tasse?"),
]


def main(*arguments):
    parser = Parser("seq2see evaluate")
    evaluate.add_arguments(parser)
    evaluate.run(parser.parse_args([str(argument) for argument in arguments]))


@pytest.fixture
def files(tmp_path):
    """The sources in test.en, the references in test.de, and references with one mistake in other.txt."""
    (tmp_path / "test.en").write_bytes("".join(f"{src}\n" for src, _ in TEST).encode())
    (tmp_path / "test.de").write_bytes("".join(f"{tgt}\n" for _, tgt in TEST).encode())
    (tmp_path / "other.txt").write_bytes(
        "Hallo Name, hier ist der Tee.\nDer Tee ist grün.\nWo ist die Tasse?\n".encode()
    )
    return tmp_path


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "corpus"
    splits = {name: to_dataset(TEST) for name in ("train", "valid", "test")} | {"short": to_dataset(TEST[:1])}
    write_corpus(Corpus("tea", "en", "de", splits, {}, "own", "none", "none", 1), folder)
    return folder


@pytest.fixture
def run_path(tmp_path, corpus):
    """A whole run directory, whose model was never trained."""
    encoder, decoder = EncoderConfig(size=4), DecoderConfig(size=8)
    config = Config(
        data=DataConfig(corpus=str(corpus)),
        tokenizer=TokenizerConfig(vocab_size=300),
        model=ModelConfig(embedding_size=4, encoder=encoder, decoder=decoder),
        search=SearchConfig(beam_size=2, n_best=2, max_length_ratio=1.0, max_length_offset=2),
    )

    def prepare(run):
        tokenizers = train_tokenizers((src for src, _ in TEST), (tgt for _, tgt in TEST), config.tokenizer)
        run.save_config(config)
        run.save_tokenizers(tokenizers)
        run.save_weights(run.build_model(tokenizers), tokenizers)

    return RunDirectory.create(tmp_path / "run", prepare).path


def entries(run_path):
    return json.loads((run_path / "evaluation.json").read_text(encoding="utf-8"))


# Scoring what was made elsewhere


def test_hypotheses_are_scored_without_a_model(files, capsys):
    main("--hypotheses", files / "test.de", "--ref", files / "test.de", "--json")

    entry = json.loads(capsys.readouterr().out)
    assert {score["name"]: round(score["value"], 6) for score in entry["scores"]} == {
        "BLEU": 100,
        "chrF2": 100,
        "TER": 0,
    }
    assert entry["sentences"] == 3
    assert entry["hypotheses"] == str(files / "test.de")
    assert entry["reference_sha256"] == hashlib.sha256((files / "test.de").read_bytes()).hexdigest()
    assert entry["placeholders"] is None  # no sources were given


def test_the_table_shows_scores_with_signatures_and_lost_placeholders(files, capsys):
    main("--hypotheses", files / "other.txt", "--ref", files / "test.de", "--src", files / "test.en")

    lines = capsys.readouterr().out.splitlines()
    v = version("sacrebleu")
    assert lines[0] == f"{files / 'test.de'}: 3 sentences, translations from {files / 'other.txt'}"
    assert lines[1].startswith("BLEU")
    assert lines[1].endswith(f"  nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:{v}")
    assert lines[-1].split() == ["placeholders", "kept", "0.0%", "0", "of", "1"]


def test_the_language_follows_the_name_of_the_reference_file(files, capsys):
    main("--hypotheses", files / "test.de", "--ref", files / "test.de", "--tokenized-lowercase", "--json")

    scores = json.loads(capsys.readouterr().out)["scores"]
    assert scores[-1]["name"] == "BLEU (lowercased, Moses-tokenised)"
    assert "moses:lc.norm.tok.de" in scores[-1]["signature"]


@pytest.mark.parametrize(
    ("name", "lang"),
    [
        ("a/test.de", "de"),
        ("test.en.gz", "en"),
        ("t.zh-Hans", "zh-Hans"),
        ("ref.txt", None),
        ("ref", None),
        ("de", None),
    ],
)
def test_only_an_ending_that_looks_like_a_language_is_taken_for_one(files, capsys, name, lang):
    assert evaluate.lang_of(name) == lang


def test_a_given_language_counts_more_than_the_file_name(files, capsys):
    main("--hypotheses", files / "test.de", "--ref", files / "test.de", "--tgt-lang", "zh", "--json")

    assert "|tok:zh|" in json.loads(capsys.readouterr().out)["scores"][0]["signature"]


def test_hypotheses_are_compared_with_a_part_of_a_corpus(files, corpus, capsys):
    main("--hypotheses", files / "other.txt", "--corpus", corpus, "--json")

    entry = json.loads(capsys.readouterr().out)
    assert entry["test_set"] == f"{corpus.as_posix()}/test"
    assert entry["tgt_lang"] == "de"
    assert entry["placeholders"] == {"kept": 0, "total": 1}


def test_hypotheses_with_a_run_are_kept_there_without_loading_the_model(files, run_path, capsys):
    (run_path / "model.safetensors").unlink()

    main(run_path, "--hypotheses", files / "other.txt")

    assert [entry["hypotheses"] for entry in entries(run_path)] == [str(files / "other.txt")]


# Translating, then scoring


def test_a_run_is_evaluated_on_the_test_part_of_its_own_corpus(run_path, corpus, tmp_path, capsys, caplog):
    with caplog.at_level(logging.INFO):
        main(run_path, "--out", tmp_path / "hyp.txt", "--json")

    entry = json.loads(capsys.readouterr().out)
    assert entry == entries(run_path)[0]
    assert entry["test_set"] == f"{corpus.as_posix()}/test"
    assert (entry["sentences"], entry["engine"], entry["precision"], entry["device"]) == (
        3,
        "torch",
        "float32",
        "cpu",
    )
    assert entry["search"]["beam_size"] == 2  # the run's own
    assert set(entry["versions"]) == {"seq2see", "torch"}
    assert len((tmp_path / "hyp.txt").read_bytes().split(b"\n")) == 3 + 1
    assert "translated 3 sentences with torch in float32 on cpu in " in caplog.text
    assert "sentences/s" in caplog.text


def test_the_written_translations_have_the_score_that_was_reported(run_path, corpus, tmp_path, capsys):
    main(run_path, "--out", tmp_path / "hyp.txt", "--json", "--tokenized-lowercase")
    main("--hypotheses", tmp_path / "hyp.txt", "--corpus", corpus, "--json", "--tokenized-lowercase")

    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["scores"] == second["scores"]


def test_files_are_translated_and_the_search_that_was_asked_for_is_reported(files, run_path, capsys):
    search = ["--beam-size", 1, "--length-penalty", 0.5, "--no-repeat-ngram", 3, "--mbr", 1]

    main(run_path, "--src", files / "test.en", "--ref", files / "test.de", *search)

    first = capsys.readouterr().out.splitlines()[0]
    assert first == (
        f"{files / 'test.de'}: 3 sentences, greedy search, length penalty 0.5, max length ratio 1.0, "
        "max length offset 2, no repeat ngram 3, mbr 1"
    )


def test_the_same_evaluation_replaces_the_old_and_another_is_added(run_path, capsys):
    main(run_path)
    main(run_path, "--beam-size", 1)
    main(run_path, "--split", "short")
    main(run_path, "--tokenized-lowercase")

    kept = [
        (entry["sentences"], entry["search"]["beam_size"], len(entry["scores"]))
        for entry in entries(run_path)
    ]
    assert kept == [(3, 1, 3), (1, 2, 3), (3, 2, 4)]


# What is refused


def test_a_negative_number_of_threads_is_refused():
    with pytest.raises(UsageError, match=r"^--threads is -1: it must be at least 0$"):
        main("run", "--threads", -1)


def test_nothing_to_score_is_refused():
    with pytest.raises(UsageError, match=r"^nothing to score: give a run directory, or --hypotheses"):
        main()


@pytest.mark.parametrize(("given", "lacking"), [("src", "ref"), ("ref", "src")])
def test_sources_without_references_and_the_reverse_are_refused(given, lacking):
    with pytest.raises(
        UsageError, match=rf"^--{given} is given without --{lacking}: a test set of files needs both"
    ):
        main("run", f"--{given}", "x")


@pytest.mark.parametrize("extra", ["corpus", "split"])
def test_files_and_a_corpus_together_are_refused(extra):
    with pytest.raises(UsageError, match=rf"^--src and --{extra} are both given"):
        main("run", "--src", "x", "--ref", "y", f"--{extra}", "z")


@pytest.mark.parametrize(("flag", "value"), [("--beam-size", 3), ("--out", "x")])
def test_options_of_translating_are_refused_where_nothing_is_translated(flag, value):
    with pytest.raises(UsageError, match=f"^{flag} is for translating, but --hypotheses is scored as it is"):
        main("--hypotheses", "x", "--ref", "y", flag, value)


def test_hypotheses_without_references_are_refused():
    with pytest.raises(
        UsageError,
        match=r"^--hypotheses needs references to be compared with: give --ref, --pairs or --corpus",
    ):
        main("--hypotheses", "x")


def test_moses_tokenisation_of_an_unknown_language_is_refused(files):
    with pytest.raises(
        UsageError, match=r"^--tokenized-lowercase has rules for each language: give --tgt-lang"
    ):
        main("--hypotheses", files / "other.txt", "--ref", files / "other.txt", "--tokenized-lowercase")


def test_moses_tokenisation_of_chinese_is_refused_before_translating(files, run_path):
    with pytest.raises(UsageError, match=r"needs a language with spaces between words, got zh"):
        main(run_path, "--tokenized-lowercase", "--tgt-lang", "zh")
    assert not (run_path / "evaluation.json").exists()


def test_hypotheses_and_references_of_unequal_length_are_refused_with_both_counts(files):
    (files / "two.txt").write_text("eins\nzwei\n")

    with pytest.raises(
        InputError, match=r"two\.txt has 2 lines but .*test\.de has 3: there must be one translation"
    ):
        main("--hypotheses", files / "two.txt", "--ref", files / "test.de")


def test_empty_files_are_refused(files):
    (files / "empty.txt").write_text("")

    with pytest.raises(InputError, match=r"^0 hypotheses and 0 references: there is nothing to score"):
        main("--hypotheses", files / "empty.txt", "--ref", files / "empty.txt")


def test_invalid_utf8_is_refused_with_its_line(files):
    (files / "bad.txt").write_bytes(b"eins\nzw\xffei\ndrei\n")

    with pytest.raises(InputError, match=r"bad\.txt: line 2, byte 3"):
        main("--hypotheses", files / "bad.txt", "--ref", files / "test.de")


def test_a_part_that_the_corpus_has_not_is_refused_with_those_it_has(run_path):
    with pytest.raises(InputError, match=r"corpus has no split tset: it has train, valid, test, short$"):
        main(run_path, "--split", "tset")


def test_a_run_that_was_trained_on_files_needs_a_test_set(run_path):
    RunDirectory.open(run_path).save_config(Config())

    with pytest.raises(
        UsageError, match=r"run was trained on files, without a test part: give --src and --ref, or"
    ):
        main(run_path)


def test_a_corpus_that_is_gone_is_named(run_path, corpus):
    corpus.rename(corpus.with_name("elsewhere"))

    with pytest.raises(
        InputError, match=r"corpus, the corpus of .*run, is not there: give --corpus, or --src"
    ):
        main(run_path)


def test_no_run_directory_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: no such run directory"):
        main(tmp_path / "nowhere")


def test_an_output_file_in_no_folder_is_refused_before_translating(run_path, tmp_path):
    with pytest.raises(InputError, match=r"hyp\.txt cannot be written: its folder does not exist"):
        main(run_path, "--out", tmp_path / "no" / "hyp.txt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[{", r"is damaged \(Expecting .*\): restore it, or remove it$"),
        ('{"a": 1}', "is not a list of evaluations: restore it"),
    ],
)
def test_a_damaged_evaluation_file_is_refused_before_translating_and_kept(run_path, content, message):
    (run_path / "evaluation.json").write_text(content)

    with pytest.raises(InputError, match=rf"evaluation\.json {message}"):
        main(run_path)
    assert (run_path / "evaluation.json").read_text() == content


def test_backwards_a_corpus_is_read_the_other_way_round(run_path, capsys):
    run = RunDirectory.open(run_path)
    run.save_config(replace(run.config, data=replace(run.config.data, directions="both")))
    main(run_path)
    main(run_path, "--backwards")
    forward, back = entries(run_path)
    assert back["test_set"] == f"{forward['test_set']}, backwards"
    assert (forward["tgt_lang"], back["tgt_lang"]) == ("de", "en")
    references = "".join(f"{src}\n" for src, _ in TEST)
    assert back["reference_sha256"] == hashlib.sha256(references.encode()).hexdigest()


def test_backwards_is_refused_for_a_run_that_only_goes_forward(run_path):
    with pytest.raises(UsageError, match="run was trained to translate forward only"):
        main(run_path, "--backwards")


def test_an_ensemble_is_scored_and_named(run_path, tmp_path, capsys, caplog):
    shutil.copytree(run_path, tmp_path / "other")
    with caplog.at_level(logging.INFO):
        main(run_path, "--ensemble", tmp_path / "other")
    main(run_path)
    names = [str(run_path), str(tmp_path / "other")]
    assert [entry.get("ensemble") for entry in entries(run_path)] == [
        names,
        None,
    ]  # neither replaces the other
    assert f"with an ensemble of {names[0]} and {names[1]} by torch in" in caplog.text
    assert capsys.readouterr().out.splitlines()[0].endswith(f", an ensemble of {names[0]} and {names[1]}")


def test_an_ensemble_is_refused_where_nothing_is_translated():
    with pytest.raises(UsageError, match=r"^--ensemble is for translating, but --hypotheses is"):
        main("--hypotheses", "x", "--ref", "y", "--ensemble", "run")


def test_references_may_be_in_a_file_of_pairs(files, capsys):
    lines = [json.dumps({"translation": {"en": src, "de": tgt}}) for src, tgt in TEST]
    (files / "test.jsonl").write_text("\n".join(lines))
    pairs = ["--pairs", files / "test.jsonl", "--src-lang", "en", "--tgt-lang", "de"]
    main(*pairs, "--hypotheses", files / "other.txt", "--json")
    of_pairs = json.loads(capsys.readouterr().out)
    main(
        "--src", files / "test.en", "--ref", files / "test.de", "--hypotheses", files / "other.txt", "--json"
    )
    of_texts = json.loads(capsys.readouterr().out)
    assert of_pairs == of_texts | {"test_set": str(files / "test.jsonl")}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--ref", "b", "--hypotheses", "c"],
            "^--pairs has sources and references: leave --src and --ref out$",
        ),
        (
            ["--corpus", "b", "--hypotheses", "c"],
            "^--pairs and --corpus are both given: a test set is of files or",
        ),
    ],
)
def test_pairs_and_another_test_set_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        main("--pairs", "a.tsv", *options)


@pytest.mark.parametrize("flag", [["--strict"], ["--format", "csv"], ["--src-lang", "de"]])
def test_how_pairs_are_read_is_not_said_where_there_are_none(flag):
    with pytest.raises(UsageError, match=f"^{flag[0]} is for --pairs, but there are none$"):
        main("--ref", "b", "--hypotheses", "c", *flag)
