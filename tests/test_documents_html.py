import pytest
from hypothesis import given
from hypothesis import strategies as st

from translate.documents.document import plain_text
from translate.documents.html import read_html


def translated(text):
    """In capitals."""
    document = read_html(text)
    return document.join([part.upper() for part in document.texts()])


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ("Guten Tag", ["Guten Tag"]),
        ("  eins \r\n\r\nzwei\n", ["eins", "zwei"]),
        ("eins\rzwei\n\tdrei", ["eins", "zwei", "drei"]),
        ("<b>eins</b> &amp; <script>", ["<b>eins</b> &amp; <script>"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_plain_text_is_translated_line_by_line(text, texts):
    document = plain_text(text)
    assert document.texts() == texts
    assert document.join(texts) == text


@given(st.text(alphabet="ab \t\r\n\x85\u2028<&;", max_size=30))
def test_nothing_of_a_plain_text_is_lost(text):
    document = plain_text(text)
    assert document.join(document.texts()) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ein <b class='x' ID=y>Hund</b> läuft.", "EIN <b class='x' ID=y>HUND</b> LÄUFT."),
        ("<p>eins<br/>zwei<br>drei</p>", "<p>EINS<br/>ZWEI<br>DREI</p>"),
        ("<!doctype html><!-- ein Hund --><p>eins", "<!doctype html><!-- ein Hund --><p>EINS"),
        ("<?php echo 'a' ?>eins", "<?php echo 'a' ?>EINS"),
        ("eins\n  zwei", "EINS ZWEI"),
        ("", ""),
    ],
)
def test_tags_are_kept_and_text_is_translated(text, expected):
    assert translated(text) == expected


@pytest.mark.parametrize("name", ["script", "style", "code", "pre", "textarea"])
def test_what_is_no_language_is_untouched(name):
    text = f"<{name} a=b>if (a &lt; b)\n  ein Hund</{name}>"
    assert translated(f"eins {text} zwei") == f"EINS {text} ZWEI"


def test_elements_within_what_is_untouched_are_too():
    inner = "<code>a <b>b</b> <code>c</code> d</code>"
    assert translated(f"{inner} e") == f"{inner} E"


def test_an_author_may_say_that_something_is_not_to_be_translated():
    text = '<span translate="no">Hund <span>Katze</span> Maus</span>'
    assert translated(f"{text} Tier") == f"{text} TIER"
    assert translated('<img translate="no" alt="x">Tier') == '<img translate="no" alt="x">TIER'


def test_entities_are_read_as_characters_and_written_as_safe_ones():
    document = read_html("Fisch &amp; Chips &lt;b&gt; &#65;&eacute;")
    assert document.texts() == ["Fisch & Chips <b> Aé"]
    assert document.join(["<script>alert(1)</script> & more"]) == (
        "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more"
    )


@given(st.text(alphabet="ab <>/&;!-?'\"=pre", max_size=40))
def test_translations_never_become_tags(text):
    document = read_html(text)
    assert document.join(["<x>" for _ in document.texts()]).count("<x>") == 0


def test_what_attributes_say_is_translated():
    assert translated('<img alt="ein Hund" src="a.png">') == '<img alt="EIN HUND" src="a.png">'
    assert translated("<a TITLE='die &quot;Katze&quot;' href=x>b</a>") == (
        "<a TITLE='DIE &quot;KATZE&quot;' href=x>B</a>"
    )
    assert translated('<input placeholder="c"/>') == '<input placeholder="C"/>'
    assert translated('<code title="a">b</code>') == '<code title="A">b</code>'
    assert translated('<b translate="no" title="a">b</b>') == '<b translate="no" title="a">b</b>'


@given(st.text(alphabet="ab <>/&;!-?'\"=pre\n\r[]", max_size=60))
def test_a_text_whose_translations_are_itself_stays_as_it_was(text):
    document = read_html(text)
    assert document.join(document.texts()) == text


@pytest.mark.parametrize("section", ["<![CDATAy>", "<![CDATA[x]]>", "<![if x]>", "<![ >", "<![x\ny>"])
def test_sections_of_any_kind_are_left(section):
    assert translated(f"a {section} b") == f"A {section}B"
    assert translated(f"<p>{section}a") == f"<p>{section}A"
