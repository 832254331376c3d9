"""What a model learns from the synthetic corpus: to translate, and to look at the right words.

The corpus knows where each word comes from: the proof that attention points where it should.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from translate.alignment.aer import Gold, error_rate
from translate.alignment.extract import align_pairs, choose_attention
from translate.alignment.symmetrize import combine
from translate.alignment.words import at_level
from translate.corpora import write_corpus
from translate.corpora.synthetic import make_synthetic
from translate.evaluation import bleu
from translate.translator import Translator

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def corpus():
    return make_synthetic(20_000, seed=1)


@pytest.fixture(scope="module")
def folder(corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("learning")
    write_corpus(corpus, folder / "corpus")
    return folder


@pytest.fixture(scope="module")
def translator(folder):
    return train(folder, "forward")


@pytest.fixture(scope="module")
def both_ways(folder):
    """Translates in both directions; what belongs to no word may attend to the end of sentence."""
    settings = ["--data.directions", "both", "--model.attention.end_of_sentence", "true"]
    settings += ["--training.max_steps", "1500", "--training.validate_every", "1500"]
    return train(folder, "both", *settings)


def train(folder, name, *settings):
    # In a process of its own: the checks of every call's shapes would take longer than the training.
    command = [sys.executable, "-m", "seq2see", "train", "--config", ROOT / "configs/synthetic.yaml"]
    command += ["--corpus", folder / "corpus", "--out", folder / name]
    command += ["--precision", "float32", "--threads", "1", *settings]
    subprocess.run([*map(str, command)], check=True, cwd=ROOT)
    return Translator(folder / name)


def test_unseen_sentences_are_translated(corpus, translator):
    test = corpus.splits["test"]
    translations = [translation.text for translation in translator.translate(list(test["src"]))]
    assert bleu(translations, list(test["tgt"])) >= 95


def test_bahdanau_attention_points_at_the_words_that_a_word_comes_from(corpus, translator):
    """Of the target words that come from some source word, at least 97% attend to one of theirs most."""
    test = corpus.splits["test"]
    pairs = list(zip(test["src"], test["tgt"], strict=True))
    reading = choose_attention(translator.config.model, None, None)
    right = total = 0
    alignments = align_pairs(translator.model, translator.tokenizers, pairs, reading)
    for alignment, line in zip(alignments, corpus.links["test"], strict=True):
        most = at_level(alignment, "token").weights.argmax(axis=-1)
        gold = {tuple(map(int, link.split("-"))) for link in line.split()}
        linked = {tgt for _, tgt in gold}
        right += sum((int(most[tgt]), tgt) in gold for tgt in linked)
        total += len(linked)
    assert right / total >= 0.97


def test_the_mean_of_both_directions_has_the_links_that_a_word_comes_from(corpus, both_ways):
    """All links, many-to-many ones too, by threshold: an alignment error rate of at most 4.5%.

    The threshold is the best on the validation part (3.9% there). The one training that was measured had
    4.0%; half of the false links put a German comma, which has no source, on the "that", "to" or "whom" with
    which it always comes (docs/alignment.md).
    """
    test = corpus.splits["test"]
    pairs = list(zip(test["src"], test["tgt"], strict=True))
    reading = choose_attention(both_ways.config.model, None, None)
    forward, backward = (
        align_pairs(both_ways.model, both_ways.tokenizers, pairs, reading, backwards=backwards)
        for backwards in (False, True)
    )
    found = [
        combine(at_level(one, "token"), at_level(other, "token"), "average", threshold=0.35).links
        for one, other in zip(forward, backward, strict=True)
    ]
    gold = [
        Gold(frozenset(tuple(map(int, link.split("-"))) for link in line.split()), frozenset())
        for line in corpus.links["test"]
    ]
    assert error_rate(found, gold).aer <= 0.045
