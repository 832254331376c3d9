"""What a Bahdanau model of both directions knows of where words come from: the corpus has exact links."""

import os

import pytest
from learned import error_rate_of_both, learn

from translate.alignment.extract import choose_attention


@pytest.mark.skipif(os.environ.get("CI") != "true", reason="trains for two minutes: CI=true does that")
def test_the_mean_of_both_directions_has_the_links_that_a_word_comes_from(tmp_path):
    """All links, many-to-many ones too, by threshold: an alignment error rate of at most 3%.

    What belongs to no word may attend to the end of sentence; threshold and share are the best on the
    validation part (docs/alignment.md).
    """
    settings = ["--data.directions", "both", "--model.attention.end_of_sentence", "true"]
    settings += ["--model.decoder.context_only", "0.55"]
    settings += ["--training.max_steps", "1800", "--training.validate_every", "1800"]
    corpus, translator = learn(tmp_path, *settings)
    reading = choose_attention(translator.config.model)
    assert error_rate_of_both(corpus, translator, reading, "average", "margin", 0.25, 0.7) <= 0.03
