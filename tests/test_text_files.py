import gzip
import io
import logging
import os
import random

import pytest

from translate.errors import InputError
from translate.text_files import decode_lines, read_lines, read_parallel


def decode(data: bytes, *, strict: bool = True) -> list[str]:
    return list(decode_lines(io.BytesIO(data), "in.txt", strict=strict))


@pytest.mark.parametrize(
    "separator", ["\u2028", "\u2029", "\x0b", "\x0c", "\x1c", "\x1e", "\x85", "\r", "\0"]
)
def test_only_a_newline_ends_a_line(separator):
    assert decode(f"a{separator}b\nc\n".encode()) == [f"a{separator}b", "c"]


def test_random_lines_come_back_as_they_were_written():
    random.seed(1)
    alphabet = "aä \t\u2028\x85\x0c\0🙂אب\ufeff"
    lines = ["x" + "".join(random.choices(alphabet, k=random.randrange(9))) for _ in range(200)]
    assert decode("".join(line + "\n" for line in lines).encode()) == lines


def test_one_carriage_return_before_the_newline_belongs_to_it():
    assert decode(b"a\r\nb\r\r\nc\r") == ["a", "b\r", "c"]


def test_a_last_line_needs_no_newline():
    assert decode(b"a\nb") == decode(b"a\nb\n") == ["a", "b"]


def test_blank_lines_are_lines():
    assert decode(b"\n \n\n") == ["", " ", ""]


def test_an_empty_stream_has_no_lines():
    assert decode(b"") == []


def test_a_byte_order_mark_is_dropped_at_the_start_only():
    assert decode("\ufeffa\n\ufeffb\n".encode()) == ["a", "\ufeffb"]


def test_a_stream_of_only_a_byte_order_mark_has_no_lines():
    assert decode("\ufeff".encode()) == []
    assert decode("\ufeff\n".encode()) == [""]


def test_strict_refuses_invalid_utf8_and_says_where():
    message = r"^in\.txt: line 2, byte 4 \(0xff\) is not valid UTF-8; the text must be UTF-8 throughout$"
    with pytest.raises(InputError, match=message):
        decode("a\näb".encode() + b"\xff\n")


def test_lenient_reads_invalid_utf8_as_replacement_characters_with_one_warning(caplog):
    lines = decode(b"a\nb\xffc\n\xc3\nd\n", strict=False)
    assert lines == ["a", "b\ufffdc", "\ufffd", "d"]
    assert [record.getMessage() for record in caplog.records] == [
        "in.txt: line 2, byte 2 (0xff) is not valid UTF-8; such bytes are read as U+FFFD from here on"
    ]
    assert caplog.records[0].levelno == logging.WARNING


def test_lenient_says_nothing_about_valid_text(caplog):
    assert decode("ä\ufffd\n".encode(), strict=False) == ["ä\ufffd"]
    assert caplog.records == []


def test_surrogates_are_not_utf8():
    with pytest.raises(InputError, match="byte 1"):
        decode(b"\xed\xa0\x80\n")


def test_lines_are_handed_out_before_the_stream_ends():
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as stream, os.fdopen(writer, "wb", buffering=0) as source:
        lines = decode_lines(stream, "pipe", strict=True)
        source.write(b"first\nsec")
        assert next(lines) == "first"
        source.write(b"ond\n")
        assert next(lines) == "second"


def test_a_file_named_gz_is_unpacked(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"eins\nzwei\n"))
    assert read_lines(tmp_path / "a.gz") == ["eins", "zwei"]
    assert read_lines(str(tmp_path / "a.gz")) == ["eins", "zwei"]


def test_read_lines_is_strict_unless_told_otherwise(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"ok\n\xfe\n")
    with pytest.raises(InputError, match=r"a\.txt: line 2, byte 1 "):
        read_lines(path)
    assert read_lines(path, strict=False) == ["ok", "\ufffd"]


@pytest.mark.parametrize("name", ["none.txt", "none.txt.gz"])
def test_a_missing_file_is_named(tmp_path, name):
    with pytest.raises(InputError, match=r"none\.txt.*: no such file$"):
        read_lines(tmp_path / name)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(InputError, match=r"cannot be read \(.+\)$"):
        read_lines(tmp_path)


@pytest.mark.parametrize(
    "data",
    [
        b"plain text\n",
        gzip.compress(b"text\n" * 99)[:-9],
        gzip.compress(b"text\n")[:10] + b"\xff" * 20,
    ],
    ids=["not gzip", "cut off", "overwritten"],
)
def test_damaged_gzip_is_refused(tmp_path, data):
    (tmp_path / "a.gz").write_bytes(data)
    with pytest.raises(InputError, match=r"a\.gz: damaged or not gzip, though its name ends in \.gz"):
        read_lines(tmp_path / "a.gz")


def test_parallel_lines_are_paired(tmp_path):
    (tmp_path / "a.de").write_bytes(b"eins\nzwei\n")
    (tmp_path / "a.en.gz").write_bytes(gzip.compress(b"one\ntwo\n"))
    assert read_parallel(tmp_path / "a.de", tmp_path / "a.en.gz") == [("eins", "one"), ("zwei", "two")]


def test_files_of_unequal_length_are_refused(tmp_path):
    (tmp_path / "dev.de").write_bytes(b"eins\nzwei\n")
    (tmp_path / "dev.en").write_bytes(b"one\n")
    message = r"dev\.de has 2 lines but .*dev\.en has 1: parallel files must match line by line$"
    with pytest.raises(InputError, match=message):
        read_parallel(tmp_path / "dev.de", tmp_path / "dev.en")


def test_empty_parallel_files_are_refused(tmp_path):
    (tmp_path / "a").touch()
    (tmp_path / "b").touch()
    with pytest.raises(InputError, match=r"a and .*b are empty: at least one pair of lines is needed$"):
        read_parallel(tmp_path / "a", tmp_path / "b")


def test_standard_input_cannot_be_both_texts():
    with pytest.raises(
        InputError, match=r"^standard input cannot be both texts: give one of them as a file$"
    ):
        read_parallel("-", "-")


def test_one_text_may_be_standard_input(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("x\ny\n")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"1\n2\n")))
    assert read_parallel("-", tmp_path / "a") == [("1", "x"), ("2", "y")]
