"""JoeyNMT's models of seq2see's sizes, and seq2see's weights under their names.

Its transformer is ours but for the table of positions and a bias on the output. Its recurrent decoder is not:
the new state asks instead of the old one, and the output is fed back instead of the context. So only what is
the same is taken there as it is (embeddings, encoder, output layer); teach_joeynmt.py trains the decoder.
"""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from job import Job
from joeynmt.model import build_model
from joeynmt.vocabulary import Vocabulary
from torch import Tensor, nn

Weights = dict[str, Tensor]

PAD, BOS, EOS, UNK = 0, 1, 2, 3  # as in the tokenizer
THEIR_ORDER = [UNK, PAD, BOS, EOS]  # of the special pieces, always
NEVER = -1e4  # added to the logits of what seq2see never produces


def read_vocabulary(job: Job) -> Any:
    """The pieces as JoeyNMT's vocabulary, which puts the special ones into its own order."""
    special: dict[str, Any] = {
        **{"unk_token": "<unk>", "pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"},
        **{"unk_id": 0, "pad_id": 1, "bos_id": 2, "eos_id": 3, "sep_token": None, "lang_tags": []},
    }
    pieces = Path(job["pieces"]).read_text(encoding="utf-8").rstrip("\n").split("\n")
    return Vocabulary(pieces, SimpleNamespace(**special))


def build(job: Job, vocabulary: Any) -> Any:
    """The job's model, ready to translate; a recurrent one has the weights that teach_joeynmt.py has kept."""
    weights = torch.load(job["weights"], weights_only=True)
    if job["model"] == "transformer":
        return build_transformer(job, vocabulary, weights).eval()
    model = build_recurrent(job, vocabulary)
    model.load_state_dict(torch.load(job["taught"], weights_only=True))
    return model.eval()


def build_transformer(job: Job, vocabulary: Any, weights: Weights) -> Any:
    """The transformer with our weights, our sinusoids and a bias on the output."""
    side = {
        "type": "transformer",
        "num_heads": job["heads"],
        "embeddings": {"embedding_dim": job["size"], "scale": True},
        "hidden_size": job["size"],
        "ff_size": job["feed_forward_size"],
        "layer_norm": "pre",
        "activation": "relu",
    }
    sides = {name: {**side, "num_layers": job[f"{name}_layers"]} for name in ("encoder", "decoder")}
    model = _build(sides, vocabulary, job["size"])
    _load(model, {**_shared(weights), **_layers(weights, job)}, may_lack=(".pe",))
    for part in (model.encoder, model.decoder):
        table = part.pe.pe  # sines and cosines take turns in theirs, ours has the sines first
        part.pe.pe = torch.cat([table[..., 0::2], table[..., 1::2]], dim=-1)
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = 1e-5  # torch's own, which the weights were trained with
    return model


def build_recurrent(job: Job, vocabulary: Any) -> Any:
    """Bahdanau's attention between GRUs of our sizes, input feeding (Luong's), a bias on the output."""
    side = {
        "type": "recurrent",
        "rnn_type": "gru",
        "embeddings": {"embedding_dim": job["embedding_size"], "scale": True},
        "hidden_size": job["size"],
        "num_layers": 1,
    }
    decoder = {**side, "input_feeding": True, "init_hidden": "bridge", "attention": "bahdanau"}
    sides = {"encoder": {**side, "bidirectional": True}, "decoder": decoder}
    return _build(sides, vocabulary, job["size"])


def transplant(model: Any, weights: Weights) -> list[str]:
    """Give a recurrent model what it can use of ours; return the names of what it still has to learn.

    What does the like in the decoder is where its training begins.
    """
    found = _shared(weights)
    for theirs, ours in (("", "forwards"), ("_reverse", "backwards")):
        for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
            found[f"encoder.rnn.{name}{theirs}"] = weights[f"encoder.{ours}.0.{name}"]
    learnt = {
        "rnn.weight_ih_l0": model.decoder.rnn.weight_ih_l0.detach().clone(),
        "rnn.bias_ih_l0": weights["decoder.from_token.bias"],
        "rnn.weight_hh_l0": weights["decoder.gates.0.recurrent.weight"],
        "rnn.bias_hh_l0": weights["decoder.gates.0.recurrent.bias"],
        "bridge_layer.weight": weights["decoder.initial.project.weight"],
        "bridge_layer.bias": weights["decoder.initial.project.bias"],
        "attention.query_layer.weight": weights["decoder.attention.project_query.weight"],
        "attention.key_layer.weight": weights["decoder.attention.project_key.weight"],
        "attention.energy_layer.weight": weights["decoder.attention.energy"],
        "att_vector_layer.bias": weights["decoder.readout.project.bias"],
    }
    from_token, readout = weights["decoder.from_token.weight"], weights["decoder.readout.project.weight"]
    learnt["rnn.weight_ih_l0"][:, : from_token.shape[1]] = from_token
    learnt["att_vector_layer.weight"] = readout[:, : model.decoder.att_vector_layer.in_features]
    _load(model, {**found, **{f"decoder.{name}": weight for name, weight in learnt.items()}})
    return [f"decoder.{name}" for name in learnt]


def _build(sides: dict[str, Any], vocabulary: Any, size: int) -> Any:
    model = build_model(
        {"tied_embeddings": True, "tied_softmax": False, **sides}, src_vocab=vocabulary, trg_vocab=vocabulary
    )
    model.decoder.output_layer = nn.Linear(size, len(vocabulary))
    return model


def _load(model: Any, weights: Weights, may_lack: tuple[str, ...] = ()) -> None:
    lacking, unknown = model.load_state_dict(weights, strict=False)
    if unknown or any(not name.endswith(may_lack) for name in lacking):
        raise ValueError(f"the weights do not fit: without {lacking}, unknown {unknown}")


def _shared(weights: Weights) -> Weights:
    """Embeddings and output layer, in the order of JoeyNMT's vocabulary."""
    order = torch.tensor([*THEIR_ORDER, *range(len(THEIR_ORDER), len(weights["output.bias"]))])
    bias = weights["output.bias"].clone()
    bias[[PAD, UNK]] += NEVER
    return {
        "decoder.output_layer.weight": weights["output.weight"][order],
        "decoder.output_layer.bias": bias[order],
        **{f"{side}_embed.lut.weight": weights["src_embedding.weight"][order] for side in ("src", "trg")},
    }


def _layers(weights: Weights, job: Job) -> Weights:
    """The layers of both sides of a transformer; JoeyNMT's projections have biases, ours none."""
    found: Weights = {}

    def copy(theirs: str, ours: str) -> None:
        for kind in ("weight", "bias"):
            found[f"{theirs}.{kind}"] = weights[f"{ours}.{kind}"]

    def attention(theirs: str, projections: Sequence[Tensor], join: Tensor) -> None:
        for name, weight in zip(("q", "k", "v", "output"), [*projections, join], strict=True):
            found[f"{theirs}.{name}_layer.weight"] = weight
            found[f"{theirs}.{name}_layer.bias"] = torch.zeros(len(weight))

    names = {
        "encoder": ("attention", "src_src_att", "layer_norm"),
        "decoder": ("self_attention", "trg_trg_att", "x_layer_norm"),
    }
    for side, (ours, theirs, norm) in names.items():
        copy(f"{side}.layer_norm", f"{side}.norm")
        for layer in range(job[f"{side}_layers"]):
            name = f"{side}.layers.{layer}"
            inner = weights[f"{name}.{ours}.project.weight"].chunk(3)
            attention(f"{name}.{theirs}", inner, weights[f"{name}.{ours}.join.weight"])
            copy(f"{name}.{norm}", f"{name}.{ours}_norm")
            if side == "decoder":
                outer = [
                    weights[f"{name}.attention.project_{what}.weight"] for what in ("query", "key", "value")
                ]
                attention(f"{name}.src_trg_att", outer, weights[f"{name}.attention.join.weight"])
                copy(f"{name}.dec_layer_norm", f"{name}.attention_norm")
            copy(f"{name}.feed_forward.layer_norm", f"{name}.feed_forward_norm")
            for number in (0, 3):
                copy(f"{name}.feed_forward.pwff_layer.{number}", f"{name}.feed_forward.{number}")
    return found
