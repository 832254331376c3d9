"""Train with seq2see until its speed is known."""

from pathlib import Path
from typing import Any

from job import Job, read_job, write_result
from meter import Measured, Meter

from translate.batches import Batch, Indices, deal
from translate.config import Config
from translate.config.data import DataConfig
from translate.config.model import AttentionConfig, DecoderConfig, EncoderConfig, ModelConfig
from translate.config.tokenizer import TokenizerConfig
from translate.config.training import TrainingConfig
from translate.stored_pairs import IdPairs
from translate.training.module import TrainingModule
from translate.training.trainer import train

NEVER = 1_000_000  # steps

# The architecture and the optimizer that the others have, too: neither rotary positions nor Muon.
MODELS = {
    "transformer": ModelConfig(
        embedding_size=128,
        encoder=EncoderConfig(
            type="transformer", layers=4, size=128, heads=4, feed_forward_size=512, positions="sinusoidal"
        ),
        attention=AttentionConfig(score="scaled_dot", size=128, heads=4),
        decoder=DecoderConfig(
            type="transformer", layers=4, size=128, heads=4, feed_forward_size=512, positions="sinusoidal"
        ),
    ),
    "recurrent": ModelConfig(
        embedding_size=256,
        encoder=EncoderConfig(type="recurrent", cell="gru", size=256),
        attention=AttentionConfig(score="additive", size=256),
        decoder=DecoderConfig(type="recurrent", cell="gru", size=256, feeding="input"),
    ),
}


def watch(meter: Meter) -> None:
    """Have seq2see's own training report to the meter."""
    read_batch, take_step = IdPairs.batch, TrainingModule.training_step

    def batch(self: IdPairs, rows: Indices, seed: int = 0) -> Batch:
        read = read_batch(self, rows, seed)  # one batch a step, whole, however many processes share it
        meter.count(int(read.src_mask.sum() + read.tgt_mask.sum()) - 2 * len(read.src), len(read.src))
        return read

    def training_step(self: TrainingModule, batch: Batch, batch_idx: int) -> Any:
        output = take_step(self, batch, batch_idx)
        share = deal(batch, self.processes)[0][1]  # of the batch, in this process
        meter.note_loss(float(output["loss"].detach()) / share)
        return output

    IdPairs.batch, TrainingModule.training_step = batch, training_step  # type: ignore[method-assign]


def configure(job: Job) -> Config:
    """The job as settings."""
    corpus, (src, tgt) = Path(job["corpus"]), job["languages"]
    return Config(
        data=DataConfig(
            src=str(corpus / f"train.{src}"),
            tgt=str(corpus / f"train.{tgt}"),
            valid_src=str(corpus / f"valid.{src}"),
            valid_tgt=str(corpus / f"valid.{tgt}"),
            batch_tokens=job["batch_tokens"],
        ),
        tokenizer=TokenizerConfig(path=job["tokenizer"]),
        model=MODELS[job["model"]],
        training=TrainingConfig(
            optimizer="adamw",
            max_steps=NEVER,
            validate_every=NEVER,
            device="cpu",
            threads=job["threads"],
            precision=job["precision"],
        ),
    )


def main() -> None:
    job = read_job()
    meter = Meter(job)
    watch(meter)
    try:
        train(configure(job), Path(job["work"]) / "run")
    except Measured:
        write_result(meter.result(), "torch", "lightning")


if __name__ == "__main__":  # its own workers import this file
    main()
