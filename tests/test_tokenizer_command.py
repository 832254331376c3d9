from pathlib import Path

import jsonargparse
import pytest
from datasets import Dataset

from translate.commands import tokenizer as command
from translate.config.tokenizer import TokenizerConfig
from translate.corpora.corpus import Corpus, write_corpus
from translate.errors import InputError, UsageError
from translate.tokenizer import Tokenizer
from translate.trimming import trim

SRC = ["der Hund läuft", "", "die Katze schläft", "zwei Jungen quengeln"] * 10
TGT = ["the dog runs", "", "the cat sleeps", "the dog sleeps"] * 10


def run(*arguments: object) -> None:
    parser = jsonargparse.ArgumentParser()
    command.add_arguments(parser)
    command.run(parser.parse_args([str(argument) for argument in arguments]))


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str, str, str]:
    (tmp_path / "train.de").write_text("".join(f"{line}\n" for line in SRC), encoding="utf-8")
    (tmp_path / "train.en").write_text("".join(f"{line}\n" for line in TGT), encoding="utf-8")
    return "--src", str(tmp_path / "train.de"), "--tgt", str(tmp_path / "train.en")


def test_a_joint_tokenizer_is_one_file_and_is_described(files, tmp_path, capsys):
    run(*files, "--out", tmp_path / "tok", "--vocab_size", 285, "--trim", "false")
    assert [path.name for path in (tmp_path / "tok").iterdir()] == ["tokenizer.model"]
    tokenizer = Tokenizer.load(tmp_path / "tok" / "tokenizer.model")
    assert tokenizer.sha256 == Tokenizer.train(SRC + TGT, TokenizerConfig(vocab_size=285)).sha256
    out = capsys.readouterr().out.splitlines()
    assert out[0] == f"{tmp_path / 'tok' / 'tokenizer.model'}: 285 pieces (unigram)"
    counted = [text for text in SRC if text]
    pieces = sum(map(len, tokenizer.encode_batch(counted)))
    assert out[1] == f"src: {pieces / 90:.2f} pieces a word, {pieces / 30:.1f} a sentence; for example"
    assert out[2] == "    der Hund läuft"
    assert out[3] == "    " + " ".join(tokenizer.pieces(tokenizer.encode("der Hund läuft")))
    assert out[4].startswith("tgt: ")


def test_a_joint_tokenizer_is_two_files_where_targets_need_fewer_pieces(files, tmp_path, capsys):
    run(*files, "--out", tmp_path / "tok", "--vocab_size", 295)
    expected = trim(Tokenizer.train(SRC + TGT, TokenizerConfig(vocab_size=295)), TGT)
    assert len(expected.tgt) < len(expected.src)
    out = capsys.readouterr().out
    for name, side in (("src", expected.src), ("tgt", expected.tgt)):
        path = tmp_path / "tok" / f"{name}.model"
        assert Tokenizer.load(path).sha256 == side.sha256
        assert f"{path}: {len(side)} pieces (unigram)\n" in out


def test_separate_tokenizers_are_two_files(files, tmp_path, capsys):
    run(*files, "--out", tmp_path / "tok", "--vocab_size", 275, "--joint", "false", "--algorithm", "bpe")
    assert sorted(path.name for path in (tmp_path / "tok").iterdir()) == ["src.model", "tgt.model"]
    out = capsys.readouterr().out
    config = TokenizerConfig(vocab_size=275, algorithm="bpe")
    for name, texts in (("src", SRC), ("tgt", TGT)):
        path = tmp_path / "tok" / f"{name}.model"
        assert Tokenizer.load(path).sha256 == Tokenizer.train(texts, config).sha256
        assert f"{path}: 275 pieces (bpe)\n" in out


def test_the_train_part_of_a_corpus_is_used(tmp_path):
    parts = {"train": (SRC, TGT), "valid": (["x"], ["y"]), "test": (["x"], ["y"])}
    splits = {part: Dataset.from_dict({"src": src, "tgt": tgt}) for part, (src, tgt) in parts.items()}
    write_corpus(
        Corpus("animals", "de", "en", splits, {}, "CC0", "us", "https://example.org", 1), tmp_path / "corpus"
    )
    run("--corpus", tmp_path / "corpus", "--out", tmp_path / "tok", "--vocab_size", 285, "--trim", "false")
    expected = Tokenizer.train(SRC + TGT, TokenizerConfig(vocab_size=285))
    assert Tokenizer.load(tmp_path / "tok" / "tokenizer.model").sha256 == expected.sha256


def test_every_setting_reaches_the_tokenizer(files, tmp_path):
    settings = [
        "--vocab_size",
        290,
        "--trim",
        "false",
        "--character_coverage",
        0.99,
        "--normalization",
        "nfkc",
    ]
    run(*files, "--out", tmp_path, *settings, "--user_defined_symbols", "{name}", "123", "null")
    expected = TokenizerConfig(
        vocab_size=290,
        character_coverage=0.99,
        normalization="nfkc",
        user_defined_symbols=("{name}", "123", "null"),
    )
    tokenizer = Tokenizer.load(tmp_path / "tokenizer.model")
    assert tokenizer.sha256 == Tokenizer.train(SRC + TGT, expected).sha256
    assert tokenizer.pieces(tokenizer.encode("a{name}b"))[2] == "{name}"


@pytest.mark.parametrize(("joint", "name"), [("true", "tokenizer.model"), ("false", "tgt.model")])
def test_nothing_is_overwritten(files, tmp_path, joint, name):
    (tmp_path / name).write_bytes(b"precious")
    with pytest.raises(
        InputError, match=rf"{name} exists already, and is not overwritten: move it, or choose"
    ):
        run(*files, "--out", tmp_path, "--joint", joint)
    assert (tmp_path / name).read_bytes() == b"precious"
    assert len(list(tmp_path.iterdir())) == 3


def test_an_output_folder_that_is_a_file_is_refused(files, tmp_path):
    (tmp_path / "tok").write_bytes(b"precious")
    with pytest.raises(InputError, match=r"tok is a file; --out needs a folder"):
        run(*files, "--out", tmp_path / "tok")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("", "none of them"),
        ("--src a", "--src"),
        ("--tgt a", "--tgt"),
        ("--src a --tgt b --corpus c", "--src --tgt --corpus"),
        ("--src a --corpus c", "--src --corpus"),
    ],
)
def test_the_text_must_be_given_in_one_way(tmp_path, given, named):
    with pytest.raises(
        UsageError, match=f"needed are --src and --tgt, or --corpus alone, or --pairs alone; got {named}$"
    ):
        run(*given.split(), "--out", tmp_path / "tok")
    assert not (tmp_path / "tok").exists()


def test_how_pairs_are_read_is_not_said_where_there_are_none(tmp_path):
    with pytest.raises(UsageError, match=r"^--markup is for --pairs, but there are none"):
        run("--src", "a", "--tgt", "b", "--markup", "keep", "--out", tmp_path / "tok")


def test_files_of_blank_lines_are_refused_and_nothing_is_written(tmp_path):
    (tmp_path / "a").write_text("\n \n")
    with pytest.raises(InputError, match="no text to train a tokenizer on"):
        run("--src", tmp_path / "a", "--tgt", tmp_path / "a", "--out", tmp_path / "tok")
    assert not (tmp_path / "tok").exists()


def test_a_side_of_blank_lines_is_not_described(files, tmp_path, capsys):
    (tmp_path / "blank").write_text("\n" * len(SRC))
    run(*files[:2], "--tgt", tmp_path / "blank", "--out", tmp_path / "tok", "--vocab_size", 280)
    assert (tmp_path / "tok" / "src.model").is_file()
    assert "tgt:" not in capsys.readouterr().out


def test_pairs_of_any_format_are_text(files, tmp_path):
    table = tmp_path / "train.csv"
    table.write_text(
        "".join(f'"{src}","{tgt}"\n' for src, tgt in zip(SRC, TGT, strict=True)), encoding="utf-8"
    )
    run(*files, "--out", tmp_path / "a", "--vocab_size", 295)
    run("--pairs", table, "--out", tmp_path / "b", "--vocab_size", 295)
    for name in ("src.model", "tgt.model"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
