import hashlib
import random

import pytest

from translate.corpora.split import choose_held_out, fold_white_space, hold_out, shared_groups, source_group
from translate.errors import InputError

SIZES = {"valid": 10, "test": 10}


def words(count: int) -> list[str]:
    return [format(i, "04o").translate(str.maketrans("01234567", "abcdefgh")) for i in range(count)]


def many_pairs(count: int = 400) -> list[tuple[str, str]]:
    """Sources of which several belong to one group, some with several translations."""
    known = words(count + 200)
    return [
        (f"{known[i // 3 if i % 2 else i + 200]} {i}", f"{translation} {i}")
        for i in range(count)
        for translation in (["eins", "zwei"] if i % 4 == 0 else ["eins"])
    ]


@pytest.mark.parametrize(
    ("text", "twin"),
    [
        ("Port 1", "PORT 27:"),
        ("Hello {name}!", "hello"),
        ("Hello {first_name} {last}", "Hello, {name}."),
        ("Found %s of %d", "found %(count)d of %1$s"),
        ("a <b>bold</b> word", "A bold word"),
        ("$user logged in", "Logged in"),
        ("5% discount", "10 % discount"),
        ("Straße", "STRASSE"),
        ("café", "cafe\u0301"),
        ("set-up", "set up"),
        ("12:30", "100%"),
    ],
)
def test_twins_are_one_group(text, twin):
    assert source_group(text) == source_group(twin)


@pytest.mark.parametrize(
    ("text", "other"), [("yes", "no"), ("Opens", "Open"), ("温度", "湿度"), ("100% of it", "100%")]
)
def test_different_words_are_different_groups(text, other):
    assert source_group(text) != source_group(other)


def test_a_percent_sign_before_a_word_is_no_placeholder():
    assert source_group("10% off") == "off"
    assert source_group("10%off") == "off"


def test_white_space_is_folded_but_a_no_break_space_stays():
    assert fold_white_space(" a\r\n\tb \u2028 c\x0b\x85\n") == "a b c"
    assert fold_white_space("50\u00a0%") == "50\u00a0%"


@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_in_two_parts(seed):
    parts = hold_out(many_pairs(), SIZES, seed).pairs
    groups = {name: {source_group(src) for src, _ in pairs} for name, pairs in parts.items()}
    assert groups["train"] & groups["valid"] == groups["train"] & groups["test"] == set()
    assert groups["valid"] & groups["test"] == set()


def test_held_out_parts_have_the_size_wanted_in_distinct_sources():
    parts = hold_out(many_pairs(), SIZES, 1).pairs
    for name in ("valid", "test"):
        assert len(parts[name]) == len({src for src, _ in parts[name]}) == 10


def test_a_held_out_source_keeps_its_first_translation():
    pairs = many_pairs()
    first = dict(reversed(pairs))
    parts = hold_out(pairs, SIZES, 1)
    assert all(first[src] == tgt for name in ("valid", "test") for src, tgt in parts.pairs[name])
    assert parts.left_out == len(pairs) - sum(map(len, parts.pairs.values())) > 0


def test_train_keeps_every_translation_of_its_sources():
    pairs = many_pairs()
    parts = hold_out(pairs, SIZES, 1).pairs
    held_out = {src for name in ("valid", "test") for src, _ in parts[name]}
    assert sorted(parts["train"]) == sorted(pair for pair in pairs if pair[0] not in held_out)


def test_the_same_seed_gives_the_same_parts():
    assert hold_out(many_pairs(), SIZES, 1) == hold_out(many_pairs(), SIZES, 1)


def test_another_seed_gives_other_parts():
    assert hold_out(many_pairs(), SIZES, 1).pairs["test"] != hold_out(many_pairs(), SIZES, 2).pairs["test"]


def test_what_is_held_out_does_not_depend_on_the_order_of_the_corpus():
    pairs = sorted(dict(many_pairs()).items())
    shuffled = random.Random(0).sample(pairs, len(pairs))
    for name in ("valid", "test"):
        assert sorted(hold_out(pairs, SIZES, 1).pairs[name]) == sorted(
            hold_out(shuffled, SIZES, 1).pairs[name]
        )


def test_train_is_shuffled():
    pairs = many_pairs()
    train = hold_out(pairs, SIZES, 1).pairs["train"]
    assert train != [pair for pair in pairs if pair in set(train)]


def test_at_most_a_tenth_is_held_out_for_each_part():
    pairs = [(letter * 3, letter) for letter in "abcdefghijklmnopqrstuvwxyz"]
    parts = hold_out(pairs, {"valid": 1000, "test": 1000}, 1).pairs
    assert {name: len(part) for name, part in parts.items()} == {"train": 22, "valid": 2, "test": 2}


def plainly_held_out(pairs, sizes, seed):
    """With all groups in memory."""
    groups = {}
    for src, tgt in pairs:
        groups.setdefault(source_group(src), {}).setdefault(src, tgt)
    ranked = sorted(groups, key=lambda group: hashlib.sha256(f"{seed} {group}".encode()).digest())
    most = max(1, sum(map(len, groups.values())) // 10)
    chosen, parts = set(), {}
    for name, size in sizes.items():
        parts[name] = []
        for group in ranked:
            if group not in chosen and len(parts[name]) + len(groups[group]) <= min(size, most):
                chosen.add(group)
                parts[name] += groups[group].items()
    return parts, chosen


@pytest.mark.parametrize("sizes", [{"valid": 1}, {"valid": 3, "test": 5}, {"valid": 12}, {"valid": 1000}])
@pytest.mark.parametrize("seed", range(2))
def test_choosing_needs_only_some_groups_in_memory(sizes, seed):
    for pairs in (many_pairs(), many_pairs(3_000)):
        assert tuple(choose_held_out(pairs, sizes, seed)) == plainly_held_out(pairs, sizes, seed)


def test_groups_that_are_too_large_are_passed_over_however_many_there_are():
    """Only one of 301 groups is small enough, and it is not among the first that are looked at."""
    pairs = [(f"{word} {i}", "x") for word in words(300) for i in range(3)] + [("alone", "y")]
    for seed in range(3):
        assert choose_held_out(pairs, {"valid": 2}, seed) == ({"valid": [("alone", "y")]}, {"alone"})


def test_too_few_groups_are_refused():
    pairs = [(f"Port {i}", str(i)) for i in range(99)]
    message = (
        r"^99 pairs with 1 different sources \(digits, punctuation and case aside\) are too few "
        "for the parts train, valid, test: each needs at least one of its own$"
    )
    with pytest.raises(InputError, match=message):
        hold_out(pairs, SIZES, 1)


def test_three_pairs_are_enough_for_three_parts():
    parts = hold_out([("a", "x"), ("b", "y"), ("c", "z")], SIZES, 1).pairs
    assert [len(part) for part in parts.values()] == [1, 1, 1]


def test_shared_groups_counts_test_sources_with_a_twin_in_train():
    assert shared_groups(["Port 1", "yes"], ["Port 2", "port", "no"]) == 2
