"""The readers that benchmarks/fuzz.py feeds, on a few inputs: also those that have broken one."""

import importlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

READERS = (
    *("lines", "packed", "parallel", "gold", "config", "corpus"),
    *("tsv", "csv", "jsonl", "parquet", "tmx", "xliff", "po", "mo", "glossary", "placeholders"),
    *(f"documents: {name}" for name in ("po", "xliff", "tmx", "json", "md", "srt", "html")),
)
FOUND = {
    "config": [
        b"training: {seed: 2001-13-45}",
        b"a: !!bool x",
        b"!!map x",
        b"[" * 5000,
        b"model: &a {encoder: *a}",
    ],
    "corpus": [b"[" * 100_000, b'{"splits": 3}', b"\xff"],
    "placeholders": [
        "5 \ufffd%\ufffd\x19ds, %{a} has %d <<b>d\0>d".encode(),
        b"%%s%\0%<b>s%",
        b"b{a}%samp<\0b{${a}>}%>",
    ],
    "documents: po": [b'msgid "a"\nmsgid_plural "b"\nmsgstr[0] ""\nmsgstr[1] ""\nmsgstr[0] ""\n'],
    "documents: html": [b"<p>a<![CDATAy>b</p>", b"<![", b"<![x"],
    "packed": [b"", b"\x1f\x8b", b"\x1f\x8b\x08\x04\x00"],
}


@pytest.fixture(scope="module")
def fuzz(pytestconfig):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(pytestconfig.rootpath / "benchmarks")
        yield importlib.import_module("fuzz")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


def test_these_are_the_readers(fuzz):
    assert tuple(fuzz.TARGETS) == READERS


@pytest.mark.parametrize("reader", READERS)
def test_a_reader_raises_documented_errors_only(reader, fuzz, folder):
    seeds = [*fuzz.TARGETS[reader].seeds, *FOUND.get(reader, [])]
    for data in seeds:
        fuzz.try_one(reader, data, folder)
    pieces = sorted({piece for seed in seeds for piece in re.findall(rb"\w+|.|\n", seed[:500], re.DOTALL)})

    @settings(max_examples=40, deadline=None, database=None)
    @given(st.lists(st.sampled_from(pieces) | st.binary(max_size=4), max_size=20).map(b"".join))
    def feed(data):
        fuzz.try_one(reader, data, folder)

    feed()


@pytest.mark.parametrize("reader", READERS)
def test_the_seeds_are_good_input(reader, fuzz, folder):
    """So that mutation begins behind the first check."""
    if reader != "corpus":  # whose files are not there
        fuzz.TARGETS[reader].feed(fuzz.TARGETS[reader].seeds[0], folder)


def test_other_errors_are_not_let_pass(fuzz, folder, monkeypatch):
    broken = fuzz.TARGETS["lines"]._replace(feed=lambda data, folder: 1 / 0)
    monkeypatch.setitem(fuzz.TARGETS, "lines", broken)
    with pytest.raises(ZeroDivisionError):
        fuzz.try_one("lines", b"", folder)
