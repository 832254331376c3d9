"""Train the decoder of JoeyNMT's recurrent model, the rest of which is seq2see's, so that it can translate.

Short, since embeddings, encoder and output layer are there already, and nothing goes back through them.
Batches are of like lengths, which JoeyNMT's own are not.
"""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import sentencepiece
import torch
import torch.nn.functional as F
from job import Job, read_job, write_result
from joeynmt.batch import Batch
from joeynmt_models import BOS, EOS, PAD, THEIR_ORDER, build_recurrent, read_vocabulary, transplant
from torch import Tensor, nn

BATCH, WARM_UP, LEARNING_RATE = 64, 50, 2e-3
THEIR_PAD, THEIR_BOS, THEIR_EOS = (THEIR_ORDER.index(piece) for piece in (PAD, BOS, EOS))

Rows = list[list[int]]


def read(job: Job, lang: str) -> Rows:
    """One side of the training text in the ids of JoeyNMT's vocabulary."""
    processor = sentencepiece.SentencePieceProcessor(model_file=job["tokenizer"])
    theirs = [THEIR_ORDER.index(number) for number in range(len(THEIR_ORDER))]
    theirs += range(len(THEIR_ORDER), processor.get_piece_size())
    text = (Path(job["corpus"]) / f"train.{lang}").read_text(encoding="utf-8")
    return [[theirs[number] for number in ids] for ids in processor.encode(text.rstrip("\n").split("\n"))]


def endless(src: Rows, tgt: Rows) -> Iterator[Batch]:
    """Batches of like lengths, in another order in each epoch."""
    order = sorted(range(len(src)), key=lambda number: (len(tgt[number]), len(src[number])))
    starts = list(range(0, len(order), BATCH))
    while True:
        for start in random.sample(starts, len(starts)):
            rows = order[start : start + BATCH]
            batch = Batch(
                src=pad([[*src[n], THEIR_EOS] for n in rows]),
                src_length=torch.tensor([len(src[n]) + 1 for n in rows]),
                src_prompt_mask=None,
                trg=pad([[THEIR_BOS, *tgt[n], THEIR_EOS] for n in rows]),
                trg_prompt_mask=None,
                indices=torch.tensor(rows),
                device=torch.device("cpu"),
                pad_index=THEIR_PAD,
                eos_index=THEIR_EOS,
            )
            batch.sort_by_src_length()
            yield batch


def pad(rows: Sequence[list[int]]) -> Tensor:
    """Rows as one matrix."""
    width = max(map(len, rows))
    return torch.tensor([row + [THEIR_PAD] * (width - len(row)) for row in rows])


def main() -> None:
    job = read_job()
    torch.set_num_threads(job["threads"])
    torch.manual_seed(1)
    random.seed(1)
    model = build_recurrent(job, read_vocabulary(job))
    learnt = set(transplant(model, torch.load(job["weights"], weights_only=True)))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in learnt)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE, betas=(0.9, 0.98))
    steps = job["steps"]
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / WARM_UP, 1 - step / steps)
    )
    batches = endless(*(read(job, lang) for lang in job["languages"]))
    losses = []
    for _, batch in zip(range(steps), batches, strict=False):
        logits, *_ = model._encode_decode(**vars(batch))
        loss = F.cross_entropy(
            logits.flatten(0, 1), batch.trg.flatten(), ignore_index=THEIR_PAD, label_smoothing=0.1
        )
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        losses.append(loss.item())
        if len(losses) % 50 == 0:
            print(len(losses), sum(losses[-50:]) / 50, flush=True)
    torch.save(model.state_dict(), job["taught"])
    write_result({"losses": losses}, "torch", "joeynmt")


if __name__ == "__main__":
    main()
