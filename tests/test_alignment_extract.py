import dataclasses
import logging

import numpy as np
import pytest
import torch

from translate.alignment import extract
from translate.alignment.extract import END, align_pairs, choose_attention, end_mass, read, read_maps, shifts
from translate.config.model import AttentionConfig, DecoderConfig, EncoderConfig, ModelConfig
from translate.config.tokenizer import TokenizerConfig
from translate.errors import UsageError
from translate.model import build_model
from translate.tokenizer import BOS_ID, EOS_ID, Tokenizer, Tokenizers

RECURRENT = ModelConfig(
    embedding_size=8,
    encoder=EncoderConfig(size=6),
    attention=AttentionConfig(size=8, heads=2),
    decoder=DecoderConfig(size=7),
)
TRANSFORMER = ModelConfig(
    embedding_size=8,
    encoder=EncoderConfig(type="transformer", layers=1, size=8, heads=2, feed_forward_size=16),
    attention=AttentionConfig(score="scaled_dot", size=8, heads=2),
    decoder=DecoderConfig(type="transformer", layers=3, size=8, heads=2, feed_forward_size=16),
)
CONFIGS = [pytest.param(RECURRENT, id="recurrent"), pytest.param(TRANSFORMER, id="transformer")]
PAIRS = [
    ("ein Hund läuft", "a dog runs"),
    ("ein Hund", "a dog"),
    ("die Katze schläft heute lange", "the cat sleeps"),
    ("ja 鸡", "yes"),
]


@pytest.fixture(scope="module")
def tokenizers():
    config = TokenizerConfig(vocab_size=300)
    tokenizer = Tokenizer.train([text for pair in PAIRS for text in pair] * 4, config)
    return Tokenizers(tokenizer, tokenizer)


def build(config, tokenizers):
    torch.manual_seed(0)
    model = build_model(config, len(tokenizers.src), len(tokenizers.tgt), joint=True).eval()
    for parameter in model.parameters():
        parameter.data.normal_(std=0.5)  # far from uniform, so that rows differ
    return model


@pytest.mark.parametrize("config", CONFIGS)
def test_there_is_a_row_for_each_target_piece_and_the_end_of_sentence(config, tokenizers):
    found = align_pairs(build(config, tokenizers), tokenizers, PAIRS, choose_attention(config))
    for alignment, (src, tgt) in zip(found, PAIRS, strict=True):
        assert (alignment.src, alignment.tgt) == (src, tgt)
        assert alignment.src_tokens == (*tokenizers.src.pieces(tokenizers.src.encode(src)), END)
        assert alignment.tgt_tokens == (*tokenizers.tgt.pieces(tokenizers.tgt.encode(tgt)), END)
        assert alignment.weights.shape == (len(alignment.tgt_tokens), len(alignment.src_tokens))
        assert len(alignment.src_spans) == len(alignment.src_tokens)
        assert alignment.src_spans[-1] == (len(src), len(src))
        np.testing.assert_allclose(alignment.weights.sum(axis=1), 1, atol=1e-5)


PARALLEL = dataclasses.replace(
    RECURRENT, decoder=dataclasses.replace(RECURRENT.decoder, feeding="parallel", layers=2)
)
CONDITIONAL = dataclasses.replace(
    RECURRENT, decoder=dataclasses.replace(RECURRENT.decoder, feeding="conditional")
)


# Bahdanau's query is the state before the last piece was read, so it knows one piece less than the others.
@pytest.mark.parametrize(
    ("config", "unknown"), [(RECURRENT, 1), (CONDITIONAL, 0), (PARALLEL, 0), (TRANSFORMER, 0)]
)
def test_row_t_belongs_to_output_piece_t(config, unknown, tokenizers):
    """What is attended to when piece t is emitted depends on the pieces before t, and not on t itself."""
    pairs = [("ein Hund", "a dog runs"), ("ein Hund", "a cat runs")]
    one, other = align_pairs(build(config, tokenizers), tokenizers, pairs, choose_attention(config))
    changed = [a == b for a, b in zip(one.tgt_tokens, other.tgt_tokens, strict=False)].index(False)
    assert changed > 0

    first = changed + 1 + unknown
    np.testing.assert_allclose(one.weights[:first], other.weights[:first], atol=1e-5)
    assert np.abs(one.weights[first] - other.weights[first]).max() > 1e-3


@pytest.mark.parametrize("config", CONFIGS)
def test_neighbours_and_batches_change_nothing(config, tokenizers):
    model, reading = build(config, tokenizers), choose_attention(config)
    together = align_pairs(model, tokenizers, PAIRS, reading)
    for alone in (
        align_pairs(model, tokenizers, PAIRS, reading, batch_tokens=1),
        align_pairs(model, tokenizers, PAIRS[::-1], reading)[::-1],
    ):
        for one, other in zip(together, alone, strict=True):
            assert one.tgt == other.tgt
            np.testing.assert_allclose(one.weights, other.weights, atol=1e-4)


def test_without_a_head_the_mean_of_all_is_read(tokenizers):
    model = build(TRANSFORMER, tokenizers)
    mean, first, second = (
        align_pairs(model, tokenizers, PAIRS[:1], choose_attention(TRANSFORMER, head=head))[0].weights
        for head in (None, 1, 2)
    )
    assert np.abs(first - second).max() > 1e-3
    np.testing.assert_allclose(mean, (first + second) / 2, atol=1e-6)


def test_layers_are_read_as_they_are_counted(tokenizers):
    model = build(TRANSFORMER, tokenizers)
    src, tgt = (tokenizers.src.encode(text) for text in PAIRS[0])
    src_ids = torch.tensor([[*src, 2]])
    with torch.inference_mode():
        all_layers = model.align(
            src_ids, torch.ones_like(src_ids, dtype=torch.bool), torch.tensor([[1, *tgt]])
        )[0]
    for layer in (1, 2, 3):
        reading = choose_attention(TRANSFORMER, layer=layer, head=2)
        found = align_pairs(model, tokenizers, PAIRS[:1], reading)[0].weights
        np.testing.assert_allclose(found, all_layers[0, layer - 1, 1], atol=1e-6)


@pytest.mark.parametrize("config", CONFIGS)
def test_a_shifted_row_is_that_of_the_step_that_has_read_the_piece(config, tokenizers):
    model = build(config, tokenizers)
    (plain,) = align_pairs(model, tokenizers, PAIRS[:1], choose_attention(config))
    (shifted,) = align_pairs(model, tokenizers, PAIRS[:1], choose_attention(config, shift=1))
    np.testing.assert_array_equal(shifted.weights[:-1], plain.weights[1:])
    np.testing.assert_array_equal(shifted.weights[-1], plain.weights[-1])  # nothing reads the end
    assert shifted.choice.endswith("shifted" if config is RECURRENT else "Garg et al. 2019)")
    assert "shifted" in shifted.choice
    assert "shifted" not in plain.choice


def test_another_shift_is_refused():
    with pytest.raises(UsageError, match=r"the shift is 2: .* emitted \(0\) or .* \(up to 1 here\)"):
        choose_attention(TRANSFORMER, shift=2)
    with pytest.raises(UsageError, match=r"the shift is 3: .* \(up to 2 here\)"):
        choose_attention(RECURRENT, shift=3)


def test_only_bahdanaus_query_can_be_shifted_twice(tokenizers):
    """Its row knows a piece two steps after that was emitted; the last rows are those of the last step."""
    (plain,) = align_pairs(build(RECURRENT, tokenizers), tokenizers, PAIRS[:1], choose_attention(RECURRENT))
    reading = choose_attention(RECURRENT, shift=2)
    (shifted,) = align_pairs(build(RECURRENT, tokenizers), tokenizers, PAIRS[:1], reading)
    np.testing.assert_array_equal(shifted.weights[:-2], plain.weights[2:])
    np.testing.assert_array_equal(shifted.weights[-2:], plain.weights[[-1, -1]])
    assert shifted.choice.endswith("shifted by 2")
    assert [shifts(config) for config in (RECURRENT, CONDITIONAL, PARALLEL, TRANSFORMER)] == [
        (0, 1, 2), (0, 1), (0, 1), (0, 1)
    ]  # fmt: skip


def test_maps_hold_every_layer_and_head_and_the_probability_of_each_piece(tokenizers):
    model = build(TRANSFORMER, tokenizers)
    (maps,) = read_maps(model, tokenizers, PAIRS[:1])
    size = len(maps.tgt_tokens)
    assert maps.weights.shape == (3, 2, size, len(maps.src_tokens))
    src, tgt = (torch.tensor([[*tokenizers.src.encode(text), 2]]) for text in PAIRS[0])
    tgt_in = torch.cat([torch.tensor([[1]]), tgt[:, :-1]], dim=1)
    with torch.inference_mode():
        log_probs = model(src, torch.ones_like(src, dtype=torch.bool), tgt_in).log_softmax(dim=-1)
    np.testing.assert_allclose(maps.log_probs, log_probs[0, range(size), tgt[0]], atol=1e-5)
    # They belong to the pieces, whichever row of attention is read for them.
    for shift in (0, 1):
        alignment = read(maps, choose_attention(TRANSFORMER, shift=shift))
        np.testing.assert_array_equal(alignment.log_probs, maps.log_probs)


def test_blank_pairs_have_no_tokens_and_keep_their_place(tokenizers):
    pairs = [("", "a"), ("ein Hund", "a dog"), ("ein", " \t"), ("", "")]
    found = align_pairs(build(RECURRENT, tokenizers), tokenizers, pairs, choose_attention(RECURRENT))
    assert [bool(alignment.src_tokens) for alignment in found] == [False, True, False, False]
    assert [(alignment.src, alignment.tgt) for alignment in found] == pairs
    assert found[0].weights.shape == (0, 0)
    assert end_mass(found[0]) is None


def test_a_pair_that_is_too_long_is_left_out_with_a_warning(tokenizers, monkeypatch, caplog):
    monkeypatch.setattr(extract, "MAX_PIECES", 20)
    pairs = [("ein " * 21, "a"), ("ein", "a dog " * 21), ("ein", "a")]
    with caplog.at_level(logging.WARNING, "translate"):
        found = align_pairs(build(RECURRENT, tokenizers), tokenizers, pairs, choose_attention(RECURRENT))
    assert [bool(alignment.src_tokens) for alignment in found] == [False, False, True]
    assert len(caplog.messages) == 2
    assert "so it gets no links: one side has" in caplog.messages[0]
    assert "more than 20 ('ein ein" in caplog.messages[0]


def test_no_pairs_give_no_alignments(tokenizers):
    assert align_pairs(build(RECURRENT, tokenizers), tokenizers, [], choose_attention(RECURRENT)) == []


def test_the_mass_of_the_end_leaves_out_the_row_of_the_end(tokenizers):
    alignment = align_pairs(build(RECURRENT, tokenizers), tokenizers, PAIRS, choose_attention(RECURRENT))[0]
    by_hand = sum(row[-1] for row in alignment.weights[:-1]) / (len(alignment.tgt_tokens) - 1)
    assert end_mass(alignment) == pytest.approx(float(by_hand), abs=1e-6)


def test_the_choice_of_attention_is_said_in_words():
    single = dataclasses.replace(RECURRENT, attention=AttentionConfig(size=8, normalizer="sparsemax"))
    assert choose_attention(single).words == "additive attention (sparsemax)"
    assert choose_attention(RECURRENT).words == "additive attention, mean of 2 heads"
    assert choose_attention(RECURRENT, head=2).words == "additive attention, head 2 of 2"
    assert choose_attention(TRANSFORMER, 3).words == "scaled dot attention, layer 3 of 3, mean of 2 heads"


def test_a_transformer_is_read_at_its_last_layer_but_one_by_default():
    reading = choose_attention(TRANSFORMER)
    assert reading.layer == 1
    assert reading.words == (
        "scaled dot attention, layer 2 of 3, mean of 2 heads "
        "(default: the last layer but one, Garg et al. 2019)"
    )
    one_layer = dataclasses.replace(TRANSFORMER, decoder=dataclasses.replace(TRANSFORMER.decoder, layers=1))
    assert choose_attention(one_layer).layer == 0


@pytest.mark.parametrize("layer", [0, 4, -1])
def test_a_layer_that_is_not_there_is_refused(layer):
    with pytest.raises(
        UsageError, match=f"no layer {layer} to read: the decoder has 3 layers with attention"
    ):
        choose_attention(TRANSFORMER, layer=layer)


def test_a_recurrent_decoder_has_one_layer_with_attention():
    with pytest.raises(UsageError, match="no layer 2 to read: the decoder has 1 layer with attention"):
        choose_attention(RECURRENT, layer=2)


@pytest.mark.parametrize("head", [0, 3])
def test_a_head_that_is_not_there_is_refused(head):
    with pytest.raises(UsageError, match=f"no head {head} to read: the attention has 2 heads"):
        choose_attention(RECURRENT, head=head)


@pytest.mark.parametrize("config", CONFIGS)
def test_backwards_the_target_is_read_with_its_mark_and_the_source_emitted(config, tokenizers):
    model = build(config, tokenizers)
    src, tgt = PAIRS[0]
    maps = read_maps(model, tokenizers, PAIRS, backwards=True)
    assert [(each.src, each.tgt) for each in maps] == [(tgt, src) for src, tgt in PAIRS]
    src_ids, tgt_ids = tokenizers.src.encode(src), tokenizers.tgt.encode(tgt)
    read_ids = torch.tensor([[BOS_ID, *tgt_ids, EOS_ID]])
    with torch.inference_mode():
        mask = torch.ones_like(read_ids, dtype=torch.bool)
        weights = model.align(read_ids, mask, torch.tensor([[BOS_ID, *src_ids]]))[0][0].numpy()
    first = maps[0]
    assert first.src_tokens == (*tokenizers.tgt.pieces(tgt_ids), END)
    np.testing.assert_allclose(first.weights[..., :-1], weights[..., 1:-1], atol=1e-5)
    np.testing.assert_allclose(first.weights[..., -1], weights[..., -1] + weights[..., 0], atol=1e-5)

    reading = choose_attention(config)
    (aligned,) = align_pairs(model, tokenizers, PAIRS[:1], reading, backwards=True)
    np.testing.assert_allclose(aligned.weights, read(first, reading).weights, atol=1e-5)
