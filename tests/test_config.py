"""Settings that make no sense together are refused when the config is made, with their names and values."""

import dataclasses
import re
import typing

import pytest
import torch

from translate.config import ALIASES, Config, guided_head
from translate.config.data import DataConfig
from translate.config.model import AttentionConfig, DecoderConfig, EncoderConfig, ModelConfig
from translate.config.search import SearchConfig
from translate.config.tokenizer import TokenizerConfig
from translate.config.training import TrainingConfig
from translate.errors import UsageError
from translate.model import build_model


def model(size=8, dropout=0.0, encoder=None, attention=None, decoder=None):
    """A small model that fits together, but for the settings given."""
    return ModelConfig(
        embedding_size=size,
        dropout=dropout,
        encoder=EncoderConfig(**{"size": 4, **(encoder or {})}),
        attention=AttentionConfig(**{"size": 8, **(attention or {})}),
        decoder=DecoderConfig(**{"size": 8, **(decoder or {})}),
    )


@pytest.mark.parametrize("dropout", [-0.1, 1.0, 1.5, float("nan")])
def test_dropout_is_a_probability_below_one(dropout):
    message = f"model.dropout is {dropout}: it must be at least 0 and below 1"
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        model(dropout=dropout)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 0}, "model.embedding_size is 0: it must be at least 1"),
        ({"encoder": {"size": 0}}, "model.encoder.size is 0: it must be at least 1"),
        ({"encoder": {"layers": 0}}, "model.encoder.layers is 0: it must be at least 1"),
        (
            {"encoder": {"feed_forward_size": 0}},
            "model.encoder.feed_forward_size is 0: it must be at least 1",
        ),
        ({"attention": {"size": -8}}, "model.attention.size is -8: it must be at least 1"),
        ({"decoder": {"size": 0}}, "model.decoder.size is 0: it must be at least 1"),
        ({"decoder": {"layers": -1}}, "model.decoder.layers is -1: it must be at least 1"),
        (
            {"decoder": {"feed_forward_size": 0}},
            "model.decoder.feed_forward_size is 0: it must be at least 1",
        ),
        (
            {"decoder": {"context_only": 1.0}},
            "model.decoder.context_only is 1.0: it must be at least 0 and below 1",
        ),
        (
            {"encoder": {"type": "transformer", "size": 8, "heads": 3}},
            "model.encoder.size 8 cannot be shared by model.encoder.heads 3: it must be a multiple",
        ),
        (
            {"decoder": {"type": "transformer", "heads": 0}},
            "model.decoder.size 8 cannot be shared by model.decoder.heads 0: it must be a multiple",
        ),
        (
            {"encoder": {"type": "transformer", "size": 16}},
            "model.encoder.size is 16 but model.embedding_size is 8: "
            "a transformer adds to its embeddings, so they must be equal",
        ),
        (
            {"decoder": {"type": "transformer", "size": 16}},
            "model.decoder.size is 16 but model.embedding_size is 8: "
            "a transformer adds to its embeddings, so they must be equal",
        ),
        (
            {"size": 6, "encoder": {"type": "transformer", "size": 6, "heads": 2, "positions": "rotary"}},
            "model.encoder.positions rotary turns pairs of units, but model.encoder.size 6 over "
            "model.encoder.heads 2 gives each head 3: it must be even",
        ),
        (
            {"decoder": {"type": "transformer", "heads": 8, "positions": "rotary"}},
            "model.decoder.positions rotary turns pairs of units, but model.decoder.size 8 over "
            "model.decoder.heads 8 gives each head 1: it must be even",
        ),
        (
            {"attention": {"size": 8, "heads": 3}},
            "model.attention.size 8 cannot be shared by model.attention.heads 3: it must be a multiple",
        ),
        (
            {"attention": {"heads": 0}},
            "model.attention.size 8 cannot be shared by model.attention.heads 0: it must be a multiple",
        ),
        (
            {"attention": {"score": "dot"}, "decoder": {"size": 6}},
            "model.attention.score dot needs a query as large as the memory, but model.decoder.size is 6 "
            "and the encoder gives 8",
        ),
        (
            {"attention": {"score": "symmetric"}, "encoder": {"bidirectional": False}},
            "model.attention.score symmetric needs a query as large as the memory, but model.decoder.size "
            "is 8 and the encoder gives 4",
        ),
        (
            {"attention": {"score": "general", "heads": 4}, "decoder": {"size": 6}},
            "model.decoder.size 6 cannot be shared by model.attention.heads 4: it must be a multiple",
        ),
        (
            {"attention": {"size": 9, "heads": 3}},
            "the encoder's output size 8 cannot be shared by model.attention.heads 3: it must be a multiple",
        ),
        (
            {"attention": {"size": 9, "heads": 3}, "decoder": {"type": "transformer"}},
            "model.decoder.size 8 cannot be shared by model.attention.heads 3: it must be a multiple",
        ),
        (
            {"decoder": {"feeding": "parallel"}},
            "model.decoder.feeding parallel needs model.decoder.layers of at least 2, got 1: "
            "the first asks, the second gets the context",
        ),
        (
            {"attention": {"coverage": True, "score": "general"}},
            "model.attention.coverage needs model.attention.score additive and a recurrent model.decoder "
            "with feeding input or conditional, got general, recurrent, input",
        ),
        (
            {"attention": {"coverage": True}, "decoder": {"feeding": "parallel", "layers": 2}},
            "model.attention.coverage needs model.attention.score additive and a recurrent model.decoder "
            "with feeding input or conditional, got additive, recurrent, parallel",
        ),
        (
            {"attention": {"coverage": True, "score": "dot"}, "decoder": {"feeding": "conditional"}},
            "model.attention.coverage needs model.attention.score additive and a recurrent model.decoder "
            "with feeding input or conditional, got dot, recurrent, conditional",
        ),
        (
            {"attention": {"coverage": True}, "decoder": {"type": "transformer"}},
            "model.attention.coverage needs model.attention.score additive and a recurrent model.decoder "
            "with feeding input or conditional, got additive, transformer, input",
        ),
    ],
)
def test_a_model_that_does_not_fit_together_is_refused(settings, message):
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        model(**settings)


@pytest.mark.parametrize("heads", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("score", typing.get_args(typing.get_type_hints(AttentionConfig)["score"]))
@pytest.mark.parametrize(
    ("encoder", "decoder"),
    [
        ({"size": 3}, {"size": 6}),
        ({"size": 6, "bidirectional": False}, {"size": 4}),
        ({"size": 2, "bridging": True}, {"size": 12}),
        ({"type": "transformer", "size": 8, "positions": "rotary"}, {"size": 8}),
        ({"size": 2}, {"type": "transformer", "size": 8, "positions": "rotary"}),
        ({"size": 4}, {"type": "transformer", "size": 8, "heads": 8}),
    ],
)
@torch.no_grad()
def test_a_model_that_is_not_refused_works(encoder, decoder, score, heads):
    try:
        config = model(
            encoder=encoder, attention={"score": score, "heads": heads, "size": 12}, decoder=decoder
        )
    except UsageError:
        return
    src, tgt_in = torch.tensor([[4, 2]]), torch.tensor([[1, 5]])
    built = build_model(config, 9, 9, joint=True)
    assert built(src, torch.ones(1, 2, dtype=torch.bool), tgt_in).shape == (1, 2, 9)


def test_what_a_part_does_not_use_is_not_checked():
    model(encoder={"heads": 3}, decoder={"heads": 5, "positions": "rotary"})
    model(decoder={"type": "transformer", "feeding": "parallel", "layers": 1})


@pytest.mark.parametrize(
    ("group", "name", "least"),
    [
        *(("data", name, 1) for name in ("valid_size", "max_length", "batch_tokens")),
        *(("search", name, 1) for name in ("beam_size", "n_best")),
        *(("search", name, 0) for name in ("min_length", "no_repeat_ngram", "mbr")),
        *(("training", name, 1) for name in ("max_steps", "accumulate", "validate_every", "valid_beam_size")),
        *(("training", name, 0) for name in ("max_minutes", "warmup_steps", "weight_decay", "clip_norm")),
        *(("training", name, 0) for name in ("patience", "learning_rate", "checkpoint_every", "seed")),
        *(("training", name, least) for name, least in (("threads", 0), ("r_drop", 0))),
        ("training", "average_checkpoints", 1),
    ],
)
def test_a_number_below_the_least_is_refused(group, name, least):
    settings_type = {"data": DataConfig, "search": SearchConfig, "training": TrainingConfig}[group]
    number = type(getattr(settings_type(), name))
    for value in (number(least - 1), float("nan"))[: 2 if number is float else 1]:
        message = f"{group}.{name} is {value}: it must be at least {least}"
        with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
            settings_type(**{name: value})
    assert getattr(settings_type(**{name: number(least)}), name) == least


@pytest.mark.parametrize(
    ("group", "name"),
    [
        *((TrainingConfig, name) for name in ("label_smoothing", "ema_decay", "word_dropout")),
        (TokenizerConfig, "sampling_alpha"),
    ],
)
@pytest.mark.parametrize("value", [-0.1, 1.0, float("nan")])
def test_a_share_is_at_least_0_and_below_1(group, name, value):
    prefix = {TrainingConfig: "training", TokenizerConfig: "tokenizer"}[group]
    message = f"{prefix}.{name} is {value}: it must be at least 0 and below 1"
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        group(**{name: value})
    group(**{name: 0.0})


def test_no_more_translations_than_hypotheses_can_be_asked_for():
    with pytest.raises(UsageError, match=r"^search\.n_best is 3, more than search\.beam_size 2$"):
        SearchConfig(beam_size=2, n_best=3)


def fields_of(config, prefix=""):
    """Dotted name -> value of every setting."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from fields_of(value, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", value


def test_everyday_flags_stand_for_settings_that_there_are():
    assert set(ALIASES.values()) <= dict(fields_of(Config())).keys()


def test_the_defaults_are_bahdanaus_model():
    settings = dict(fields_of(Config()))
    assert settings["model.encoder.type"] == settings["model.decoder.type"] == "recurrent"
    assert settings["model.encoder.bidirectional"]
    assert settings["model.attention.score"] == "additive"
    assert settings["model.decoder.feeding"] == "input"


def test_a_config_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().model.dropout = 0.5  # type: ignore[misc]


TRANSFORMER = ModelConfig(
    encoder=EncoderConfig(type="transformer"),
    attention=AttentionConfig(score="scaled_dot", heads=4),
    decoder=DecoderConfig(type="transformer", layers=3),
)


def guided(model=None, data=None, **settings):
    training = TrainingConfig(alignment="guided", **settings)
    return Config(data=data or DataConfig(), model=model or ModelConfig(), training=training)


def test_a_recurrent_decoders_one_attention_is_guided_where_it_emits():
    assert guided_head(guided()) == (0, 0, 0)
    assert guided_head(Config()) is None


def test_a_transformers_last_layer_but_one_is_guided_where_it_has_read():
    assert guided_head(guided(TRANSFORMER)) == (1, 0, 1)
    assert guided_head(guided(TRANSFORMER, alignment_layer=3, alignment_head=4)) == (2, 3, 1)
    one_layer = dataclasses.replace(TRANSFORMER, decoder=DecoderConfig(type="transformer"))
    assert guided_head(guided(one_layer)) == (0, 0, 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: guided(TRANSFORMER, alignment_layer=4), "alignment_layer is 4, but attention has 3 to be"),
        (lambda: guided(alignment_layer=2), "alignment_layer is 2, but attention has 1 to be"),
        (lambda: guided(TRANSFORMER, alignment_head=5), "alignment_head is 5, but attention has 4 to be"),
        (lambda: guided(alignment_head=0), "training.alignment_head is 0: it must be at least 1"),
        (lambda: guided(alignment_weight=-1.0), "training.alignment_weight is -1.0: it must be at least 0"),
        (
            lambda: guided(alignment_start=1.0),
            "training.alignment_start is 1.0: it must be above 0 and below 1",
        ),
        (
            lambda: guided(ModelConfig(attention=AttentionConfig(normalizer="entmax15"))),
            "guided needs model.attention.normalizer softmax, got entmax15: a weight of zero has no gradient",
        ),
        (
            lambda: guided(data=DataConfig(max_length=65536)),
            "links pieces of sentences with less than 65536, but data.max_length is 65536",
        ),
    ],
)
def test_a_guide_for_an_attention_that_cannot_follow_is_refused(make, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        make()
