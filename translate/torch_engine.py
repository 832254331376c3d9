"""The engine that runs any model: our own beam search over a Seq2Seq's steps."""

from collections.abc import Sequence

import torch

from translate.config import SearchConfig
from translate.engine import EngineName, Hypothesis
from translate.ensemble import Ensemble
from translate.model import Seq2Seq
from translate.padding import pad
from translate.search import beam_search
from translate.tokenizer import BOS_ID, EOS_ID, PAD_ID, UNK_ID


class TorchEngine:
    """A model or several as an engine; it computes where and in what they are, with torch's threads."""

    name: EngineName = "torch"
    precision = "float32"
    positions: int | None = None
    # Enough for full matrix products, little enough for a laptop; half of it is hardly slower.
    batch_tokens = 8192

    def __init__(self, model: Seq2Seq | Ensemble) -> None:
        self.model = model
        self.device = model.device.type
        self.threads = torch.get_num_threads()

    @torch.inference_mode()
    def search(
        self, rows: Sequence[list[int]], max_lengths: Sequence[int], config: SearchConfig
    ) -> list[list[Hypothesis]]:
        """As `Engine.search`. The model searches as in eval mode, and stays in its own."""
        model = self.model
        src, mask = (tensor.to(model.device) for tensor in pad([[*row, EOS_ID] for row in rows]))
        was_training = model.training
        model.eval()
        try:
            return beam_search(
                model.step,  # type: ignore[arg-type]  # with its own state
                model.start(src, mask),
                torch.tensor(max_lengths, device=model.device),
                config,
                bos_id=BOS_ID,
                eos_id=EOS_ID,
                forbidden_ids=(PAD_ID, UNK_ID),
            )
        finally:
            model.train(was_training)
