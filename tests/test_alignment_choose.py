import json
import logging

import numpy as np
import pytest
from tiny import MODEL, TRANSFORMER, tiny_run

from translate.alignment.aer import Gold, error_rate
from translate.alignment.choose import (
    THRESHOLDS,
    Choice,
    agreement,
    candidates,
    choose_by_agreement,
    choose_by_gold,
    error_rates,
    load_choice,
    save_choice,
)
from translate.alignment.extract import END, Maps, choose_attention, read
from translate.alignment.words import at_level, links
from translate.errors import InputError
from translate.run_directory import RunDirectory

PAIRS = [("a b c", "x y"), ("a b", "x y z u"), ("a", "x")]


def maps_of(src, tgt, layers, heads, random):
    """Random maps of a pair whose words are pieces of two letters each, where they have two."""
    sides = []
    for text in (src, tgt):
        spans = [(start, start + 1) for start in range(0, len(text), 2)]
        sides.append(((*(text[i] for i, _ in spans), END), (*spans, (len(text), len(text)))))
    (src_tokens, src_spans), (tgt_tokens, tgt_spans) = sides
    shape = (layers, heads, len(tgt_tokens), len(src_tokens))
    weights = random.dirichlet(np.full(shape[-1], 0.3), size=shape[:-1]).astype(np.float32)
    return Maps(src, tgt, src_tokens, tgt_tokens, src_spans, tgt_spans, weights, np.zeros(shape[2]))


def both_ways(random):
    forward = [maps_of(src, tgt, 2, 4, random) for src, tgt in PAIRS]
    return forward, [maps_of(tgt, src, 1, 1, random) for src, tgt in PAIRS]


def blank():
    nothing = np.zeros((1, 1, 0, 0), dtype=np.float32)
    return Maps("", "x", (), (), (), (), nothing, np.zeros(0))


def dice(forward, backward, one, other):
    """The agreement of two readings, from the links that the command would write."""
    both = total = 0
    for there, back in zip(forward, backward, strict=True):
        found = set(links(at_level(read(there, one), "word")))
        found_back = {(i, j) for j, i in links(at_level(read(back, other), "word"))}
        both += len(found & found_back)
        total += len(found) + len(found_back)
    return 2 * both / total


def test_all_layers_heads_their_mean_and_shifts_are_tried():
    tried = {(reading.layer, reading.head, reading.shift) for reading in candidates(TRANSFORMER)}
    assert tried == {
        (layer, head, shift) for layer in (0, 1) for head in (0, 1, 2, 3, None) for shift in (0, 1)
    }
    assert [(reading.layer, reading.head, reading.shift) for reading in candidates(MODEL)] == [
        (0, None, 0), (0, None, 1), (0, None, 2)
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_agreement_is_dice_of_the_links_of_every_two_readings(seed):
    forward, backward = both_ways(np.random.default_rng(seed))
    readings, others = candidates(TRANSFORMER), candidates(MODEL)
    found = agreement(forward, backward, readings, others)
    for row, one in enumerate(readings):
        for column, other in enumerate(others):
            assert found[row, column] == pytest.approx(dice(forward, backward, one, other))


def test_agreement_is_one_minus_the_error_rate_with_the_other_direction_as_gold():
    forward, backward = both_ways(np.random.default_rng(1))
    one, other = candidates(TRANSFORMER)[3], candidates(MODEL)[1]
    gold = [
        Gold(frozenset((i, j) for j, i in links(at_level(read(pair, other), "word"))), frozenset())
        for pair in backward
    ]
    rate = error_rate([links(at_level(read(pair, one), "word")) for pair in forward], gold)
    assert agreement(forward, backward, [one], [other])[0, 0] == pytest.approx(1 - rate.aer)


def test_the_readings_that_agree_best_are_chosen():
    forward, backward = both_ways(np.random.default_rng(2))
    # Let the last head of the second layer say, one step late, what the backward model says.
    for there, back in zip(forward, backward, strict=True):
        words = back.weights[0, 0, :-1, :-1].argmax(axis=1)  # of each of our source words
        there.weights[1, 3] = back.weights[0, 0] = 0
        size = min(len(there.tgt_tokens), len(there.src_tokens)) - 1
        for word in range(size):
            back.weights[0, 0, word, word] = there.weights[1, 3, word + 1, word] = 1
        back.weights[0, 0, size:, -1] = there.weights[1, 3, 0, -1] = there.weights[1, 3, size + 1 :, -1] = 1
        assert len(words) == len(there.src_tokens) - 1
    choice, partner, table = choose_by_agreement(forward, backward, TRANSFORMER, MODEL)
    assert (choice.reading.layer, choice.reading.head, choice.reading.shift) == (1, 3, 1)
    assert choice.score == partner.score == 1
    assert choice.pairs == 3
    assert partner.reading.shift == 0
    assert len(table) == len(candidates(TRANSFORMER))
    scores = [score for *_, score in table]
    assert scores == sorted(scores, reverse=True)
    assert scores[1] < 1


@pytest.mark.parametrize("swapped", [False, True])
def test_error_rates_are_those_of_each_readings_links(swapped):
    random = np.random.default_rng(3)
    maps = [maps_of(*(pair[::-1] if swapped else pair), 2, 4, random) for pair in PAIRS]
    gold = [
        Gold(frozenset({(0, 0), (1, 1)}), frozenset({(2, 1)})),
        Gold(frozenset({(0, 1)}), frozenset({(0, 0), (1, 3)})),
        Gold(frozenset(), frozenset()),
    ]
    readings = candidates(TRANSFORMER)
    found = error_rates(maps, gold, readings, swapped=swapped)
    for row, threshold in enumerate((None, *THRESHOLDS)):
        for column, reading in enumerate(readings):
            linked = [links(at_level(read(pair, reading), "token"), threshold) for pair in maps]
            if swapped:
                linked = [[(i, j) for j, i in pair] for pair in linked]
            assert found[row, column] == pytest.approx(error_rate(linked, gold).aer, abs=1e-6)


def test_gold_links_choose_the_reading_and_the_threshold():
    random = np.random.default_rng(4)
    maps = [maps_of(src, tgt, 2, 4, random) for src, tgt in PAIRS]
    gold = []
    for pair in maps:
        pair.weights[0, 2] = 0.01  # two words of each row, or one, have more than the rest
        sure = {
            (i, j) for j in range(len(pair.tgt_tokens) - 1) for i in range(2) if i < len(pair.src_tokens) - 1
        }
        for i, j in sure:
            pair.weights[0, 2, j, i] = 0.4
        gold.append(Gold(frozenset(sure), frozenset()))
    choice, table = choose_by_gold(maps, gold, TRANSFORMER)
    assert (choice.reading.layer, choice.reading.head, choice.reading.shift) == (0, 2, 0)
    assert choice.threshold == 0.05
    assert choice.score == 0
    rates = [rate for *_, rate in table]
    assert rates == sorted(rates)


def test_pairs_without_words_count_for_nothing():
    forward, backward = both_ways(np.random.default_rng(5))
    readings = candidates(TRANSFORMER), candidates(MODEL)
    expected = agreement(forward, backward, *readings)
    np.testing.assert_array_equal(agreement([blank(), *forward], [blank(), *backward], *readings), expected)
    choice, _, _ = choose_by_agreement([blank(), *forward], [blank(), *backward], TRANSFORMER, MODEL)
    assert choice.pairs == 3
    gold = [Gold(frozenset({(0, 0)}), frozenset())]
    assert (error_rates([blank()], gold, candidates(MODEL)) == 1).all()  # its sure link is missed
    with pytest.raises(InputError, match="no pair to choose on has words on both sides"):
        choose_by_gold([blank()], gold, MODEL)
    with pytest.raises(InputError, match="no pair to choose on has words on both sides"):
        choose_by_agreement([blank()], [blank()], MODEL, MODEL)


def test_directions_that_split_a_text_differently_are_refused():
    random = np.random.default_rng(6)
    forward, backward = maps_of("鸡 鸡", "x", 1, 1, random), maps_of("x", "鸡 鸡", 1, 1, random)
    backward = backward._replace(
        tgt="鸡鸡鸡", tgt_spans=((0, 1), (1, 3), (3, 3)), tgt_tokens=("鸡", "鸡鸡", END)
    )
    forward = forward._replace(
        src="鸡鸡鸡", src_spans=((0, 2), (2, 3), (3, 3)), src_tokens=("鸡鸡", "鸡", END)
    )
    with pytest.raises(InputError, match="the two directions split '鸡鸡鸡' or 'x' into different words"):
        agreement([forward], [backward], candidates(MODEL), candidates(MODEL))


@pytest.fixture
def run(tmp_path):
    return RunDirectory.open(tiny_run(tmp_path, TRANSFORMER))


CHOICE = Choice(choose_attention(TRANSFORMER, 1, 3, 1), 0.25, "agreement", 0.75, 500)


def test_a_choice_is_read_as_it_was_saved_and_says_why(run):
    assert load_choice(run) is None
    save_choice(run, CHOICE)
    loaded = load_choice(run)
    words = "scaled dot attention, layer 1 of 2, head 3 of 4, shifted (chosen on 500 pairs: agreement, 75.0%)"
    assert loaded == CHOICE._replace(reading=CHOICE.reading._replace(words=words))
    saved = json.loads(run.alignment_path.read_text())
    assert saved["layer"] == 1
    assert saved["head"] == 3
    assert saved["weights_sha256"] == run.weights_sha256()

    mean = CHOICE._replace(reading=choose_attention(TRANSFORMER, 2), threshold=None)
    save_choice(run, mean)
    assert load_choice(run).reading[:3] == (1, None, 0)
    assert load_choice(run).threshold is None


def test_a_choice_for_earlier_weights_is_known(run, caplog):
    save_choice(run, CHOICE)
    model = run.load_model()
    model.output.bias.data += 1
    run.save_weights(model, run.tokenizers())
    with caplog.at_level(logging.WARNING, "translate"):
        words = load_choice(run).reading.words
    assert words.endswith("75.0%, before the run trained on)")
    assert "alignment.json was chosen before the run trained on: choose anew" in caplog.text


@pytest.mark.parametrize(
    "damage",
    [lambda text: text[:20], lambda text: text.replace('"layer": 1', '"layer": 9'), lambda text: "{}"],
    ids=["cut", "no such layer", "empty"],
)
def test_a_damaged_choice_is_refused(run, damage):
    save_choice(run, CHOICE)
    run.alignment_path.write_text(damage(run.alignment_path.read_text()))
    with pytest.raises(InputError, match=r"alignment\.json is damaged or of another model: choose anew with"):
        load_choice(run)
