"""What a model learns from the synthetic corpus: to translate, and to look at the right words.

The corpus knows where each word comes from: the proof that attention points where it should.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from translate.alignment.extract import align_pairs, choose_attention
from translate.alignment.words import at_level
from translate.config_files import load_config
from translate.corpora import write_corpus
from translate.corpora.synthetic import make_synthetic
from translate.evaluation import bleu
from translate.training.trainer import train
from translate.translator import Translator


@pytest.fixture(scope="module")
def corpus():
    return make_synthetic(20_000, seed=1)


@pytest.fixture(scope="module")
def translator(corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("learning")
    write_corpus(corpus, folder / "corpus")
    config = load_config(Path(__file__).parents[1] / "configs/synthetic.yaml")
    config = replace(
        config,
        data=replace(config.data, corpus=str(folder / "corpus")),
        training=replace(config.training, precision="float32", threads=1),
    )
    train(config, folder / "run")
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
