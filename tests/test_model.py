import itertools

import pytest
import torch
from small_models import (
    COVERING,
    DECODERS,
    ENCODERS,
    PAIRS,
    SCORES,
    SIZE,
    VOCABULARY,
    small_batch,
    small_config,
    small_model,
)

from translate.model import build_model
from translate.platforms import has_bf16_lstm
from translate.training.loss import cross_entropy


def size(model):
    return sum(parameter.numel() for parameter in model.parameters())


# Embeddings and the output layer.


def test_with_a_joint_vocabulary_embeddings_and_output_are_one_parameter():
    model = small_model(joint=True, tie=True)
    assert model.src_embedding is model.tgt_embedding
    assert model.output.weight is model.tgt_embedding.weight
    matrices = [name for name, weight in model.named_parameters() if VOCABULARY in weight.shape]
    assert matrices == ["src_embedding.weight", "output.bias"]


def test_with_two_vocabularies_the_output_is_tied_to_the_targets():
    model = build_model(small_config(tie=True), 13, 17, joint=False)
    assert model.output.weight is model.tgt_embedding.weight
    assert model.src_embedding.weight.shape == (13, SIZE)
    assert model.tgt_embedding.weight.shape == (17, SIZE)


@pytest.mark.parametrize("joint", [True, False])
def test_untied_every_matrix_is_its_own(joint):
    model = small_model(joint=joint, tie=False)
    tables = [model.src_embedding.weight, model.tgt_embedding.weight, model.output.weight]
    assert len({table.data_ptr() for table in tables}) == 3


def test_tying_saves_a_matrix_for_each_tie():
    three = size(small_model(joint=True, tie=True))
    two = size(small_model(joint=False, tie=True))
    none = size(small_model(joint=False, tie=False))
    assert two - three == none - two == VOCABULARY * SIZE


def test_a_small_models_parameters_can_be_counted_by_hand():
    gru = 3 * (SIZE // 2 * SIZE + SIZE // 2 * SIZE // 2 + 2 * SIZE // 2)  # input, recurrent, two biases
    attention = 2 * SIZE * SIZE + SIZE
    first_state = SIZE * SIZE + SIZE
    cell = 3 * (SIZE * SIZE + SIZE) * 2 + 3 * SIZE * SIZE  # token, recurrent, context (no bias)
    readout = 3 * SIZE * SIZE + SIZE
    output = VOCABULARY * SIZE + VOCABULARY  # tied to both embeddings; and a bias
    assert size(small_model()) == 2 * gru + attention + first_state + cell + readout + output


def test_vocabularies_may_differ_in_size():
    model = build_model(small_config(), 13, 17, joint=False).eval()
    src, src_mask = torch.randint(13, (2, 5)), torch.ones(2, 5, dtype=torch.bool)
    assert model(src, src_mask, torch.randint(17, (2, 4))).shape == (2, 4, 17)
    log_probs, _ = model.step(torch.tensor([16, 0]), model.start(src, src_mask))
    assert log_probs.shape == (2, 17)


def test_embedded_units_have_variance_one():
    model = build_model(small_config(), 4000, 4000, joint=True)
    assert (model.src_embedding.weight * model.scale).std().item() == pytest.approx(1, abs=0.03)


def test_a_joint_model_starts_without_a_preference_among_pieces():
    assert (small_model().output.bias == 0).all()


# Every combination.


@pytest.mark.parametrize(("encoder", "decoder"), PAIRS)
@torch.no_grad()
def test_probabilities_sum_to_one(encoder, decoder):
    model = small_model(encoder, decoder)
    src, src_mask, tgt_in = small_batch()
    log_probs, state = model.step(tgt_in[:, 0], model.start(src, src_mask))
    torch.testing.assert_close(log_probs.exp().sum(dim=-1), torch.ones(2))
    log_probs, _ = model.step(tgt_in[:, 1], state)
    torch.testing.assert_close(log_probs.exp().sum(dim=-1), torch.ones(2))


@pytest.mark.parametrize(("encoder", "decoder"), PAIRS)
@torch.no_grad()
def test_weights_are_shares_of_the_tokens(encoder, decoder):
    model = small_model(encoder, decoder, heads=2)
    src, src_mask, tgt_in = small_batch((5, 3))
    weights = model.align(src, src_mask, tgt_in)[0]
    layers = DECODERS[decoder].layers if DECODERS[decoder].type == "transformer" else 1
    assert weights.shape == (2, layers, 2, 4, 5)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, layers, 2, 4))
    assert (weights[1, ..., 3:] == 0).all()
    assert (weights[1, ..., :3] > 0).all()


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("encoder", ENCODERS)
@torch.no_grad()
def test_a_sentence_alone_is_what_it_is_in_a_batch(encoder, decoder):
    model = small_model(encoder, decoder, heads=2)
    src, src_mask, tgt_in = small_batch((3, 6, 1))
    logits, weights = model(src, src_mask, tgt_in), model.align(src, src_mask, tgt_in)[0]
    for row, length in enumerate((3, 6, 1)):
        alone = src[row : row + 1, :length], src_mask[row : row + 1, :length], tgt_in[row : row + 1]
        torch.testing.assert_close(model(*alone)[0], logits[row], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(
            model.align(*alone)[0][0], weights[row, ..., :length], atol=1e-5, rtol=1e-4
        )


@pytest.mark.parametrize(("encoder", "decoder"), PAIRS)
@torch.no_grad()
def test_without_the_end_of_sentence_the_weights_are_shares_of_the_words(encoder, decoder):
    model = small_model(encoder, decoder, heads=2, end_of_sentence=False)
    src, src_mask, tgt_in = small_batch((5, 3))
    weights = model.align(src, src_mask, tgt_in)[0]
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(weights.shape[:-1]))
    for row, length in enumerate((5, 3)):
        assert (weights[row, ..., length - 1 :] == 0).all()
        assert (weights[row, ..., : length - 1] > 0).all()


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("decoder", DECODERS)
def test_without_the_end_of_sentence_an_empty_source_has_nothing_to_attend_to(decoder, score):
    model = small_model("gru", decoder, score=score, end_of_sentence=False)
    src, src_mask, tgt_in = small_batch((3, 1))
    assert (model.align(src, src_mask, tgt_in)[0][1] == 0).all()
    logits = model(src, src_mask, tgt_in)
    assert logits.isfinite().all()
    logits.square().sum().backward()
    assert all(weight.grad.isfinite().all() for weight in model.parameters())


@pytest.mark.parametrize("decoder", DECODERS)
@torch.no_grad()
def test_the_encoder_reads_the_end_of_sentence_even_if_the_decoder_does_not_see_it(decoder):
    model = small_model("gru", decoder, end_of_sentence=False)
    src, src_mask, tgt_in = small_batch((3, 3))
    other = src.clone()
    other[:, -1] = other[:, -1] % (VOCABULARY - 1) + 1
    assert not torch.allclose(model(other, src_mask, tgt_in), model(src, src_mask, tgt_in))


@pytest.mark.parametrize(("encoder", "decoder"), PAIRS)
@torch.no_grad()
def test_what_stands_in_padding_changes_nothing(encoder, decoder):
    model = small_model(encoder, decoder)
    src, src_mask, tgt_in = small_batch((5, 3))
    rubbish = torch.where(src_mask, src, 7)
    torch.testing.assert_close(model(rubbish, src_mask, tgt_in), model(src, src_mask, tgt_in))


@pytest.mark.parametrize("tie", [True, False])
@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("decoder", DECODERS)
def test_gradients_reach_every_parameter(decoder, score, tie):
    encoder = "rotary" if DECODERS[decoder].type == "transformer" else "lstm"
    model = small_model(encoder, decoder, tie, score=score, heads=2, coverage=False)
    src, src_mask, tgt_in = small_batch()
    model(src, src_mask, tgt_in).square().sum().backward()
    assert [name for name, weight in model.named_parameters() if not weight.grad.abs().sum() > 0] == []


@pytest.mark.parametrize("decoder", COVERING)
def test_gradients_reach_coverage_which_starts_at_zero(decoder):
    model = build_model(small_config("gru", decoder, coverage=True), VOCABULARY, VOCABULARY, joint=True)
    src, src_mask, tgt_in = small_batch()
    model(src, src_mask, tgt_in).square().sum().backward()
    assert [name for name, weight in model.named_parameters() if not weight.grad.abs().sum() > 0] == []


def lacks_bfloat16(encoder, decoder):
    """Whether this processor cannot train them in bfloat16."""
    return (encoder == "lstm" or "parallel-lstm" in decoder) and not has_bf16_lstm()


@pytest.mark.parametrize(
    ("encoder", "decoder", "score", "heads"),
    [
        (encoder, decoder, score, 1 + number % 2)
        for number, (score, (encoder, decoder)) in enumerate(itertools.product(SCORES, PAIRS))
        if not lacks_bfloat16(encoder, decoder)
    ],
)
def test_a_training_step_in_bfloat16_is_close_to_one_in_float32(encoder, decoder, score, heads):
    model = small_model(encoder, decoder, score=score, heads=heads)
    src, src_mask, tgt_in = small_batch()
    targets = torch.randint(VOCABULARY, (8,))

    def loss():
        features = model.features(src, src_mask, tgt_in).flatten(0, 1)
        return cross_entropy(features, model.output.weight, model.output.bias, targets, 0.1)[0]

    with torch.autocast("cpu", torch.bfloat16):
        low = loss()
    low.backward()

    assert all(weight.grad.isfinite().all() for weight in model.parameters())
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, loss(), atol=0.1, rtol=0.05)


# Modes, and what a call leaves behind.


@pytest.mark.parametrize(("encoder", "decoder"), PAIRS)
@torch.no_grad()
def test_dropout_acts_in_training_only(encoder, decoder):
    model = small_model(encoder, decoder, dropout=0.5)
    batch = small_batch()
    assert torch.equal(model(*batch), model(*batch))
    model.train()
    assert not torch.equal(model(*batch), model(*batch))


@pytest.mark.parametrize("decoder", DECODERS)
@torch.no_grad()
def test_without_dropout_training_and_evaluation_compute_the_same(decoder):
    model = small_model("gru", decoder)
    batch = small_batch()
    evaluated = model(*batch)
    torch.testing.assert_close(model.train()(*batch), evaluated)


@pytest.mark.parametrize(("encoder", "decoder"), PAIRS)
@torch.no_grad()
def test_nothing_is_kept_between_calls(encoder, decoder):
    model = small_model(encoder, decoder, coverage=decoder in COVERING)
    attributes = {name: dict(vars(part)) for name, part in model.named_modules()}
    weights = {name: weight.clone() for name, weight in model.state_dict().items()}
    src, src_mask, tgt_in = small_batch()
    model(src, src_mask, tgt_in)
    model.align(src, src_mask, tgt_in)
    model.step(tgt_in[:, 0], model.start(src, src_mask))
    for name, part in model.named_modules():
        assert vars(part).keys() == attributes[name].keys()
        assert all(vars(part)[key] is value for key, value in attributes[name].items())
    assert all(torch.equal(weight, weights[name]) for name, weight in model.state_dict().items())


def test_the_same_seed_gives_the_same_weights():
    torch.manual_seed(1)
    first = small_model().state_dict()
    torch.manual_seed(1)
    again = small_model().state_dict()
    assert all(torch.equal(weight, again[name]) for name, weight in first.items())


def test_the_device_is_that_of_the_weights():
    assert small_model().device == torch.device("cpu")
    assert small_model().to("meta").device == torch.device("meta")


@torch.inference_mode()
def test_a_model_laid_out_for_translating_says_the_same_of_every_piece():
    src, tgt_in = torch.randint(4, 20, (2, 5)), torch.randint(4, 20, (2, 3))
    src_mask = torch.ones(2, 5, dtype=torch.bool)
    for encoder, decoder in (("gru", "input-gru-1"), ("sinusoidal", "rotary-2")):
        model = build_model(small_config(encoder, decoder), 30, 30, joint=True).eval()
        before = model(src, src_mask, tgt_in)
        model.lay_out_for_translating()
        torch.testing.assert_close(model(src, src_mask, tgt_in), before)
        assert model.output.weight is not model.tgt_embedding.weight  # that keeps its rows together
        assert {
            module.weight.stride()[0] for module in model.modules() if isinstance(module, torch.nn.Linear)
        } == {1}
