"""What `align` hands back: links, objects and arrays in a file, or pictures in a folder."""

import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import Namespace

from translate.errors import InputError, UsageError

if TYPE_CHECKING:
    from translate.alignment.aer import Gold
    from translate.alignment.extract import Alignment
    from translate.alignment.words import Linked

log = logging.getLogger(__name__)

PICTURES = ("png", "svg", "pdf")


def check_out(out: Path, format_: str, count: int) -> None:
    """Refuse what cannot be written, before the work that would be lost."""
    if not out.absolute().parent.is_dir():
        raise InputError(f"{out} cannot be written: its folder does not exist")
    if format_ not in PICTURES or _is_file(out, format_):
        if out.is_dir():
            raise InputError(f"{out} is a folder: --out must be a file here")
        if format_ in ("png", "svg") and count > 1:
            raise UsageError(f"{out} is one picture, but there are {count} pairs: give a folder with --out")
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} exists and is not empty: pictures go to a new folder")


def _is_file(out: Path, format_: str) -> bool:
    return out.suffix.lower() == f".{format_}"


def write_lines(linked: Iterable["Linked"], options: Namespace) -> None:
    """Write one line a pair, as they come."""
    from translate.alignment.formats import pharaoh, to_json

    lines = (
        pharaoh(pair.links, one_based=options.one_based) if options.format == "pharaoh" else to_json(pair)
        for pair in linked
    )
    if options.out is None:
        sys.stdout.writelines(f"{line}\n" for line in lines)
        return
    with _whole_or_none(options.out) as path, path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(f"{line}\n" for line in lines)


def write_text(text: str, out: str | None) -> None:
    """Write one text to a file, or to standard output."""
    if out is None:
        print(text)
        return
    with _whole_or_none(out) as path:
        path.write_text(text + "\n", encoding="utf-8")


def write_arrays(linked: Iterable["Linked"], out: str) -> None:
    """Write all pairs into one .npz file."""
    import numpy as np

    from translate.alignment.formats import to_arrays

    arrays: Any = to_arrays(linked)  # numpy's types take any keyword for its flag allow_pickle
    with _whole_or_none(out) as path, path.open("wb") as stream:
        np.savez_compressed(stream, **arrays)


@contextmanager
def _whole_or_none(out: str) -> Iterator[Path]:
    """Give a path to write to; what is there gets its name when it is whole."""
    aside = Path(out).with_name(f".{Path(out).name}.{os.getpid()}")
    try:
        yield aside
        aside.replace(out)
    finally:
        aside.unlink(missing_ok=True)


def write_pictures(
    linked: Sequence["Linked"],
    out: Path,
    options: Namespace,
    gold: "Sequence[Gold] | None",
    grids: "Sequence[Sequence[Sequence[Alignment]]] | None",
) -> None:
    """Draw each pair that has words, or all maps of its grid, into one file or a folder of numbered ones."""
    from tqdm import tqdm

    from translate.alignment.fonts import choose_fonts
    from translate.alignment.heatmap import draw, draw_overview, save

    drawn = [number for number, pair in enumerate(linked) if pair.alignment.src_tokens]
    for number, pair in enumerate(linked, start=1):
        if not pair.alignment.src_tokens:
            log.info("no picture of sentence %d: %s", number, "it is blank or too long")
    if not drawn:
        return
    name = Path(options.run).name
    texts = [text for number in drawn for text in linked[number].alignment[:2]]
    fonts = choose_fonts([name, *texts])
    titles = {n: name if len(linked) == 1 else f"{name}: sentence {n + 1}" for n in drawn}
    golds = [None] * len(linked) if gold is None else gold
    # A mean of both directions has no second one beside it.
    backward = [None if options.symmetrize in ("average", "geometric") else pair.backward for pair in linked]
    figures = (
        (
            n + 1,
            draw(linked[n].alignment, titles[n], fonts, backward=backward[n], gold=golds[n])
            if grids is None
            else draw_overview(grids[n], titles[n], fonts, gold=golds[n]),
        )
        for n in tqdm(drawn, desc="drawing", unit="picture", disable=None, leave=False)
    )
    if _is_file(out, options.format):
        save((figure for _, figure in figures), out, fonts)
        log.info("wrote %s", out)
        return
    out.mkdir(exist_ok=True)
    width = max(4, len(str(len(linked))))
    for number, figure in figures:
        save([figure], out / f"{number:0{width}}.{options.format}", fonts)
    log.info("wrote %d pictures to %s", len(drawn), out)
