"""Every combination of the model's parts, small: what the tests of decoders and of the model run over."""

import itertools
from typing import get_args

import torch

from translate.config.model import AttentionConfig, DecoderConfig, EncoderConfig, ModelConfig, Score
from translate.model import Seq2Seq, build_model

SIZE = 8  # of everything, so that every score fits every pair of encoder and decoder
VOCABULARY = 11

SCORES = get_args(Score)
ENCODERS = {
    "gru": EncoderConfig(type="recurrent", cell="gru", size=SIZE // 2),
    "lstm": EncoderConfig(type="recurrent", cell="lstm", size=SIZE, bidirectional=False, layers=2),
    "sinusoidal": EncoderConfig(type="transformer", size=SIZE, heads=2, feed_forward_size=9, layers=2),
    "rotary": EncoderConfig(type="transformer", size=SIZE, heads=2, feed_forward_size=9, positions="rotary"),
}
DECODERS = {
    f"{feeding}-{cell}-{layers}": DecoderConfig(size=SIZE, layers=layers, cell=cell, feeding=feeding)
    for feeding, cell, layers in itertools.product(
        ("input", "conditional", "parallel"), ("gru", "lstm"), (1, 2, 3)
    )
    if (feeding, layers) not in {("input", 3), ("conditional", 3), ("parallel", 1)}
} | {
    f"{positions}-{layers}": DecoderConfig(
        type="transformer", size=SIZE, heads=2, feed_forward_size=9, positions=positions, layers=layers
    )
    for positions, layers in itertools.product(("sinusoidal", "rotary"), (1, 2))
}
# Every encoder and every decoder, for what does not depend on how the two go together.
PAIRS = [*zip(itertools.cycle(ENCODERS), DECODERS, strict=False)]
COVERING = [name for name in DECODERS if name.startswith(("input", "conditional"))]  # they work with coverage


def small_config(
    encoder: str = "gru", decoder: str = "input-gru-1", tie: bool = True, dropout: float = 0.0, **attention
) -> ModelConfig:
    """The config of a small model; what is left over is the attention's."""
    return ModelConfig(
        embedding_size=SIZE,
        dropout=dropout,
        tie_embeddings=tie,
        encoder=ENCODERS[encoder],
        attention=AttentionConfig(**{"size": SIZE, **attention}),
        decoder=DECODERS[decoder],
    )


def small_model(*args, joint: bool = True, **settings) -> Seq2Seq:
    """A small model with fresh weights, in eval mode; coverage's are drawn, since they start at zero."""
    model = build_model(small_config(*args, **settings), VOCABULARY, VOCABULARY, joint=joint).eval()
    for name, parameter in model.named_parameters():
        if name.endswith("project_coverage"):
            torch.nn.init.normal_(parameter)
    return model


def small_batch(src_lengths: tuple[int, ...] = (5, 3), tgt_length: int = 4):
    """Random source ids, their mask, and target inputs."""
    src = torch.randint(4, VOCABULARY, (len(src_lengths), max(src_lengths)))
    src_mask = torch.arange(src.shape[1]) < torch.tensor(src_lengths)[:, None]
    return src * src_mask, src_mask, torch.randint(1, VOCABULARY, (len(src_lengths), tgt_length))
