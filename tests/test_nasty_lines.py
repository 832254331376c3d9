"""Whatever stands in a file: as many lines come out, in their order, and batches change nothing."""

import random

import pytest
from tiny import SENTENCES, tiny_run

from translate.cli import main
from translate.config.search import SearchConfig

NASTY = [
    b"",
    b"   ",
    b"\t\t",
    "\u2028".encode(),
    "\u3000\xa0\u2003".encode(),
    "Ein Hund\u2028l\u00e4uft\u2029\x0b\x0c\x1c\x85.".encode(),
    "\ufeffHund".encode(),
    b"\x00",
    b"Hund\x00Katze",
    b"\xff\xfe\xfd",
    b"Zwei\xc3 Kinder\x80",
    b"\xed\xa0\x80",  # a surrogate, which UTF-8 may not contain
    "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽".encode(),
    "שלום עולם, مرحبا بالعالم".encode(),
    "今日は世界。".encode(),
    "e\u0301\u0302\u0303\u0304\u0305".encode(),
    "▁Hund ▁".encode(),
    b"Hund\r",
    b"<pad> <s> </s> <unk> <0x0A>",
    b"\\n %s {name} ||| $(rm) `ls` -- --src",
    b'{"src": "Hund"}',
    "Zwei \U0010ffff\ufffd\ue000".encode(),
]
COUNT = 2000


def nasty_lines():
    """Every kind of line many times, other ones between them, two giants, no end of the last line."""
    draw = random.Random(1)
    lines = []
    for number in range(COUNT):
        match number % 4:
            case 0:
                lines.append(NASTY[number // 4 % len(NASTY)])
            case 1:
                lines.append(b" ".join(draw.choice(NASTY) for _ in range(2)))
            case 2:
                lines.append(draw.choice(SENTENCES).encode()[: draw.randrange(30)])  # may tear a character
            case _:
                lines.append(
                    "".join(chr(draw.randrange(32, 0x3000)) for _ in range(draw.randrange(6))).encode()
                )
    lines[700] = b" ".join(draw.choice(SENTENCES).split()[0].encode() for _ in range(5000))
    lines[1400] = bytes(draw.choice(b"abcdefghij") for _ in range(20_000))
    lines[-1] = b"Hund"  # without its end, a blank one would be none
    return lines


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    search = SearchConfig(beam_size=1, max_length_ratio=0.2, max_length_offset=1)
    return str(tiny_run(tmp_path_factory.mktemp("nasty"), search=search, max_length=64))


def first_invalid_byte(lines):
    """Its line and its place there, both counted from 1."""
    for number, line in enumerate(lines, start=1):
        try:
            line.decode()
        except UnicodeDecodeError as error:
            return number, error.start + 1
    raise AssertionError("all lines are UTF-8")


def translate(run, path, *arguments):
    assert main(["translate", run, "--src", str(path), "--threads", "1", *map(str, arguments)]) == 0


def test_two_thousand_nasty_lines_become_as_many_in_order_for_any_batch_size(run, tmp_path, capfd):
    lines = nasty_lines()
    source = tmp_path / "nasty.txt"
    source.write_bytes(b"\n".join(lines))
    line, byte = first_invalid_byte(lines)
    outputs = []
    for batch_tokens in (1000, 10_000):
        translate(run, source, "--batch-tokens", batch_tokens)
        out, err = capfd.readouterr()
        outputs.append(out)
        invalid, *long = err.splitlines()
        assert f"nasty.txt: line {line}, byte {byte} (0x" in invalid
        assert sum("line 701 (" in message for message in long) == 1
        assert sum("line 1401 (" in message for message in long) == 1
    assert outputs[0] == outputs[1]
    translated = outputs[0].split("\n")
    assert translated.pop() == ""
    assert len(translated) == COUNT
    for line, text in zip(lines, translated, strict=True):
        if not line.decode(errors="replace").strip("\ufeff").strip():
            assert text == ""


def test_strictly_read_nasty_lines_are_refused(run, tmp_path, capfd):
    lines = nasty_lines()
    source = tmp_path / "nasty.txt"
    source.write_bytes(b"\n".join(lines))
    assert main(["translate", run, "--src", str(source), "--strict"]) == 3
    out, err = capfd.readouterr()
    assert out == ""
    line, byte = first_invalid_byte(lines)
    assert f"nasty.txt: line {line}, byte {byte} (0x" in err
