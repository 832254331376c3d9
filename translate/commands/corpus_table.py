"""A report on a corpus as text for a terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from translate.labels import shown

if TYPE_CHECKING:
    from translate.corpora.report.results import Example, PartReport

_WIDTH = 100  # characters of an example's text


def show_report(about: dict[str, Any], reports: "Sequence[PartReport]") -> str:
    """Return the tables of all parts, and the worst pairs of each."""
    langs = [about[f"{side}_lang"] or side for side in ("src", "tgt")]
    named = " to ".join(about[f"{side}_lang"] or "?" for side in ("src", "tgt"))
    parts = [
        f"{about['name']}: {named}",
        _counts(reports),
        _lengths(reports, langs),
        _reasons(about, reports),
    ]
    if about["unchecked"]:
        parts.append("\n".join(f"not looked at: {what}" for what in about["unchecked"]))
    parts += [_examples(report, langs) for report in reports]
    return "\n\n".join(part for part in parts if part)


def _counts(reports: "Sequence[PartReport]") -> str:
    rows = [
        [report.name, f"{report.pairs:,}", f"{report.records - report.pairs:,}", _why(report.no_pairs)]
        for report in reports
    ]
    return _table(["part", "pairs", "no pairs", ""], rows)


def _why(no_pairs: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in no_pairs.items())


def _lengths(reports: "Sequence[PartReport]", langs: Sequence[str]) -> str:
    rows = []
    for report in reports:
        for unit, sides in (("words", report.words), ("characters", report.characters)):
            for lang, of in zip(langs, sides, strict=True):
                rows.append(
                    [
                        f"{report.name} {lang} {unit}",
                        f"{of.total:,}",
                        f"{of.mean:.1f}",
                        *(f"{number:,}" for number in (of.median, of.percentile_99, of.longest)),
                    ]
                )
    return _table(["", "all", "mean", "median", "99%", "longest"], rows)


def _reasons(about: dict[str, Any], reports: "Sequence[PartReport]") -> str:
    from translate.corpora.report import REASONS

    rows = []
    for reason, known in REASONS.items():
        counts = [report.reasons[reason] for report in reports]
        if any(counts):
            drops = "drops" if reason in about["dropping"] else ""
            rows.append([reason, *(f"{count:,}" for count in counts), drops, known.about])
    flawed = next((report.flawed for report in reports if report.name == "train"), None)
    if not rows:
        return "nothing was found"
    told = "" if flawed is None else f"\n--clean drops {flawed:,} pairs of train, none of other parts"
    return _table(["pairs with", *(report.name for report in reports), "", ""], rows) + told


def _examples(report: "PartReport", langs: Sequence[str]) -> str:
    lines = []
    before = ""
    for example in report.examples:
        if example.reason != before:
            lines.append(f"{report.name}, {example.reason}:")
            before = example.reason
        lines += _example(example, langs)
    return "\n".join(lines)


def _example(example: "Example", langs: Sequence[str]) -> list[str]:
    note = f"  ({_cut(example.note)})" if example.note else ""
    return [
        f"  {shown(example.file, limit=None)}: {shown(example.where, limit=None)}{note}",
        f"    {langs[0]}  {_cut(example.src)}",
        f"    {langs[1]}  {_cut(example.tgt)}",
    ]


def _cut(text: str) -> str:
    """Return a text that keeps its line and steers no terminal."""
    visible = shown(text, limit=None)
    return visible if len(visible) <= _WIDTH else visible[: _WIDTH - 1] + "…"


def _table(head: list[str], rows: list[list[str]]) -> str:
    """Align columns: numbers to the right, texts (the first column, and what is no number) to the left."""
    columns = list(zip(head, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    right = [index > 0 and bool(head[index]) for index in range(len(head))]
    lines = [
        "  ".join(
            cell.rjust(width) if at_right else cell.ljust(width)
            for cell, width, at_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in [head, *rows]
    ]
    return "\n".join(lines)
