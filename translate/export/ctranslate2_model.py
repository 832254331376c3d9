"""A transformer as CTranslate2 reads it: its layers, its positions as a table, its vocabularies.

CTranslate2's specification of a transformer reads like the model: pre-norm layers, with queries, keys and
values of self-attention in one matrix, and keys and values of the attention to the source in another.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from translate.config.model import ModelConfig
from translate.engine import max_length
from translate.errors import UsageError
from translate.export import Quantization, need_ctranslate2
from translate.model import Seq2Seq
from translate.run_directory import RunDirectory
from translate.run_directory.exports import Export, save_export
from translate.tokenizer import BOS_ID, PAD_ID, UNK_ID, Tokenizers
from translate.transformer import Positions, sinusoids

# So that search options may ask for longer translations than the run's config does: a position costs four
# bytes for each unit.
LEAST_POSITIONS = 1024
LAYER_NORM_EPSILON = 1e-5  # torch's, and that of our layers
# Added to the output bias of pieces that are never produced: far below any logit, but no infinity, of which
# a sum could become NaN.
NEVER = -10_000.0


def export_ctranslate2(run: RunDirectory, quantization: Quantization = "float32") -> Export:
    """Write the run's model for CTranslate2 into the run directory, in place of an earlier export.

    Raises:
        UsageError: CTranslate2 cannot run such a model.
        InputError: CTranslate2 is not installed, or there are no good weights.
    """
    config = run.config
    check_exportable(config.model)
    need_ctranslate2()
    longest = config.data.max_length
    positions = max(LEAST_POSITIONS, longest + 1, max_length(longest, config.search) + 1)

    def write(model: Seq2Seq, tokenizers: Tokenizers, folder: Path) -> None:
        spec = build_spec(model, config.model, tokenizers, positions)
        spec.validate()
        spec.optimize(quantization)
        spec.save(str(folder))

    return save_export(run, write, quantization, positions)


def check_exportable(model: ModelConfig) -> None:
    """Raise UsageError, naming the setting, if CTranslate2 cannot run such a model."""
    attention, decoder = model.attention, model.decoder
    for setting, value, needed in (
        ("encoder.type", model.encoder.type, "transformer"),
        ("decoder.type", decoder.type, "transformer"),
        ("attention.score", attention.score, "scaled_dot"),
        ("attention.normalizer", attention.normalizer, "softmax"),
        ("attention.end_of_sentence", attention.end_of_sentence, True),
        ("attention.size", attention.size, decoder.size),
        ("attention.heads", attention.heads, decoder.heads),
    ):
        if value != needed:
            as_what = f" (model.decoder.{setting.partition('.')[2]})" if type(needed) is int else ""
            raise UsageError(
                f"CTranslate2 cannot run this model: model.{setting} is {_yaml(value)}, needed is "
                f"{_yaml(needed)}{as_what}"
            )


def _yaml(value: object) -> str:
    """A setting's value as a config says it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


class Weights:
    """A model's weights by name; none may be forgotten."""

    def __init__(self, model: Seq2Seq) -> None:
        self._tensors = model.state_dict()
        self._left = set(self._tensors)

    def check_all_taken(self) -> None:
        """Fail if a weight was never asked for: the export would lack something."""
        assert not self._left, f"not exported: {', '.join(sorted(self._left))}"

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        self._left.discard(name)
        weight: NDArray[np.float32] = self._tensors[name].numpy()
        return weight.copy()  # quantization works in place

    def __contains__(self, name: str) -> bool:
        return name in self._tensors


def build_spec(model: Seq2Seq, config: ModelConfig, tokenizers: Tokenizers, positions: int) -> Any:
    """Return CTranslate2's specification of a model, with its weights.

    Args:
        model: on the CPU; `check_exportable` has passed its config.
        positions: rows of the table of sinusoids.
    """
    from ctranslate2.specs import TransformerSpec
    from ctranslate2.specs.transformer_spec import TransformerDecoderSpec, TransformerEncoderSpec

    weights = Weights(model)
    encoder = TransformerEncoderSpec(
        config.encoder.layers, config.encoder.heads, **_rotary(config.encoder.positions)
    )
    decoder = TransformerDecoderSpec(
        config.decoder.layers, config.decoder.heads, **_rotary(config.decoder.positions)
    )
    spec = TransformerSpec(encoder, decoder)
    spec.config.layer_norm_epsilon = LAYER_NORM_EPSILON
    spec.register_source_vocabulary(tokenizers.src.vocabulary())
    spec.register_target_vocabulary(tokenizers.tgt.vocabulary())

    encoder.embeddings[0].weight = _source_embedding(weights)
    decoder.embeddings.weight = weights["tgt_embedding.weight"]
    for side, kind in ((encoder, config.encoder.positions), (decoder, config.decoder.positions)):
        if kind == "sinusoidal":
            side.position_encodings.encodings = sinusoids(
                torch.arange(positions), config.embedding_size
            ).numpy()
    for number, layer in enumerate(encoder.layer):
        name = f"encoder.layers.{number}"
        _self_attention(layer.self_attention, weights, f"{name}.attention")
        _feed_forward(layer.ffn, weights, f"{name}.feed_forward")
    for number, layer in enumerate(decoder.layer):
        name = f"decoder.layers.{number}"
        _self_attention(layer.self_attention, weights, f"{name}.self_attention")
        _attention(layer.attention, weights, f"{name}.attention")
        _feed_forward(layer.ffn, weights, f"{name}.feed_forward")
    _norm(encoder.layer_norm, weights, "encoder.norm")
    _norm(decoder.layer_norm, weights, "decoder.norm")
    _linear(decoder.projection, weights, "output")
    decoder.projection.bias[[PAD_ID, BOS_ID, UNK_ID]] += NEVER
    weights.check_all_taken()
    return spec


def _source_embedding(weights: Weights) -> NDArray[np.float32]:
    """All rows, also where they begin with the target's."""
    if "src_embedding.rest.weight" in weights:
        return np.concatenate([weights[f"src_embedding.{part}.weight"] for part in ("beginning", "rest")])
    return weights["src_embedding.weight"]


def _rotary(positions: Positions) -> dict[str, Any]:
    """All units of a head are turned, in pairs of neighbours, as `rotate` does."""
    return {"rotary_dim": 0, "rotary_interleave": True} if positions == "rotary" else {}


def _self_attention(spec: Any, weights: Weights, name: str) -> None:
    _norm(spec.layer_norm, weights, f"{name}_norm")
    _linear(spec.linear[0], weights, f"{name}.project")
    _linear(spec.linear[1], weights, f"{name}.join")


def _attention(spec: Any, weights: Weights, name: str) -> None:
    _norm(spec.layer_norm, weights, f"{name}_norm")
    _linear(spec.linear[0], weights, f"{name}.project_query")
    spec.linear[1].weight = np.concatenate(
        [weights[f"{name}.project_key.weight"], weights[f"{name}.project_value.weight"]]
    )
    _linear(spec.linear[2], weights, f"{name}.join")


def _feed_forward(spec: Any, weights: Weights, name: str) -> None:
    _norm(spec.layer_norm, weights, f"{name}_norm")
    _linear(spec.linear_0, weights, f"{name}.0")
    _linear(spec.linear_1, weights, f"{name}.3")


def _linear(spec: Any, weights: Weights, name: str) -> None:
    spec.weight = weights[f"{name}.weight"]
    if f"{name}.bias" in weights:
        spec.bias = weights[f"{name}.bias"]


def _norm(spec: Any, weights: Weights, name: str) -> None:
    spec.gamma = weights[f"{name}.weight"]
    spec.beta = weights[f"{name}.bias"]
