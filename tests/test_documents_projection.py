"""Where inline elements go in a translation, by tables of weights."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translate.documents.projection import Mark, WordLinks, merge, project, spread_evenly


def words(text):
    return [found.span() for found in re.finditer(r"\S+", text)]


def linked(src, tgt, links):
    """Words with these links, (source, target), and nothing between the others."""
    shape = words(src), words(tgt)
    rows = [[float((s, t) in links) for s in range(len(shape[0]))] for t in range(len(shape[1]))]
    return WordLinks(*shape, rows)


def elements(tagged):
    """The text of what is written with <1> for an element that opens, </1>, and <1/> for an empty one."""
    text, levels, opened = "", [[]], []
    for piece in re.split(r"(</?\d+/?>)", tagged):
        number = int(re.sub(r"\D", "", piece) or 0)
        if piece.endswith("/>"):
            levels[-1].append(Mark(len(text), len(text), number))
        elif piece.startswith("</"):
            inner = levels.pop()
            levels[-1].append(Mark(opened.pop(), len(text), number, tuple(inner)))
        elif piece.startswith("<"):
            levels.append([])
            opened.append(len(text))
        else:
            text += piece
    return text, tuple(levels[0])


def shown(text, marks, begin=0, end=None):
    """The reverse of `elements`."""
    out, end = "", len(text) if end is None else end
    for mark in marks:
        assert begin <= mark.begin <= mark.end <= end
        out += text[begin : mark.begin]
        inner = shown(text, mark.inner, mark.begin, mark.end)
        out += f"<{mark.tag}>{inner}</{mark.tag}>" if inner or mark.inner else f"<{mark.tag}/>"
        begin = mark.end
    return out + text[begin:end]


def projected(tagged, tgt, links):
    src, marks = elements(tagged)
    return shown(tgt, project(marks, src, tgt, linked(src, tgt, links)))


DIAGONAL = {(n, n) for n in range(9)}


@pytest.mark.parametrize(
    ("src", "tgt", "links", "expected"),
    [
        ("<1>Ein Mann</1> liest.", "A man reads.", DIAGONAL, "<1>A man</1> reads."),
        (
            "Er <1>hat</1> <2>Brot</2> <3>gegessen</3>",
            "He has eaten bread",
            {(0, 0), (1, 1), (3, 2), (2, 3)},
            "He <1>has</1> <3>eaten</3> <2>bread</2>",
        ),
        (
            "<1>Der <2>alte</2> Mann</1> ruht.",
            "The old man rests.",
            DIAGONAL,
            "<1>The <2>old</2> man</1> rests.",
        ),
        ("<1>Ein Hund.</1>", "A dog.", set(), "<1>A dog.</1>"),
        ("<1>im Park</1> da", "in the park there", {(0, 0), (1, 2), (2, 3)}, "<1>in the park</1> there"),
        ("a <1>b</1> c", "A C", {(0, 0), (2, 1)}, "A <1/>C"),
        ("<1>b</1> c", "C", {(1, 0)}, "<1/>C"),
    ],
    ids=["words", "order", "inside", "all", "unlinked words", "no link", "no link at first"],
)
def test_an_element_goes_around_what_came_from_its_words(src, tgt, links, expected):
    assert projected(src, tgt, links) == expected


def test_a_link_far_away_does_not_stretch_an_element():
    links = {(0, 0), (1, 1), (2, 2), (3, 3), (1, 4)}
    assert projected("a <1>b</1> c d", "A B C D E", links) == "A <1>B</1> C D E"


@pytest.mark.parametrize(
    ("src", "expected"),
    [
        ("<1>Mann</1>, da", "<1>man</1>, there"),
        ("<1>Mann,</1> da", "<1>man,</1> there"),
        ("»<1>Mann</1>« da", "“<1>man</1>” there"),
        ("<1>»Mann«</1> da", "<1>“man”</1> there"),
    ],
)
def test_punctuation_is_inside_if_it_is_so_in_the_source(src, expected):
    assert projected(src, re.sub("<.*?>", "", expected), DIAGONAL) == expected


@pytest.mark.parametrize(
    ("src", "tgt", "links", "expected"),
    [
        ("a <1/>b c", "C B A", {(0, 2), (1, 1), (2, 0)}, "C <1/>B A"),
        ("<1/>a b", "B A", {(0, 1), (1, 0)}, "<1/>B A"),
        ("a b.<1/>", "B A.", {(0, 1), (1, 0)}, "B A.<1/>"),
        ("a b<1/>.", "B A.", {(0, 1), (1, 0)}, "B<1/> A."),
        ("a<1/> b", "B A", {(0, 1), (1, 0)}, "B A<1/>"),
        ("a <1/>b c", "A C", {(0, 0), (2, 1)}, "A <1/>C"),
        ("<2>a <1/>b</2> c", "C B A", {(0, 2), (1, 1), (2, 0)}, "C <2><1/>B A</2>"),
        ("a <1/><2>b c</2>", "A C B", {(0, 0), (1, 2), (2, 1)}, "A <1/><2>C B</2>"),
        ("a <1/>b", "", set(), "<1/>"),
    ],
)
def test_an_empty_element_goes_before_what_came_from_the_word_behind_it(src, tgt, links, expected):
    assert projected(src, tgt, links) == expected


def test_weights_decide_where_links_would_not():
    src, marks = elements("a <1>b</1>")
    links = WordLinks(words(src), words("X Y Z"), [[0.6, 0.3], [0.4, 0.5], [0.1, 0.2]])
    assert shown("X Y Z", project(marks, src, "X Y Z", links)) == "X <1>Y Z</1>"


def test_without_links_words_keep_their_order():
    src, marks = elements("<1>a</1> b <2>c d</2>")
    assert (
        shown("A B C D", project(marks, src, "A B C D", spread_evenly(src, "A B C D")))
        == "<1>A</1> B <2>C D</2>"
    )
    assert spread_evenly("a b", "").weights == []
    assert spread_evenly("", "").src == []


def test_links_of_parts_become_those_of_the_whole():
    part = linked("a b", "A", {(1, 0)})
    whole = merge([(0, 0, part), (4, 2, part)])
    assert whole == WordLinks(
        [(0, 1), (2, 3), (4, 5), (6, 7)], [(0, 1), (2, 3)], [[0, 1, 0, 0], [0, 0, 0, 1]]
    )


@st.composite
def cases(draw):
    """A text with elements, a translation, and any weights."""
    count = 0

    def inside(depth):
        nonlocal count
        out = ""
        for _ in range(draw(st.integers(1, 4))):
            kind = draw(st.sampled_from("wwwwes" if depth else "www"))
            if kind == "w":
                out += draw(st.sampled_from(["a", "bc.", "„d“", ", ", " ", "e f "]))
            else:
                count += 1
                number = count
                inner = inside(depth - 1) if kind == "e" else ""
                filled = inner if re.sub(r"<.*?>|\s", "", inner) else f"x{inner}"
                out += f"<{number}>{filled}</{number}>" if kind == "e" else f"<{number}/>"
        return out

    src, marks = elements(inside(3))
    tgt = " ".join(draw(st.lists(st.sampled_from(["A", "B.", "“C”", "D,"]), max_size=5)))
    rows = [[draw(st.floats(0, 1, width=16)) for _ in words(src)] for _ in words(tgt)]
    return src, marks, tgt, WordLinks(words(src), words(tgt), rows)


def tree(marks):
    return sorted((mark.tag, tree(mark.inner)) for mark in marks)


@given(cases())
def test_each_element_is_there_once_inside_the_same_ones_and_the_text_is_the_translation(case):
    src, marks, tgt, links = case
    placed = project(marks, src, tgt, links)
    assert tree(placed) == tree(marks)
    # `shown` checks that they are inside and beside each other.
    assert re.sub("<.*?>", "", shown(tgt, placed)) == tgt
