"""What a model learns from the synthetic corpus: to translate, and to look at the right words.

The corpus knows where each word comes from: the proof that attention points where it should.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from translate.alignment.extract import align_pairs, choose_attention
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
def translator(corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("learning")
    write_corpus(corpus, folder / "corpus")
    # In a process of its own: the checks of every call's shapes would take longer than the training.
    train = [sys.executable, "-m", "seq2see", "train", "--config", ROOT / "configs/synthetic.yaml"]
    train += [
        "--corpus",
        folder / "corpus",
        "--out",
        folder / "run",
        "--precision",
        "float32",
        "--threads",
        "1",
    ]
    subprocess.run([*map(str, train)], check=True, cwd=ROOT)
    return Translator(folder / "run")


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
