"""What is written in a format is read from it again: any text, and as many pairs as there were."""

import csv
import io
import json

import pyarrow
import pyarrow.parquet
import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import write_po
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from translate.corpora.formats import Wanted
from translate.corpora.formats.catalogs import read_catalog
from translate.corpora.formats.json_lines import read_json_lines
from translate.corpora.formats.markup import LANG
from translate.corpora.formats.parquet import read_parquet
from translate.corpora.formats.tables import read_table
from translate.corpora.formats.tmx import read_tmx
from translate.corpora.formats.xliff import read_xliff

DE_EN = Wanted("de", "en")
# Any text; in XML no control characters, which it cannot hold, and no \r, which it takes for \n.
TEXTS = st.text(st.characters(codec="utf-8"))
XML_TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff")
)
MESSAGES = st.text(st.characters(codec="utf-8", exclude_characters="\0\4"), min_size=1)


def rows(texts, **options):
    return st.lists(st.tuples(texts, texts), min_size=1, max_size=5, **options)


def pairs(records):
    records = list(records)
    assert not any(record.broken for record in records)
    return [(record.src, record.tgt) for record in records if not record.left_out]


@settings(deadline=None, max_examples=60)
@given(rows(TEXTS.filter(lambda text: text.strip("\r\n"))))
def test_csv(written):
    text = io.StringIO(newline="")
    csv.writer(text).writerows([("de", "en"), *written])
    content = io.BytesIO(text.getvalue().encode())
    read = pairs(read_table(content, "a", DE_EN, "csv"))
    assert read == written


@settings(deadline=None, max_examples=60)
@given(rows(st.text(st.characters(codec="utf-8", exclude_characters="\t\n\r"), min_size=1)))
def test_tsv(written):
    content = "".join(f"{src}\t{tgt}\n" for src, tgt in [("de", "en"), *written])
    assert pairs(read_table(io.BytesIO(content.encode()), "a", DE_EN, "tsv")) == written


@settings(deadline=None, max_examples=60)
@given(rows(TEXTS), st.booleans())
def test_json_lines(written, nested):
    fields = [dict(zip(("de", "en"), pair, strict=True)) for pair in written]
    lines = [json.dumps({"translation": row} if nested else row, ensure_ascii=nested) for row in fields]
    content = io.BytesIO("\n".join(lines).encode())
    assert pairs(read_json_lines(content, "a", DE_EN)) == written


@settings(deadline=None, max_examples=60)
@given(rows(TEXTS))
def test_parquet(written):
    file = io.BytesIO()
    columns = {"de": [src for src, _ in written], "en": [tgt for _, tgt in written]}
    pyarrow.parquet.write_table(pyarrow.table(columns), file)
    file.seek(0)
    assert pairs(read_parquet(file, "a", DE_EN)) == written


@settings(deadline=None, max_examples=60)
@given(rows(XML_TEXTS))
def test_tmx(written):
    root = etree.Element("tmx")
    body = etree.SubElement(root, "body")
    for pair in written:
        unit = etree.SubElement(body, "tu")
        for lang, text in zip(("de", "en"), pair, strict=True):
            variant = etree.SubElement(unit, "tuv", {LANG: lang})
            etree.SubElement(variant, "seg").text = text
    assert pairs(read_tmx(io.BytesIO(etree.tostring(root, encoding="utf-8")), "a", DE_EN)) == written


@settings(deadline=None, max_examples=60)
@given(rows(XML_TEXTS.filter(str.strip)))
def test_xliff(written):
    root = etree.Element("xliff", srcLang="de", trgLang="en")
    for pair in written:
        segment = etree.SubElement(etree.SubElement(root, "unit"), "segment")
        for side, text in zip(("source", "target"), pair, strict=True):
            etree.SubElement(segment, side).text = text
    assert pairs(read_xliff(io.BytesIO(etree.tostring(root)), "a", DE_EN)) == written


def catalog_of(written):
    catalog = Catalog("de", charset="utf-8")
    for src, tgt in written:
        catalog.add(src, tgt)
    return catalog


def by_source(pair):
    return pair[0]


@settings(deadline=None, max_examples=60)
@given(rows(MESSAGES, unique_by=by_source), st.sampled_from([0, 76]))
def test_po(written, width):
    file = io.BytesIO()
    write_po(file, catalog_of(written), width=width)
    file.seek(0)
    assert pairs(read_catalog(file, "a", "po")) == written


@settings(deadline=None, max_examples=60)
@given(rows(MESSAGES, unique_by=by_source))
def test_mo(written):
    file = io.BytesIO()
    write_mo(file, catalog_of(written))
    file.seek(0)
    assert sorted(pairs(read_catalog(file, "a", "mo"))) == sorted(written)


KINDS = {
    "tsv": lambda stream: read_table(stream, "a", DE_EN, "tsv"),
    "jsonl": lambda stream: read_json_lines(stream, "a", DE_EN),
}


@pytest.mark.parametrize("kind", ["tsv", "jsonl"])
@settings(deadline=None, max_examples=60)
@given(lines=st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"")), max_size=9))
def test_as_many_records_as_lines_whatever_they_hold(kind, lines):
    content = b"".join(line + b"\n" for line in [b"x\ty", *lines])
    assert len(list(KINDS[kind](io.BytesIO(content)))) == len(lines) + 1
