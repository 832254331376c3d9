"""Translate with JoeyNMT's own search."""

import torch
from job import read_job, write_result
from joeynmt.config import parse_test_args
from joeynmt.datasets import StreamDataset
from joeynmt.prediction import predict
from joeynmt.tokenizers import SentencePieceTokenizer
from joeynmt_models import build, read_vocabulary
from stopwatch import in_batches, time_translating


def main() -> None:
    job = read_job()
    torch.set_num_threads(1)
    vocabulary = read_vocabulary(job)
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

    write_result(time_translating(job, in_batches(job, translate)), "torch", "joeynmt")


if __name__ == "__main__":
    main()
