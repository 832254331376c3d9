import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translate.placeholders import MARKUP, count, drop, find, insert


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Hallo {name}, %s und %1$d", ["{name}", "%s", "%1$d"]),
        ("{{ user.name }} oder ${name}", ["{{ user.name }}", "${name}"]),
        ('<b>fett</b><br/> <a href="x y">', ["<b>", "</b>", "<br/>", '<a href="x y">']),
        ("eins&nbsp;zwei &#160; &#xA0;", ["&nbsp;", "&#160;", "&#xA0;"]),
        ("50 % der 5%ige, 100%% und 3 < 4 > 2 & so; {a b}", []),
    ],
)
def test_markup_and_placeholders_are_found(text, found):
    assert [each.text for each in find(text, MARKUP)] == found


def test_a_pattern_of_ones_own_finds_its_first_group_or_all_of_it():
    assert count("a @x b @x", re.compile(r"@\w")) == Counter({"@x": 2})
    assert [(each.text, each.begin) for each in find("a @x", re.compile(r"@(\w)"))] == [("x", 3)]


@pytest.mark.parametrize(
    ("text", "superfluous", "left"),
    [
        ("{a} b {a} c", {"{a}": 1}, "{a} b c"),
        ("{a} b", {"{a}": 1}, "b"),
        ("b {a}", {"{a}": 1}, "b "),
        ("b {a}, c", {"{a}": 2}, "b , c"),
        ("{a} {b}", {}, "{a} {b}"),
        ("%<b>s", {"<b>": 1}, ""),  # what is left was none before
    ],
)
def test_what_is_too_many_is_dropped(text, superfluous, left):
    assert drop(text, Counter(superfluous), MARKUP) == left


@pytest.mark.parametrize(
    ("text", "place", "whole"),
    [
        ("", 0, "{a}"),
        ("eins zwei", 0, "{a} eins zwei"),
        ("eins zwei", 5, "eins {a} zwei"),
        ("eins zwei", 7, "eins {a} zwei"),
        ("eins zwei", 9, "eins zwei {a}"),
        ('eins <a href="x"> zwei', 9, 'eins {a} <a href="x"> zwei'),
    ],
)
def test_a_placeholder_is_put_before_the_word(text, place, whole):
    assert insert(text, "{a}", place, MARKUP) == whole


@given(st.text(alphabet="ab {}%s<>", max_size=20), st.integers(0, 20))
def test_what_is_put_in_is_there(text, place):
    wanted = count(text, MARKUP) + Counter(["{x}"])
    whole = insert(text, "{x}", min(place, len(text)), MARKUP)
    assert count(whole, MARKUP)["{x}"] == wanted["{x}"]
