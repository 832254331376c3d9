"""What is found wrong with pairs, by themselves and among all others; and that cleaning loses none."""

import json
import math
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from translate.corpora.corpus import Corpus, find_files
from translate.corpora.formats import Record
from translate.corpora.report import BITS, DROPPED, REASONS, reasons_in
from translate.corpora.report.clean import LOG, Cleaning, Kept, write_clean
from translate.corpora.report.flaws import Checks
from translate.corpora.report.judge import (
    Limits,
    alignment_scores,
    drops,
    judge,
    length_scores,
    robust_scores,
)
from translate.corpora.report.results import measure, summarize
from translate.corpora.report.survey import Spool, hash_text, survey
from translate.errors import InputError
from translate.text_files import read_parallel

CHECKS = Checks(("en", "de"), identify=False)
ABOUT = Corpus("mine", "en", "de", {}, {}, "CC0", "", "", None)


def records(pairs):
    return ((("text.en"), Record(f"line {number}", *pair)) for number, pair in enumerate(pairs, start=1))


def look_at(folder, pairs, held_out=None, checks=CHECKS, scores=None, examples=5):
    """The part that the pairs make, judged."""
    spool = Spool(Path(folder, "spool"))
    part = survey(spool.through(records(pairs)), checks, held_out or {}, examples, last=held_out is not None)
    judge(part, examples, Limits(), scores)
    return part, spool


def found(tmp_path, pairs, **options):
    part, _ = look_at(tmp_path, pairs, **options)
    return [reasons_in(int(flags)) for flags in part.columns["flags"]]


@pytest.mark.parametrize(
    ("src", "tgt", "reason", "note"),
    [
        ("A dog.", "  ", "empty", ""),
        ("The quick brown fox jumps", "The quick  brown fox jumps", "copy", "21 letters"),
        ("OK", "OK", "short-copy", "2 letters"),
        ("A dog sleeps here", "Собака спит здесь", "script", "Cyrillic, not German"),
        ("A dog", "Ein H\ufffdnd", "damaged", "1×"),
        ("A door", "Eine TÃ¼r schlieÃŸt", "mojibake", "should be: Eine Tür schließt"),
        ("A\x07 dog\x00", "Ein Hund", "control", "U+0000, U+0007"),
        ("A &amp; B &#39;", "A und B", "entity", "&amp;, &#39;"),
    ],
)
def test_a_flaw_is_found_and_named(src, tgt, reason, note):
    (flaw,) = CHECKS.find(src, tgt)
    assert (flaw.reason, flaw.note) == (reason, note)


@pytest.mark.parametrize(
    ("src", "tgt"),
    [
        ("A dog.", "Ein Hund."),
        ("12", "12"),  # no letters: nothing to translate
        ("Open GitHub", "GitHub «öffnen» – „Ü“"),
        ("R&D; a & b &unknown;", "FuE; a & b"),
        ("col\tumn", "Spal\tte"),
    ],
)
def test_good_pairs_have_no_flaw(src, tgt):
    assert CHECKS.find(src, tgt) == []


def test_of_two_flaws_of_a_kind_the_worse_is_told():
    (flaw,) = CHECKS.find("A \ufffd", "Ein \ufffd\ufffd\ufffd")
    assert flaw.note == "3×"


def test_another_language_is_found_in_long_texts_only():
    pytest.importorskip("py3langid")
    checks = Checks(("en", "de"))
    english = "The weather is nice today and all of the children are playing in the garden."
    french = "Il fait beau aujourd'hui et tous les enfants jouent dehors dans le jardin."
    german = "Heute ist das Wetter schön, und alle Kinder spielen draußen im Garten."
    assert checks.find(english, german) == []
    assert [(flaw.reason, flaw.note) for flaw in checks.find(english, french)] == [
        ("language", "French, not German")
    ]
    assert checks.find("Hello there", "Bonjour") == []


def test_what_cannot_be_looked_at_is_said(monkeypatch):
    assert Checks((None, "tlh"), identify=False).unchecked == [
        "script and language: a language that is not given",
        "script and language: unknown language tlh",
    ]
    monkeypatch.setattr("translate.corpora.report.flaws.find_spec", lambda name: None)
    checks = Checks(("en", "de"))
    assert checks.unchecked == [
        "language: py3langid is not installed: the extra corpus brings it",
        "mojibake: ftfy is not installed: the extra corpus brings it",
    ]
    assert checks.find("A door", "Eine TÃ¼r schlieÃŸt") == []


def test_repeated_pairs_and_sides_are_found(tmp_path):
    pairs = [
        ("a dog", "Hund"),
        ("a dog", "Hund"),
        ("a dog", "ein Hund"),
        ("hound", "Hund"),
        ("Hund", "a dog"),
    ]
    assert found(tmp_path, pairs) == [
        ["same-source", "same-target"],
        ["duplicate"],  # and not counted again
        ["same-source"],
        ["same-target"],
        [],  # the swap of a pair is no duplicate
    ]


def test_blank_sides_are_no_translations_of_one_another(tmp_path):
    assert found(tmp_path, [("", "Hund"), ("", "Katze"), ("", "")]) == [["empty"]] * 3


def test_a_source_that_is_held_out_is_found_whatever_its_case_and_digits(tmp_path):
    test, _ = look_at(tmp_path, [("Port 1", "Anschluss 1"), ("", "x"), ("7", "7")])
    pairs = [("port 22:", "Port 22"), ("Door", "Tür"), ("", "y"), ("7", "sieben"), ("8", "acht")]
    part, _ = look_at(tmp_path, pairs, held_out={"test": test})
    leaking = [bool(flags & BITS["leak"]) for flags in part.columns["flags"]]
    assert leaking == [True, False, False, True, False]
    assert {candidate.note for candidate in part.candidates["leak"]} == {"in test"}


def test_a_side_that_is_too_long_is_found(tmp_path):
    pairs = [("x" * (20 + n % 7), "y" * (22 + n % 5)) for n in range(200)]
    pairs[50] = ("x" * 20, "y" * 300)
    pairs[60] = ("x" * 300, "y" * 20)
    reasons = found(tmp_path, [(f"{n} {src}", f"{n} {tgt}") for n, (src, tgt) in enumerate(pairs)])
    assert [place for place, of in enumerate(reasons) if "length" in of] == [50, 60]


def test_lengths_are_scored_as_the_formula_says():
    chars = np.array([[10, 12], [20, 30], [30, 20], [40, 50], [0, 5]], np.uint32)
    c = (12 + 30 + 20 + 50) / (10 + 20 + 30 + 40)
    deltas = [(t - c * s) / math.sqrt((c * s + t) / 2) for s, t in [(10, 12), (20, 30), (30, 20), (40, 50)]]
    median = float(np.median(deltas))
    deviation = 1.4826 * float(np.median([abs(delta - median) for delta in deltas]))
    expected = [(delta - median) / deviation for delta in deltas]
    np.testing.assert_allclose(length_scores(chars), [*expected, 0], rtol=1e-4)


def test_where_all_are_alike_a_scale_of_its_own_is_used():
    values = np.array([1, 1, 1, 1, 9, np.nan], np.float32)
    np.testing.assert_array_equal(robust_scores(values, 4.0), [0, 0, 0, 0, 2, np.nan])
    assert length_scores(np.zeros((3, 2), np.uint32)).tolist() == [0, 0, 0]
    np.testing.assert_array_equal(robust_scores(values[5:]), [np.nan])


def test_one_odd_word_is_less_evidence_than_many():
    chars = np.array([[5, 5], [50, 50], *[[20, 20]] * 20], np.uint32)
    scores = np.array([-9, -9, *np.linspace(-4, -3, 20)], np.float32)
    z = alignment_scores(scores, chars)
    assert z[1] < z[0] < z[2:].min()


def test_pairs_whose_words_do_not_translate_one_another_are_found(tmp_path):
    scores = np.array([*np.linspace(-4, -3, 30), -15, np.nan], np.float32)
    pairs = [(f"a sentence {'x' * n}", f"ein Satz {'y' * n}") for n in range(31)] + [("", "")]
    part, spool = look_at(tmp_path, pairs, scores=scores)
    assert np.flatnonzero(part.columns["flags"] & BITS["alignment"]).tolist() == [30]
    (candidate,) = part.candidates["alignment"]
    assert candidate.note == "log-probability -15.0 a word"
    report = summarize("train", part, spool, DROPPED, scores)
    assert sum(report.scores) == 31  # all but the blank one


def test_examples_are_the_worst_and_say_where_they_are(tmp_path):
    pairs = [(f"{'&amp;' * n} {n}", f"nichts {n}") for n in (1, 3, 2, 3)]
    part, spool = look_at(tmp_path, pairs, examples=2)
    report = summarize("train", part, spool, DROPPED, None)
    entities = [example for example in report.examples if example.reason == "entity"]
    assert [(example.file, example.where) for example in entities] == [
        ("text.en", "line 2"),
        ("text.en", "line 4"),
    ]
    assert (report.pairs, report.reasons["entity"], report.scores) == (4, 4, [])
    assert look_at(tmp_path, pairs, examples=0)[0].candidates["entity"] == []


def test_lengths_are_described():
    described = measure(Counter({1: 50, 2: 48, 500: 1, 90: 1}))
    assert (described.total, described.mean, described.median) == (736, 7.36, 1)
    assert (described.percentile_99, described.longest, described.step) == (90, 500, 3)
    assert (described.histogram[0], described.histogram[30], described.histogram[-1]) == (98, 1, 1)
    assert measure(Counter()).total == 0


def test_a_hash_of_eight_bytes_stands_for_a_text():
    assert hash_text("a") != hash_text("b")
    assert 0 <= hash_text("a") < 2**64


texts = st.text(st.sampled_from("aäß Ã¤\ufffd\x00\x85\u2028\t&;p1.Ж"), max_size=6) | st.sampled_from(
    ["same text", "&amp;", "eins"]
)
any_record = st.one_of(
    st.tuples(texts, texts).map(lambda pair: ("", *pair)),
    st.just(("broken", "", "")),
    st.just(("left out", "", "")),
)


@settings(max_examples=60, deadline=None)
@given(
    lines=st.lists(any_record, max_size=12),
    dropping=st.sets(st.sampled_from(sorted(REASONS))),
)
def test_no_record_is_lost_without_a_line_in_the_log(lines, dropping):
    given_records = [
        ("f", Record(f"line {n}", src, tgt, "blank row" * (kind == "left out"), "bad" * (kind == "broken")))
        for n, (kind, src, tgt) in enumerate([("", "kept", "behalten"), *lines])
    ]
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder, "spool"))
        part = survey(spool.through(iter(given_records)), CHECKS, {}, 1, last=True)
        judge(part, 1, Limits())
        out = Path(folder, "out")
        cleaning = Cleaning(spool, part.columns["flags"], tuple(dropping - {"same-source", "same-target"}))
        counts = write_clean({"train": cleaning}, ABOUT, out)["train"]
        kept = read_parallel(*find_files(out).splits["train"])
        logged = [json.loads(line) for line in (out / LOG).read_bytes().split(b"\n")[:-1]]
    assert counts == Kept(len(given_records), len(kept), len(logged))
    assert counts.records == counts.kept + counts.dropped
    assert all(entry["reasons"] for entry in logged)
    # what is kept and what is logged are, together and in order, what was given
    gone = {entry["where"] for entry in logged}
    assert [(r.src, r.tgt) for _, r in given_records if r.where not in gone] == kept
    pairs = [(entry["src"], entry["tgt"]) for entry in logged]
    assert pairs == [(r.src, r.tgt) for _, r in given_records if r.where in gone]


def clean(tmp_path, pairs, dropping=DROPPED, links=None):
    part, spool = look_at(tmp_path, pairs)
    return write_clean(
        {"train": Cleaning(spool, part.columns["flags"], dropping, links)}, ABOUT, tmp_path / "out"
    )


def test_the_log_says_which_line_was_dropped_and_why(tmp_path):
    pairs = [("a dog", "Hund"), ("a dog", "Hund"), ("x &amp; \x00", "und"), ("cat", "Katze")]
    assert clean(tmp_path, pairs) == {"train": Kept(4, 2, 2)}
    logged = [json.loads(line) for line in (tmp_path / "out" / LOG).read_text().splitlines()]
    place = {"part": "train", "file": "text.en"}
    assert logged == [
        place | {"where": "line 2", "reasons": ["duplicate"], "src": "a dog", "tgt": "Hund"},
        # what drops it comes first
        place | {"where": "line 3", "reasons": ["control", "entity"], "src": "x &amp; \x00", "tgt": "und"},
    ]
    about = json.loads((tmp_path / "out" / "corpus.json").read_text())
    assert about["dropped"] == {"duplicate": 1, "control": 1}
    assert about["splits"] == {"train": 2}


def test_links_of_dropped_pairs_go_with_them(tmp_path):
    links = tmp_path / "train.links"
    links.write_text("0-0\n1-1\n2-2\n")
    clean(tmp_path, [("a dog", "Hund"), ("a dog", "Hund"), ("cat", "Katze")], links=links)
    assert (tmp_path / "out" / "train.links").read_text() == "0-0\n2-2\n"
    assert json.loads((tmp_path / "out" / "corpus.json").read_text())["links"] == ["train"]


def test_a_corpus_of_which_nothing_is_left_is_refused(tmp_path):
    with pytest.raises(InputError, match="nothing would be left of train: --keep names reasons"):
        clean(tmp_path, [("a", ""), ("", "b")])
    assert not (tmp_path / "out").exists()


def test_dropping_is_by_the_reasons_given(tmp_path):
    part, _ = look_at(tmp_path, [("OK", "OK"), ("a", ""), ("dog", "Hund")])
    assert drops(part, ["short-copy"]).tolist() == [True, False, False]
    assert drops(part, []).tolist() == [False] * 3
