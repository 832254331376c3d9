"""Blocks with inline markup: what is translated as one, and how it is written again."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from translate.documents.html import read_html
from translate.documents.markdown import read_markdown
from translate.documents.projection import WordLinks
from translate.documents.srt import read_srt
from translate.documents.tmx import read_tmx
from translate.documents.xliff import read_xliff


def backwards(document):
    """In capitals, with the words in reverse, and their links."""
    texts = document.texts()
    done = [" ".join(reversed(text.upper().split())) for text in texts]
    links = {}
    for number, (text, other) in enumerate(zip(texts, done, strict=True)):
        src, tgt = ([found.span() for found in re.finditer(r"\S+", each)] for each in (text, other))
        count = len(src)
        links[number] = WordLinks(
            src, tgt, [[float(s + t == count - 1) for s in range(count)] for t in range(count)]
        )
    return document.join(done, links)


@pytest.mark.parametrize(
    ("text", "texts", "expected"),
    [
        ("<p><b>ein Mann</b> liest</p>", ["ein Mann liest"], "<p>LIEST <b>MANN EIN</b></p>"),
        (
            "<li><a href=x><i>eins</i></a></li><li>zwei",
            ["eins", "zwei"],
            "<li><a href=x><i>EINS</i></a></li><li>ZWEI",
        ),
        ("a <b>b</b><br/>c", ["a b c"], "<br/>C <b>B</b> A"),
        ("eins<br>zwei", ["eins zwei"], "<br>ZWEI EINS"),
        ("a <code>x &lt; y</code> b", ["a b"], "<code>x &lt; y</code> B A"),
        ("a b <code>x</code>.", ["a b."], "B <code>x</code>. A"),
        ("a <span translate=no>Maus</span>, b", ["a, b"], "B A <span translate=no>Maus</span>,"),
        ("a <i class=icon></i> b", ["a b"], "<i class=icon></i> B A"),
        ("a<b> b </b>c", ["a b c"], "C <b>B</b> A"),
        ("a <b>\n b</b>  c", ["a b c"], "C <b>B</b> A"),
        ("a <b>b <p>c</b> d</p>", ["a b", "c d"], "<b>B A <p>D C</b></p>"),
        ("a <b><i>b</b> c</i> d", ["a b c d"], "D C</i> <b><i>B</b> A"),
        ("a <a title='c d'>b</a>", ["a b", "c d"], "<a title='D C'>B</a> A"),
        ("a <img alt='c d'> b", ["a b", "c d"], "<img alt='D C'> B A"),
        ("<p title='c d'><img alt=e>a", ["c d", "a"], "<p title='D C'><img alt=e>A"),
        ("a <b>b</b> &lt;c", ["a b <c"], "&lt;C <b>B</b> A"),
        ("Donau<wbr>dampf a", ["Donaudampf a"], "A DONAUDAMPF<wbr>"),
    ],
)
def test_a_block_of_html_is_one_text(text, texts, expected):
    document = read_html(text)
    assert document.texts() == texts
    assert backwards(document) == expected


@pytest.mark.parametrize(
    ("text", "texts", "expected"),
    [
        ("**ein Mann** liest", ["ein Mann liest"], "LIEST **MANN EIN**"),
        ('# a [b *c*](d "e") f', ["a b c f"], '# F [*C* B](d "e") A'),
        ("- a `b` c\n- d", ["a c", "d"], "- `b` C A\n- D"),
        ("a <u>b</u> <http://c.d> e", ["a b e"], "<http://c.d> E <u>B</u> A"),
        ("a ![b c](d) e", ["a e", "b c"], "![C B](d) E A"),
        ("a  \nb ~~c~~\nd", ["a b c d"], "D ~~C~~  \nB A"),
        ("a \\* *b* &amp;", ["a * b &"], "& *B* \\* A"),
    ],
)
def test_a_block_of_markdown_is_one_text(text, texts, expected):
    document = read_markdown(text)
    assert document.texts() == texts
    assert backwards(document) == expected


def test_elements_may_be_many_and_inside_one_another():
    text = "<b>" * 3000 + "a <i>b</i>" + "</b>" * 3000
    assert backwards(read_html(text)).count("<b>") == 3000
    text = " ".join(f"<a href={n}>b{n}</a>" for n in range(300))
    assert backwards(read_html(text)) == " ".join(f"<a href={n}>B{n}</a>" for n in reversed(range(300)))


def test_a_link_whose_text_is_its_reference_keeps_that():
    text = "a [b] [c d][] [e][x]\n\n[f]\n\n[b]: u\n[c d]: v\n[x]: w\n[f]: y\n"
    document = read_markdown(text)
    assert document.join(document.texts()) == text
    expected = "A [B][b] [C D][c d] [E][x]\n\n[F][f]\n\n[b]: u\n[c d]: v\n[x]: w\n[f]: y\n"
    assert document.join([each.upper() for each in document.texts()]) == expected


def test_emphasis_that_is_left_without_a_word_is_not_written():
    document = read_markdown("a **b** [c](d)")
    nothing = WordLinks([(0, 1), (2, 3), (4, 5)], [(0, 1)], [[1.0, 0.0, 0.0]])
    assert document.join(["A"], {0: nothing}) == "A[](d)"


@pytest.mark.parametrize(
    ("source", "texts", "target"),
    [
        ('a <g id="1">b</g> c', ["a b c"], 'C <g id="1">B</g> A'),
        (
            'a <bpt id="1">&lt;b></bpt>b<ept id="1">&lt;/b></ept>',
            ["a b"],
            '<bpt id="1">&lt;b></bpt>B<ept id="1">&lt;/b></ept> A',
        ),
        ('a <x id="1"/> b <x id="2"/>', ["a b"], '<x id="1"/> B A <x id="2"/>'),
        ('a <bx id="1"/>b c', ["a b c"], 'C <bx id="1"/>B A'),
        ('a <sc id="1"/>b<ec startRef="1"/> c', ["a b c"], 'C <sc id="1"/>B<ec startRef="1"/> A'),
        ('<pc id="1">a <ph id="2"/>b &amp;</pc>', ["a b &"], '<pc id="1">&amp; <ph id="2"/>B A</pc>'),
    ],
)
def test_a_source_of_xliff_is_one_text(source, texts, target):
    document = read_xliff(f"<xliff><segment><source>{source}</source></segment></xliff>", "a")
    assert document.texts() == texts
    assert f"<target>{target}</target>" in backwards(document)


def test_a_text_of_xliff_with_several_lines_has_them_in_its_translation():
    text = "<xliff><segment><source>a <g>b\n  c</g> d</source></segment></xliff>"
    document = read_xliff(text, "a")
    assert document.texts() == ["a b", "c d"]
    assert "<target>A <g>B\n  C</g> D</target>" in document.join(["A B", "C D"])


def test_the_halves_of_a_code_in_tmx_stay_around_their_words():
    text = (
        '<tmx><header srclang="de"/><tu><tuv xml:lang="de">'
        '<seg>a <bpt i="1"/>b<ept i="1"/> <hi>c</hi></seg></tuv></tu></tmx>'
    )
    document = read_tmx(text, "a", None, "en")
    assert document.texts() == ["a b c"]
    assert '<seg><hi>C</hi> <bpt i="1"/>B<ept i="1"/> A</seg>' in backwards(document)


def test_what_is_said_with_tags_in_it_is_one_text():
    text = "00:01,000 --> 00:02,000\na <i>b</i>\r\nc {\\an8}d\r\n"
    document = read_srt(text, "a")
    assert document.texts() == ["a b c d"]
    assert backwards(document).endswith("{\\an8}D C\r\n<i>B</i> A\r\n")


TOKENS = ["<b>", "</b>", "<i x='y'>", "</i>", "<br>", "<img/>", "<p>", "</p>", "<code>n</code>", "<!-- c -->"]


def letters(text):
    """Of what a reader sees."""
    return sorted(re.sub(r"<code>n</code>|<.*?>|\s", "", text).upper())


@given(st.lists(st.sampled_from([*TOKENS, "Wort ", "eins, ", "zwei.", " ", "&amp; "]), max_size=14))
def test_each_tag_of_html_and_each_word_is_there_as_often_as_before(pieces):
    text = "".join(pieces)
    done = backwards(read_html(text))
    assert sorted(re.findall("<.*?>", done)) == sorted(re.findall("<.*?>", text))
    assert letters(done) == letters(text)
    assert backwards(read_html(done)).count("<") == done.count("<")


PIECES = [
    "<b>",
    "</b>",
    "<i>",
    "</i>",
    "<br>",
    "<img/>",
    "<code>9</code>",
    "wort ",
    " eins",
    "zwei, ",
    " ",
    "drei.",
]


@given(st.lists(st.sampled_from(PIECES), max_size=12))
def test_words_are_as_far_apart_in_html_as_in_the_translation(pieces):
    text = "".join(pieces)
    document = read_html(text)
    [text_alone] = document.texts() or [""]
    translation = " ".join(reversed(text_alone.upper().split()))
    done = backwards(document)
    said = re.sub("<code>9</code>|<.*?>", " ", done)
    assert re.findall(r"\w+", said) == re.findall(r"\w+", translation)
    seen = [re.sub("<.*?>", "", re.sub("<br>|<img/>", "9", each)) for each in (text, done)]
    assert "  " in seen[0] or "  " not in seen[1]


def kinds(text):
    """What markdown-it reads, but for text."""
    found = [token for block in MarkdownIt("commonmark").parse(text) for token in block.children or []]
    return sorted(token.type for token in found if token.nesting or token.type in ("code_inline", "image"))


WORDS = st.lists(st.sampled_from(["wort", "eins,", "(zwei)", "*", "1."]), min_size=1, max_size=3).map(
    " ".join
)
MARKED = st.recursive(
    WORDS,
    lambda inner: st.tuples(st.sampled_from(["**{}**", "*{}*", "[{}](u)", "`{}`", "{} x"]), inner).map(
        lambda pair: pair[0].format(pair[1])
    ),
    max_leaves=3,
)


@given(st.lists(MARKED, min_size=1, max_size=4).map(" ".join))
def test_each_mark_of_markdown_is_there_as_often_as_before(text):
    document = read_markdown(text)
    done = document.join([each.upper() for each in document.texts()])
    assert kinds(done) == kinds(text)
