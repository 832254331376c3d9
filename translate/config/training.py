"""The recipe of training."""

from dataclasses import dataclass
from typing import Literal

from translate.config.numbers import at_least, below_one
from translate.errors import UsageError


@dataclass(frozen=True)
class TrainingConfig:
    """The recipe."""

    max_steps: int = 3000
    """Optimiser steps of the whole run; the schedule ends there."""
    max_minutes: float = 0.0
    """Minutes of the whole run (0: no limit); the schedule ends at whichever comes first. How far a run comes
    in its time depends on the machine, so only without a limit is it the same every time."""
    optimizer: Literal["muon", "adamw"] = "muon"
    """muon: for matrices of transformer layers (Jordan et al. 2024), adamw for all else, which is all of a
    recurrent model; adamw: for all (Loshchilov & Hutter 2019)."""
    learning_rate: float = 2e-3
    """Highest learning rate."""
    alignment: Literal["none", "guided"] = "none"
    """guided: besides translating, one attention is trained towards links (Chen et al. 2016; Garg et al.
    2019)."""
    alignment_links: str = "self"
    """Where links come from. self: the model's own, of the two directions where it has both, from
    alignment_start on (after Chen et al. 2020). fast_align: what that makes of the training pairs (an extra).
    Else a file with links i-j of words between white space, from 0, a line for each of the training text."""
    alignment_start: float = 0.5
    """Share of the run after which the model aligns the corpus to be guided by its own links."""
    alignment_weight: float = 0.05
    """The guide's cross-entropy counts so much beside that of translating."""
    alignment_layer: int = 0
    """Transformer only: the layer that is guided, from 1 (0: the last but one, or the only one)."""
    alignment_head: int = 1
    """The attention head that is guided, from 1."""
    schedule: Literal["cosine", "inverse_sqrt"] = "cosine"
    """cosine to zero (Loshchilov & Hutter 2017), or inverse square root (Vaswani et al. 2017)."""
    warmup_steps: int = 300
    """Steps in which the learning rate rises from zero."""
    weight_decay: float = 0.01
    """Decoupled decay of matrices (Loshchilov & Hutter 2019)."""
    clip_norm: float = 1.0
    """Gradients longer than this are shortened (Pascanu et al. 2013); 0: never."""
    accumulate: int = 1
    """Batches whose gradients make one step."""
    label_smoothing: float = 0.1
    """Share of the target spread over the vocabulary (Szegedy et al. 2016)."""
    r_drop: float = 0.0
    """Weight of the divergence between two passes with different dropout (R-Drop, Liang et al. 2021; 0: one
    pass). A step then computes twice as much."""
    word_dropout: float = 0.0
    """Probability that a piece of the source, or one that the decoder reads, is made the unknown one (word
    dropout, Gal & Ghahramani 2016; Sennrich & Zhang 2019)."""
    share_spelling: bool = False
    """Pieces that are spelled alike share a part of each step of their embeddings, by case, by the space
    before, and by character n-grams (after Bojanowski et al. 2017)."""
    precision: Literal["auto", "float32", "bf16"] = "auto"
    """auto: bf16 where the processor multiplies it natively, float32 elsewhere."""
    average: Literal["ema", "checkpoints", "none"] = "ema"
    """What is validated and kept. ema: an exponential moving average of the weights (Polyak & Juditsky 1992);
    checkpoints: the mean of the weights at the last validations (Vaswani et al. 2017); none: the weights."""
    average_checkpoints: int = 10
    """Validations whose weights make the mean of average checkpoints (Wu et al. 2021 take 10)."""
    ema_decay: float = 0.998
    """Share of the old average kept at each step (early steps keep less)."""
    validate_every: int = 500
    """Steps between validations; each one also writes a checkpoint."""
    valid_beam_size: int = 1
    """Beam of the BLEU that is computed in validation; 1 is greedy."""
    patience: int = 0
    """Validations without a better BLEU before training stops early (0: never)."""
    checkpoint_every: int = 0
    """Steps between checkpoints besides those at validations (0: none)."""
    seed: int = 1
    """Everything random follows from it."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to train."""
    cuda_graphs: bool = True
    """On an NVIDIA GPU, record the work of a batch once for each shape and replay it."""
    threads: int = 0
    """Processor threads of all processes together (0: one per core)."""
    processes: int = 0
    """Processes that share each batch on a CPU (0: one per thread, fewer if batches are small)."""
    devices: int = 0
    """Devices of each machine that share each batch, each with a process and a model of its own: GPUs, or
    parts of a CPU (0: as many as torchrun or srun has started, else one)."""
    nodes: int = 0
    """Machines that take part; torchrun or srun has to be started on each (0: as many as there are)."""
    sharding: bool = False
    """With several processes, each holds a part of every weight, its gradient and its moments (FSDP2; Zhao et
    al. 2023): for transformers too large for one device, with average checkpoints or none."""

    def __post_init__(self) -> None:
        at_least(self, "training", max_steps=1, accumulate=1, validate_every=1, valid_beam_size=1)
        at_least(self, "training", max_minutes=0, warmup_steps=0, weight_decay=0, clip_norm=0, patience=0)
        at_least(self, "training", learning_rate=0, checkpoint_every=0, seed=0, threads=0)
        at_least(self, "training", processes=0, devices=0, nodes=0, r_drop=0, average_checkpoints=1)
        at_least(self, "training", alignment_weight=0, alignment_layer=0, alignment_head=1)
        if not 0 < self.alignment_start < 1:
            raise UsageError(
                f"training.alignment_start is {self.alignment_start}: it must be above 0 and below 1"
            )
        below_one(self, "training", "label_smoothing", "ema_decay", "word_dropout")
