"""The experiments in configs/: each can be read, says what to expect, and builds a model."""

from pathlib import Path

import pytest

from translate.config import Config
from translate.config_files import load_config
from translate.model import build_model

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_config_differs_from_the_defaults_and_builds(path):
    config = load_config(path)
    assert config != Config()
    assert path.read_text(encoding="utf-8").startswith("# ")
    build_model(config.model, 300, 300, joint=config.tokenizer.joint)


def test_scaled_dot_is_bahdanaus_model_with_the_other_attention():
    additive, scaled_dot = (
        load_config(path) for path in CONFIGS if path.stem in ("multi30k_bahdanau", "multi30k_scaled_dot")
    )
    assert additive.model.attention.score == "additive"
    assert scaled_dot.model.attention.score == "scaled_dot"
    assert (additive.model.encoder, additive.model.decoder) == (
        scaled_dot.model.encoder,
        scaled_dot.model.decoder,
    )
    assert (additive.training, additive.tokenizer) == (scaled_dot.training, scaled_dot.tokenizer)
