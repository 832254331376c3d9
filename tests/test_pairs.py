"""Several sources of pairs, whatever their format: counted, weighted, shown where broken, or refused."""

import bz2
import gzip
import io
import logging
import lzma
import sys
from collections import Counter
from types import SimpleNamespace

import pyarrow
import pytest

from translate.corpora.corpus import Corpus, to_dataset, write_corpus
from translate.corpora.formats import Wanted
from translate.corpora.pairs import Sources, find_format, one_line, stream_pairs
from translate.errors import InputError, UsageError

DE_EN = Wanted("de", "en")
TEXT = "eins\tone\nzwei\ttwo\n"
PAIRS = [("eins", "one"), ("zwei", "two")]


def zstd(data: bytes) -> bytes:
    sink = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


PACK = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd}


@pytest.fixture
def read(tmp_path):
    def read(content, name="a.tsv", wanted=DE_EN, **settings):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return list(stream_pairs(Sources([str(path)], wanted, **settings)))

    return read


@pytest.mark.parametrize("suffix", PACK)
def test_packed_files_are_unpacked(suffix, read):
    assert read(PACK[suffix](TEXT.encode()), f"a.tsv{suffix}") == PAIRS


@pytest.mark.parametrize("suffix", PACK)
def test_packed_files_in_two_pieces_are_read_to_the_end(suffix, read):
    pack = PACK[suffix]
    assert read(pack(b"eins\tone\n") + pack(b"zwei\ttwo\n"), f"a.tsv{suffix}") == PAIRS


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("damage", ["cut", "other"])
def test_damaged_packed_files_are_refused(suffix, damage, read):
    content = PACK[suffix](TEXT.encode() * 99)[:-9] if damage == "cut" else b"plain text, not packed at all"
    with pytest.raises(InputError, match=rf"a\.tsv{suffix}: damaged or not \w+, though its name ends in"):
        read(content, f"a.tsv{suffix}")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"a\.tsv: no such file"):
        list(stream_pairs(Sources([str(tmp_path / "a.tsv")])))


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a.tsv", "tsv"),
        ("A.TSV.gz", "tsv"),
        ("a.tmx.xz", "tmx"),
        ("a.xlf", "xliff"),
        ("a.de-en.jsonl.zst", "jsonl"),
        ("a.{lang}.gz", "parallel"),
        ("hub:someone/x", "hub"),
    ],
)
def test_the_format_is_told_from_the_name(path, found):
    assert find_format(path, None) == found


@pytest.mark.parametrize("path", ["a", "a.txt", "a.json", "-", "a.gz"])
def test_names_that_do_not_tell_the_format_need_it_given(path):
    with pytest.raises(
        UsageError,
        match=r"format cannot be told from its name: give --format \(to align, --pairs-format\), or a name",
    ):
        find_format(path, None)
    assert find_format(path, "tsv") == "tsv"


def test_standard_input_is_read(monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(TEXT.encode())))
    assert list(stream_pairs(Sources(["-"], format="tsv"))) == PAIRS


def test_standard_input_can_be_read_once_only():
    with pytest.raises(UsageError, match=r"standard input \(-\) can be read once only"):
        list(stream_pairs(Sources(["-", "-"], format="tsv")))


def test_two_parallel_files_are_a_source_by_their_languages(tmp_path):
    (tmp_path / "a.de").write_text("eins\nzwei\n")
    (tmp_path / "a.en").write_text("one\ntwo\n")
    assert list(stream_pairs(Sources([str(tmp_path / "a.{lang}")], DE_EN))) == PAIRS


def corpus(folder, parts=("train",)):
    splits = {part: to_dataset(PAIRS) for part in parts}
    write_corpus(Corpus("x", "de", "en", splits, {}, "", "", "", None), folder)
    return str(folder)


@pytest.mark.parametrize("wanted", [DE_EN, Wanted(), Wanted("en", "de")])
def test_a_corpus_folder_is_a_source_in_either_direction(wanted, tmp_path):
    pairs = list(stream_pairs(Sources([corpus(tmp_path / "c")], wanted)))
    assert pairs == ([pair[::-1] for pair in PAIRS] if wanted.src_lang == "en" else PAIRS)


def test_a_corpus_folder_of_other_languages_is_refused(tmp_path):
    with pytest.raises(InputError, match="c is de to en, but wanted is de to fr"):
        list(stream_pairs(Sources([corpus(tmp_path / "c")], Wanted("de", "fr"))))


def test_a_corpus_folder_without_a_training_part_is_refused(tmp_path):
    with pytest.raises(InputError, match="c has no training part, only test"):
        list(stream_pairs(Sources([corpus(tmp_path / "c", ["test"])])))


def test_sources_come_one_after_the_other_each_as_often_as_its_weight(tmp_path):
    (tmp_path / "a.tsv").write_text("a\tA\nb\tB\n")
    (tmp_path / "b.csv").write_text("c,C\n")
    paths = [str(tmp_path / "a.tsv"), str(tmp_path / "b.csv")]
    assert list(stream_pairs(Sources(paths))) == [("a", "A"), ("b", "B"), ("c", "C")]
    assert list(stream_pairs(Sources(paths, weights=(1, 3)))) == [("a", "A"), ("b", "B"), *[("c", "C")] * 3]


@pytest.mark.parametrize("weight", [0.5, 2.25])
def test_a_fraction_of_a_weight_is_drawn_by_the_seed(weight, tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("".join(f"{n}\tx\n" for n in range(2000)))
    sources = Sources([str(path)], weights=(weight,))
    first, again, other = (list(stream_pairs(sources, seed)) for seed in (1, 1, 2))
    assert first == again != other
    copies = Counter(Counter(first)[str(n), "x"] for n in range(2000))
    assert set(copies) == {int(weight), int(weight) + 1}
    assert abs(len(first) / 2000 - weight) < 0.05  # four standard deviations of a share of 2000


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (Sources(["a.tmx"]), "a.tmx: texts are chosen by language: give --src-lang and --tgt-lang"),
        (Sources(["a.{lang}"], Wanted("de")), "texts are chosen by language"),
        (Sources(["a.tsv"], Wanted(src_column="x")), "--src-column and --tgt-column belong together"),
        (
            Sources(["a.jsonl"]),
            "a.jsonl: which fields. Give --src-column and --tgt-column, or --src-lang and",
        ),
        (Sources(["a.csv"], Wanted(src_column="0", tgt_column="1")), "columns of a table count from 1"),
        (Sources(["a.tsv"], weights=(1, 2)), "there are 2 weights for 1 sources: needed is one for each"),
    ],
)
def test_what_cannot_be_read_as_described_is_refused(sources, message):
    with pytest.raises(UsageError, match=message):
        next(stream_pairs(sources))


BROKEN = "".join(["a\tb\n", *(f"broken{n}\n" for n in range(5)), "c\td\n"])


def test_broken_records_are_counted_and_the_first_are_shown(read, caplog):
    assert read(BROKEN) == [("a", "b"), ("c", "d")]
    told = [record.getMessage() for record in caplog.records]
    assert [line.partition("a.tsv: ")[2] for line in told] == [
        *(f"line {n}: needed are columns 1 and 2, but there are 1; passed over" for n in (2, 3, 4)),
        "passed over 5 broken records of 7",
    ]


def test_strict_refuses_the_first_broken_record(read):
    message = (
        r"a\.tsv: line 2: needed are columns 1 and 2, but there are 1; without --strict it is passed over$"
    )
    with pytest.raises(InputError, match=message):
        read(BROKEN, strict=True)


def test_what_is_left_out_is_told_and_counted(tmp_path, caplog):
    path = tmp_path / "a.tsv"
    path.write_text("a\tb\n\n\nx\nc\td\n")
    dropped = Counter()
    with caplog.at_level(logging.INFO):
        assert len(list(stream_pairs(Sources([str(path)]), dropped=dropped))) == 2
    assert dropped == {"blank row": 2, "broken record": 1}
    assert "a.tsv: 2 pairs in 5 records; 2 left out (blank row)" in caplog.text


def test_a_source_without_pairs_is_refused_and_says_why(read):
    with pytest.raises(InputError, match=r"a\.tsv has no pairs in 0 records$"):
        read("")
    message = (
        r"a\.tsv has no pairs in 3 records: 1 left out \(blank row\), 2 broken, the first: .*a\.tsv: line 2:"
    )
    with pytest.raises(InputError, match=message):
        read("\nx\ny\n")


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.jsonl"])
def test_an_encoding_error_names_file_line_and_byte(name, read, caplog):
    lines = {
        "a.tsv": b"a\tb\n\xc3\xa4 \xff\tb\nc\td\n",
        "a.csv": b"a,b\n\xc3\xa4 \xff,b\nc,d\n",
        "a.jsonl": b'{"de":"a","en":"b"}\n\xc3\xa4 \xff\n{"de":"c","en":"d"}\n',
    }
    assert read(lines[name], name) == [("a", "b"), ("c", "d")]
    assert f"{name}: line 2" in caplog.text
    assert "byte 4 (0xff) is not valid UTF-8; passed over" in caplog.text
    with pytest.raises(InputError, match=r"line 2.* byte 4 \(0xff\) is not valid UTF-8"):
        read(lines[name], name, strict=True)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\nb", "a b"),
        (" a  \r\n\n  b\n", "a b"),
        ("\ra", "a"),
        (" a  b ", " a  b "),
        ("a\u2028b", "a\u2028b"),
    ],
)
def test_line_breaks_become_a_blank(text, line):
    assert one_line(text) == line
