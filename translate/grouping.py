"""Which rows are computed together: those of like lengths, as many as fit."""

from collections.abc import Sequence


def group_by_tokens(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Indices of rows sorted by length, longest first, cut into groups of at most `max_tokens` padded slots.

    A row longer than that is a group of its own.
    """
    groups: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        # The first of a group is its longest.
        if groups and (len(groups[-1]) + 1) * lengths[groups[-1][0]] <= max_tokens:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups
