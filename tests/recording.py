"""Watching what torch is told to do: a tape that plays like a CUDA graph, and a guard against waiting."""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

# Operators whose result has a size or value that the host must know: on a GPU it waits for them.
WAITING = {
    "aten::_local_scalar_dense",  # item(), bool(), int(), float()
    "aten::equal",
    "aten::is_nonzero",
    "aten::masked_select",
    "aten::nonzero",  # also what x[mask] does
    "aten::repeat_interleave.Tensor",
    "aten::unique_consecutive",
    "aten::unique_dim",
    "aten::_unique2",
}

RESHAPING = {"aten::squeeze_", "aten::t_", "aten::transpose_", "aten::unsqueeze_"}


class NoWaiting(TorchDispatchMode):
    """Refuses operators for which the host would wait for the device; counts the others."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name
        full = f"{name}.{func._schema.overload_name}" if func._schema.overload_name else name
        # How many elements does a mask choose? A single value put there needs no answer.
        masked = name in ("aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_")
        masked = masked and any(x.dtype == torch.bool for x in tensors(args[1]))
        if (masked and (name == "aten::index" or args[2].numel() > 1)) or WAITING & {name, full}:
            raise AssertionError(f"the host would wait for {full}")
        self.count += 1
        return func(*args, **kwargs or {})


class Tape:
    """Records work as a CUDA graph does: operators and where their tensors lie, no Python and no values.

    Nothing is computed by recording, and each replay reads and writes the same memory.
    """

    def __init__(self) -> None:
        self.recorded = self.replayed = 0

    def __enter__(self) -> "Tape":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, work: Callable[[], None]) -> Callable[[], None]:
        torch.clear_autocast_cache()
        kept = {}  # memory that recording changes, where a graph would not
        steps: list[tuple[Any, Any, Any, list[torch.Tensor], bool]] = []

        class Recorder(NoWaiting):
            def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                kwargs = kwargs or {}
                given = tree_map_only(torch.Tensor, torch.Tensor.detach, (args, kwargs))
                if func._schema.is_mutable:
                    for memory in (x.untyped_storage() for x in tensors((args, kwargs))):
                        kept.setdefault(memory.data_ptr(), (memory, memory.clone()))
                result = super().__torch_dispatch__(func, types, args, kwargs)
                # Their shapes of now: transpose_() and the like change them, with no work to do on a GPU.
                results = [x.detach() for x in tensors(result)]
                if func._schema.name not in RESHAPING:
                    steps.append((func, *given, results, torch.is_grad_enabled()))
                return result

        random = torch.get_rng_state()
        try:
            with Recorder():
                work()
        finally:
            torch.set_rng_state(random)
            for memory, before in kept.values():
                if memory.nbytes() == before.nbytes():  # else it was made, and then sized, while recording
                    memory.copy_(before)
            torch.clear_autocast_cache()
        self.recorded += 1

        def replay() -> None:
            self.replayed += 1
            with torch.autocast("cpu", enabled=False):
                for func, args, kwargs, results, grad in steps:
                    torch.set_grad_enabled(grad)  # some kernels ask
                    for old, new in zip(results, tensors(func(*args, **kwargs)), strict=True):
                        if old.data_ptr() != new.data_ptr():
                            old.copy_(new)
                torch.set_grad_enabled(True)

        return replay


def tensors(values: Any) -> list[torch.Tensor]:
    return [x for x in tree_leaves(values) if isinstance(x, torch.Tensor)]
