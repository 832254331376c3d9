"""A comparison of two systems as text for a terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from translate.labels import shown

if TYPE_CHECKING:
    from translate.comparison import Bucket, Compared, Comparison, Example

_SCORES = ("A", "B", "B-A", "95% interval")


def show_comparison(comparison: "Comparison", about: dict[str, Any]) -> str:
    """Return all tables, under the names of what is compared."""
    parts = [
        f"{about['test_set']}: {comparison.sentences} sentences\n"
        f"A  {about['a']['name']}\nB  {about['b']['name']}",
        _metrics(comparison, about["samples"]),
        _counts(comparison),
        _buckets("BLEU by words of the source", "sentences", comparison.by_length),
    ]
    if about["train_text"] is not None:
        parts += [
            _buckets(
                f"BLEU by how often {about['train_text']} has the reference's rarest word",
                "sentences",
                comparison.by_rarest,
            ),
            _buckets("F-measure of words by how often it has them", "words", comparison.by_frequency),
        ]
    parts += [_examples("A", comparison.a_best), _examples("B", comparison.b_best)]
    return "\n\n".join(part for part in parts if part)


def _metrics(comparison: "Comparison", samples: int) -> str:
    from translate.comparison import verdict

    rows = [
        (metric.name, *_scores(metric.compared), _p_value(metric.compared), verdict(metric.compared))
        for metric in comparison.metrics
    ]
    signatures = [f"{metric.name}: {metric.signature}" for metric in comparison.metrics]
    how = f"p and interval: paired bootstrap, {samples} test sets drawn"
    return "\n".join([_table(("", *_SCORES, "p", ""), rows), *signatures, how])


def _counts(comparison: "Comparison") -> str:
    def share(count: int) -> str:
        return f"{count} ({100 * count / comparison.sentences:.1f}%)"

    rows = [
        ("length, by the references'", *(f"{ratio:.3f}" for ratio in comparison.length_ratio)),
        ("exactly the reference", *map(share, comparison.exact)),
        ("higher chrF", *map(share, comparison.better)),
    ]
    return f"{_table(('', 'A', 'B'), rows)}\nboth alike: {share(comparison.identical)}"


def _buckets(title: str, what: str, buckets: Sequence["Bucket"]) -> str:
    if not buckets:
        return ""
    rows = [(bucket.name, str(bucket.size), *_scores(bucket.compared)) for bucket in buckets]
    return f"{title}\n{_table(('', what, *_SCORES), rows)}"


def _examples(better: str, examples: Sequence["Example"]) -> str:
    if not examples:
        return ""
    lines = [f"{better} is better in chrF by most in"]
    for example in examples:
        scores = f"A {example.a_score:.1f}, B {example.b_score:.1f}"
        texts = {"src": example.src, "ref": example.ref, "A": example.a, "B": example.b}
        lines.append(f"  line {example.line}: {scores}")
        lines += [f"    {name:3}  {shown(text, None)}" for name, text in texts.items() if text is not None]
    return "\n".join(lines)


def _scores(compared: "Compared") -> tuple[str, ...]:
    low_high = "" if compared.interval is None else "{:+.2f} to {:+.2f}".format(*compared.interval)
    return f"{compared.a:.2f}", f"{compared.b:.2f}", f"{compared.difference:+.2f}", low_high


def _p_value(compared: "Compared") -> str:
    return "" if compared.p_value is None else f"{compared.p_value:.3f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first column to the left, numbers to the right."""
    table = [head, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    )
