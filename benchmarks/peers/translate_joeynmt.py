"""Translate with JoeyNMT's own search and the weights of a seq2see transformer."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from job import Job, read_job, write_result
from joeynmt.config import parse_test_args
from joeynmt.datasets import StreamDataset
from joeynmt.model import build_model
from joeynmt.prediction import predict
from joeynmt.tokenizers import SentencePieceTokenizer
from joeynmt.vocabulary import Vocabulary
from stopwatch import in_batches, time_translating
from torch import Tensor, nn

PAD, BOS, EOS, UNK = 0, 1, 2, 3  # as in the tokenizer
THEIR_ORDER = [UNK, PAD, BOS, EOS]  # of the special pieces, always
NEVER = -1e4  # added to the logits of what seq2see never produces


def convert(weights: dict[str, Tensor], job: Job) -> dict[str, Tensor]:
    """The weights under JoeyNMT's names, in the order of its vocabulary; its projections have biases."""
    order = torch.tensor([*THEIR_ORDER, *range(len(THEIR_ORDER), len(weights["output.bias"]))])
    bias = weights["output.bias"].clone()
    bias[[PAD, UNK]] += NEVER
    found = {"decoder.output_layer.weight": weights["output.weight"][order]}
    found["decoder.output_layer.bias"] = bias[order]
    for side in ("src", "trg"):
        found[f"{side}_embed.lut.weight"] = weights["src_embedding.weight"][order]

    def copy(theirs: str, ours: str) -> None:
        for kind in ("weight", "bias"):
            found[f"{theirs}.{kind}"] = weights[f"{ours}.{kind}"]

    def attention(theirs: str, projections: list[Tensor], join: Tensor) -> None:
        for name, weight in zip(("q", "k", "v", "output"), [*projections, join], strict=True):
            found[f"{theirs}.{name}_layer.weight"] = weight
            found[f"{theirs}.{name}_layer.bias"] = torch.zeros(len(weight))

    for side, count in (("encoder", job["encoder_layers"]), ("decoder", job["decoder_layers"])):
        copy(f"{side}.layer_norm", f"{side}.norm")
        for layer in range(count):
            name = f"{side}.layers.{layer}"
            ours, theirs, norm = (
                ("attention", "src_src_att", "layer_norm")
                if side == "encoder"
                else ("self_attention", "trg_trg_att", "x_layer_norm")
            )
            attention(
                f"{name}.{theirs}",
                list(weights[f"{name}.{ours}.project.weight"].chunk(3)),
                weights[f"{name}.{ours}.join.weight"],
            )
            copy(f"{name}.{norm}", f"{name}.{ours}_norm")
            if side == "decoder":
                attention(
                    f"{name}.src_trg_att",
                    [
                        weights[f"{name}.attention.project_{what}.weight"]
                        for what in ("query", "key", "value")
                    ],
                    weights[f"{name}.attention.join.weight"],
                )
                copy(f"{name}.dec_layer_norm", f"{name}.attention_norm")
            copy(f"{name}.feed_forward.layer_norm", f"{name}.feed_forward_norm")
            for number in (0, 3):
                copy(f"{name}.feed_forward.pwff_layer.{number}", f"{name}.feed_forward.{number}")
    return found


def build(job: Job, vocabulary: Any) -> Any:
    """The model, ready to translate: with our sinusoids, and a bias on the output."""
    weights = torch.load(job["weights"], weights_only=True)
    sides = {
        side: {
            "type": "transformer",
            "num_layers": job[f"{side}_layers"],
            "num_heads": job["heads"],
            "embeddings": {"embedding_dim": job["size"], "scale": True},
            "hidden_size": job["size"],
            "ff_size": job["feed_forward_size"],
            "layer_norm": "pre",
            "activation": "relu",
        }
        for side in ("encoder", "decoder")
    }
    model = build_model(
        {"tied_embeddings": True, "tied_softmax": False, **sides}, src_vocab=vocabulary, trg_vocab=vocabulary
    )
    model.decoder.output_layer = nn.Linear(job["size"], len(vocabulary))
    lacking, unknown = model.load_state_dict(convert(weights, job), strict=False)
    if unknown or any(not name.endswith(".pe") for name in lacking):
        raise ValueError(f"the weights do not fit: without {lacking}, unknown {unknown}")
    for side in (model.encoder, model.decoder):
        table = side.pe.pe  # sines and cosines take turns in theirs, ours has the sines first
        side.pe.pe = torch.cat([table[..., 0::2], table[..., 1::2]], dim=-1)
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = 1e-5  # torch's own, which the weights were trained with
    return model.eval()


def main() -> None:
    job = read_job()
    torch.set_num_threads(1)
    special: dict[str, Any] = {
        **{"unk_token": "<unk>", "pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"},
        **{"unk_id": 0, "pad_id": 1, "bos_id": 2, "eos_id": 3, "sep_token": None, "lang_tags": []},
    }
    pieces = Path(job["pieces"]).read_text(encoding="utf-8").rstrip("\n").split("\n")
    vocabulary = Vocabulary(pieces, SimpleNamespace(**special))
    model = build(job, vocabulary)
    tokenizer = SentencePieceTokenizer(
        model_file=job["tokenizer"], pretokenizer="none", max_length=-1, min_length=-1
    )
    tokenizer.set_vocab(vocabulary)
    arguments = parse_test_args(
        {
            "n_best": 1,
            "beam_size": job["beam"],
            "beam_alpha": job["length_penalty"],  # of Wu et al. 2016, equation 14: not quite ours
            "batch_size": job["batch"],
            "batch_type": "sentence",
            "eval_metrics": [],
        },
        mode="translate",
    )

    def translate(lines: list[str]) -> list[str]:
        data = StreamDataset(
            path="",
            src_lang="src",
            trg_lang="trg",
            tokenizer={"src": tokenizer, "trg": tokenizer},
            sequence_encoder={"src": vocabulary.sentences_to_ids, "trg": vocabulary.sentences_to_ids},
            has_prompt={"src": False, "trg": False},
        )
        for line in lines:
            data.set_item(line)
        found = predict(
            model=model,
            data=data,
            device=torch.device("cpu"),
            n_gpu=0,
            args=arguments,
            autocast={"device_type": "cpu", "enabled": False},
        )
        return list(found[2])

    write_result(time_translating(job, in_batches(job["batch"], translate)), "torch", "joeynmt")


if __name__ == "__main__":
    main()
