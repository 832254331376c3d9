import io
import json

import numpy as np

from translate.alignment.extract import END, Alignment
from translate.alignment.formats import pharaoh, to_arrays, to_json
from translate.alignment.words import Linked

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
    np.array([-0.5, -1.25, -0.125], dtype=np.float32),
)
BACKWARD = Alignment(
    ALIGNMENT.tgt,
    ALIGNMENT.src,
    ALIGNMENT.tgt_tokens,
    ALIGNMENT.src_tokens,
    ALIGNMENT.tgt_spans,
    ALIGNMENT.src_spans,
    np.array([[0.5, 0.4, 0.1], [0.25, 0.25, 0.5], [0, 0, 1]], dtype=np.float32),
    "additive attention",
    "words",
)


def test_pharaoh_links_count_from_zero_or_one():
    assert pharaoh([(0, 0), (2, 1)]) == "0-0 2-1"
    assert pharaoh([(0, 0), (2, 1)], one_based=True) == "1-1 3-2"
    assert pharaoh([]) == ""


def test_json_holds_everything_in_one_line():
    line = to_json(Linked(ALIGNMENT, [(0, 0), (1, 1)]))
    assert "\n" not in line
    record = json.loads(line)
    assert record["src_tokens"] == ["ein", "Huhn", "</s>"]
    assert [record["src"][begin:end] for begin, end in record["src_offsets"]] == ["ein", "Huhn", ""]
    assert [record["tgt"][begin:end] for begin, end in record["tgt_offsets"]] == ["a", "鸡", ""]
    np.testing.assert_allclose(record["weights"], ALIGNMENT.weights, atol=1e-6)
    assert record["links"] == [[0, 0], [1, 1]]
    assert record["attention"] == "additive attention"
    assert record["level"] == "words"
    assert record["scores"] == [-0.5, -1.25, -0.125]
    assert record["backward_weights"] is None


def test_json_has_both_directions_if_there_are_two_and_no_scores_without_a_model():
    record = json.loads(to_json(Linked(ALIGNMENT._replace(log_probs=None), [], BACKWARD)))
    np.testing.assert_allclose(record["backward_weights"], BACKWARD.weights, atol=1e-6)
    assert record["scores"] is None


def test_json_reports_the_mean_weight_of_the_end_of_sentence_over_real_target_words():
    assert json.loads(to_json(Linked(ALIGNMENT, [])))["end_mass"] == 0.2


def test_json_of_a_blank_pair_has_empty_lists():
    blank = ALIGNMENT._replace(
        src="",
        src_tokens=(),
        tgt_tokens=(),
        src_spans=(),
        tgt_spans=(),
        weights=np.zeros((0, 0), dtype=np.float32),
    )
    record = json.loads(to_json(Linked(blank, [])))
    assert record["tgt"] == "a 鸡"
    assert record["weights"] == record["links"] == record["src_tokens"] == []
    assert record["end_mass"] is None


def lines_of(array):
    return str(array).split("\n")[:-1]


def test_arrays_hold_every_pair_and_load_without_pickle():
    broken = ALIGNMENT._replace(src="a\nb", tgt="c\0", src_tokens=("a\nb", END), tgt_tokens=("c\0", END))
    broken = broken._replace(
        src_spans=((0, 3), (3, 3)), tgt_spans=((0, 2), (2, 2)), weights=np.eye(2, dtype="f")
    )
    blank = ALIGNMENT._replace(
        src="", src_tokens=(), tgt_tokens=(), src_spans=(), tgt_spans=(),
        weights=np.zeros((0, 0), dtype=np.float32), log_probs=np.zeros(0, dtype=np.float32),
    )  # fmt: skip
    pairs = [
        Linked(broken._replace(log_probs=np.array([-3, -2], dtype=np.float32)), []),
        Linked(blank, []),
        Linked(ALIGNMENT, [(0, 0), (1, 1)]),
    ]
    file = io.BytesIO()
    np.savez_compressed(file, **to_arrays(pairs))
    file.seek(0)
    with np.load(file, allow_pickle=False) as found:
        assert lines_of(found["src"]) == ["a b", "", "ein Huhn\u2028"]
        assert lines_of(found["tgt"]) == ["c\0", "a 鸡", "a 鸡"]
        for number, (alignment, links, _) in enumerate(pairs):
            part = {
                side: slice(*found[f"{side}_start"][number : number + 2])
                for side in ("src", "tgt", "weights", "links")
            }
            for side in ("src", "tgt"):
                wanted = getattr(alignment, f"{side}_tokens")
                assert lines_of(found[f"{side}_tokens"])[part[side]] == [
                    token.replace("\n", " ") for token in wanted
                ]
                spans = getattr(alignment, f"{side}_spans")
                assert found[f"{side}_offsets"][part[side]].tolist() == [list(span) for span in spans]
            weights = found["weights"][part["weights"]]
            np.testing.assert_array_equal(weights.reshape(alignment.weights.shape), alignment.weights)
            assert found["links"][part["links"]].tolist() == [list(link) for link in links]
            np.testing.assert_array_equal(found["scores"][part["tgt"]], alignment.log_probs)
        assert (str(found["attention"]), str(found["level"])) == ("additive attention", "words")
        assert "backward_weights" not in found


def test_arrays_have_the_second_direction_where_the_first_has_its_weights():
    arrays = to_arrays([Linked(ALIGNMENT, [], BACKWARD)] * 2)
    part = slice(*arrays["weights_start"][1:3])
    np.testing.assert_array_equal(arrays["backward_weights"][part].reshape(3, 3), BACKWARD.weights)


def test_no_pairs_are_arrays_too():
    arrays = to_arrays([])
    assert arrays["links"].shape == (0, 2)
    assert arrays["src_start"].tolist() == [0]
    assert lines_of(arrays["src"]) == []
