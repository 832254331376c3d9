"""What each format's reader takes from a record, leaves out, and calls broken."""

import io
import json

import pyarrow
import pyarrow.parquet
import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo

from translate.corpora.formats import Record, Wanted
from translate.corpora.formats.catalogs import read_catalog
from translate.corpora.formats.json_lines import read_json_lines
from translate.corpora.formats.languages import choose_language
from translate.corpora.formats.parquet import read_parquet
from translate.corpora.formats.tables import read_table
from translate.corpora.formats.tmx import read_tmx
from translate.corpora.formats.xliff import read_xliff
from translate.errors import InputError

DE_EN = Wanted("de", "en")


def stream(content) -> io.BytesIO:
    return io.BytesIO(content if isinstance(content, bytes) else content.encode())


def table(content, kind="csv", wanted=DE_EN):
    return list(read_table(stream(content), "a", wanted, kind))


def pairs(records):
    return [(record.src, record.tgt) for record in records if not record.broken and not record.left_out]


def flaws(records):
    return [record.broken or record.left_out for record in records if record.broken or record.left_out]


# Tables


@pytest.mark.parametrize("kind", ["tsv", "csv"])
@pytest.mark.parametrize("columns", [("german", "english"), ("3", "2"), ("german", "2")])
def test_columns_are_chosen_by_name_or_number(kind, columns):
    rows = ["id\tenglish\tgerman", "1\tone\teins", "2\ttwo\tzwei"]
    text = "\n".join(rows if "german" in columns else rows[1:])
    records = table(text.replace("\t", "\t" if kind == "tsv" else ","), kind, Wanted(None, None, *columns))
    assert pairs(records) == [("eins", "one"), ("zwei", "two")]


def test_without_columns_a_header_of_languages_is_found():
    assert pairs(table("en,de\none,eins\n")) == [("eins", "one")]
    assert pairs(table("eins,one,x\n")) == [("eins", "one")]
    assert pairs(table("\ufeffde,en\neins,one\n")) == [("eins", "one")]


def test_a_missing_column_is_named_with_those_there_are():
    message = "^a: line 1 names no column 'x', or several; it has 'de', 'en': name one of them, or give its"
    with pytest.raises(InputError, match=message):
        table("de,en\n", wanted=Wanted(None, None, "x", "en"))
    with pytest.raises(InputError, match="names no column 'de', or several"):
        table("de,de,en\n", wanted=Wanted(None, None, "de", "en"))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_quoted_fields_hold_separators_quotes_and_line_breaks(separator):
    text = f'"a{separator}b"{separator}"say ""x"""\r\n"c\nd"{separator}e\n'
    assert pairs(table(text)) == [(f"a{separator}b", 'say "x"'), ("c\nd", "e")]


def test_the_quotes_of_a_tsv_are_text():
    assert pairs(table('"a\t"b" c\n', "tsv")) == [('"a', '"b" c')]


def test_a_bad_quote_breaks_its_record_only():
    records = table('a,b\n"c"x,d\ne,f\n')
    assert pairs(records) == [("a", "b"), ("e", "f")]
    assert [record.where for record in records] == ["line 1", "line 2", "line 3"]
    assert flaws(records) == ["""not well-formed CSV (',' expected after '"')"""]


def test_a_quote_that_is_never_closed_is_told_with_its_lines():
    records = table('a,b\n"c,d\ne,f\n')
    assert [(record.where, record.broken) for record in records[1:]] == [
        ("line 2 to 3", "not well-formed CSV (unexpected end of data)")
    ]


def test_an_empty_table_has_no_records():
    assert table("") == table("", "tsv") == []


# Records with named fields


def json_lines(*lines, wanted=DE_EN):
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    return list(read_json_lines(stream("\n".join(texts)), "a", wanted))


@pytest.mark.parametrize(
    ("fields", "columns"),
    [
        ({"de": "eins", "en": "one"}, (None, None)),
        ({"translation": {"de": "eins", "en": "one"}}, (None, None)),
        ({"translation": {"de": "eins", "en": "one"}}, ("translation.de", "translation.en")),
        ({"x": {"y": {"z": "eins"}}, "t": "one"}, ("x.y.z", "t")),
        ({"x.y": "eins", "t": "one"}, ("x.y", "t")),
    ],
)
def test_fields_are_found_by_language_and_by_nested_names(fields, columns):
    assert pairs(json_lines(fields, wanted=Wanted("de", "en", *columns))) == [("eins", "one")]


def test_json_that_holds_no_pair_is_broken():
    records = json_lines(
        "{", "[1]", {"de": "x", "translation": {"fr": "y"}}, {"de": 1, "en": "x"}, "", "[" * 100_000
    )
    told = flaws(records)
    assert told[0].startswith("no JSON (Expecting property name")
    assert told[1:5] == [
        "holds list, an object is needed",
        "no field 'en'; it has 'de', 'translation', 'translation.fr'",
        "field 'de' holds int, text is needed",
        "blank line",
    ]
    assert told[5].startswith("no JSON (maximum recursion depth")
    assert len(records) == 6


def test_a_null_is_no_text():
    assert pairs(json_lines({"de": None, "en": "x"})) == [("", "x")]


def parquet(columns, **options):
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), file, **options)
    file.seek(0)
    return file


def test_parquet_is_read_by_column_and_over_row_groups():
    texts = [str(number) for number in range(2500)]
    file = parquet({"id": list(range(2500)), "de": texts, "en": texts[::-1]}, row_group_size=700)
    assert pairs(read_parquet(file, "a", DE_EN)) == list(zip(texts, texts[::-1], strict=True))


def test_parquet_may_have_nested_translations():
    file = parquet({"translation": [{"de": "eins", "en": "one"}], "other": [1]})
    assert pairs(read_parquet(file, "a", DE_EN)) == [("eins", "one")]


def test_parquet_without_the_columns_says_which_it_has():
    assert flaws(read_parquet(parquet({"x": ["a"]}), "a", DE_EN)) == ["no field 'de'; it has 'x'"]


def test_parquet_that_is_packed_or_comes_through_a_pipe_is_put_aside():
    file = parquet({"de": ["eins"], "en": ["one"]})
    file.seekable = lambda: False
    for name in ("-", "a.parquet.gz"):
        file.seek(0)
        assert pairs(read_parquet(file, name, DE_EN)) == [("eins", "one")]


def test_parquet_with_bytes_that_are_no_text_breaks_that_row():
    bad = pyarrow.array([b"a", b"b\xff", b"c"], pyarrow.binary()).view(pyarrow.string())
    records = list(read_parquet(parquet({"de": bad, "en": ["x", "y", "z"]}), "a", DE_EN))
    assert pairs(records) == [("a", "x"), ("c", "z")]
    assert records[1] == Record("row 2", broken="byte 2 (0xff) is not valid UTF-8")


def test_parquet_with_a_column_whose_name_is_no_text_is_refused():
    written = parquet({"de": ["eins"], "en": ["one"], "other": ["x"]}).getvalue()
    with pytest.raises(InputError, match=r"^a: damaged or no Parquet \('utf-8' codec can't decode byte 0xff"):
        list(read_parquet(stream(written.replace(b"other", b"o\xffher")), "a", DE_EN))


def test_what_is_no_parquet_is_refused():
    with pytest.raises(InputError, match=r"^a: damaged or no Parquet \("):
        list(read_parquet(stream(b"PAR1 nothing PAR1"), "a", DE_EN))


# Languages


@pytest.mark.parametrize(
    ("wanted", "there", "chosen"),
    [
        ("en", ["de", "en-US", "en"], "en"),
        ("en", ["de", "EN-us", "en-GB"], "EN-us"),
        ("en_us", ["en", "en-GB", "en-US"], "en-US"),
        ("en-US", ["en-GB", "en"], "en"),
        ("en-US", ["en-GB"], None),
        ("zh-Hans", ["zh-Hans-CN", "zh"], "zh-Hans-CN"),
        ("e", ["en"], None),
        ("en", ["eng", ""], None),
        ("en", [], None),
    ],
)
def test_language_codes_fall_back_to_a_region_or_to_none(wanted, there, chosen):
    assert choose_language(wanted, there) == chosen


# TMX


def tmx(body, wanted=DE_EN):
    text = (
        f'<?xml version="1.0"?>\n<!DOCTYPE tmx SYSTEM "tmx14.dtd">\n<tmx><header/><body>{body}</body></tmx>'
    )
    return list(read_tmx(stream(text), "a", wanted))


def unit(**texts):
    inside = "".join(f'<tuv xml:lang="{lang}"><seg>{text}</seg></tuv>' for lang, text in texts.items())
    return f"<tu>{inside}</tu>"


def test_units_are_read_in_the_languages_wanted():
    records = tmx(
        unit(fr="un", en="one", de="eins") + "\n<!-- x -->" + unit(de="zw<!-- y -->ei &amp; &#223;", en="two")
    )
    assert records == [Record("unit 1 (line 3)", "eins", "one"), Record("unit 2 (line 4)", "zwei & ß", "two")]


def test_old_tmx_has_other_names_for_languages_and_may_have_a_namespace():
    body = (
        '<tu xmlns="http://www.lisa.org/tmx14"><tuv lang="EN-US"><seg>one</seg></tuv>'
        '<tuv lang="DE"><seg>eins</seg></tuv></tu>'
    )
    assert pairs(tmx(body)) == [("eins", "one")]


def test_a_unit_without_a_language_is_left_out():
    records = tmx(unit(de="eins", en="one") + unit(de="zwei", fr="deux") + "<tu/>")
    assert flaws(records) == ["no text in en", "no text in de"]


def test_a_memory_without_the_languages_says_which_it_has():
    with pytest.raises(InputError, match=r"^a has no unit in both de and en; it has de, fr$"):
        tmx(unit(de="eins", fr="un"))
    with pytest.raises(InputError, match=r"it has no units$"):
        tmx("")


@pytest.mark.parametrize(
    ("markup", "text"), [("drop", "Click here now"), ("keep", "Click <b>here</b>  {0} now")]
)
def test_codes_are_dropped_or_kept_and_highlighted_text_stays(markup, text):
    seg = 'Click <bpt i="1">&lt;b&gt;</bpt><hi>here</hi><ept i="1">&lt;/b&gt;</ept> <it/> <ph>{<sub>0</sub>}'
    seg += "</ph> now"
    assert pairs(tmx(unit(de=seg, en="x"), DE_EN._replace(markup=markup))) == [(text, "x")]


def test_blanks_stay_where_no_code_is_dropped():
    assert pairs(tmx(unit(de=" a  b ", en="x"))) == [(" a  b ", "x")]


def test_a_memory_that_is_not_well_formed_is_refused_with_its_line():
    with pytest.raises(InputError, match=r"^a: line 4: .*mismatch.*; needed is well-formed XML$"):
        tmx("\n<tu></tuv>")
    with pytest.raises(InputError, match=r"^a: line 1: .*; needed is well-formed XML$"):
        list(read_tmx(stream(b""), "a", DE_EN))


@pytest.mark.parametrize("before", [0, 40_000])
def test_bytes_of_a_memory_that_are_no_utf8_are_named(before):
    text = f"<tmx><body>\n{unit(de='ä' * before, en='x')}\n ä".encode() + b"\xff</body></tmx>"
    with pytest.raises(InputError, match=r"^a: line 3: byte 4 \(0xff\) is not valid UTF-8; needed is"):
        list(read_tmx(stream(text), "a", DE_EN))


def test_a_memory_may_be_utf16():
    text = f'<?xml version="1.0" encoding="UTF-16"?><tmx><body>{unit(de="ä", en="b")}</body></tmx>'
    assert pairs(read_tmx(stream(text.encode("utf-16")), "a", DE_EN)) == [("ä", "b")]


# XLIFF

XLIFF1 = """<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2">
<file source-language="de" target-language="en-US" original="x" datatype="plaintext"><body><group>
<trans-unit id="1"><source>eins <x id="1" equiv-text="{0}"/> <g id="2">fett</g></source>
  <target state="translated">one <x id="1" equiv-text="{0}"/> <g id="2">bold</g></target>
  <alt-trans><source>no</source><target>never</target></alt-trans></trans-unit>
</group><group><trans-unit id="2"><source>zwei</source></trans-unit>
<trans-unit id="3"><source>drei</source><target state="needs-translation">three</target></trans-unit>
<trans-unit id="4"><source>vier</source><target/></trans-unit>
<trans-unit id="5"><target>five</target></trans-unit>
</group></body></file></xliff>"""
XLIFF2 = """<xliff version="2.0" srcLang="de" trgLang="en" xmlns="urn:oasis:names:tc:xliff:document:2.0">
<file id="f"><unit id="1"><originalData><data id="d">{0}</data></originalData>
<segment><source>eins <ph id="1" equiv="{0}"/> <pc id="2">fett</pc></source>
<target>one <ph id="1" equiv="{0}"/> <pc id="2">bold</pc></target></segment>
<ignorable><source> </source><target> </target></ignorable>
<segment state="final"><source>zwei</source><target>two</target></segment></unit>
<unit id="2"><segment state="initial"><source>drei</source><target>drei</target></segment></unit>
</file></xliff>"""


def xliff(text, wanted=DE_EN):
    return list(read_xliff(stream(text), "a", wanted))


def test_translated_units_of_xliff_1_are_read():
    records = xliff(XLIFF1)
    assert pairs(records) == [("eins fett", "one bold")]
    assert records[0].where == "unit 1 (line 3)"
    assert flaws(records) == ["no target", "state needs-translation", "no target", "has no source"]


def test_translated_segments_of_xliff_2_are_read():
    records = xliff(XLIFF2)
    assert pairs(records) == [("eins fett", "one bold"), ("zwei", "two")]
    assert flaws(records) == ["state initial"]


@pytest.mark.parametrize("text", [XLIFF1, XLIFF2])
def test_codes_of_xliff_are_kept_as_the_document_writes_them(text):
    assert pairs(xliff(text, DE_EN._replace(markup="keep")))[0] == ("eins {0} fett", "one {0} bold")


@pytest.mark.parametrize("text", [XLIFF1, XLIFF2])
def test_xliff_is_read_the_other_way_round_when_that_is_wanted(text):
    assert pairs(xliff(text, Wanted("en", "de")))[0] == ("one bold", "eins fett")
    assert pairs(xliff(text, Wanted()))[0] == ("eins fett", "one bold")


def test_xliff_of_other_languages_is_refused():
    with pytest.raises(InputError, match=r"^a: line 3: from de to en-US, but wanted is de to fr$"):
        xliff(XLIFF1, Wanted("de", "fr"))


# gettext

PO = r"""
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\n"
"Language: pl\n"
"Plural-Forms: nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2);\n"

#: a.c:1
msgid "Open"
msgstr "Otwórz"

msgctxt "adjective"
msgid "Open"
msgstr "Otwarte"

#, fuzzy
msgid "Close"
msgstr "Otwórz"

msgid "Save"
msgstr ""

#, c-format
msgid "%d file\n"
msgid_plural ""
"%d "
"files\n"
msgstr[0] "%d plik\n"
msgstr[1] "%d pliki\n"
msgstr[2] "%d plików\n"

#~ msgid "Gone"
#~ msgstr "Precz"
"""
OPEN = [("Open", "Otwórz"), ("Open", "Otwarte")]
FILES = [("%d file\n", "%d plik\n"), ("%d files\n", "%d pliki\n"), ("%d files\n", "%d plików\n")]


def test_messages_plural_forms_and_contexts_of_po_are_read():
    records = list(read_catalog(stream(PO), "a", "po"))
    assert pairs(records) == OPEN + FILES
    assert flaws(records) == ["fuzzy", "not translated"]
    assert records[0].where == "line 9"


def test_a_language_with_one_form_translates_the_plural():
    text = (
        'msgid ""\nmsgstr "Plural-Forms: nplurals=1; plural=0;\\n"\n\n'
        'msgid "%d file"\nmsgid_plural "%d files"\nmsgstr[0] "%d Dateien"\n'
    )
    assert pairs(read_catalog(stream(text), "a", "po")) == [("%d files", "%d Dateien")]


def test_mo_has_what_is_translated():
    catalog = Catalog("de")
    catalog.add("Open", "Öffnen")
    catalog.add("Open", "Offen", context="adjective")
    catalog.add(("%d file", "%d files"), ("%d Datei", "%d Dateien"))
    file = io.BytesIO()
    write_mo(file, catalog)
    file.seek(0)
    assert sorted(pairs(read_catalog(file, "a", "mo"))) == [
        ("%d file", "%d Datei"),
        ("%d files", "%d Dateien"),
        ("Open", "Offen"),
        ("Open", "Öffnen"),
    ]


def test_po_in_another_encoding_is_read_as_its_header_says():
    text = PO.replace("UTF-8", "ISO-8859-2").encode("iso-8859-2")
    assert pairs(read_catalog(stream(text), "a", "po")) == OPEN + FILES


def test_bytes_of_a_catalog_that_are_no_text_are_named():
    text = b'msgid "a"\nmsgstr "\xc3\xa4\xff"\n'
    with pytest.raises(InputError, match=r"^a: line 2, byte 11 \(0xff\) is not valid UTF-8$"):
        list(read_catalog(stream(text), "a", "po"))
    catalog, file = Catalog("de"), io.BytesIO()
    catalog.add("Open", "Xffnen")
    write_mo(file, catalog)
    content = file.getvalue().replace(b"Xffnen", b"\xffffnen")
    with pytest.raises(InputError, match=rf"^a: byte {content.index(0xFF) + 1} \(0xff\) is not valid UTF-8$"):
        list(read_catalog(stream(content), "a", "mo"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("nonsense\n", r'^a: line 1 is none of a PO file: needed is msgid or msgstr and "text"$'),
        (
            'msgid "a"\nmsgid "b"\nmsgstr "c"',
            r"^a: line 1: missing msgstr for msgid 'a'.*; needed is a PO file$",
        ),
        ('msgid "a"\nmsgstr "b\n', "^a: line 2 is none of a PO file: needed"),
        (
            'msgid ""\nmsgstr "Content-Type: text/plain; charset=none-such\\n"\n\nmsgid "a"\nmsgstr "ä"\n',
            "damaged or no PO",
        ),
    ],
)
def test_what_is_no_po_is_refused_with_its_line(content, message):
    with pytest.raises(InputError, match=message):
        list(read_catalog(stream(content), "a", "po"))


@pytest.mark.parametrize(
    "content", [b"", b"no catalog at all", b"\xde\x12\x04\x95\0\0\0\0\xff\xff\xff\xff" + b"\1\0\0\0" * 2]
)
def test_what_is_no_mo_is_refused(content):
    with pytest.raises(InputError, match=r"^a: damaged or no MO \("):
        list(read_catalog(stream(content), "a", "mo"))
