"""Train a MarianMTModel in a plain loop, as a tutorial would, until its speed is known."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import sentencepiece
import torch
import torch.nn.functional as F
from job import Job, read_job, write_result
from meter import Measured, Meter
from torch import Tensor
from transformers import MarianConfig, MarianMTModel

PAD, BOS, EOS = 0, 1, 2  # as in the tokenizer
WARM_UP, LEARNING_RATE = 300, 2e-3

Rows = list[list[int]]


def build(vocabulary: int) -> MarianMTModel:
    """The model; as ours it drops activations but no attention weights, which has the faster kernel."""
    return MarianMTModel(
        MarianConfig(
            vocab_size=vocabulary,
            d_model=128,
            encoder_layers=4,
            decoder_layers=4,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=512,
            decoder_ffn_dim=512,
            dropout=0.2,
            attention_dropout=0.0,
            activation_dropout=0.2,
            activation_function="relu",
            scale_embedding=True,
            max_position_embeddings=512,
            pad_token_id=PAD,
            bos_token_id=BOS,
            eos_token_id=EOS,
            decoder_start_token_id=BOS,
            forced_eos_token_id=None,
            share_encoder_decoder_embeddings=True,
            tie_word_embeddings=True,
        )
    )


def read(job: Job) -> tuple[Rows, Rows]:
    """The training text as ids with the end of sentence."""
    processor = sentencepiece.SentencePieceProcessor(model_file=job["tokenizer"])
    texts = [(Path(job["corpus"]) / f"train.{lang}").read_text(encoding="utf-8") for lang in job["languages"]]
    src, tgt = ([[*ids, EOS] for ids in processor.encode(text.rstrip("\n").split("\n"))] for text in texts)
    return src, tgt


def plan(src: Rows, tgt: Rows, batch_tokens: int, bucketed: bool) -> list[list[int]]:
    """Batches of an epoch. Bucketed: pairs of like lengths, with at most so many slots on both sides.

    Otherwise pairs as they come, until there are so many real tokens: with so many slots, most of them
    padding, each step would learn from far fewer tokens than the others' do.
    """
    order = random.sample(range(len(src)), len(src))
    if bucketed:
        order.sort(key=lambda n: (len(tgt[n]), len(src[n])))
    batches: list[list[int]] = [[]]
    src_width = tgt_width = tokens = 0
    for number in order:
        src_length, tgt_length = len(src[number]), len(tgt[number])
        src_width, tgt_width = max(src_width, src_length), max(tgt_width, tgt_length)
        tokens += src_length + tgt_length
        slots = (src_width + tgt_width) * (len(batches[-1]) + 1)
        if batches[-1] and (slots if bucketed else tokens) > batch_tokens:
            batches.append([])
            src_width, tgt_width, tokens = src_length, tgt_length, src_length + tgt_length
        batches[-1].append(number)
    return random.sample(batches, len(batches))


def endless(src: Rows, tgt: Rows, job: Job) -> Iterator[list[int]]:
    """The batches of one epoch after another."""
    while True:
        yield from plan(src, tgt, job["batch_tokens"], job["batches"] == "of like lengths")


def pad(rows: Sequence[list[int]]) -> Tensor:
    """Rows as one matrix."""
    width = max(map(len, rows))
    return torch.tensor([row + [PAD] * (width - len(row)) for row in rows])


def main() -> None:
    job = read_job()
    random.seed(1)
    torch.manual_seed(1)
    meter = Meter(job)
    model = build(job["vocabulary"]).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / WARM_UP, (WARM_UP / (step + 1)) ** 0.5)
    )
    src, tgt = read(job)
    try:
        for rows in endless(src, tgt, job):
            meter.count(sum(len(src[n]) + len(tgt[n]) - 2 for n in rows), len(rows))
            inputs, targets = pad([src[n] for n in rows]), pad([tgt[n] for n in rows])
            shifted = torch.cat([torch.full((len(rows), 1), BOS), targets[:, :-1]], dim=1)
            logits = model(
                input_ids=inputs, attention_mask=(inputs != PAD).long(), decoder_input_ids=shifted
            ).logits
            loss = F.cross_entropy(
                logits.flatten(0, 1), targets.flatten(), ignore_index=PAD, label_smoothing=0.1
            )
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            meter.note_loss(loss.item())
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
    except Measured:
        write_result(meter.result(), "torch", "transformers")


if __name__ == "__main__":
    main()
