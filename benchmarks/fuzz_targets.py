"""What benchmarks/fuzz.py feeds: a function each, the modules that it watches, and where mutation begins.

A target raises nothing but the documented errors, whatever it is fed; some check a promise besides.
"""

import bz2
import gzip
import io
import lzma
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow
import pyarrow.parquet


class Target(NamedTuple):
    """A reader."""

    feed: Callable[[bytes, Path], None]  # an input, and a folder that it may write to
    modules: Sequence[str]  # imported before the first input, so that their branches are watched
    seeds: Sequence[bytes]  # where mutation begins


def read_lines(data: bytes, folder: Path) -> None:
    from translate.text_files import read_lines

    path = _write(folder / "lines.txt", data)
    read_lines(path, strict=False)  # which always succeeds
    read_lines(path, strict=True)


def read_packed(data: bytes, folder: Path) -> None:
    from translate.compression import PACKERS
    from translate.errors import InputError
    from translate.text_files import read_lines

    for suffix in PACKERS:
        with suppress(InputError):
            read_lines(_write(folder / f"lines{suffix}", data), strict=False)


def read_parallel(data: bytes, folder: Path) -> None:
    from translate.text_files import read_parallel

    src, _, tgt = data.partition(b"\0")
    read_parallel(_write(folder / "src", src), _write(folder / "tgt", tgt))


def read_gold(data: bytes, folder: Path) -> None:
    from translate.alignment.aer import read_gold, read_links
    from translate.errors import InputError

    path = _write(folder / "gold", data)
    for one_based in (False, True):
        for read in (read_gold, read_links):
            with suppress(InputError):
                read(path, one_based=one_based)


def read_config(data: bytes, folder: Path) -> None:
    from translate.config_files import load_config

    load_config(_write(folder / "config.yaml", data))


def read_corpus(data: bytes, folder: Path) -> None:
    from translate.corpora.corpus import load_corpus

    _write(folder / "corpus.json", data)
    load_corpus(folder)


def read_pairs(name: str, *wanted: Mapping[str, Any]) -> Callable[[bytes, Path], None]:
    """A file of pairs, read in each of several ways; texts must be one line of UTF-8."""

    def feed(data: bytes, folder: Path) -> None:
        from translate.corpora.formats import Wanted
        from translate.corpora.pairs import Sources, stream_pairs
        from translate.errors import InputError

        path = str(_write(folder / name, data))
        for each in wanted:
            for strict in (False, True):
                with suppress(InputError):
                    for pair in stream_pairs(Sources([path], Wanted(**each), strict=strict)):
                        assert not re.search(r"[\r\n]", "".join(pair)), pair
                        "".join(pair).encode()

    return feed


def read_glossary(data: bytes, folder: Path) -> None:
    from translate.glossary import count_kept, read_glossary

    terms, _, text = data.partition(b"\0")
    found = read_glossary(_write(folder / "terms.tsv", terms)).find(text.decode(errors="replace"))
    kept = count_kept(found, " ".join(term.tgt for term in found))
    assert kept.total == len(found)


def read_placeholders(data: bytes, _folder: Path) -> None:
    """What is dropped from a translation and put into it leaves it with those of its source."""
    from translate.placeholders import MARKUP, PLACEHOLDER, count, drop, find, insert

    src, _, tgt = data.decode(errors="replace").partition("\0")
    for pattern in (PLACEHOLDER, MARKUP):
        text = drop(tgt, count(tgt, pattern) - count(src, pattern), pattern)
        missing = count(src, pattern) - count(text, pattern)
        for found in find(src, pattern):
            if missing[found.text] > 0:
                missing[found.text] -= 1
                text = insert(text, found.text, min(found.begin, len(text)), pattern)
        assert count(text, pattern) == count(src, pattern), text


def translate_document(format: Any, *, exact: bool) -> Callable[[bytes, Path], None]:
    """A document is read, and what is written with other texts in it can be read again.

    Args:
        exact: with its own texts in it, it is what it was.
    """

    def feed(data: bytes, folder: Path) -> None:
        from translate.documents import Wanted, read_document
        from translate.errors import InputError

        path = _write(folder / f"document.{format}", data)
        for wanted in (Wanted("en", "de"), Wanted("en", "de", overwrite=True, fuzzy=True, keys=("a*",))):
            document = read_document(str(path), format, wanted)
            texts = document.texts()
            if exact:
                assert document.join(texts).encode() == data
            written = document.join([f"{text} <&\"']]>\\*" for text in texts])
            try:
                read_document(str(_write(folder / f"written.{format}", written.encode())), format, wanted)
            except InputError as error:
                raise AssertionError(f"what was written cannot be read: {error}") from error

    return feed


def _write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _mo(messages: Mapping[bytes, bytes]) -> bytes:
    """A catalog as msgfmt makes it: a header, two tables of lengths and places, and the texts."""
    texts = [*messages, *messages.values()]
    at, table = 28 + 8 * len(texts), b""
    for text in texts:
        table += struct.pack("<2I", len(text), at)
        at += len(text) + 1
    header = struct.pack("<7I", 0x950412DE, 0, len(messages), 28, 28 + 4 * len(texts), 0, 0)
    return header + table + b"".join(text + b"\0" for text in texts)


def _parquet(columns: Mapping[str, Sequence[Any]]) -> bytes:
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(dict(columns)), file)
    return file.getvalue()


TEXT = b"ein Hund\nzwei\n"
CORPUS = (
    b'{"name": "n", "src_lang": "de", "tgt_lang": "en", "splits": {"train": 1}, "links": [], "licence": "",'
    b' "citation": "", "url": "", "seed": 1, "dropped": {}, "sha256": {}, "settings": {}}'
)
JSONL = (
    b'{"en": "a dog", "de": "ein Hund"}\n\n{"translation": {"en": "two", "de": null}}\n{"en": 3}\n',
    b'{"a": {"b": "x"}, "c.d": "\\ud800\\n"}\n["x"]\n',
)
TMX = (
    b'<?xml version="1.0"?>\n<tmx version="1.4"><header srclang="en"/><body>\n<tu><tuv xml:lang="en">\n'
    b'  <seg>a <bpt i="1">&lt;b></bpt>dog</seg></tuv>\n<tuv xml:lang="de-DE"><seg>ein <hi>Hund</hi></seg>'
    b'</tuv></tu>\n<tu><tuv lang="en"><prop type="x">p</prop><seg>two <ph/></seg></tuv></tu></body></tmx>\n',
    b'<!DOCTYPE tmx [<!ENTITY e "x">]><tmx><header/><body><tu><tuv xml:lang="en"><seg>&e;</seg></tuv>'
    b'<tuv xml:lang="de"><seg><![CDATA[x]]></seg></tuv></tu></body></tmx>',
)
XLIFF = (
    b'<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2"><file source-language="en" '
    b'target-language="de"><body>\n  <trans-unit id="1"><source>a <x id="1" equiv-text="{0}"/> dog</source>\n'
    b'<target state="new"/></trans-unit>\n<trans-unit id="2"><source>b</source><target>c</target>'
    b'</trans-unit><group translate="no"><trans-unit id="3"><source>d</source></trans-unit></group></body>'
    b"</file></xliff>",
    b'<xliff version="2.0" xmlns="urn:oasis:names:tc:xliff:document:2.0" srcLang="en" trgLang="de"><file>'
    b'<unit id="1"><segment state="initial"><source>a <ph id="1" disp="x"/><pc id="2">b</pc></source>'
    b"<target></target></segment><segment><source>c</source><target>d</target></segment></unit></file>"
    b"</xliff>",
)
PO = (
    b'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n'
    b'"Plural-Forms: nplurals=2; plural=(n != 1);\\n"\n\n#: a.py:3\n#, c-format\nmsgctxt "x"\n'
    b'msgid "%d dog"\nmsgid_plural "%d dogs"\nmsgstr[0] "%d Hund"\nmsgstr[1] ""\n\n#, fuzzy\nmsgid ""\n'
    b'"a\\n"\n"\\"b\\""\nmsgstr ""\n\n#~ msgid "old"\n#~ msgstr "alt"\n',
    b'msgid "a"\nmsgstr ""\n\nmsgid "b"\nmsgstr "c"\n',
)
MO = _mo(
    {
        b"": b"Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=(n != 1);\n",
        b"dog": b"Hund",
        b"x\x04one\0many": b"ein\0viele",
    }
)
MARKDOWN = (
    b'---\ntitle: x\n---\n# A *title*\n\nSome [text](http://a.b "t") with `code`,\n**more** &amp; <b>html'
    b"</b>  \nline\n\n- one\n  1. two\n\n> quoted\n\n| a | b |\n|---|---|\n| c \\| | ~~d~~ |\n\n```\ncode\n"
    b"```\n\n![p](q)\n[r]: s\n",
)
SRT = (
    b"1\n00:00:01,000 --> 00:00:02,500\n<i>- A dog\nand another</i>\n\n2\n00:00:03,000 --> 00:00:04,000\n"
    b"{\\an8}Two\r\n\r\n",
    b"WEBVTT\n\n00:01.000 --> 00:02.000 align:left\nx\n",
)
HTML = (
    b'<!doctype html><html lang="en"><head><title>A &amp; b</title><script>x < 1</script></head><body>'
    b"<p title=\"said\">one <b>two</b>&nbsp;&#160;<br/><img alt='pic'></p><!-- c --><pre>x</pre>"
    b'<p translate="no">n</p><![CDATA[y]]><?z?></body></html>',
)
CORPORA = ("translate.corpora.pairs",)
BY_LANGUAGE = {"src_lang": "en", "tgt_lang": "de"}
BY_NAME = {"src_column": "en", "tgt_column": "de"}
KEPT = {**BY_LANGUAGE, "markup": "keep"}


def _format(name: str) -> tuple[str, ...]:
    return (*CORPORA, f"translate.corpora.formats.{name}")


def _document(name: str) -> tuple[str, ...]:
    return ("translate.documents", f"translate.documents.{name}")


TARGETS = {
    "lines": Target(
        read_lines, ["translate.text_files"], [b"ein Hund\nzwei\r\n", b"\xef\xbb\xbfx\n\xc3\xa4\xff\n"]
    ),
    "packed": Target(
        read_packed,
        ["translate.text_files"],
        [
            gzip.compress(TEXT, mtime=0),
            bz2.compress(TEXT),
            lzma.compress(TEXT),
            pyarrow.compress(TEXT, "zstd", asbytes=True),
        ],
    ),
    "parallel": Target(read_parallel, ["translate.text_files"], [b"eins\nzwei\n\0one\ntwo\n"]),
    "gold": Target(read_gold, ["translate.alignment.aer"], [b"0-0 1p2 2?1\n\n", b"1 1 1 S 0.5\n1 2 2 P\n"]),
    "config": Target(
        read_config,
        ["translate.config_files"],
        [b"training:\n  seed: 3\n  schedule: cosine\n", b"model: {attention: {score: dot}}\n"],
    ),
    "corpus": Target(read_corpus, ["translate.corpora.corpus"], [CORPUS]),
    "tsv": Target(
        read_pairs("a.tsv", {}, BY_LANGUAGE, {"src_column": "3", "tgt_column": "1"}),
        _format("tables"),
        [b'en\tde\ta\ndog\tHund\tx\n\n"b\t\xff\n', b"a\tb\r\nc\n"],
    ),
    "csv": Target(
        read_pairs("a.csv", {}, BY_NAME, {"src_column": "1", "tgt_column": "de"}),
        _format("tables"),
        [b'en,de\n"a ""dog""\nand","ein Hund"\nb,c\n', b'en;"de"\na;"b\n', b"en\tde\r\na\tb\r"],
    ),
    "jsonl": Target(
        read_pairs("a.jsonl", BY_LANGUAGE, {"src_column": "a.b", "tgt_column": "c.d"}),
        _format("json_lines"),
        JSONL,
    ),
    "parquet": Target(
        read_pairs("a.parquet", BY_LANGUAGE),
        _format("parquet"),
        [
            _parquet({"en": ["a dog", "b"], "de": ["ein Hund", None], "n": [1, 2]}),
            _parquet({"translation": [{"en": "a", "de": "b"}]}),
        ],
    ),
    "tmx": Target(read_pairs("a.tmx", BY_LANGUAGE, KEPT), _format("tmx"), TMX),
    "xliff": Target(read_pairs("a.xlf", BY_LANGUAGE, KEPT), _format("xliff"), XLIFF),
    "po": Target(read_pairs("a.po", {}), _format("catalogs"), PO),
    "mo": Target(read_pairs("a.mo", {}), _format("catalogs"), [MO]),
    "glossary": Target(
        read_glossary,
        ["translate.glossary"],
        [b"dog\tHund\nhot dog\tWurst\n\n\xe7\x8b\x97\tx\0A hot dog, a Dog"],
    ),
    "placeholders": Target(
        read_placeholders,
        ["translate.placeholders"],
        [b"{a} has %d <b>dogs</b> &amp; {{ b }}\0%d Hunde {x} <b> ${y}", b"5 % of %s, %(n)s\0%%s 5 %"],
    ),
    "documents: po": Target(translate_document("po", exact=False), _document("po"), PO),
    "documents: xliff": Target(translate_document("xliff", exact=False), _document("xliff"), XLIFF),
    "documents: tmx": Target(translate_document("tmx", exact=False), _document("tmx"), TMX),
    "documents: json": Target(
        translate_document("json", exact=True),
        _document("json_texts"),
        [b'{"a": "dog", "b": ["x\\n\\u00e4", {"ab": "[%key:c::d%]"}, 1e3, null], "c": "\\"\\\\"}'],
    ),
    "documents: md": Target(translate_document("md", exact=True), _document("markdown"), MARKDOWN),
    "documents: srt": Target(translate_document("srt", exact=True), _document("srt"), SRT),
    "documents: html": Target(translate_document("html", exact=True), _document("html"), HTML),
}
