"""Documents: what is translated of each format, and that all else stays as it was."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translate.documents import Wanted, read_document
from translate.documents.json_texts import read_json
from translate.documents.markdown import read_markdown
from translate.documents.po import read_po
from translate.documents.srt import read_srt
from translate.documents.tmx import read_tmx
from translate.documents.xliff import read_xliff
from translate.errors import InputError, UsageError


def capitals(document):
    return document.join([text.upper() for text in document.texts()])


def same(document):
    return document.join(document.texts())


# PO

HEADER = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n'
PLURAL = '#, c-format\nmsgid "one dog"\nmsgid_plural "%d dogs"\nmsgstr[0] ""\nmsgstr[1] ""\n'
PO = (
    HEADER
    + PLURAL
    + '\n# note\nmsgctxt "c"\nmsgid ""\n"a \\"b\\"\\n"\n"c\\n"\nmsgstr ""\n\n'
    + 'msgid "done"\nmsgstr "fertig"\n\n#, fuzzy\nmsgid "sure"\nmsgstr "x"\n\n#~ msgid "old"\n#~ msgstr ""\n'
)
PO_DONE = (
    HEADER
    + PLURAL.replace('[0] ""', '[0] "ONE DOG"').replace('[1] ""', '[1] "%D DOGS"')
    + '\n# note\nmsgctxt "c"\nmsgid ""\n"a \\"b\\"\\n"\n"c\\n"\nmsgstr ""\n"A \\"B\\"\\n"\n"C\\n"\n\n'
    + 'msgid "done"\nmsgstr "fertig"\n\n#, fuzzy\nmsgid "sure"\nmsgstr "x"\n\n#~ msgid "old"\n#~ msgstr ""\n'
)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_messages_without_a_translation_get_one(newline):
    assert capitals(read_po(PO.replace("\n", newline), "a")) == PO_DONE.replace("\n", newline)


def test_translations_may_be_overwritten_and_marked():
    text = (
        HEADER
        + 'msgid "a"\nmsgstr "b"\n\n#, c-format\nmsgid "c"\nmsgstr ""\n\n#, fuzzy\nmsgid "d"\nmsgstr ""\n'
    )
    assert capitals(read_po(text, "a", overwrite=True, fuzzy=True)) == HEADER + (
        '#, fuzzy\nmsgid "a"\nmsgstr "A"\n\n#, fuzzy, c-format\nmsgid "c"\nmsgstr "C"\n\n'
        '#, fuzzy\nmsgid "d"\nmsgstr "D"\n'
    )


def test_a_language_with_one_form_translates_the_plural():
    text = HEADER + 'msgid "a dog"\nmsgid_plural "dogs"\nmsgstr[0] ""\n'
    assert capitals(read_po(text, "a")).endswith('msgstr[0] "DOGS"\n')


def test_a_catalog_that_is_translated_stays_as_it_was():
    text = PO_DONE + '\nmsgid "wide"\nmsgstr ""\n"wide"  \n'
    assert same(read_po(text, "a")) == text
    text = HEADER + 'msgid "wide a"\nmsgstr "wide "\n  "a"'
    assert same(read_po(text, "a", overwrite=True)) == text


def test_a_damaged_catalog_is_refused():
    with pytest.raises(InputError, match=r"^a: line 2 is none of a PO file"):
        read_po('msgid "a"\nmsgstr b\n', "a")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('msgid "a"\nmsgid_plural "b"\nmsgstr[0] ""\nmsgstr[1] ""\nmsgstr[0] ""\n', 8),
        ('msgid_plural "b"\nmsgid "a"\nmsgstr[0] ""\n', 4),
        ('msgid "a"\nmsgid_plural "b"\nmsgstr ""\n', 6),
        ('msgid "a"\nmsgstr[0] ""\n', 5),
        ('msgid "a"\nmsgstr ""\nmsgstr ""\n', 6),
    ],
)
def test_a_message_whose_parts_are_not_in_order_is_refused(text, line):
    with pytest.raises(
        InputError, match=rf"^a: line {line}: msg.* does not belong here: a message is a msgid"
    ):
        read_po(HEADER + text, "a")


# XLIFF

XLIFF = """<?xml version="1.0" encoding="UTF-8"?>
<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2">
  <!-- ä --><file source-language="en" original="x">
    <trans-unit id="1">
      <source>Big <g id="1">dog &amp; cat</g><x id="2"/> <ph id="3">code</ph></source>
    </trans-unit>
    <trans-unit id="2"><source>done</source><target state="translated">fertig</target></trans-unit>
    <trans-unit id="3" translate="no"><source>no</source></trans-unit>
    <group translate="no"><trans-unit id="4"><source>no</source></trans-unit></group>
    <trans-unit id="5"><source>new</source><target state="new"/></trans-unit>
    <trans-unit id="6"><source> </source></trans-unit>
  </file>
</xliff>
"""
TARGET = 'target state="needs-review-translation"'


def test_units_get_a_target_with_the_codes_of_the_source():
    wanted = XLIFF.replace(
        '<file source-language="en" original="x">',
        '<file source-language="en" original="x" target-language="de">',
    )
    wanted = wanted.replace(
        "code</ph></source>",
        f'code</ph></source>\n      <{TARGET}>BIG <g id="1">DOG &amp; CAT</g><x id="2"/> '
        '<ph id="3">code</ph></target>',
    ).replace('<target state="new"/>', f"<{TARGET}>NEW</target>")
    assert capitals(read_xliff(XLIFF, "a", "de")) == wanted
    assert same(read_xliff(wanted, "a", "de")) == wanted


def test_targets_may_be_overwritten():
    done = capitals(read_xliff(XLIFF, "a", overwrite=True))
    assert f"<source>done</source><{TARGET}>DONE</target>" in done
    assert '<file source-language="en" original="x">' in done


XLIFF2 = """<x:xliff version="2.0" srcLang="en" trgLang="de" xmlns:x="urn:x"><x:file>
<x:unit id="1"><x:segment>
  <x:source>Big <x:pc id="1">dog</x:pc></x:source>
</x:segment><x:ignorable><x:source> </x:source></x:ignorable><x:segment state="initial"><x:source>a</x:source>
<x:target>a</x:target></x:segment>
<x:segment state='reviewed'><x:source>b</x:source><x:target>c</x:target></x:segment>
</x:unit></x:file></x:xliff>"""


def test_segments_get_a_target_and_a_state():
    assert capitals(read_xliff(XLIFF2, "a", "fr")) == (
        XLIFF2.replace("<x:segment>", '<x:segment state="translated">')
        .replace('state="initial"', 'state="translated"')
        .replace("<x:target>a<", "<x:target>A<")
        .replace(
            "</x:pc></x:source>", '</x:pc></x:source>\n  <x:target>BIG <x:pc id="1">DOG</x:pc></x:target>'
        )
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<xliff><a></xliff>", "^a: line 1: mismatched tag; needed is well-formed XML"),
        ("", "^a: line 1: no element found; needed is well-formed XML"),
        ("<html/>", "^a is no XLIFF: its root is html"),
        ('<?xml version="1.0" encoding="latin-1"?><xliff/>', "^a is in latin-1, as it says: needed is UTF-8"),
        (
            '<!DOCTYPE a [\n<!ENTITY b "c">]><xliff/>',
            r"^a: line 2: declares an entity \(b\): a document with entities of its own is not read",
        ),
        ("<a>" * 300 + "</a>" * 300, "^a: line 1: more than 200 elements inside one another"),
    ],
)
def test_xml_that_is_none_or_is_an_attack_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        read_xliff(text, "a")


def test_sections_and_comments_in_a_text_are_read_as_xml_says():
    text = "<xliff><segment><source>a<!-- b --><![CDATA[c <d>]]></source></segment></xliff>"
    assert read_xliff(text, "a").texts() == ["ac <d>"]
    assert "<target>AC<!-- b --> &lt;D&gt;</target>" in capitals(read_xliff(text, "a"))


# TMX

TMX = """\ufeff<?xml version="1.0"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header srclang="en"/><body>
  <tu>
    <tuv xml:lang="en-US"><prop type="x">no</prop>
      <seg>Big <bpt i="1">&lt;b></bpt>dög<ept i="1">&lt;/b></ept></seg>
    </tuv>
  </tu>
  <tu><tuv xml:lang="EN"><seg>a</seg></tuv><tuv xml:lang="de"><seg>b</seg></tuv></tu>
  <tu><tuv lang="EN"><seg>a</seg></tuv><tuv lang="fr"><seg>b</seg></tuv></tu>
  <tu><tuv xml:lang="fr"><seg>c</seg></tuv></tu>
</body></tmx>
"""
TMX_DONE = TMX.replace(
    "</seg>\n    </tuv>",
    '</seg>\n    </tuv>\n    <tuv xml:lang="de">\n      <seg>BIG <bpt i="1">&lt;b></bpt>DÖG'
    '<ept i="1">&lt;/b></ept></seg>\n    </tuv>',
).replace(
    '<seg>b</seg></tuv></tu>\n  <tu><tuv xml:lang="fr">',
    '<seg>b</seg></tuv><tuv xml:lang="de"><seg>A</seg></tuv></tu>\n  <tu><tuv xml:lang="fr">',
)


def test_units_get_a_variant():
    assert capitals(read_tmx(TMX, "a", None, "de")) == TMX_DONE
    assert capitals(read_tmx(TMX, "a", "en", "de")) == TMX_DONE
    assert same(read_tmx(TMX_DONE, "a", None, "de")) == TMX_DONE


def test_variants_may_be_overwritten():
    assert '<tuv xml:lang="de"><seg>A</seg></tuv>' in capitals(read_tmx(TMX, "a", None, "de", overwrite=True))


def test_a_tmx_needs_its_languages():
    with pytest.raises(UsageError, match="say with --tgt-lang into which one"):
        read_tmx(TMX, "a", "en", None)
    with pytest.raises(InputError, match=r"^a does not say its source language: give it with --src-lang"):
        read_tmx(TMX.replace('srclang="en"', 'srclang="*all*"'), "a", None, "de")
    with pytest.raises(InputError, match=r"^a is no TMX: its root is xliff"):
        read_tmx("<xliff/>", "a", "en", "de")


# JSON

JSON = """{"state": {"on": "Turned on {name}", "list": ["eins", 3, {"title": "a\\nb"}]},
 "ref": "[%key:common::state::off%]", "number": "42", "url" : "", "title": "ä \\/ \\"b\\""}"""


def test_the_strings_of_a_json_are_translated_and_no_keys():
    done = capitals(read_json(JSON, "a"))
    assert done == (
        JSON.replace("Turned on {name}", "TURNED ON {NAME}")
        .replace("eins", "EINS")
        .replace("a\\nb", "A\\nB")
        .replace('ä \\/ \\"b\\"', 'Ä / \\"B\\"')
    )
    assert same(read_json(JSON, "a")) == JSON


@pytest.mark.parametrize(
    ("keys", "texts"),
    [
        (["title"], ["a", "b", 'ä / "b"']),
        (["state.*"], ["Turned on {name}", "eins", "a", "b"]),
        (["state.list.0", "on"], ["Turned on {name}", "eins"]),
        (["none"], []),
    ],
)
def test_keys_say_which_values_are_translated(keys, texts):
    assert read_json(JSON, "a", keys).texts() == texts


def test_what_is_escaped_stays_escaped():
    assert capitals(read_json('{"a": "\\u00e4"}', "a")) == '{"a": "\\u00c4"}'
    assert capitals(read_json('\ufeff"ä"', "a")) == '\ufeff"Ä"'


NESTED = st.recursive(
    st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(NESTED, st.booleans())
def test_any_json_stays_as_it_was(value, ascii_only):
    raw = json.dumps(value, ensure_ascii=ascii_only)
    document = read_json(raw, "a")
    assert same(document) == raw
    json.loads(document.join(['"\\'] * len(document.texts())))


def test_what_is_no_json_is_refused():
    with pytest.raises(InputError, match=r"^a: line 2, column 1: Expecting value; needed is JSON"):
        read_json('{"a":\n}', "a")
    with pytest.raises(InputError, match=r"^a: nested too deeply; needed is JSON"):
        read_json("[" * 99999, "a")


# Markdown

MARKDOWN = """---
title: no
---
# A *big* dog `code x`

Some [link](http://x.y/z "title") and
a second line, see <http://auto.link> and <b>bold</b>.
Hard\x20\x20
break\\
here snake_case &amp; **strong _em_**

> quoted
> goes on

1. one
2. two
   more

| a | b |
|---|---|
| c d | e |

```py
code = 1
```

    indented

![img alt](a.png) ~~gone~~ [ref][x]

[x]: http://y.z

Setext
======
<div>
html
</div>
"""
MARKDOWN_DONE = """---
title: no
---
# A *BIG* DOG `code x`

SOME [LINK](http://x.y/z "title") AND A SECOND LINE, SEE <http://auto.link> AND <b>BOLD</b>. HARD\x20\x20
BREAK\\
HERE SNAKE_CASE & **STRONG _EM_**

> QUOTED GOES ON

1. ONE
2. TWO MORE

| A | B |
|---|---|
| C D | E |

```py
code = 1
```

    indented

![IMG ALT](a.png) ~~GONE~~ [REF][x]

[x]: http://y.z

SETEXT
======
<div>
html
</div>
"""


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_texts_of_markdown_are_translated_and_no_code(newline):
    text = MARKDOWN.replace("\n", newline)
    assert capitals(read_markdown(text)) == MARKDOWN_DONE.replace("\n", newline)
    assert same(read_markdown(text)) == text


@given(st.text(alphabet="ab \t\n\r*_`[]()!<>#-1.|\\\\&;~\"'", max_size=60))
def test_any_markdown_stays_as_it_was(text):
    assert same(read_markdown(text)) == text


@pytest.mark.parametrize("text", ["# b", "- b", "1. b", "> b", "*b* `c` [d](e) <f> _g_ &amp; \\*", "a_b_c"])
def test_a_translation_is_not_read_as_marks(text):
    document = read_markdown("a")
    assert read_markdown(document.join([text])).texts() == [text]


# SRT

SRT = """1
00:00:01,000 --> 00:00:02,000
<i>Hello my
old dog.</i>

2
00:00:03,000 --> 00:00:04,000
- Who?
- Me, {\\an8}of course.

3
00:00:05,000 --> 00:00:06,000

"""


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_what_is_said_is_translated_in_as_many_lines(newline):
    text = SRT.replace("\n", newline)
    document = read_srt(text, "a")
    assert document.texts() == ["Hello my old dog.", "Who?", "Me, of course."]
    done = document.join(["Guten Tag, mein alter Hund.", "Wer?", "Ich, ja klar."])
    assert done == (
        SRT.replace("Hello my\nold dog.", "Guten Tag, mein\nalter Hund.")
        .replace("Who?", "Wer?")
        .replace("Me, {\\an8}of course.", "Ich, {\\an8}ja klar.")
        .replace("\n", newline)
    )
    assert same(document) == text


def test_a_short_translation_has_fewer_lines():
    assert (
        read_srt(SRT, "a")
        .join(["Ja", "Wer?", "Ich."])
        .startswith("1\n00:00:01,000 --> 00:00:02,000\n<i>Ja</i>\n")
    )


def test_what_has_no_times_is_refused():
    with pytest.raises(InputError, match=r"^a has no times: needed are subtitles with 00:00:01,000 --> 00:0"):
        read_srt("Hello\n", "a")
    assert same(read_srt("", "a")) == ""


@given(st.text(alphabet="ab \n\r-<>", max_size=40))
def test_any_subtitles_stay_as_they_were(text):
    raw = f"1\n00:00:01,000 --> 00:00:02,000\n{text}"
    assert same(read_srt(raw, "a")) == raw


# Files

EXAMPLES = {
    "po": PO_DONE,
    "xliff": XLIFF2,
    "tmx": TMX_DONE,
    "json": JSON,
    "md": MARKDOWN,
    "srt": SRT,
    "html": "<p title='a'>Hello <b>dog</b>&nbsp;!</p>\r\n",
}


@pytest.mark.parametrize("format", EXAMPLES)
def test_a_file_stays_as_it_was_byte_for_byte(format, tmp_path):
    raw = (
        EXAMPLES[format]
        .replace("<x:segment>", "<x:ignorable>")
        .replace("</x:segment><x:ig", "</x:ignorable><x:ig")
    )
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(raw.encode()))
    assert same(read_document(str(path), format, Wanted("en", "de"))).encode() == raw.encode().replace(
        b'state="initial"', b'state="translated"'
    )


def test_a_file_that_is_no_utf8_or_is_not_there_is_refused(tmp_path):
    Path(tmp_path / "a").write_bytes(b"ab\nc\xff")
    with pytest.raises(InputError, match=r"a: line 2, byte 2 \(0xff\) is not valid UTF-8; the document"):
        read_document(str(tmp_path / "a"), "html", Wanted())
    with pytest.raises(InputError, match="b: no such file"):
        read_document(str(tmp_path / "b"), "html", Wanted())
