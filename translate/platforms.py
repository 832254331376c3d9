"""Where to compute, and how exactly: the plan for a machine, and the machine's settings that it asks for.

Nothing here fails on a machine that lacks something: it then takes the plain path.
"""

import ctypes
import math
import os
import platform
import sys
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from translate.errors import UsageError

# glibc gives large blocks back to the system when they are freed and asks for them again at the next tensor,
# which cost a third of a training step in page faults. Numbers of the options: malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_BLOCK_BYTES = 2**30  # larger than any tensor of a training step here
KEPT_FREE_BYTES = 2**31 - 1  # the largest int, which is what mallopt takes


WORTHWHILE = 1.5  # times as fast as float32: below that, bfloat16 is not taken by itself
PROCESS_TOKENS = 512  # slots of a batch for each process: with fewer, what a step costs beside them shows

CPU_INFO = Path("/proc/cpuinfo")  # Linux
CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of a container: microseconds of each period, or max

Device = Literal["cpu", "cuda", "mps"]


class Facts(NamedTuple):
    """What a machine has that matters here."""

    system: str  # "Linux", "Darwin" (macOS) or "Windows"
    cores: int  # that this process may use
    cpu_bf16: bool  # multiplies bfloat16 natively (AVX512-BF16 or AMX), and much faster than float32
    cuda: bool
    cuda_bf16: bool
    mps: bool
    cpu_bf16_gain: float | None = None  # of bfloat16 over float32; None: the processor lacks the instructions


class Plan(NamedTuple):
    """Where and how to compute."""

    device: Device
    precision: Literal["float32", "bf16"]
    why: str  # for people
    resident: bool = (
        False  # the corpus's ids lie on the device, batches have few shapes, no step waits for it
    )
    graphs: bool = False  # the work of each shape is recorded as a CUDA graph, and replayed


def choose_plan(device: str, precision: str, facts: Facts) -> Plan:
    """Choose among what is there; "auto" takes the fastest.

    Args:
        device: auto, cpu, cuda or mps.
        precision: auto, float32 or bf16.
        facts: the machine's, from `gather_facts`.

    Raises:
        UsageError: the device asked for is not there, or it has no bfloat16.
    """
    there: list[Device] = ["cpu"]
    if facts.mps:
        there.insert(0, "mps")
    if facts.cuda:
        there.insert(0, "cuda")
    chosen = next((name for name in there if device in (name, "auto")), None)
    if chosen is None:
        raise UsageError(f"device {device} is not there: this machine has {', '.join(there)}")
    fast, why = _fast_bf16(chosen, facts)
    if precision == "bf16" and chosen == "mps":
        raise UsageError("precision bf16 is not supported on device mps: use float32 or auto")
    plan = Plan(
        chosen, "bf16" if fast else "float32", why, resident=chosen == "cuda", graphs=chosen == "cuda"
    )
    if precision == "bf16":
        return plan._replace(precision="bf16", why=why if fast else f"as asked for, but {why}")
    if precision == "float32":
        return plan._replace(precision="float32", why="as asked for")
    return plan


def _fast_bf16(device: Device, facts: Facts) -> tuple[bool, str]:
    match device:
        case "cpu":
            fast, who = facts.cpu_bf16, "this processor"
        case "cuda":
            fast, who = facts.cuda_bf16, "this GPU"
        case "mps":
            return False, "bfloat16 was not tried on mps"
    return fast, f"{who} multiplies bfloat16 {'much' if fast else 'no'} faster than float32"


def gather_facts() -> Facts:
    """Ask this machine."""
    import torch

    cuda = torch.cuda.is_available()
    gain = measure_bf16_gain() if {"avx512_bf16", "amx_bf16"} & cpu_features() else None
    return Facts(
        system=platform.system(),
        cores=count_cores(),
        cpu_bf16=gain is not None and gain > WORTHWHILE,
        cuda=cuda,
        # Emulated bfloat16 works on older GPUs, and is slower than float32.
        cuda_bf16=cuda and torch.cuda.is_bf16_supported(including_emulation=False),
        mps=torch.backends.mps.is_available(),
        cpu_bf16_gain=gain,
    )


def cpu_features() -> frozenset[str]:
    """Names of the processor's features in lower case, such as avx2 and amx_bf16; empty when nobody tells."""
    import torch

    ask = getattr(torch.cpu, "get_capabilities", None)  # not in every torch that we support
    if ask is not None:
        return frozenset(name for name, value in ask().items() if value is True)
    if not CPU_INFO.exists():
        return frozenset()
    lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return frozenset(flags.partition(":")[2].split())


@cache
def measure_bf16_gain() -> float:
    """How many times faster than float32 this processor multiplies bfloat16 matrices, on one thread.

    The instruction set does not tell: AVX512-BF16 was measured at five times float32 on AMD's Zen 5, and
    slower than float32 on an Intel Xeon without AMX. Half a second at most, once in a process, and only asked
    where it has the instructions.
    """
    import time

    import torch

    # What else the machine does must not count; but Windows' processor time goes on in steps of 16 ms.
    fine = time.get_clock_info("thread_time").resolution < 1e-5
    clock = time.thread_time if fine else time.perf_counter

    def seconds(matrix: torch.Tensor) -> float:
        start = clock()
        matrix @ matrix
        return clock() - start

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        matrices = [torch.ones(512, 512, dtype=dtype) for dtype in (torch.float32, torch.bfloat16)]
        for matrix in matrices:
            matrix @ matrix  # the kernel is compiled at the first call
        best = [math.inf, math.inf]
        for _ in range(8):  # in turns
            best = [min(known, seconds(matrix)) for known, matrix in zip(best, matrices, strict=True)]
    finally:
        torch.set_num_threads(threads)
    float32, bf16 = best
    return float32 / bf16


@cache
def has_bf16_lstm() -> bool:
    """Whether this processor has LSTM layers in bfloat16; tried, since oneDNN has them only with AVX-512."""
    import torch

    try:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            torch.nn.LSTM(2, 2)(torch.zeros(1, 1, 2))
    except RuntimeError:
        return False
    return True


def count_cores() -> int:
    """Cores that this process may use: those it is bound to, but no more than a container's quota."""
    # Not every system can bind a process to cores.
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if CPU_QUOTA.exists():
        used, _, period = CPU_QUOTA.read_text(encoding="ascii").partition(" ")
        if used != "max":
            return max(1, min(bound, math.ceil(int(used) / int(period))))
    return bound


def choose_processes(device: Device, cores: int, batch_tokens: int) -> int:
    """Processes that share a training step: one a core on a CPU, as long as each has enough to do."""
    return max(1, min(cores, batch_tokens // PROCESS_TOKENS)) if device == "cpu" else 1


def set_threads(threads: int) -> int:
    """Let torch use so many threads (0: its own choice, but no more than the cores); return how many."""
    import torch

    torch.set_num_threads(threads or min(torch.get_num_threads(), count_cores()))
    return torch.get_num_threads()


def can_keep_freed_memory() -> bool:
    """Whether `keep_freed_memory` does anything here."""
    return sys.platform.startswith("linux") and platform.libc_ver()[0] == "glibc"


def give_back_freed_memory() -> bool:
    """Have glibc give all freed memory back to the system; elsewhere do nothing. Return whether it does."""
    if not can_keep_freed_memory():
        return False
    ctypes.CDLL(None).malloc_trim(0)
    return True


def keep_freed_memory() -> bool:
    """Have glibc keep freed memory for the next tensor; elsewhere do nothing. Return whether it does."""
    if not can_keep_freed_memory():
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(
        mallopt(M_MMAP_THRESHOLD, KEPT_BLOCK_BYTES) == 1 and mallopt(M_TRIM_THRESHOLD, KEPT_FREE_BYTES) == 1
    )
