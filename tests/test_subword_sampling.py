"""Drawn pieces: as probable as they should be, the same in every process, and never another text."""

import os
import random
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from math import exp

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_tokenizers import (
    NASTY,
    NORMALIZING,
    TOKENIZERS,
    model_of_characters,
    near_the_escapes,
    sentences,
    train,
    train_elsewhere,
)

from translate.errors import InputError
from translate.subword_sampling import PieceTable, SubwordSampler
from translate.tokenizer import Tokenizer

ALL = TOKENIZERS | NORMALIZING
DRAWS = 4000


def train_on_syllables(algorithm) -> Tokenizer:
    """A tokenizer with many ways to cut a word."""
    random.seed(3)
    syllables = ("ab", "cab", "ba", "c", "abc")
    words = ["".join(random.choices(syllables, k=random.randrange(1, 5))) for _ in range(1200)]
    return train([" ".join(words[i : i + 6]) for i in range(0, 1200, 6)], algorithm=algorithm, vocab_size=300)


def segmentations(text, names):
    """All ways to cut a text into named pieces."""
    if not text:
        return [()]
    starts = [name for name in names if text.startswith(name)]
    return [(name, *rest) for name in starts for rest in segmentations(text[len(name) :], names)]


def drawn(tokenizer, text, alpha, draws=DRAWS):
    """How often each segmentation is drawn, as names of pieces."""
    sampler = SubwordSampler(tokenizer, alpha)
    names = tokenizer.vocabulary()
    (counts,) = [Counter(tuple(ids) for ids in sampler.sample_batch([text] * draws, 1))]
    return {tuple(names[number] for number in ids): count for ids, count in counts.items()}


@pytest.mark.parametrize("alpha", [0.0, 0.2, 1.0])
def test_a_unigram_model_draws_by_the_probabilities_to_the_power_of_alpha(alpha):
    tokenizer = train_on_syllables("unigram")
    table = PieceTable.read(tokenizer)
    wanted = {
        cut: exp(alpha * sum(table.pieces[name].score for name in cut))
        for cut in segmentations("▁cabba▁c", table.pieces)
    }
    total = sum(wanted.values())
    found = drawn(tokenizer, "cabba c", alpha)
    assert found.keys() <= wanted.keys()
    assert len(wanted) > 20
    for cut, weight in wanted.items():
        share = weight / total  # five standard deviations
        assert found.get(cut, 0) / DRAWS == pytest.approx(share, abs=5 * (share / DRAWS) ** 0.5 + 1e-3), cut


def plain_bpe_dropout(word, table, alpha):
    """The probability of each outcome of algorithm 1, in exact arithmetic over all that can happen."""
    outcomes = Counter()

    def go(pieces, probability):
        merges = sorted(
            (-table.pieces[a + b].score, place)
            for place, (a, b) in enumerate(pairwise(pieces))
            if a + b in table.pieces
        )
        for rank, (_, place) in enumerate(merges):
            merged = (*pieces[:place], pieces[place] + pieces[place + 1], *pieces[place + 2 :])
            go(merged, probability * alpha**rank * (1 - alpha))
        outcomes[pieces] += probability * alpha ** len(merges)

    go(tuple(word), 1.0)
    return outcomes


@pytest.mark.parametrize("alpha", [0.1, 0.6])
def test_bpe_drops_merges_as_algorithm_1_does(alpha):
    tokenizer = train_on_syllables("bpe")
    wanted = plain_bpe_dropout("▁cabba", PieceTable.read(tokenizer), alpha)
    found = drawn(tokenizer, "cabba", alpha)
    assert found.keys() <= wanted.keys()
    assert len(wanted) > 5
    for cut, share in wanted.items():
        assert found.get(cut, 0) / DRAWS == pytest.approx(share, abs=5 * (share / DRAWS) ** 0.5 + 1e-3), cut


@pytest.mark.parametrize(("algorithm", "alpha"), [("unigram", 200.0), ("bpe", 0.0)])
def test_without_chance_the_best_pieces_are_drawn(algorithm, alpha):
    """What SentencePiece says is best: of a unigram model nothing else is probable any more."""
    texts = [*sentences(), "☃ Hund ☃☃", "{name}, Hündchen"]
    assert SubwordSampler(ALL[algorithm], alpha).sample_batch(texts, 1) == ALL[algorithm].encode_batch(texts)


@pytest.mark.parametrize("kind", ALL)
@settings(deadline=None, database=None)
@given(text=st.text() | near_the_escapes | st.sampled_from(NASTY), seed=st.integers(0, 2**32 - 1))
def test_what_is_drawn_spells_the_text(kind, text, seed):
    tokenizer = ALL[kind]
    sampler = SubwordSampler(tokenizer, 0.2)
    for ids in (*sampler.sample_batch([text], seed), tokenizer.encode(text)):
        assert tokenizer.decode(ids) == tokenizer.normalize(text)
        spelled, spans = tokenizer.spell(text), sampler.spans(text, ids)
        assert len(spans) == len(ids)
        assert "".join(spelled[begin:end] for begin, end in sorted(set(spans))) == spelled
        for (begin, end), name in zip(spans, (tokenizer.vocabulary()[number] for number in ids), strict=True):
            assert spelled[begin:end] == name or (end == begin + 1 and name.startswith("<0x"))


@pytest.mark.parametrize("algorithm", ["unigram", "bpe"])
def test_a_user_defined_symbol_is_never_cut(algorithm):
    symbols = ("{name}", "{name}{name}", " a ")
    tokenizer = train([*sentences(), "a {name} {name}"], algorithm=algorithm, user_defined_symbols=symbols)
    sampler = SubwordSampler(tokenizer, 0.9 if algorithm == "bpe" else 0.01)
    for ids in sampler.sample_batch(["Hund a {name}{name}{name}s Hund"] * 50, 3):
        names = [tokenizer.vocabulary()[number] for number in ids]
        assert [name for name in names if "{" in name or name == "▁a▁"] == ["▁a▁", "{name}{name}", "{name}"]


def test_pieces_may_go_beyond_words_in_a_model_made_elsewhere():
    model = train_elsewhere(
        **{"model_type": "bpe", "vocab_size": 380, "byte_fallback": True, "split_by_whitespace": False},
        **{"remove_extra_whitespaces": False, "pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3},
    )
    tokenizer = Tokenizer(model)
    assert any("▁" in name[1:] for name in tokenizer.vocabulary())
    texts = sentences(20)
    assert SubwordSampler(tokenizer, 0.0).sample_batch(texts, 1) == tokenizer.encode_batch(texts)


def test_a_very_long_word_is_drawn():
    for algorithm in ("unigram", "bpe"):
        (ids,) = SubwordSampler(ALL[algorithm], 0.1).sample_batch(["Wiese" * 2000], 1)
        assert ALL[algorithm].decode(ids) == "Wiese" * 2000


def test_the_seed_alone_says_what_is_drawn(tmp_path):
    """Another process draws the same, and so does another thread beside others."""
    ALL["unigram"].save(tmp_path / "u.model")
    ALL["bpe"].save(tmp_path / "b.model")
    program = (
        "import sys; from translate.subword_sampling import SubwordSampler as S; "
        "from translate.tokenizer import Tokenizer as T\n"
        "for name in ('u', 'b'): print(S(T.load(f'{sys.argv[1]}/{name}.model'), 0.2).sample_batch("
        "['der grüne Hund ☃'] * 20, 5))"
    )
    other = subprocess.run(
        [sys.executable, "-c", program, tmp_path],
        env=os.environ | {"PYTHONHASHSEED": "77"},
        capture_output=True,
        text=True,
        check=True,
    )
    samplers = [SubwordSampler(ALL[name], 0.2) for name in ("unigram", "bpe")]
    texts = ["der grüne Hund ☃"] * 20
    wanted = [sampler.sample_batch(texts, 5) for sampler in samplers]
    assert [str(each) for each in wanted] == other.stdout.splitlines()
    assert samplers[0].sample_batch(texts, 6) != wanted[0]
    with ThreadPoolExecutor(4) as pool:
        for sampler, ids in zip(samplers, wanted, strict=True):
            assert list(pool.map(lambda _, s=sampler: s.sample_batch(texts, 5), range(20))) == [ids] * 20


def test_a_model_that_has_one_spelling_is_refused():
    with pytest.raises(
        InputError, match=r"a tokenizer of type CHAR has one way .* needed is one of type UNIGRAM"
    ):
        SubwordSampler(Tokenizer(model_of_characters()), 0.2)
