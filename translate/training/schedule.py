"""How the learning rate goes: up in the warm-up, then down."""

import math

from translate.config.training import TrainingConfig


def learning_rate_factor(step: int, config: TrainingConfig, minutes: float = 0.0) -> float:
    """Share of the highest learning rate at optimiser step `step` (from 0), after `minutes` of training.

    Linear warm-up, then half a cosine to zero at the end (Loshchilov & Hutter 2017), or the inverse square
    root of the step (Vaswani et al. 2017, section 5.3, with the peak set apart). The end is at `max_steps`,
    or at `max_minutes` if that comes first.
    """
    warmup = min(config.warmup_steps, config.max_steps)
    if step < warmup:
        return (step + 1) / warmup
    if config.schedule == "inverse_sqrt":
        return math.sqrt(max(warmup, 1) / (step + 1))
    progress = (step - warmup) / max(1, config.max_steps - warmup)
    if config.max_minutes:
        progress = max(progress, minutes / config.max_minutes)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
