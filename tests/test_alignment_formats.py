import json

import numpy as np

from translate.alignment.extract import END, Alignment
from translate.alignment.formats import pharaoh, to_json

ALIGNMENT = Alignment(
    "ein Huhn\u2028",
    "a 鸡",
    ("ein", "Huhn", END),
    ("a", "鸡", END),
    ((0, 3), (4, 8), (9, 9)),
    ((0, 1), (2, 3), (3, 3)),
    np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0, 0, 1]], dtype=np.float32),
    "additive attention",
    "words",
)


def test_pharaoh_links_count_from_zero_or_one():
    assert pharaoh([(0, 0), (2, 1)]) == "0-0 2-1"
    assert pharaoh([(0, 0), (2, 1)], one_based=True) == "1-1 3-2"
    assert pharaoh([]) == ""


def test_json_holds_everything_in_one_line():
    line = to_json(ALIGNMENT, [(0, 0), (1, 1)])
    assert "\n" not in line
    record = json.loads(line)
    assert record["src_tokens"] == ["ein", "Huhn", "</s>"]
    assert [record["src"][begin:end] for begin, end in record["src_offsets"]] == ["ein", "Huhn", ""]
    assert [record["tgt"][begin:end] for begin, end in record["tgt_offsets"]] == ["a", "鸡", ""]
    np.testing.assert_allclose(record["weights"], ALIGNMENT.weights, atol=1e-6)
    assert record["links"] == [[0, 0], [1, 1]]
    assert record["attention"] == "additive attention"
    assert record["level"] == "words"


def test_json_reports_the_mean_weight_of_the_end_of_sentence_over_real_target_words():
    assert json.loads(to_json(ALIGNMENT, []))["end_mass"] == 0.2


def test_json_of_a_blank_pair_has_empty_lists():
    blank = ALIGNMENT._replace(
        src="",
        src_tokens=(),
        tgt_tokens=(),
        src_spans=(),
        tgt_spans=(),
        weights=np.zeros((0, 0), dtype=np.float32),
    )
    record = json.loads(to_json(blank, []))
    assert record["tgt"] == "a 鸡"
    assert record["weights"] == record["links"] == record["src_tokens"] == []
    assert record["end_mass"] is None
