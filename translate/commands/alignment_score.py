"""How good links are: those of a model or of a file beside gold, and beside another system's."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from jsonargparse import Namespace

from translate.errors import InputError

if TYPE_CHECKING:
    from translate.alignment import Link
    from translate.alignment.aer import ErrorRate, Gold


class Judge(NamedTuple):
    """What links are compared with."""

    gold: "list[Gold]"
    others: "list[list[Link]] | None"  # another system's


def read_judge(options: Namespace, pairs: Sequence[tuple[str, str]]) -> Judge:
    """Read --gold and --against for these (source, target) texts."""
    from translate.alignment.aer import check_gold, read_gold

    gold = read_gold(options.gold, one_based=options.gold_one_based, pairs=len(pairs))[: options.limit]
    check_gold(gold, pairs, options.gold)
    return Judge(gold, _read_against(options, len(gold)))


def score_file(options: Namespace) -> None:
    """Print how far the links in the file --links are from gold."""
    from translate.alignment.aer import read_gold

    links = _read_links(options.links, options)
    gold = read_gold(options.gold, one_based=options.gold_one_based, pairs=len(links))[: options.limit]
    if len(links) != len(gold):
        raise InputError(
            f"{options.links} has links for {len(links)} pairs, but {options.gold} has for {len(gold)}"
        )
    score(links, Judge(gold, _read_against(options, len(gold))), options.links, options.against)


def score(links: "Sequence[Sequence[Link]]", judge: Judge, name: str, other_name: str | None) -> None:
    """Print how far links are from gold; and another system's, if there are any, and whether they differ."""
    from translate.alignment.aer import compare, count_links, rate

    counts, pairs = count_links(links, judge.gold), len(judge.gold)
    if judge.others is None:
        print(_describe(rate(counts), pairs))
        return
    other_counts = count_links(judge.others, judge.gold)
    print(f"{name}: {_describe(rate(counts), pairs)}")
    print(f"{other_name}: {_describe(rate(other_counts), pairs)}")
    found = compare(counts, other_counts)
    print(
        f"difference in AER {100 * found.difference:+.1f} points, 95% of resampled test sets "
        f"{100 * found.low:+.1f} to {100 * found.high:+.1f}, p = {found.p_value:.3f} (paired bootstrap)"
    )


def _read_against(options: Namespace, count: int) -> "list[list[Link]] | None":
    if options.against is None:
        return None
    others = _read_links(options.against, options)
    if len(others) != count:
        raise InputError(f"{options.against} has links for {len(others)} pairs, but there are {count} pairs")
    return others


def _read_links(path: str, options: Namespace) -> "list[list[Link]]":
    from translate.alignment.aer import read_links

    return read_links(path, one_based=options.one_based)[: options.limit]


def _describe(rate: "ErrorRate", pairs: int) -> str:
    """Say in one line how far the links are from gold."""
    return (
        f"AER {rate.aer:.1%}  precision {rate.precision:.1%}  recall {rate.recall:.1%}  F1 {rate.f1:.1%}  "
        f"({pairs} pairs, {rate.links} links; gold: {rate.sure} sure, {rate.possible} possible)"
    )
