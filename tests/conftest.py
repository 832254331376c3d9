"""What holds for every test: shapes are checked, seeded, on one thread, and under CI not skipped."""

import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest
import torch
from jaxtyping import install_import_hook

ROOT = Path(__file__).parents[1]
# Parts of the names of the test files that take longest; "" is all others.
LONGEST = (
    "_learning",
    "export_onnx",
    "training_resume",
    "faults",
    "bulk",
    "distributed",
    "workers",
    "translate_command",
    "",
)


def _checked_modules() -> list[str]:
    """Those with shapes; under CI all, for the types of plain values too, which mypy has seen already.

    Checking every call of a grammar's or a parser's small functions takes six times as long as the calls.
    """
    if os.environ.get("CI") == "true":
        return ["translate"]
    return [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "translate").rglob("*.py")
        if "from jaxtyping import" in path.read_text(encoding="utf-8")
    ]


# Before any test imports the package.
install_import_hook(_checked_modules(), "beartype.beartype")


def pytest_configure(config: pytest.Config) -> None:
    os.environ["SEQ2SEE_CACHE"] = ""  # no test finds what another one has made, or the user's
    config.addinivalue_line(
        "markers", "optional: may be skipped even under CI=true, for want of what CI has not"
    )
    # A shell's background ignores Ctrl-C, which some tests send.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest first: of two workers one would else wait for them at the end."""
    items.sort(key=lambda item: next(n for n, name in enumerate(LONGEST) if name in item.path.name))


@pytest.fixture(autouse=True)
def _seeded_on_one_thread() -> None:
    # Only the CPU's: for GPUs torch.manual_seed would first write down the stack of calls, each time.
    torch.default_generator.manual_seed(0)
    torch.set_num_threads(1)  # tensors of size 2 to 9 are slower on more, which the test before may have set


def _must_run(item: pytest.Item | pytest.Collector) -> bool:
    return os.environ.get("CI") == "true" and item.get_closest_marker("optional") is None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and _must_run(item):
        report.outcome = "failed"
        report.longrepr = f"skipped under CI=true, where nothing may be missing: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped and _must_run(collector):
        report.outcome = "failed"
        report.longrepr = f"skipped under CI=true, where nothing may be missing: {report.longrepr}"
    return report
