"""Heatmaps of alignments, drawn by matplotlib (its Figure; pyplot would keep global state).

Source words are on top, target words at the left, both in reading order; the end of sentence is the last
column and row. The scale is the same for every picture, so two pictures can be compared. A second direction
has circles as large as its weights, gold links have boxes.
"""

import textwrap
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from translate.alignment.aer import Gold
from translate.alignment.extract import Alignment, end_mass
from translate.labels import columns_of, shown

DOTS_PER_INCH = 150
_MAX_SIDE = 40.0  # inches; at 150 dots an inch that is 6,000 pixels
_INK, _QUIET_INK, _GRID = "#1b1b1b", "#6a6a6a", "#dcdcdc"
_BACKWARD, _GOLD = "#c2410c", "#15803d"


class _Sizes(NamedTuple):
    """Inches and points that depend on how many words there are."""

    cell: float  # inches
    font: float  # points, of the labels
    rotation: int  # degrees, of the labels on top


def draw(
    alignment: Alignment,
    name: str,
    fonts: Sequence[str],
    *,
    backward: Alignment | None = None,
    gold: Gold | None = None,
) -> Figure:
    """Draw one pair that has tokens.

    Args:
        name: What the picture is about (the run, the number of the sentence); the first line of the title.
        fonts: Families to look for glyphs in, first to last; `choose_fonts` finds them.
        backward: The other direction of the same pair: its source is our target, token for token.
        gold: Links between the alignment's tokens.
    """
    rows, columns = alignment.weights.shape
    with _settings(fonts):
        labels = [shown(token) for token in (*alignment.src_tokens, *alignment.tgt_tokens)]
        sizes = _choose_sizes(rows, columns, labels[:columns])
        figure = Figure(figsize=(columns * sizes.cell, rows * sizes.cell), dpi=DOTS_PER_INCH)
        axes = figure.add_axes((0, 0, 1, 1))
        _draw_cells(axes, alignment, sizes.cell)
        if backward is not None:
            _draw_circles(axes, backward, sizes.cell)
        elif sizes.cell >= 0.4:
            _draw_numbers(axes, alignment)
        if gold is not None:
            _draw_boxes(axes, gold)
        _draw_labels(axes, labels[:columns], labels[columns:], sizes)
        _draw_scale(figure, axes, columns * sizes.cell)
        _draw_legend(figure, backward is not None, gold is not None)
        _draw_words_around(figure, axes, alignment, name)
    return figure


def draw_overview(
    grid: Sequence[Sequence[Alignment]], name: str, fonts: Sequence[str], *, gold: Gold | None = None
) -> Figure:
    """Draw small maps of one pair: a row for each layer, in it the heads and, if several, their mean last."""
    rows, columns = grid[0][0].weights.shape
    cell = min(0.16, 2.6 / max(rows, columns))
    wide, high, gap = columns * cell, rows * cell, 0.3
    sizes = _Sizes(cell, min(8.0, 0.72 * cell * 72), 90)
    with _settings(fonts):
        width = len(grid[0]) * (wide + gap)
        height = len(grid) * (high + gap)
        figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH)
        for layer, alignments in enumerate(grid):
            for head, alignment in enumerate(alignments):
                left, bottom = head * (wide + gap), height - (layer + 1) * (high + gap)
                axes = figure.add_axes((left / width, bottom / height, wide / width, high / height))
                _draw_cells(axes, alignment, cell)
                if gold is not None:
                    _draw_boxes(axes, gold, width=0.6)
                labels = [shown(token) for token in (*alignment.src_tokens, *alignment.tgt_tokens)]
                _draw_labels(axes, labels[:columns], labels[columns:], sizes)
                axes.tick_params(labeltop=layer == 0, labelleft=head == 0)
                axes.set(xlabel="", ylabel="")
                mean = len(alignments) > 1 and head == len(alignments) - 1
                title = f"layer {layer + 1}, {'mean' if mean else f'head {head + 1}'}"
                axes.text(0, rows + 0.12 / cell, title, fontsize=7, color=_QUIET_INK, va="center")
        _draw_legend(figure, False, gold is not None)
        _draw_title(figure, name, figure.get_tightbbox().width)
    return figure


def save(figures: Iterable[Figure], path: str | Path, fonts: Sequence[str]) -> None:
    """Write a figure as PNG, SVG or PDF, or several as pages of a PDF; the same figure gives the same bytes.

    SVG keeps labels as text: they can be searched, and the viewer's fonts supply what this machine's lack.
    """
    path = Path(path)
    layout: dict[str, Any] = {"bbox_inches": "tight", "pad_inches": 0.15, "facecolor": "white"}
    with _settings(fonts):
        match path.suffix.lower():
            case ".pdf":
                with PdfPages(path, metadata={"CreationDate": None}) as pages:
                    for figure in figures:
                        pages.savefig(figure, **layout)
            case ".svg":
                (figure,) = figures
                figure.savefig(path, metadata={"Date": None}, **layout)
            case ".png":
                (figure,) = figures
                figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None}, **layout)
            case suffix:
                raise AssertionError(suffix)


def _choose_sizes(rows: int, columns: int, labels: Sequence[str]) -> _Sizes:
    """Few words are drawn large; many small, but so that a label still fits beside the next."""
    most = max(rows, columns)
    cell = min(max(0.5 - 0.008 * (most - 8), 0.2), 0.5, _MAX_SIDE / most)
    font = min(11.0, cell * 72 * 0.55)
    widest = max(sum(map(columns_of, label)) for label in labels)
    if widest * 0.62 * font <= cell * 72:  # DejaVu's letters are about so wide
        return _Sizes(cell, font, 0)
    return _Sizes(cell, font, 45 if cell >= 0.3 else 90)


def _draw_cells(axes: Axes, alignment: Alignment, cell: float) -> None:
    rows, columns = alignment.weights.shape
    many = rows * columns > 20_000  # as vectors they would make a file that no viewer opens
    axes.pcolormesh(
        alignment.weights,
        cmap="Blues",
        vmin=0,
        vmax=1,
        edgecolors="none" if many else _GRID,
        linewidth=0 if many else min(0.4, cell),
        rasterized=many,
    )
    axes.invert_yaxis()
    # The end of sentence is set apart: it is no word.
    axes.axvline(columns - 1, color=_QUIET_INK, linewidth=min(0.9, 4 * cell))
    axes.axhline(rows - 1, color=_QUIET_INK, linewidth=min(0.9, 4 * cell))


def _draw_numbers(axes: Axes, alignment: Alignment) -> None:
    for (row, column), weight in np.ndenumerate(alignment.weights):
        percent = round(100 * float(weight))
        if percent:
            color = "white" if percent > 55 else _INK
            axes.text(
                column + 0.5, row + 0.5, f"{percent}", ha="center", va="center", fontsize=8, color=color
            )


def _draw_circles(axes: Axes, backward: Alignment, cell: float) -> None:
    """Circles whose area is the weight of the other direction, whose source tokens are our target tokens."""
    weights = backward.weights.T
    assert weights.shape == (len(backward.src_tokens), len(backward.tgt_tokens))
    rows, columns = np.nonzero(weights >= 0.01)  # smaller ones would be dots
    largest = (cell * 72 * 0.82) ** 2  # square points
    axes.scatter(
        columns + 0.5,
        rows + 0.5,
        s=largest * weights[rows, columns],
        facecolors="none",
        edgecolors=_BACKWARD,
        linewidths=1.3,
        zorder=3,
    )


def _draw_boxes(axes: Axes, gold: Gold, width: float = 2.2) -> None:
    """Sure links have a thick box, possible ones a thin dashed one."""
    for links, line, dashed in ((gold.sure, width, False), (gold.possible, width / 2, True)):
        for src, tgt in sorted(links):
            corner = (src + 0.06, tgt + 0.06)
            box = Rectangle(corner, 0.88, 0.88, fill=False, edgecolor=_GOLD, linewidth=line, zorder=4)
            box.set_linestyle("--" if dashed else "-")
            axes.add_patch(box)


def _draw_legend(figure: Figure, backward: bool, gold: bool) -> None:
    """Say below what the marks are, if there are any."""
    marks: list[Line2D | Patch] = []
    if backward:
        marks += [
            Patch(facecolor="#4a90c8", edgecolor=_GRID, label="forward: shading"),
            Line2D(
                [], [], marker="o", linestyle="", markerfacecolor="none", color=_BACKWARD,
                label="backward: area of the circle",
            ),
        ]  # fmt: skip
    if gold:
        marks += [
            Patch(fill=False, edgecolor=_GOLD, linewidth=2, label="gold: sure"),
            Patch(fill=False, edgecolor=_GOLD, linewidth=1, linestyle="--", label="gold: possible"),
        ]
    if not marks:
        return
    box = figure.get_tightbbox()
    figure.legend(
        handles=marks,
        loc="upper left",
        bbox_to_anchor=(box.x0 / figure.get_figwidth(), (box.y0 - 0.08) / figure.get_figheight()),
        borderaxespad=0,
        borderpad=0,
        frameon=False,
        fontsize=8,
        ncols=2 if box.width > 3.5 else 1,
        labelcolor=_QUIET_INK,
    )


def _draw_labels(axes: Axes, src: Sequence[str], tgt: Sequence[str], sizes: _Sizes) -> None:
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xticks(
        [column + 0.5 for column in range(len(src))],
        src,
        rotation=sizes.rotation,
        fontsize=sizes.font,
        parse_math=False,
    )
    if sizes.rotation:
        # Anchored where they begin, so that an SVG fits whatever font its viewer takes.
        for label in axes.get_xticklabels():
            label.set(ha="left", va="center" if sizes.rotation == 90 else "baseline", rotation_mode="anchor")
    axes.set_yticks([row + 0.5 for row in range(len(tgt))], tgt, fontsize=sizes.font, parse_math=False)
    axes.tick_params(length=0, pad=3, colors=_INK)
    for label in (axes.get_xticklabels()[-1], axes.get_yticklabels()[-1]):
        label.set_color(_QUIET_INK)
    for spine in axes.spines.values():
        spine.set_color(_QUIET_INK)
    axes.set_xlabel("source", fontsize=9, color=_QUIET_INK, labelpad=6)
    axes.set_ylabel("target", fontsize=9, color=_QUIET_INK, labelpad=6)


def _draw_scale(figure: Figure, axes: Axes, width: float) -> None:
    """Put a narrow colour bar at the right, as far and large in inches on every picture if there is room."""
    height = min(1.0, 2.5 / figure.get_figheight())
    scale = axes.inset_axes((1 + 0.15 / width, 1 - height, 0.12 / width, height))
    bar = figure.colorbar(axes.collections[0], cax=scale, ticks=[0, 0.5, 1])
    bar.ax.set_yticklabels(["0", "50", "100%"], fontsize=8, color=_QUIET_INK)
    bar.ax.tick_params(length=2, color=_QUIET_INK)
    bar.outline.set_edgecolor(_QUIET_INK)
    bar.outline.set_linewidth(0.5)


def _draw_words_around(figure: Figure, axes: Axes, alignment: Alignment, name: str) -> None:
    """Write above what this is, and below what was read and how much of it went to no word."""
    box = figure.get_tightbbox()  # inches
    width = max(box.width, 4.5)
    mass = end_mass(alignment)
    whole = np.allclose(alignment.weights.sum(axis=1), 1, atol=1e-3)
    adding = "every row adds up to 100%" if whole else "rows need not add up to 100%"
    notes = [
        alignment.choice,
        f"level: {alignment.level}; {adding}",
        f"end of sentence ({alignment.src_tokens[-1]}) gets {mass:.0%} of the attention, its own row apart",
    ]
    height = figure.get_figheight()
    left = box.x0 / figure.get_figwidth()
    _draw_title(figure, name, width)
    body = "\n".join(textwrap.fill(note, max(int(width * 72 / (8 * 0.56)), 20)) for note in notes)
    figure.text(
        left, (box.y0 - 0.15) / height, body, fontsize=8, color=_QUIET_INK, va="top", parse_math=False
    )


def _draw_title(figure: Figure, name: str, width: float) -> None:
    """Write above what the picture is about, in as many lines as the width (inches) asks for."""
    box = figure.get_tightbbox()
    figure.text(
        box.x0 / figure.get_figwidth(),
        (box.y1 + 0.15) / figure.get_figheight(),
        textwrap.fill(shown(name, limit=None), max(int(width * 72 / (11 * 0.62)), 20)),
        fontsize=11,
        weight="bold",
        color=_INK,
        va="bottom",
        parse_math=False,
    )


@contextmanager
def _settings(fonts: Sequence[str]) -> Iterator[None]:
    """Draw the same for everyone: matplotlib's defaults, whatever a user's own settings say."""
    with mpl.rc_context(mpl.rcParamsDefault), warnings.catch_warnings():
        mpl.rcParams["font.family"] = list(fonts)
        mpl.rcParams["svg.fonttype"] = "none"
        mpl.rcParams["svg.hashsalt"] = "seq2see"
        # `fonts.choose_fonts` has already said so, once and with what helps.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font")
        yield
