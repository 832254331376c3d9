"""Alignments as text: Pharaoh links and JSON, one line a pair."""

import json
from collections.abc import Sequence

from translate.alignment import Link
from translate.alignment.extract import Alignment, end_mass


def pharaoh(links: Sequence[Link], *, one_based: bool = False) -> str:
    """Return links as `src-tgt src-tgt ...`, as most word aligners do; nothing without links."""
    first = 1 if one_based else 0
    return " ".join(f"{i + first}-{j + first}" for i, j in links)


def to_json(alignment: Alignment, links: Sequence[Link]) -> str:
    """Return everything about an aligned pair as one line of JSON.

    Offsets are characters (Unicode code points) of `src` and `tgt`; links are positions in `src_tokens` and
    `tgt_tokens`, from 0; `weights` has a row for each target token, the end of sentence last; `end_mass` is
    null for a pair with a blank side, which has no tokens.
    """
    mass = end_mass(alignment)
    record = {
        "src": alignment.src,
        "tgt": alignment.tgt,
        "src_tokens": alignment.src_tokens,
        "tgt_tokens": alignment.tgt_tokens,
        "src_offsets": alignment.src_spans,
        "tgt_offsets": alignment.tgt_spans,
        # Six decimals are more than float32 sums are worth, and half the size.
        "weights": [[round(float(cell), 6) for cell in row] for row in alignment.weights],
        "links": links,
        "end_mass": None if mass is None else round(mass, 6),
        "attention": alignment.choice,
        "level": alignment.level,
    }
    return json.dumps(record, ensure_ascii=False)
