"""Muon: steps with singular values near one, for the matrices of transformer layers (Jordan et al. 2024).

The gradient of a matrix has a few large singular values and many small ones, and so has the step that Adam
makes of it: along most directions hardly anything is learnt. Muon steps towards U Vᵀ where the momentum is
U S Vᵀ, which a few matrix products approach, the larger singular values first. Embeddings, the output layer,
biases and gains, which are no maps from hidden units to hidden units, are left to AdamW.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, Replicate

from translate.decoders.transformer import TransformerDecoder
from translate.encoders import TransformerEncoder
from translate.model import Seq2Seq
from translate.transformer import SelfAttention

# Polynomials a x + b x³ + c x⁵, applied one after the other, bring singular values near one. Jordan et al.
# (2024) apply one five times; of two, each can be what suits its turn (Amsel et al. 2025). These are fitted
# to singular values of runs by benchmarks/muon_polynomials.py; docs/recipe.md says what they lose.
POLYNOMIALS = ((4.54, -12.72, 9.28), (4.10, -7.26, 3.98))
AT_ONCE = 8  # matrices, on a CPU: what a call costs is shared, and there is work for every thread
RMS = 0.2  # of a step's elements at learning rate 1, as AdamW's are: one rate suits both (Liu et al. 2025)


def hidden_matrices(model: Seq2Seq) -> list[dict[str, Any]]:
    """The matrices of transformer layers, as groups for Muon; recurrent ones gain nothing by it.

    What projects to queries, keys and values is three matrices, one below the other.
    """
    modules = [
        module
        for half in (model.encoder, model.decoder)
        if isinstance(half, TransformerEncoder | TransformerDecoder)
        for module in half.modules()
    ]
    stacked = [module.project.weight for module in modules if isinstance(module, SelfAttention)]
    linear = [module.weight for module in modules if isinstance(module, nn.Linear)]
    alone = [weight for weight in linear if not any(weight is other for other in stacked)]
    return [{"params": alone}, {"params": stacked, "parts": 3}] if linear else []


class Muon(torch.optim.Optimizer):
    """Muon for matrices, AdamW for all else, at one learning rate.

    Args:
        hidden: groups of matrices; each matrix consists of so many, one below the other, as `parts` of its
            group says (1).
        others: AdamW's groups of parameters.
        lr: learning rate.
        weight_decay: decoupled; groups may have their own.
        momentum: share of the old mean of gradients that each step keeps; Nesterov's way.
        threads: of a CPU, each of which computes one matrix at a time.
        adamw: further arguments of AdamW. With `fused`, both leave weights and state as they are where the
            attribute `found_inf` is one.
    """

    def __init__(
        self,
        hidden: Iterable[dict[str, Any]],
        others: Iterable[dict[str, Any]],
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        threads: int = 1,
        **adamw: Any,
    ) -> None:
        turned = [{"parts": 1, "momentum": momentum, **group} for group in hidden]
        rest = list(others)
        self.adamw = torch.optim.AdamW(rest, lr=lr, weight_decay=weight_decay, **adamw)
        self.threads = threads
        self._turned = len(turned)
        self._pool: ThreadPoolExecutor | None = None
        super().__init__([*turned, *rest], self.adamw.defaults)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step."""
        loss = None if closure is None else closure()
        bad: Tensor | None = getattr(self, "found_inf", None)
        # Anew each time, because loading a checkpoint replaces both.
        self.adamw.param_groups = self.param_groups[self._turned :]
        self.adamw.state = self.state
        if bad is not None:
            self.adamw.found_inf = bad  # type: ignore[attr-defined]
        self.adamw.step()
        self._turn_all(bad)
        return loss

    def _turn_all(self, bad: Tensor | None) -> None:
        """Step all matrices: of one shape a few at once on each thread of a CPU, all at once on a GPU."""
        alike: dict[Any, list[Tensor]] = defaultdict(list)
        seen: Counter[Any] = Counter()
        on_threads = self.threads > 1
        for number, group in enumerate(self.param_groups[: self._turned]):
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                on_cpu = weight.device.type == "cpu"
                shape = number, weight.shape
                alike[*shape, seen[shape] // AT_ONCE if on_cpu else 0].append(weight)
                seen[shape] += 1
                # Processes that hold shards have to ask one another in the same order.
                on_threads &= on_cpu and not isinstance(weight, DTensor)
        if on_threads and self._pool is None:
            self._pool = ThreadPoolExecutor(self.threads, initializer=torch.set_num_threads, initargs=(1,))
        mapped = self._pool.map if on_threads and self._pool is not None else map
        groups = [self.param_groups[number] for number, *_ in alike]
        list(mapped(partial(self._turn, bad), groups, alike.values()))

    @torch.no_grad()  # here, because a thread does not inherit it
    def _turn(self, bad: Tensor | None, group: dict[str, Any], weights: list[Tensor]) -> None:
        """Step these matrices, which have one shape."""
        steps = []
        for weight in weights:
            gradient = cast("Tensor", weight.grad)
            state = self.state[weight]
            if not state:
                state["momentum"] = torch.zeros_like(weight)
            momentum = state["momentum"]
            if bad is not None:
                gradient = torch.where(bad.bool(), momentum, gradient)
            momentum.lerp_(gradient, 1 - group["momentum"])
            steps.append(_whole(gradient.lerp(momentum, group["momentum"])))
        rate = group["lr"] if bad is None else group["lr"] * (1 - bad)
        whole = torch.stack(steps)
        parts = whole.reshape(-1, whole.shape[1] // group["parts"], whole.shape[2])
        size = RMS * math.sqrt(max(parts.shape[1:]))
        for weight, step in zip(weights, orthogonalize(parts).view_as(whole), strict=True):
            weight.mul_(1 - rate * group["weight_decay"])
            weight.sub_(_like(step * (rate * size), weight))


def orthogonalize(matrices: Float[Tensor, "B R C"]) -> Float[Tensor, "B R C"]:
    """Raise the singular values of each matrix, the larger ones to one or so (0.6 to 1.3); zeros stay."""
    x: Tensor = matrices / matrices.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    tall = x.shape[1] > x.shape[2]
    gram = x.mT @ x if tall else x @ x.mT
    square = gram @ gram
    # The polynomials are for singular values up to one. The eighth root of the sum of their eighth powers
    # is hardly above the largest one; the root of the sum of their squares, which is one here, is, by far.
    scale = square.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7) ** -0.25
    a, b, c = POLYNOMIALS[0]
    first = (gram * (b * scale**3)).addcmul_(square, c * scale**5)
    first.diagonal(dim1=1, dim2=2).add_(a * scale[:, 0])
    # All products are with polynomials of X Xᵀ (of Xᵀ X, if that is smaller), which commute: so what an
    # oblong X is to be multiplied by comes first, in matrices of the shorter side.
    if x.shape[1] == x.shape[2]:
        x = first @ x
        return _second(x @ x.mT) @ x
    product = _second(first @ gram @ first) @ first
    turned: Tensor = x @ product if tall else product @ x
    return turned


def _second(gram: Float[Tensor, "B N N"]) -> Float[Tensor, "B N N"]:
    """What the second polynomial multiplies X with, for this X Xᵀ."""
    a, b, c = POLYNOMIALS[1]
    factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
    factor.diagonal(dim1=1, dim2=2).add_(a)
    return factor


def _whole(tensor: Tensor) -> Tensor:
    """Gather it, where each process has a shard of it."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def _like(tensor: Tensor, other: Tensor) -> Tensor:
    """Keep this process's shard of it, where the other lies in shards."""
    if not isinstance(other, DTensor):
        return tensor
    replicas = [Replicate()] * other.device_mesh.ndim
    return DTensor.from_local(tensor, other.device_mesh, replicas).redistribute(placements=other.placements)
