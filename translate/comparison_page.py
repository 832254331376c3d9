"""A page that shows how two systems compare."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from translate.comparison import Bucket, Compared, Comparison, Example, mark_words, verdict
from translate.html_page import as_html, fill, write_report

_WIDTH, _HEIGHT = 160, 20  # of an interval's picture


class About(NamedTuple):
    """What is compared with what."""

    names: tuple[str, str]
    test_set: str
    tgt_lang: str | None
    train_text: str | None
    samples: int


def write_page(path: str | Path, comparison: Comparison, about: About) -> None:
    """Write the page."""
    folder = files("translate") / "comparison_page"
    a, b = about.names
    write_report(
        path,
        title=f"{a} and {b} compared",
        heading=f'<b class="a">A</b> <bdi>{as_html(a)}</bdi> <span>and</span> '
        f'<b class="b">B</b> <bdi>{as_html(b)}</bdi>',
        about=f"{comparison.sentences} sentences: <bdi>{as_html(about.test_set)}</bdi>",
        main=fill(
            folder / "page.html",
            samples=about.samples,
            metrics=_metrics(comparison),
            counts=_counts(comparison),
            buckets=_all_buckets(comparison, about),
            examples=_examples("B", comparison.b_best, about.tgt_lang)
            + _examples("A", comparison.a_best, about.tgt_lang),
        ),
        style=folder / "page.css",
    )


def _metrics(comparison: Comparison) -> str:
    scale = _scale([metric.compared for metric in comparison.metrics])
    cards = []
    for metric in comparison.metrics:
        compared = metric.compared
        chance = "" if compared.p_value is None else f", p = {compared.p_value:.3f}"
        cards.append(
            f'<section class="card"><h2>{metric.name}</h2>'
            f'<p class="verdict {_side(compared)}">{verdict(compared)}{chance}</p>'
            f'<dl class="pair"><div><dt>A</dt><dd>{compared.a:.2f}</dd></div>'
            f"<div><dt>B</dt><dd>{compared.b:.2f}</dd></div>"
            f"<div><dt>B − A</dt><dd>{_signed(compared.difference)}</dd></div></dl>"
            f'<p class="range">{_picture(compared, scale)}<span>{_interval(compared)}</span></p>'
            f'<p class="signature">{metric.signature}</p></section>'
        )
    return "".join(cards)


def _counts(comparison: Comparison) -> str:
    def share(count: int) -> str:
        return f"{count} <small>{100 * count / comparison.sentences:.1f}%</small>"

    rows = [
        ("length, by the references’", *(f"{ratio:.3f}" for ratio in comparison.length_ratio)),
        ("exactly the reference", *map(share, comparison.exact)),
        ("higher chrF than the other", *map(share, comparison.better)),
    ]
    cells = "".join(f"<tr><th scope=row>{name}</th><td>{a}</td><td>{b}</td></tr>" for name, a, b in rows)
    return (
        f'<table class="counts"><thead><tr><td></td><th scope=col>A</th><th scope=col>B</th></tr></thead>'
        f"<tbody>{cells}<tr><th scope=row>both alike</th>"
        f"<td colspan=2>{share(comparison.identical)}</td></tr></tbody></table>"
    )


def _all_buckets(comparison: Comparison, about: About) -> str:
    train_text = as_html(about.train_text or "")
    return "".join(
        [
            _buckets("BLEU by words of the source", "words", "sentences", comparison.by_length),
            _buckets(
                f"BLEU by how often the training text ({train_text}) has the reference’s rarest word",
                "times",
                "sentences",
                comparison.by_rarest,
            ),
            _buckets(
                f"F-measure of words by how often the training text ({train_text}) has them",
                "times",
                "words",
                comparison.by_frequency,
            ),
        ]
    )


def _buckets(title: str, by: str, what: str, buckets: Sequence[Bucket]) -> str:
    if not buckets:
        return ""
    scale = _scale([bucket.compared for bucket in buckets])
    rows = "".join(
        f"<tr><th scope=row>{name}</th><td>{size}</td><td>{compared.a:.1f}</td><td>{compared.b:.1f}</td>"
        f'<td class="{_side(compared)}">{_signed(compared.difference)}</td>'
        f"<td>{_picture(compared, scale)}</td></tr>"
        for name, size, compared in buckets
    )
    heads = "".join(f"<th scope=col>{head}</th>" for head in (by, what, "A", "B", "B − A", "95% interval"))
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    return f"<section><h2>{title}</h2>{table}</section>"


def _examples(better: str, examples: Sequence[Example], lang: str | None) -> str:
    if not examples:
        return ""
    items = "".join(_example(example, lang) for example in examples)
    return f"<section><h2>{better} is better by most</h2><ol>{items}</ol></section>"


def _example(example: Example, lang: str | None) -> str:
    rows = [("Reference", as_html(example.ref))]
    if example.src is not None:
        rows.insert(0, ("Source", as_html(example.src)))
    rows += [
        (f"A <small>{example.a_score:.1f}</small>", _marked(example.a, example.b, example.ref, lang)),
        (f"B <small>{example.b_score:.1f}</small>", _marked(example.b, example.a, example.ref, lang)),
    ]
    described = "".join(f'<dt>{name}</dt><dd dir="auto">{text}</dd>' for name, text in rows)
    gap = _signed(example.b_score - example.a_score)
    return f"<li><h3>line {example.line} <small>chrF {gap}</small></h3><dl>{described}</dl></li>"


def _marked(hypothesis: str, other: str, ref: str, lang: str | None) -> str:
    return "".join(
        f'<mark class="{mark}">{as_html(part)}</mark>' if mark in ("right", "wrong") else as_html(part)
        for part, mark in mark_words(hypothesis, other, ref, lang)
    )


def _scale(all_compared: Sequence[Compared]) -> float:
    """Return what the pictures of a table reach to on both sides."""
    numbers = [abs(number) for it in all_compared for number in (it.difference, *(it.interval or ()))]
    return max(numbers, default=0.0) or 1.0


def _picture(compared: Compared, scale: float) -> str:
    """Draw the difference and its interval on a line with 0 in the middle."""

    def place(number: float) -> str:
        return f"{_WIDTH / 2 + (_WIDTH / 2 - 5) * number / scale:.1f}"

    middle = _HEIGHT // 2
    line = ""
    if compared.interval is not None:
        low, high = map(place, compared.interval)
        line = f'<line x1="{low}" x2="{high}" y1="{middle}" y2="{middle}"/>'
    return (
        f'<svg class="{_side(compared)}" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" role="img"><title>{_interval(compared)}</title>'
        f'<line class="zero" x1="{_WIDTH // 2}" x2="{_WIDTH // 2}" y1="0" y2="{_HEIGHT}"/>'
        f'{line}<circle cx="{place(compared.difference)}" cy="{middle}" r="4"/></svg>'
    )


def _side(compared: Compared) -> str:
    """Whose colour a difference has: nobody's when it may be chance."""
    return {"A is better": "a", "B is better": "b"}.get(verdict(compared), "open")


def _interval(compared: Compared) -> str:
    if compared.interval is None:
        return "too few sentences for an interval"
    low, high = map(_signed, compared.interval)
    return f"{low} to {high}"


def _signed(number: float) -> str:
    return f"{number:+.2f}".replace("-", "−")
