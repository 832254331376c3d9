"""What a transformer of both directions knows of where words come from: the corpus has exact links."""

import os

import pytest
from learned import error_rate_of_both, learn

from translate.alignment.extract import choose_attention
from translate.config import guided_head
from translate.evaluation import bleu


@pytest.mark.skipif(os.environ.get("CI") != "true", reason="trains for five minutes: CI=true does that")
def test_the_shifted_head_has_the_links_that_a_word_comes_from(tmp_path):
    """All links by threshold, of a head guided by the model's own links: an error rate of at most 4%.

    Threshold and share are the best on the validation part (docs/alignment.md).
    """
    corpus, translator = learn(tmp_path, config="synthetic_transformer")
    reading = choose_attention(translator.config.model, guided=guided_head(translator.config))
    assert reading.shift == 1
    assert error_rate_of_both(corpus, translator, reading, "geometric", "threshold", 0.05, 0.9) <= 0.04
    test = corpus.splits["test"]
    translations = [translation.text for translation in translator.translate(list(test["src"]))]
    assert bleu(translations, list(test["tgt"])) >= 95
