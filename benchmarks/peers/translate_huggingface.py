"""Translate with Hugging Face's `generate` and the weights of a seq2see transformer.

Pegasus is the same transformer: pre-norm, the same sinusoids, a bias on the output.
"""

from typing import Any

import sentencepiece
import torch
from job import Job, read_job, write_result
from stopwatch import in_batches, time_translating
from torch import Tensor
from transformers import PegasusConfig, PegasusForConditionalGeneration

PAD, BOS, EOS, UNK = 0, 1, 2, 3  # as in the tokenizer
NEVER = -1e4  # added to the logits of what seq2see never produces
LONGEST = 512  # pieces


def convert(weights: dict[str, Tensor], job: Job) -> dict[str, Tensor]:
    """The weights under Pegasus' names; its projections have biases, ours none."""
    bias = weights["output.bias"].clone()
    bias[[PAD, UNK]] += NEVER
    found = {"model.shared.weight": weights["src_embedding.weight"], "final_logits_bias": bias[None]}
    found["lm_head.weight"] = weights["output.weight"]

    def linear(theirs: str, weight: Tensor, offset: Tensor | None = None) -> None:
        found[f"{theirs}.weight"] = weight
        found[f"{theirs}.bias"] = torch.zeros(len(weight)) if offset is None else offset

    def norm(theirs: str, ours: str) -> None:
        for kind in ("weight", "bias"):
            found[f"{theirs}.{kind}"] = weights[f"{ours}.{kind}"]

    for side, count in (("encoder", job["encoder_layers"]), ("decoder", job["decoder_layers"])):
        found[f"model.{side}.embed_tokens.weight"] = weights["src_embedding.weight"]
        norm(f"model.{side}.layer_norm", f"{side}.norm")
        for layer in range(count):
            ours, theirs = f"{side}.layers.{layer}", f"model.{side}.layers.{layer}"
            inner = "attention" if side == "encoder" else "self_attention"
            projections = weights[f"{ours}.{inner}.project.weight"].chunk(3)
            for name, projection in zip("qkv", projections, strict=True):
                linear(f"{theirs}.self_attn.{name}_proj", projection)
            linear(f"{theirs}.self_attn.out_proj", weights[f"{ours}.{inner}.join.weight"])
            norm(f"{theirs}.self_attn_layer_norm", f"{ours}.{inner}_norm")
            if side == "decoder":
                for name, full in (("q", "query"), ("k", "key"), ("v", "value")):
                    linear(
                        f"{theirs}.encoder_attn.{name}_proj",
                        weights[f"{ours}.attention.project_{full}.weight"],
                    )
                linear(f"{theirs}.encoder_attn.out_proj", weights[f"{ours}.attention.join.weight"])
                norm(f"{theirs}.encoder_attn_layer_norm", f"{ours}.attention_norm")
            for name, number in (("fc1", 0), ("fc2", 3)):
                linear(
                    f"{theirs}.{name}",
                    weights[f"{ours}.feed_forward.{number}.weight"],
                    weights[f"{ours}.feed_forward.{number}.bias"],
                )
            norm(f"{theirs}.final_layer_norm", f"{ours}.feed_forward_norm")
    return found


def build(job: Job) -> Any:
    """The model, ready to translate."""
    weights = torch.load(job["weights"], weights_only=True)
    model = PegasusForConditionalGeneration(
        PegasusConfig(
            vocab_size=len(weights["output.bias"]),
            d_model=job["size"],
            encoder_layers=job["encoder_layers"],
            decoder_layers=job["decoder_layers"],
            encoder_attention_heads=job["heads"],
            decoder_attention_heads=job["heads"],
            encoder_ffn_dim=job["feed_forward_size"],
            decoder_ffn_dim=job["feed_forward_size"],
            activation_function="relu",
            scale_embedding=True,
            max_position_embeddings=LONGEST,
            pad_token_id=PAD,
            bos_token_id=BOS,
            eos_token_id=EOS,
            decoder_start_token_id=BOS,
            forced_eos_token_id=None,
        )
    )
    lacking, unknown = model.load_state_dict(convert(weights, job), strict=False)
    if unknown or any("embed_positions" not in name for name in lacking):
        raise ValueError(f"the weights do not fit: without {lacking}, unknown {unknown}")
    return model.eval()


def main() -> None:
    job = read_job()
    torch.set_num_threads(1)
    processor = sentencepiece.SentencePieceProcessor(model_file=job["tokenizer"])
    model = build(job)

    @torch.inference_mode()
    def translate(lines: list[str]) -> list[str]:
        rows = [[*ids, EOS] for ids in processor.encode(lines)]
        width = max(map(len, rows))
        inputs = torch.tensor([row + [PAD] * (width - len(row)) for row in rows])
        found = model.generate(
            input_ids=inputs,
            attention_mask=(inputs != PAD).long(),
            num_beams=job["beam"],
            do_sample=False,
            length_penalty=job["length_penalty"],
            max_new_tokens=2 * width + 10,
        )
        return [processor.decode([piece for piece in row if piece > UNK]) for row in found.tolist()]

    write_result(time_translating(job, in_batches(job, translate)), "torch", "transformers")


if __name__ == "__main__":
    main()
