"""A tiny model learns a task that shows where it must look, and looks there."""

import random

import pytest
from tiny_training import write_pairs

from translate.config import Config
from translate.config.data import DataConfig
from translate.config.model import AttentionConfig, DecoderConfig, EncoderConfig, ModelConfig
from translate.config.search import SearchConfig
from translate.config.tokenizer import TokenizerConfig
from translate.config.training import TrainingConfig
from translate.padding import pad
from translate.tokenizer import BOS_ID, EOS_ID
from translate.torch_engine import TorchEngine
from translate.training.trainer import train
from translate.translation import translate_texts

SIZE = 32
BAHDANAU = ModelConfig(
    SIZE,
    dropout=0.0,
    encoder=EncoderConfig(size=SIZE),
    attention=AttentionConfig("additive", size=SIZE),
    decoder=DecoderConfig(size=SIZE, feeding="input"),
)
# Sinusoids: what is copied goes to the same place, so it matters more where letters are than how far apart.
TRANSFORMER = ModelConfig(
    SIZE,
    dropout=0.0,
    encoder=EncoderConfig("transformer", size=SIZE, heads=2, feed_forward_size=64, positions="sinusoidal"),
    attention=AttentionConfig("scaled_dot", size=SIZE),
    decoder=DecoderConfig("transformer", size=SIZE, heads=2, feed_forward_size=64, positions="sinusoidal"),
)


def letters(count: int, step: int) -> list[tuple[str, str]]:
    """Three to six letters and, in upper case, the same in this (1) or the other (-1) order."""
    rng = random.Random(count)
    rows = [rng.sample("abcdefghijkl", k=rng.randint(3, 6)) for _ in range(count)]
    return [(" ".join(row), " ".join(row[::step]).upper()) for row in rows]


@pytest.mark.parametrize(
    ("model", "step", "steps", "rate"),
    [
        pytest.param(BAHDANAU, -1, 350, 1e-2, id="bahdanau-reverses"),
        pytest.param(TRANSFORMER, 1, 240, 8e-3, id="transformer-copies"),
    ],
)
def test_a_model_learns_and_its_alignment_is_a_diagonal(model, step, steps, rate, tmp_path):
    src, tgt = write_pairs(tmp_path, "train", letters(3000, step))
    pairs = letters(50, step)
    valid_src, valid_tgt = write_pairs(tmp_path, "valid", pairs)
    config = Config(
        DataConfig(src=src, tgt=tgt, valid_src=valid_src, valid_tgt=valid_tgt, batch_tokens=600),
        TokenizerConfig(vocab_size=400),  # more than there are, so each letter is one piece
        model,
        TrainingConfig(
            max_steps=steps,
            warmup_steps=20,
            learning_rate=rate,
            label_smoothing=0.0,
            ema_decay=0.95,
            validate_every=steps // 2,
            precision="float32",
            device="cpu",
            threads=1,
        ),
    )
    run = train(config, tmp_path / "run")
    first, last = run.read_metrics()
    assert float(last["valid_nll"]) < min(0.1, float(first["valid_nll"]))
    better = float(last["valid_bleu"]) > float(first["valid_bleu"])
    assert run.read_json(run.summary_path)["best_step"] == (steps if better else steps // 2)

    trained, tokenizers = run.load_model(), run.tokenizers()
    found = translate_texts(
        TorchEngine(trained), tokenizers, [src for src, _ in pairs], SearchConfig(beam_size=1)
    )
    right = sum(translation.text == tgt for translation, (_, tgt) in zip(found, pairs, strict=True))
    assert right / len(pairs) > 0.9

    looked_right = looked = 0
    for src, tgt in pairs:
        src_ids, tgt_ids = tokenizers.src.encode(src), tokenizers.tgt.encode(tgt)
        ids, mask = pad([[*src_ids, EOS_ID]])
        weights = trained.align(ids, mask, pad([[BOS_ID, *tgt_ids]])[0])[0][0, -1, 0]
        diagonal = list(range(len(src_ids)))[::step]
        assert len(tgt_ids) == len(diagonal)
        looked_right += sum(int(row.argmax()) == n for row, n in zip(weights[:-1], diagonal, strict=True))
        looked += len(diagonal)
    assert looked_right / looked > 0.95
