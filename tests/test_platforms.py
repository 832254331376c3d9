import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import torch

from translate.errors import UsageError
from translate.platforms import (
    Facts,
    choose_plan,
    count_cores,
    cpu_features,
    gather_facts,
    give_back_freed_memory,
    keep_freed_memory,
    measure_bf16_gain,
    set_threads,
)

LINUX = Facts(system="Linux", cores=2, cpu_bf16=True, cuda=False, cuda_bf16=False, mps=False)
OLD_LINUX = LINUX._replace(cpu_bf16=False)
GPU = LINUX._replace(cuda=True, cuda_bf16=True)
OLD_GPU = GPU._replace(cuda_bf16=False)
MAC = Facts(system="Darwin", cores=8, cpu_bf16=False, cuda=False, cuda_bf16=False, mps=True)
INTEL_MAC = MAC._replace(mps=False)
WINDOWS = Facts(system="Windows", cores=4, cpu_bf16=False, cuda=False, cuda_bf16=False, mps=False)


@pytest.mark.parametrize(
    ("facts", "device", "precision"),
    [
        (LINUX, "cpu", "bf16"),
        (OLD_LINUX, "cpu", "float32"),
        (GPU, "cuda", "bf16"),
        (OLD_GPU, "cuda", "float32"),
        (MAC, "mps", "float32"),
        (INTEL_MAC, "cpu", "float32"),
        (WINDOWS, "cpu", "float32"),
    ],
)
def test_auto_takes_the_best_device_and_bf16_only_where_it_is_fast(facts, device, precision):
    plan = choose_plan("auto", "auto", facts)
    assert (plan.device, plan.precision) == (device, precision)


@pytest.mark.parametrize("facts", [LINUX, OLD_LINUX, GPU, OLD_GPU, MAC, INTEL_MAC, WINDOWS])
@pytest.mark.parametrize("precision", ["auto", "float32"])
def test_only_on_cuda_ids_are_resident_and_work_is_recorded(facts, precision):
    plan = choose_plan("auto", precision, facts)
    assert plan.resident == plan.graphs == (plan.device == "cuda")
    assert choose_plan("cpu", precision, facts)[3:] == (False, False)


def test_what_is_asked_for_is_taken():
    assert choose_plan("cpu", "float32", GPU)[:2] == ("cpu", "float32")
    assert choose_plan("cpu", "auto", MAC)[:2] == ("cpu", "float32")
    assert choose_plan("cuda", "float32", GPU)[:2] == ("cuda", "float32")


def test_bf16_where_it_is_slow_is_possible_and_said_to_be():
    plan = choose_plan("cpu", "bf16", OLD_LINUX)
    assert plan.precision == "bf16"
    assert plan.why == "as asked for, but this processor multiplies bfloat16 no faster than float32"


@pytest.mark.parametrize(
    ("device", "facts", "there"),
    [("cuda", MAC, "mps, cpu"), ("mps", GPU, "cuda, cpu"), ("cuda", LINUX, "cpu")],
)
def test_a_missing_device_is_refused_and_those_that_are_there_are_named(device, facts, there):
    with pytest.raises(UsageError, match=f"device {device} is not there: this machine has {there}$"):
        choose_plan(device, "auto", facts)


def test_bf16_on_mps_is_refused():
    with pytest.raises(
        UsageError, match="precision bf16 is not supported on device mps: use float32 or auto"
    ):
        choose_plan("auto", "bf16", MAC)


def test_this_machine_has_a_plan():
    facts = gather_facts()
    assert facts.cores >= 1
    assert choose_plan("auto", "auto", facts).device in ("cpu", "cuda", "mps")


def test_without_torchs_own_answer_linux_tells_the_processors_features(monkeypatch, tmp_path):
    monkeypatch.delattr("torch.cpu.get_capabilities", raising=False)
    cpuinfo = tmp_path / "cpuinfo"
    monkeypatch.setattr("translate.platforms.CPU_INFO", cpuinfo)
    assert cpu_features() == frozenset()
    cpuinfo.write_text("processor\t: 0\nflags\t\t: fpu avx2 avx512_bf16\nbugs\t\t: none\n")
    assert cpu_features() == {"fpu", "avx2", "avx512_bf16"}


@pytest.mark.parametrize(
    ("quota", "most"), [("max 100000", 10**6), ("100000 100000", 1), ("50000 100000", 1)]
)
def test_a_containers_quota_limits_the_cores(monkeypatch, tmp_path, quota, most):
    (tmp_path / "cpu.max").write_text(f"{quota}\n")
    monkeypatch.setattr("translate.platforms.CPU_QUOTA", tmp_path / "cpu.max")
    assert 1 <= count_cores() <= most


@pytest.mark.parametrize(("gain", "fast"), [(0.75, False), (5.0, True)])
def test_the_gain_of_bf16_is_measured_where_the_processor_has_it(monkeypatch, gain, fast):
    monkeypatch.setattr("translate.platforms.measure_bf16_gain", lambda: gain)
    monkeypatch.setattr("translate.platforms.cpu_features", lambda: frozenset({"avx512_bf16"}))
    facts = gather_facts()
    assert (facts.cpu_bf16, facts.cpu_bf16_gain) == (fast, gain)
    monkeypatch.setattr("translate.platforms.cpu_features", lambda: frozenset({"avx2"}))
    facts = gather_facts()
    assert (facts.cpu_bf16, facts.cpu_bf16_gain) == (False, None)


def test_threads_are_set_and_zero_is_torchs_own_choice():
    before = set_threads(0)
    try:
        assert set_threads(3) == 3
    finally:
        assert set_threads(before) == before


def test_freed_memory_is_kept_only_by_glibc(monkeypatch):
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))  # musl, macOS, Windows
    assert keep_freed_memory() is False
    assert give_back_freed_memory() is False


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="malloc_trim belongs to glibc")
def test_glibc_gives_freed_memory_back():
    code = """if True:
        from pathlib import Path
        from translate.platforms import give_back_freed_memory
        def held():  # pages
            return int(Path("/proc/self/statm").read_text().split()[1])
        blocks = [bytearray(100_000) for _ in range(1000)]  # too small to be given back each by itself
        last = bytearray(100_000)
        del blocks
        before = held()
        print(give_back_freed_memory(), before - held())
    """
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    given_back, pages = done.stdout.split()
    assert (given_back, int(pages) > 20_000) == ("True", True)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt belongs to glibc")
def test_glibc_takes_the_settings(monkeypatch):
    calls = []

    class Libc:
        @staticmethod
        def mallopt(option, value):
            calls.append((option, value))
            return 1

    # Not the real one: it would change the process that the other tests run in.
    monkeypatch.setattr("ctypes.CDLL", lambda name: Libc)
    monkeypatch.setattr("platform.libc_ver", lambda: ("glibc", "2.36"))
    assert keep_freed_memory() is True
    assert calls == [(-3, 2**30), (-1, 2**31 - 1)]


@pytest.mark.parametrize("resolution", [1e-9, 0.015625])  # Linux, Windows
def test_bf16_is_measured_on_one_thread_and_the_threads_come_back(monkeypatch, resolution):
    used = []
    monkeypatch.setattr(time, "get_clock_info", lambda name: SimpleNamespace(resolution=resolution))
    monkeypatch.setattr(torch, "set_num_threads", used.append)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    measure_bf16_gain.cache_clear()
    assert measure_bf16_gain() > 0
    assert used == [1, 3]
    measure_bf16_gain.cache_clear()  # measured by a clock that may have been too coarse
