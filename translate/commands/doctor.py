"""Look at this machine and installation: what there is, how fast it will be, how to get what is missing."""

import importlib.metadata
import os
import platform
import shutil
import sys
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

import translate
from translate.config.data import DataConfig
from translate.export import CTRANSLATE2, ONNX
from translate.platforms import (
    Facts,
    Plan,
    can_keep_freed_memory,
    choose_plan,
    choose_processes,
    count_cores,
    cpu_features,
    gather_facts,
)

PLACES = {"hub": "https://huggingface.co"}  # where corpora come from
GET_CTRANSLATE2 = f"for `seq2see export`: pip install '{CTRANSLATE2}'"
GET_ONNX = f"for `seq2see export --format onnx`: pip install {' '.join(map(repr, ONNX))}"
GIBIBYTE = 2**30
# Trainings of this size took other programs 1 to 2 GiB. A run directory keeps two checkpoints, each with the
# weights, their average and the optimiser's two moments.
ENOUGH_MEMORY, ENOUGH_DISK = 3 * GIBIBYTE, 1 * GIBIBYTE
# One word or two of scripts that not every font has.
SCRIPTS = ("中文", "日本語", "한국어", "العربية", "עברית", "हिन्दी", "ไทย")
# As torch calls them, and as Linux does.
FEATURES = {"avx2": "AVX2", "avx512_f": "AVX-512", "avx512f": "AVX-512", "avx512_bf16": "AVX512-BF16"}
FEATURES |= {"avx512_vnni": "AVX512-VNNI", "amx_bf16": "AMX-BF16", "amx_int8": "AMX-INT8"}


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the only option: nothing is asked of the network unless told so."""
    parser.add_argument(
        "--network", action="store_true", help="Also try to reach the places that corpora come from."
    )


def run(options: Namespace) -> int:
    """Print the report; return 3 if something is missing without which nothing works."""
    problems = missing_packages(requirements())
    show("seq2see", f"{translate.__version__}, in {Path(translate.__file__).parent}")
    show("python", f"{platform.python_version()}, {sys.executable}")
    show("system", f"{platform.platform()}")
    for requirement in requirements():
        name = requirement_name(requirement)
        show(name, installed_version(name) or "missing")
    show("ctranslate2", installed_version("ctranslate2") or f"not installed ({GET_CTRANSLATE2})")
    show("onnx", installed_version("onnx") or f"not installed ({GET_ONNX})")
    if any("torch" in problem for problem in problems):
        problems.append("torch decides about devices and speed, so nothing is said about them")
    else:
        show_compute(gather_facts())
    show_space()
    show_fonts()
    show_network(options.network)
    for problem in problems:
        print(f"\nmissing: {problem}")
    print("\nsomething is missing" if problems else "\nall that is needed is there")
    return 3 if problems else 0


def show(what: str, value: str) -> None:
    """Print one line of the report."""
    print(f"{what:<14}{value}")


def requirements() -> list[str]:
    """What seq2see needs, as pip writes it: by its installation, or by the checkout when not installed."""
    try:
        every = importlib.metadata.requires("seq2see") or []
    except importlib.metadata.PackageNotFoundError:
        project = Path(translate.__file__).parents[1] / "pyproject.toml"
        return list(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["dependencies"])
    return [requirement for requirement in every if "extra ==" not in requirement]


def requirement_name(requirement: str) -> str:
    """The distribution in `torch<2.14,>=2.11` or `jsonargparse[signatures]>=4.49`."""
    from packaging.requirements import Requirement

    return Requirement(requirement).name


def installed_version(name: str) -> str | None:
    """Its version, or None when it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def missing_packages(needed: Iterable[str]) -> list[str]:
    """Say of each package that is not there, or in a version that will not do, how to get it."""
    from packaging.requirements import Requirement

    problems = []
    for requirement in map(Requirement, needed):
        version = installed_version(requirement.name)
        get = f"pip install '{requirement}'"
        if version is None:
            problems.append(f"{requirement.name} is not installed: {get}")
        elif not requirement.specifier.contains(version, prereleases=True):
            problems.append(f"{requirement.name} is {version}, needed is {requirement.specifier}: {get}")
    return problems


def show_compute(facts: Facts) -> None:
    """Print the devices, and what their features mean for speed."""
    import torch

    devices = ["cpu"]
    if facts.cuda:
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        devices.append(f"cuda ({', '.join(names)})")
    if facts.mps:
        devices.append("mps")
    plan = choose_plan("auto", "auto", facts)
    features = dict.fromkeys(FEATURES[name] for name in FEATURES if name in cpu_features())
    show("devices", ", ".join(devices))
    show("cores", f"{count_cores()}; torch uses {torch.get_num_threads()} threads")
    show("processor", f"{platform.machine()}, {', '.join(features) or 'no feature known to matter'}")
    show("training", f"by default on {plan.device} in {plan.precision}: {plan.why}")
    for number, path in enumerate(fast_paths(plan, facts)):
        show("" if number else "fast paths", path)


def fast_paths(plan: Plan, facts: Facts) -> list[str]:
    """What makes training fast on the plan's device, and whether it does here."""

    def says(yes: bool) -> str:
        return "yes" if yes else "no"

    bf16 = f"bf16: {says(plan.precision == 'bf16')}"
    match plan.device:
        case "cpu":
            gain = facts.cpu_bf16_gain
            measured = "no instructions for it" if gain is None else f"measured: {gain:.1f} times float32"
            processes = choose_processes(plan.device, facts.cores, DataConfig().batch_tokens)
            return [
                f"{bf16} ({measured})",
                f"freed memory kept for the next tensor: {says(can_keep_freed_memory())}",
                f"Bahdanau's loop as one function: {says(plan.precision == 'float32')} (float32's only)",
                f"processes that share a batch: {processes}",
            ]
        case "cuda":
            return [
                bf16,
                "fused attention and optimiser: yes",
                f"the corpus's ids on the GPU, batches of few shapes: {says(plan.resident)}",
                f"work recorded as CUDA graphs: {says(plan.graphs)}",
            ]
        case "mps":
            return ["those of torch alone"]


def show_space() -> None:
    """Print memory and disk, and whether they will do."""
    memory = physical_memory()
    disk = shutil.disk_usage(Path.cwd()).free
    scarce_memory = f"; training may need {ENOUGH_MEMORY // GIBIBYTE} GiB"
    scarce_disk = f"; a run may need {ENOUGH_DISK // GIBIBYTE} GiB"
    if memory is not None:
        show("memory", f"{memory / GIBIBYTE:.1f} GiB{scarce_memory if memory < ENOUGH_MEMORY else ''}")
    show("disk", f"{disk / GIBIBYTE:.1f} GiB free here{scarce_disk if disk < ENOUGH_DISK else ''}")


def physical_memory() -> int | None:
    """Bytes of memory in this machine; None where the system does not say (Windows)."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def show_fonts() -> None:
    """Print the fonts that heatmaps use; for scripts without one, a warning says how to get it."""
    try:
        from translate.alignment.fonts import choose_fonts
    except ImportError as error:
        show("fonts", f"heatmaps cannot be drawn: {error}")
        return
    fonts = choose_fonts(SCRIPTS)
    show("fonts", f"{', '.join(fonts)}; tried with {' '.join(SCRIPTS)} (a warning names what has no font)")


def show_network(ask: bool) -> None:
    """Print which places can be reached; without a network, corpora come from files."""
    for what, url in PLACES.items():
        if not ask:
            show(what, f"{url} not asked (doctor --network does)")
        elif (why_not := unreachable(url)) is None:
            show(what, f"{url} answers")
        else:
            show(what, f"{url} cannot be reached ({why_not}): use local files, see `seq2see corpus --help`")


def unreachable(url: str, timeout: float = 5.0) -> str | None:
    """Why nobody answers there within some seconds; None if somebody does, be it with an error."""
    try:
        with urllib.request.urlopen(url, timeout=timeout):
            return None
    except urllib.error.HTTPError as error:
        error.close()
        return None
    except OSError as error:
        return str(error)
