"""Train with eole until its speed is known."""

from pathlib import Path
from typing import Any

from eole.config.run import TrainConfig
from eole.train_single import main as train
from eole.trainer import BatchProcessor
from job import Job, read_job, write_result
from meter import Measured, Meter

NEVER = 1_000_000  # steps


def watch(meter: Meter) -> None:
    """Have eole's own training report to the meter."""
    process = BatchProcessor.process_batch

    def process_batch(
        self: BatchProcessor, batch: dict[str, Any], normalization: int, accum: int, total: Any, report: Any
    ) -> Any:
        # Sources are pieces alone; targets have a beginning and an end.
        pairs = len(batch["srclen"])
        meter.count(int(batch["srclen"].sum() + batch["tgtlen"].sum()) - 2 * pairs, pairs)
        loss, tokens = report.loss, report.n_tokens
        done = process(self, batch, normalization, accum, total, report)
        meter.note_loss((report.loss - loss) / (report.n_tokens - tokens))
        return done

    BatchProcessor.process_batch = process_batch


def configure(job: Job) -> dict[str, Any]:
    """The job as eole's configuration."""
    corpus, (src, tgt) = Path(job["corpus"]), job["languages"]
    texts = {"path_src": str(corpus / f"train.{src}"), "path_tgt": str(corpus / f"train.{tgt}")}
    model = job["tokenizer"]
    return {
        "seed": 1,
        "share_vocab": True,
        "src_vocab": job["pieces"],
        "tgt_vocab": job["pieces"],
        "src_vocab_size": job["vocabulary"],
        "tgt_vocab_size": job["vocabulary"],
        "vocab_size_multiple": 1,
        **{"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"},
        "overwrite": True,
        "n_sample": 0,
        "report_every": 100,
        "tensorboard": False,
        "data": {"corpus": {**texts, "transforms": ["sentencepiece"]}},
        "transforms_configs": {"sentencepiece": {"src_subword_model": model, "tgt_subword_model": model}},
        "training": {
            "world_size": 0,
            "gpu_ranks": [],
            "compute_dtype": "fp32",
            "num_workers": 0,  # a worker would take time from the one core
            # Sentences times the longest of either side: half as many slots on each as ours on both.
            "batch_type": "tokens",
            "batch_size": job["batch_tokens"] // 2,
            "batch_size_multiple": 1,
            "normalization": "tokens",
            "accum_count": [1],
            "accum_steps": [0],
            # The whole corpus is read, encoded and sorted at once, which is left to the warm-up.
            "bucket_size": job["pairs"],
            "train_steps": NEVER,
            "valid_steps": NEVER,
            "save_checkpoint_steps": NEVER,
            "model_path": str(Path(job["work"]) / "eole"),
            "optim": "adam",
            "adam_beta2": 0.98,
            "learning_rate": 1.3,  # times 128 ** -0.5 * 300 ** -0.5, at its highest
            "decay_method": "noam",
            "warmup_steps": 300,
            "max_grad_norm": 1.0,
            "label_smoothing": 0.1,
            "dropout": [0.2],
            "attention_dropout": [0.0],  # as ours: the fused kernel is faster without
            "dropout_steps": [0],
            "param_init_method": "xavier_uniform",
        },
        "model": {
            "architecture": "transformer",
            "layers": 4,
            "heads": 4,
            "hidden_size": 128,
            "transformer_ff": 512,
            "share_embeddings": True,
            "share_decoder_embeddings": True,
            "add_ffnbias": True,
            "embeddings": {"word_vec_size": 128, "position_encoding_type": "SinusoidalInterleaved"},
        },
    }


def main() -> None:
    job = read_job()
    meter = Meter(job)
    watch(meter)
    config = TrainConfig(**configure(job))
    config._validate_vocab_config()
    try:
        train(config, device_id=-1)
    except Measured:
        write_result(meter.result(), "torch", "eole")


if __name__ == "__main__":
    main()
