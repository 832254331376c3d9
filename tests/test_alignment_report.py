import json
import math

import numpy as np
import pytest

from translate.alignment.aer import ErrorRate
from translate.alignment.extract import END, Alignment
from translate.alignment.faithfulness import INTERVENTIONS, Effect, Faithfulness
from translate.alignment.report import Picture, Report, describe_weights, dice, to_object, to_text


def alignment(weights):
    """Words a, b ... and x, y ..., with these weights."""
    size = len(weights[0]) - 1, len(weights) - 1
    src, tgt = (" ".join("abcdefgh"[:length]) for length in size)
    spans = [tuple((2 * n, 2 * n + 1) for n in range(length)) for length in size]
    tokens = [(*text.split(), END) for text in (src, tgt)]
    return Alignment(src, tgt, *tokens, *spans, np.array(weights, dtype=np.float32), "attention")


def describe(weights, links=(), end_of_sentence=True):
    return describe_weights([alignment(weights)], [list(links)], end_of_sentence=end_of_sentence)


def test_attention_to_the_end_alone_has_all_its_mass_there_and_covers_nothing():
    found = describe([[0, 0, 1], [0, 0, 1], [1, 0, 0]])
    assert found.end_mass == 1
    assert found.entropy == found.relative_entropy == 0
    assert found.linked == found.covered == 0


def test_uniform_attention_has_the_entropy_of_the_logarithm_of_the_length():
    found = describe(np.full((3, 4), 0.25))
    assert found.entropy == pytest.approx(math.log(4))
    assert found.relative_entropy == pytest.approx(1)
    assert found.end_mass == 0.25
    # Of a source whose end cannot be attended to, three columns are left.
    thirds = np.array([[1 / 3, 1 / 3, 1 / 3, 0]] * 3)
    assert describe(thirds, end_of_sentence=False).relative_entropy == pytest.approx(1)


def test_a_diagonal_is_certain_and_covers_all():
    found = describe([[1, 0, 0], [0, 1, 0], [0, 0, 1]], [(0, 0), (1, 1)])
    assert (found.end_mass, found.entropy, found.linked, found.covered) == (0, 0, 1, 1)


def test_coverage_counts_no_word_more_than_once():
    """Two target words look at the first of two source words, one of them a little at the second."""
    found = describe([[1, 0, 0], [0.8, 0.2, 0], [0, 0, 1]], [(0, 0), (0, 1)])
    assert found.linked == 0.5
    assert found.covered == pytest.approx((1 + 0.2) / 2)


def test_means_are_over_all_words_and_blank_pairs_are_left_out():
    blank = Alignment("", "x", (), (), (), (), np.zeros((0, 0), dtype=np.float32), "attention")
    long, short = alignment([[0, 1], [0, 1], [0, 1], [0, 1]]), alignment([[1, 0], [0, 1]])
    found = describe_weights([long, blank, short], [[], [], [(0, 0)]], end_of_sentence=True)
    assert found.end_mass == 0.75
    assert found.linked == found.covered == 0.5
    assert found.pairs == 2


def test_one_column_has_no_relative_entropy():
    found = describe([[1, 0], [1, 0]], [(0, 0)], end_of_sentence=False)
    assert found.entropy == found.relative_entropy == 0


def test_dice_is_the_share_of_common_links():
    assert dice([[(0, 0), (1, 1)], [(0, 0)]], [[(0, 0)], [(0, 1)]]) == pytest.approx(2 / 5)
    assert dice([[(0, 1)]], [[(0, 1)]]) == 1
    assert dice([[(0, 1)]], [[(1, 0)]]) == 0
    assert dice([[]], [[]]) == 1


EFFECTS = dict(
    zip(
        INTERVENTIONS,
        (Effect(-1.0, 0.5), Effect(-2.0, 0.6), Effect(-1.5, 0.4), Effect(-0.1, 0.1)),
        strict=True,
    )
)
FAITHFUL = Faithfulness(-1.25, 60, 50, EFFECTS, None)
REPORT = Report(
    "mine", "additive attention", False, Picture(0.05, 1.5, 0.4, 0.8, 0.9, 12), None, None, None, FAITHFUL
)


def test_the_text_says_each_number_and_what_it_means():
    text = to_text(REPORT)
    assert "mine: additive attention\n12 pairs, the translations were given" in text
    assert "mass on the end of sentence         5.0%  looks at no word; lower is better" in text
    assert "entropy of a target word       1.50 nats" in text
    assert "all weights made equal             -1.00 nats, 50.0% moved" in text
    assert "mean of 60 target pieces, log-probability -1.25 each" in text
    assert "only what is read changed" not in text
    assert "moves 4.0 times as much as hiding another" in text
    assert "the model translated" in to_text(REPORT._replace(own=True))
    assert max(map(len, text.splitlines())) <= 110


def test_what_was_not_compared_says_what_is_needed():
    text = to_text(REPORT)
    assert "not compared: give --reverse RUN2" in text
    assert "not compared: pip install 'seq2see[fast-align]'" in text
    assert "not compared: give --gold FILE" in text


def test_what_was_compared_is_shown():
    gold = ErrorRate(0.25, 0.8, 0.7, 0.75, 10, 9, 3)
    text = to_text(REPORT._replace(directions=0.61, statistical=0.52, gold=gold))
    assert "the other direction agrees         61.0%  share of common links" in text
    assert "52.0%  share of common links; higher is better, but 12 pairs are few to learn from" in text
    assert "25.0%  people's links; lower is better (precision 80.0%, recall 70.0%)" in text
    many = REPORT._replace(statistical=0.5, picture=REPORT.picture._replace(pairs=300))
    assert "few to learn from" not in to_text(many)


def test_both_scopes_stand_side_by_side():
    read = EFFECTS | {"uniform": Effect(-0.5, 0.25)}
    text = to_text(REPORT._replace(faithfulness=FAITHFUL._replace(read=read)))
    assert "all attention changed     only what is read changed" in text
    assert "-1.00 nats, 50.0% moved       -0.50 nats, 25.0% moved" in text


@pytest.mark.parametrize(
    ("top", "other", "comparable", "verdict"),
    [
        (0.1, 0.1, 5, "moves no more than hiding another: the picture\n  does not show what the model uses"),
        (0.3, 0.1, 5, "moves 3.0 times as much as hiding another, and equal weights move\n  50.0% of the"),
        (0.3, 0.0, 5, "moves infinitely many times as much"),
        (0.0, 0.0, 0, "nothing to compare, no source has two words"),
    ],
)
def test_hidden_words_are_judged_by_one_another(top, other, comparable, verdict):
    effects = EFFECTS | {"top hidden": Effect(-1.0, top), "other hidden": Effect(-1.0, other)}
    faith = FAITHFUL._replace(everywhere=effects, comparable=comparable)
    assert verdict in to_text(REPORT._replace(faithfulness=faith))


def test_the_object_has_all_numbers():
    gold = ErrorRate(0.25, 0.8, 0.7, 0.75, 10, 9, 3)
    found = json.loads(json.dumps(to_object(REPORT._replace(gold=gold))))
    assert found["end_mass"] == 0.05
    assert found["agreement_of_directions"] is None
    assert found["gold"]["aer"] == 0.25
    assert found["translations"] == "given"
    assert found["faithfulness"]["everywhere"]["top_hidden"] == {
        "log_prob_change": -1.5,
        "total_variation": 0.4,
    }
    assert found["faithfulness"]["read_only"] is None
    both = to_object(REPORT._replace(faithfulness=FAITHFUL._replace(read=EFFECTS)))
    assert both["faithfulness"]["read_only"] == both["faithfulness"]["everywhere"]
