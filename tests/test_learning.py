"""What a model learns from the synthetic corpus: to translate, and to look at the right words.

The corpus knows where each word comes from: the proof that attention points where it should.
"""

import pytest
from learned import learn

from translate.alignment.extract import align_pairs, choose_attention
from translate.alignment.words import at_level
from translate.evaluation import bleu


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    return learn(tmp_path_factory.mktemp("learning"))


def test_unseen_sentences_are_translated(learned):
    corpus, translator = learned
    test = corpus.splits["test"]
    translations = [translation.text for translation in translator.translate(list(test["src"]))]
    assert bleu(translations, list(test["tgt"])) >= 95


def test_bahdanau_attention_points_at_the_words_that_a_word_comes_from(learned):
    """Of the target words that come from some source word, at least 97% attend to one of theirs most."""
    corpus, translator = learned
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
