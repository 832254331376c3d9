"""Train with JoeyNMT until its speed is known."""

from pathlib import Path
from typing import Any

from job import Job, read_job, write_result
from joeynmt.batch import Batch
from joeynmt.training import TrainManager, train
from meter import Measured, Meter

NEVER = 1_000_000  # steps


def watch(meter: Meter) -> None:
    """Have JoeyNMT's own training report to the meter."""
    take_step = TrainManager._train_step

    def _train_step(self: TrainManager, batch: Batch) -> Any:
        # src: pieces, end of sentence. trg: pieces, end of sentence (the beginning is in trg_input only).
        real = int((batch.src != self.model.pad_index).sum() + (batch.trg != self.model.pad_index).sum())
        meter.count(real - 2 * batch.nseqs, batch.nseqs)
        loss, correct = take_step(self, batch)
        meter.note_loss(loss)  # with `normalization: tokens`, a target token
        return loss, correct

    TrainManager._train_step = _train_step


def configure(job: Job) -> dict[str, Any]:
    """The job as JoeyNMT's configuration."""
    corpus = Path(job["corpus"])
    src, tgt = job["languages"]
    return {
        "name": "speed",
        "joeynmt_version": "2.3.0",
        "model_dir": str(Path(job["work"]) / "joeynmt"),
        "use_cuda": False,
        "fp16": False,  # its only other precision, and not for a CPU
        "random_seed": 1,
        "num_workers": 0,
        "data": {
            "train": str(corpus / "train"),
            "dev": str(corpus / "valid"),
            "dataset_type": "plain",
            "src": _side(job, src),
            "trg": _side(job, tgt),
            "special_symbols": {
                **{"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
                **{"unk_id": 0, "pad_id": 1, "bos_id": 2, "eos_id": 3},  # its order, whatever the file's is
            },
        },
        "testing": {"beam_size": 1, "batch_size": 64, "batch_type": "sentence", "eval_metrics": ["bleu"]},
        "training": {
            # Its batches of "4,096 tokens" are sentences times the longest of either side, so 4,096 slots
            # on each; they are not sorted by length, and less than half of the slots are real tokens.
            "batch_size": job["batch_tokens"],
            "batch_type": "token",
            "normalization": "tokens",
            "loss": "crossentropy",
            "label_smoothing": 0.1,
            "optimizer": "adam",
            "adam_betas": [0.9, 0.98],
            "learning_rate": 2e-3,
            "learning_rate_warmup": 300,
            "scheduling": "warmupinversesquareroot",
            "clip_grad_norm": 1.0,
            "epochs": NEVER,
            "updates": NEVER,
            "validation_freq": NEVER,
            "logging_freq": 100,
            "early_stopping_metric": "bleu",
            "shuffle": True,
        },
        "model": {"transformer": _transformer, "recurrent": _recurrent}[job["model"]](),
    }


def _side(job: Job, lang: str) -> dict[str, Any]:
    return {
        "lang": lang,
        "max_length": 256,
        "min_length": 1,
        "level": "bpe",
        "voc_file": job["pieces"],
        "tokenizer_type": "sentencepiece",
        "tokenizer_cfg": {"model_file": job["tokenizer"], "pretokenizer": "none"},
    }


def _transformer() -> dict[str, Any]:
    side = {
        "type": "transformer",
        "num_layers": 4,
        "num_heads": 4,
        "embeddings": {"embedding_dim": 128, "scale": True, "dropout": 0.2},
        "hidden_size": 128,
        "ff_size": 512,
        "dropout": 0.2,
        "layer_norm": "pre",
        "activation": "relu",
    }
    return {
        "initializer": "xavier_uniform",
        "embed_initializer": "xavier_uniform",
        "tied_embeddings": True,
        "tied_softmax": True,
        "encoder": side,
        "decoder": side,
    }


def _recurrent() -> dict[str, Any]:
    side = {
        "type": "recurrent",
        "rnn_type": "gru",
        "embeddings": {"embedding_dim": 256, "scale": False, "dropout": 0.2},
        "hidden_size": 256,
        "dropout": 0.2,
        "num_layers": 1,
    }
    decoder = {
        "hidden_dropout": 0.2,
        "input_feeding": True,
        "init_hidden": "bridge",
        "attention": "bahdanau",
    }
    return {
        "initializer": "xavier_uniform",
        "embed_initializer": "normal",
        "embed_init_weight": 0.1,
        "tied_embeddings": True,
        "tied_softmax": True,
        "encoder": {**side, "bidirectional": True},
        "decoder": {**side, **decoder},
    }


def main() -> None:
    job = read_job()
    meter = Meter(job)
    watch(meter)
    config = configure(job)
    Path(config["model_dir"]).mkdir(parents=True)
    try:
        train(rank=0, world_size=None, cfg=config, skip_test=True)
    except Measured:
        write_result(meter.result(), "torch", "joeynmt")


if __name__ == "__main__":
    main()
