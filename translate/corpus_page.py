"""A page that shows what is wrong with a corpus."""

from collections.abc import Sequence
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any

from translate.corpora.report import REASONS
from translate.corpora.report.results import RATIO_EDGES, SCORE_EDGES, Example, Lengths, PartReport
from translate.html_page import as_html, write_report

_WIDTH, _HEIGHT, _FOOT = 400, 120, 16  # of a plot; the foot holds the scale
_LONGEST = 1000  # characters of an example's text


def write_page(path: str | Path, about: dict[str, Any], reports: Sequence[PartReport]) -> None:
    """Write the page.

    Args:
        path: Of the file.
        about: name, src_lang, tgt_lang (or None), unchecked (what was not looked at), dropping (reasons).
        reports: Of the parts, the first one first.
    """
    langs = [about["src_lang"] or "source", about["tgt_lang"] or "target"]
    unchecked = "<br>".join(f"not looked at: {as_html(what)}" for what in about["unchecked"])
    write_report(
        path,
        title=f"Report on {about['name']}",
        heading=f"<bdi>{as_html(about['name'])}</bdi>",
        about=" to ".join(f'<bdi class="{side}">{as_html(langs[at])}</bdi>' for at, side in _SIDES),
        main=f"<section><h2>What was found</h2>{_found(reports, about['dropping'])}</section>\n"
        f'<p class="legend">{unchecked}</p>\n' + "".join(_part(report, langs) for report in reports),
        style=files("translate") / "corpus_page" / "page.css",
    )


_SIDES = ((0, "src"), (1, "tgt"))


def _found(reports: Sequence[PartReport], dropping: Sequence[str]) -> str:
    rows = [
        _row("records", [report.records for report in reports]),
        _row("pairs", [report.pairs for report in reports]),
    ]
    for reason, known in REASONS.items():
        counts = [report.reasons[reason] for report in reports]
        if any(counts):
            rows.append(_row(reason, counts, known.about, drops=reason in dropping))
    rows.append(_row("dropped when cleaned", [report.flawed for report in reports], drops=True))
    heads = "".join(f"<th scope=col>{as_html(report.name)}</th>" for report in reports)
    head = f"<thead><tr><td></td>{heads}<td></td><td></td></tr></thead>"
    return f'<div class="wide"><table>{head}<tbody>{"".join(rows)}</tbody></table></div>'


def _row(name: str, counts: Sequence[int], about: str = "", *, drops: bool = False) -> str:
    cells = "".join(f"<td>{count:,}</td>" for count in counts)
    mark = '<td class="drops">drops</td>' if drops and about else "<td></td>"
    return f'<tr><th scope=row>{name}</th>{cells}{mark}<td class="about">{as_html(about)}</td></tr>'


def _part(report: PartReport, langs: Sequence[str]) -> str:
    plots = [
        _length_plot(f"{unit} of {langs[at]}", side, sides[at])
        for unit, sides in (("Words", report.words), ("Characters", report.characters))
        for at, side in _SIDES
    ]
    plots.append(_plot("Length of the target, by the source’s (characters)", "", report.ratios, _RATIO_MARKS))
    if report.scores:
        title = "How well words translate one another (log-probability a word)"
        plots.append(_plot(title, "", report.scores, _SCORE_MARKS))
    why = "".join(
        f"<p><small>no pairs: {n:,} ({as_html(reason)})</small></p>" for reason, n in report.no_pairs.items()
    )
    return (
        f'<section class="part"><h2>{as_html(report.name)} <small>{report.pairs:,} pairs</small></h2>{why}'
        f'<div class="plots">{"".join(plots)}</div>'
        f'<div class="examples">{_examples(report.examples, langs)}</div></section>'
    )


def _length_plot(title: str, side: str, lengths: Lengths) -> str:
    last = len(lengths.histogram) - 1
    marks = {at: f"{at * lengths.step}" for at in range(0, last, 10)} | {last: f"{last * lengths.step}+"}
    told = (
        f"{lengths.total:,} in all, mean {lengths.mean:.1f}, median {lengths.median}, 99% up to "
        f"{lengths.percentile_99}, longest {lengths.longest:,}"
    )
    return _plot(title, side, lengths.histogram, marks, told)


_RATIO_MARKS = {at: f"{2 ** RATIO_EDGES[at]:g}×" for at in range(0, len(RATIO_EDGES), 10)}
_SCORE_MARKS = {at: f"{SCORE_EDGES[at]:g}".replace("-", "−") for at in range(0, len(SCORE_EDGES), 10)}


def _plot(title: str, side: str, counts: Sequence[int], marks: dict[int, str], told: str = "") -> str:
    """Draw a histogram, with marks of the scale at the left edges of bars."""
    most = max(counts) or 1
    wide = _WIDTH / len(counts)
    room = _HEIGHT - _FOOT
    bars = "".join(
        f'<rect class="{side}" x="{at * wide:.1f}" y="{room - count / most * room:.1f}" '
        f'width="{wide - 1:.1f}" height="{count / most * room:.1f}"><title>{count:,}</title></rect>'
        for at, count in enumerate(counts)
        if count
    )
    texts = "".join(
        f'<text x="{at * wide:.1f}" y="{_HEIGHT - 4}" text-anchor="{_anchor(at, len(counts))}">{mark}</text>'
        for at, mark in marks.items()
    )
    caption = f"<figcaption>{as_html(title)}</figcaption>" + (f"<p><small>{told}</small></p>" if told else "")
    return (
        f'<figure>{caption}<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"><title>{as_html(title)}</title>'
        f'{bars}<line x1="0" x2="{_WIDTH}" y1="{room}" y2="{room}"/>{texts}</svg></figure>'
    )


def _anchor(at: int, bars: int) -> str:
    return "start" if at == 0 else "end" if at >= bars - 1 else "middle"


def _examples(examples: Sequence[Example], langs: Sequence[str]) -> str:
    parts = []
    for reason, group in groupby(examples, key=lambda example: example.reason):
        items = "".join(_example(example, langs) for example in group)
        about = as_html(REASONS[reason].about)
        parts.append(f"<section><h3>{reason} <small>{about}</small></h3><ol>{items}</ol></section>")
    return "".join(parts)


def _example(example: Example, langs: Sequence[str]) -> str:
    note = f" ({as_html(example.note)})" if example.note else ""
    texts = [text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…" for text in (example.src, example.tgt)]
    rows = "".join(
        f'<dt class="{side}">{as_html(langs[at])}</dt><dd dir="auto">{as_html(texts[at])}</dd>'
        for at, side in _SIDES
    )
    return f"<li><p>{as_html(example.file)}: {as_html(example.where)}{note}</p><dl>{rows}</dl></li>"
