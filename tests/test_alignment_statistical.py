import random
from importlib import util

import pytest

from translate.alignment import statistical
from translate.alignment.statistical import align_statistically
from translate.errors import InputError

needs_fast_align = pytest.mark.skipif(
    util.find_spec("systran_align") is None, reason="the extra fast-align is not installed"
)
# Words that would break a file of lines, if they were written as they are.
WORDS = ["|||", "two words", "\u2028", "\n", "ß", "<s>", *(f"word{number}" for number in range(24))]


def reversed_pairs(count):
    """Sentences whose translation says the same words, each in the other language, backwards."""
    draw = random.Random(1)
    pairs = []
    for _ in range(count):
        src = [draw.choice(WORDS) for _ in range(draw.randint(1, 6))]
        pairs.append((src, [f"{word}'" for word in reversed(src)]))
    return pairs


@needs_fast_align
def test_words_are_linked_to_their_translations():
    pairs = [pair for pair in reversed_pairs(400) if len(set(pair[0])) == len(pair[0])]
    found = align_statistically(pairs)
    right = [[(i, len(src) - 1 - i) for i in range(len(src))] for src, _ in pairs]
    assert len(found) == len(pairs)
    links = sum(map(len, right))
    assert sum(len(set(one) & set(two)) for one, two in zip(found, right, strict=True)) > 0.95 * links
    assert sum(map(len, found)) < 1.05 * links


@needs_fast_align
def test_a_pair_with_a_side_without_tokens_has_no_links_and_keeps_its_place():
    pairs = reversed_pairs(50)
    found = align_statistically(pairs)
    assert align_statistically([([], ["x"]), *pairs, (["x"], []), ([], [])]) == [[], *found, [], []]
    assert align_statistically([]) == []
    assert align_statistically([([], ["x"])]) == [[]]


def test_the_extra_is_named_when_it_is_missing(monkeypatch):
    monkeypatch.setattr(statistical, "find_spec", lambda name: None)
    with pytest.raises(
        InputError, match=r"the extra fast-align brings it \(pip install 'systran-align>=3.5'\)"
    ):
        align_statistically([(["a"], ["b"])])
