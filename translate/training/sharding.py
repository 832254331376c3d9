"""Models too large for one device: each process holds a shard of every weight, its gradient and its moments.

Fully sharded data parallelism (FSDP2, Zhao et al. 2023; after ZeRO, Rajbhandari et al. 2020): the weights of
a layer are gathered when it computes, and no longer.
"""

import copy
from typing import Any

from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

from translate.collective import Ranks
from translate.config.training import TrainingConfig
from translate.decoders.transformer import TransformerDecoder
from translate.encoders import TransformerEncoder
from translate.model import Seq2Seq
from translate.training.clock import SharedClock
from translate.training.interruption import SharedSignals
from translate.training.module import DistributedTrainingModule


class ShardedTrainingModule(DistributedTrainingModule):
    """A transformer whose weights lie in shards; a whole copy is there to validate and to keep.

    The copy has weights only: no gradients and no moments, which are three quarters of what training needs.
    """

    def __init__(
        self,
        model: Seq2Seq,
        config: TrainingConfig,
        clock: SharedClock,
        ranks: Ranks,
        signals: SharedSignals,
    ) -> None:
        super().__init__(model, config, clock, ranks, signals)
        self._copy = [copy.deepcopy(model).requires_grad_(requires_grad=False)]  # in a list: no part of this

    @property
    def whole(self) -> Seq2Seq:
        """The copy."""
        return self._copy[0]

    def gather_whole(self) -> None:
        """Give the copy the weights as they are now."""
        weights = get_model_state_dict(self.model, options=StateDictOptions(full_state_dict=True))
        self._copy[0] = self._copy[0].to(self.device)
        self._copy[0].load_state_dict(weights)
        self._copy[0].train(self.model.training)

    def configure_model(self) -> None:
        """Shard the layers, each by itself, and then what is left."""
        mesh: Any = self.device_mesh
        encoder, decoder = self.model.encoder, self.model.decoder
        assert isinstance(encoder, TransformerEncoder)
        assert isinstance(decoder, TransformerDecoder)
        for layer in encoder.layers:
            fully_shard(layer, mesh=mesh["data_parallel"])
        for layer in decoder.layers:
            # The memory is projected before the layer's turn comes.
            _shard(layer.attention, mesh["data_parallel"], "prepare", "context")
            _shard(layer, mesh["data_parallel"], "features")
        # What is left stays gathered for the backward pass: the output layer is used after `features`.
        _shard(self.model, mesh["data_parallel"], "features")


def _shard(module: Any, mesh: Any, *methods: str) -> None:
    """Shard a module, which computes by these methods rather than by `forward`."""
    fully_shard(module, mesh=mesh)
    for name in methods:
        register_fsdp_forward_method(module, name)
