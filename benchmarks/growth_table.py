"""The tables of how time and memory grow, from what growth.py has measured."""

from statistics import median
from typing import Any

from quality_table import ROOT

GROWTH = ROOT / "benchmarks" / "results" / "growth.json"

Results = dict[str, Any]  # what growth.py writes: JSON
Row = dict[str, Any]


def growth_tables(results: Results) -> str:
    """A table by the size of the corpus, one by the length of the sentences, and notes, as Markdown."""
    by_pairs = [row for row in results["rows"] if not row["words"]]
    by_words = [row for row in results["rows"] if row["words"]]
    settings, machine = results["settings"], results["machine"]
    lines = [*_pairs_table(by_pairs), "", _growth(by_pairs), ""]
    if by_words:
        lines += [*_words_table(by_words), ""]
    repeats = max(len(row["measurements"]) for row in by_pairs)
    return "\n".join(
        [
            *lines,
            f"Batches of {settings['batch_tokens']:,} tokens, a SentencePiece vocabulary of "
            f"{settings['vocabulary']:,}, {settings['precision']}; speeds of {settings['seconds']:g} s after "
            f"{settings['warm_up_steps']} steps, where there are brackets the median, slowest and fastest of "
            f"{repeats}. {machine['cpu']} ({machine['cores']} cores; {', '.join(machine['features'])}), "
            f"torch {machine['torch']}, Python {machine['python']}. {_share(results)}",
        ]
    )


def _pairs_table(rows: list[Row]) -> list[str]:
    header = [
        "pairs",
        "preparing, s",
        "preparing, CPU s",
        "again, CPU s",
        "preparing, peak MB",
        "training, peak MB",
    ]
    header += ["training, steady MB", "planning an epoch, CPU s", "first step of a prepared run, CPU s"]
    header += ["source+target tokens/s", "on two cores", "two cores, steady MB"]
    lines = []
    for pairs in sorted({row["pairs"] for row in rows}):
        text, cache, ids, both = (
            next(
                (row for row in rows if (row["pairs"], row["from"], row["cores"]) == (pairs, source, cores)),
                None,
            )
            for source, cores in (("text", 1), ("cache", 1), ("ids", 1), ("ids", 2))
        )
        assert text is not None
        lines.append(
            [
                f"{pairs:,}",
                f"{_of(text, 'preparing_seconds'):,.0f}",
                _seconds(text, "preparing_cpu_seconds"),
                _seconds(cache, "preparing_cpu_seconds"),
                *(
                    _megabytes(text, name)
                    for name in ("peak_preparing_kib", "peak_running_kib", "steady_kib")
                ),
                _seconds(ids, "planning_cpu_seconds"),
                _seconds(ids, "first_step_cpu_seconds"),
                _rate(ids),
                _rate(both),
                _megabytes(both, "steady_kib"),
            ]
        )
    return _table(header, lines)


def _growth(rows: list[Row]) -> str:
    """From the smallest to the largest corpus."""
    texts = sorted((row for row in rows if row["from"] == "text"), key=lambda row: row["pairs"])
    ids = sorted(
        (row for row in rows if row["from"] == "ids" and row["cores"] == 1), key=lambda row: row["pairs"]
    )
    small, large = texts[0], texts[-1]
    more = large["pairs"] - small["pairs"]
    peaks = [highest_peak(row) for row in (small, large)]
    steady = [_of(row, "steady_kib") for row in (small, large)]
    lines = [
        f"From {small['pairs']:,} to {large['pairs']:,} pairs the highest peak grows by "
        f"{1024 * (peaks[1] - peaks[0]) / more:.1f} bytes a pair, the steady state by "
        f"{1024 * (steady[1] - steady[0]) / more:.1f}"
    ]
    if ids:
        change = _tokens(ids[-1]) / _tokens(ids[0]) - 1
        lines.append(f"; the speed changes by {change:+.1%}")
    lines.append(".")
    for row in rows:
        if row["from"].endswith("limited"):
            source = row["from"].partition(",")[0]
            limit = _megabytes(row, "limit_kib")
            lines.append(
                f" {row['pairs']:,} pairs were also trained on from {source} in a cgroup of {limit} MB."
            )
    return "".join(lines)


def highest_peak(row: Row) -> int:
    """KiB, of preparing and training."""
    return round(max(_of(row, "peak_preparing_kib"), _of(row, "peak_running_kib")))


def _words_table(rows: list[Row]) -> list[str]:
    header = ["model", "words a sentence", "real tokens a step", "source+target tokens/s", "peak MB"]
    return _table(
        header,
        [
            [
                row["model"],
                str(row["words"]),
                f"{sum(each['tokens'] for each in row['measurements']) / _sum(row, 'steps'):,.0f}",
                _rate(row),
                _megabytes(row, "peak_running_kib"),
            ]
            for row in rows
        ],
    )


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    ruler = ["---:"] * len(header)
    return [f"| {' | '.join(row)} |" for row in (header, ruler, *rows)]


def _sum(row: Row, name: str) -> float:
    return sum(float(each[name]) for each in row["measurements"])


def _of(row: Row, name: str) -> float:
    return median(float(each[name]) for each in row["measurements"])


def _seconds(row: Row | None, name: str) -> str:
    """Blank for what was not measured, as by the first version of this benchmark."""
    return "" if row is None or name not in row["measurements"][0] else f"{_of(row, name):,.1f}"


def _megabytes(row: Row | None, name: str) -> str:
    return "" if row is None else f"{_of(row, name) / 1024:,.0f}"


def _tokens(row: Row) -> float:
    return median(float(each["tokens"] / each["seconds"]) for each in row["measurements"])


def _rate(row: Row | None) -> str:
    if row is None:
        return ""
    rates = [each["tokens"] / each["seconds"] for each in row["measurements"]]
    shown = f"{median(rates):,.0f}"
    return shown if len(rates) == 1 else f"{shown} ({min(rates):,.0f} to {max(rates):,.0f})"


def _share(results: Results) -> str:
    """Whether the core was ours alone."""
    shares = [
        each["cpu_seconds"] / each["seconds"]
        for row in results["rows"]
        if row["cores"] == 1
        for each in row["measurements"]
    ]
    return f"Processes on one core had between {min(shares):.0%} and {max(shares):.0%} of its time."
