import itertools
import logging
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import matplotlib as mpl
import matplotlib.image
import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager

from translate.alignment.aer import Gold
from translate.alignment.extract import END, Alignment
from translate.alignment.fonts import choose_fonts
from translate.alignment.heatmap import DOTS_PER_INCH, draw, draw_overview, save
from translate.labels import columns_of, shown

FONTS = ["DejaVu Sans"]
CHOICE = (
    "scaled dot attention, layer 3 of 4, mean of 4 heads (default: the last layer but one, Garg et al. 2019)"
)


def make(src, tgt, weights=None):
    src_tokens, tgt_tokens = (*src.split(" "), END), (*tgt.split(" "), END)
    if weights is None:
        weights = np.random.default_rng(0).dirichlet(np.ones(len(src_tokens)), size=len(tgt_tokens))
    return Alignment(
        src,
        tgt,
        src_tokens,
        tgt_tokens,
        ((0, 0),) * len(src_tokens),
        ((0, 0),) * len(tgt_tokens),
        np.array(weights, dtype=np.float32),
        CHOICE,
        "words",
    )


def svg_texts(path):
    root = ElementTree.parse(path).getroot()
    return ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]


@pytest.fixture
def only_own_fonts(monkeypatch):
    """A machine with no other fonts than those that come with matplotlib."""
    own = [entry for entry in font_manager.fontManager.ttflist if mpl.get_data_path() in entry.fname]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)
    monkeypatch.setattr(font_manager, "findSystemFonts", list)


def write_font(path, family, characters):
    """A font whose glyphs are all the same black square."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for point in ((0, 800), (800, 800), (800, 0)):
        pen.lineTo(point)
    pen.closePath()
    square = pen.glyph()
    names = [".notdef", *(f"g{ord(character)}" for character in characters)]
    font = FontBuilder(1000, isTTF=True)
    font.setupGlyphOrder(names)
    font.setupCharacterMap({ord(character): f"g{ord(character)}" for character in characters})
    font.setupGlyf(dict.fromkeys(names, square))
    font.setupHorizontalMetrics(dict.fromkeys(names, (900, 0)))
    font.setupHorizontalHeader(ascent=900, descent=-100)
    font.setupNameTable({"familyName": family, "styleName": "Regular"})
    font.setupOS2(usWeightClass=400)
    font.setupPost()
    font.save(path)


def test_cells_are_darker_the_higher_their_weight(tmp_path):
    weights = np.array([[0.9, 0.1, 0.0], [0.25, 0.05, 0.7], [0.0, 0.6, 0.4], [0.1, 0.1, 0.8]])
    figure = draw(make("eins zwei", "one two three", weights), "run", FONTS)
    save([figure], tmp_path / "a.png", FONTS)

    image = matplotlib.image.imread(tmp_path / "a.png")[..., :3].mean(axis=-1)
    box, axes = figure.get_tightbbox(), figure.axes[0]
    pad = 0.15
    brightness = np.empty(weights.shape)
    for row, column in np.ndindex(*weights.shape):
        # Near a corner of the cell, where no number is.
        x, y = axes.transData.transform((column + 0.15, row + 0.15)) / figure.dpi
        left, top = x - box.x0 + pad, box.y1 + pad - y
        brightness[row, column] = image[round(top * DOTS_PER_INCH), round(left * DOTS_PER_INCH)]
    by_weight = brightness.ravel()[np.argsort(weights.ravel(), kind="stable")]
    assert (np.diff(by_weight) <= 1e-6).all()
    assert brightness[0, 2] > 0.95
    assert brightness[0, 0] < 0.4


def test_the_end_of_sentence_has_the_last_row_and_column():
    axes = draw(make("eins zwei", "one"), "run", FONTS).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["eins", "zwei", END]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["one", END]


def test_the_choice_the_run_and_the_mass_of_the_end_are_written_on_the_picture():
    weights = [[0.5, 0.25, 0.25], [0, 0, 1]]
    figure = draw(make("eins zwei", "one", weights), "runs/demo", FONTS)
    words = " ".join(text.get_text() for text in figure.texts).replace("\n", " ")
    assert "runs/demo" in words
    assert CHOICE in words
    assert "level: words" in words
    assert "end of sentence (</s>) gets 25% of the attention" in words


def test_svg_keeps_labels_as_text_whatever_is_in_them(tmp_path):
    tokens = ["$x_1$", "<b>&amp;", "\\frac", "鸡", "مرحبا", "100%", "a\u0301"]
    save([draw(make(" ".join(tokens), "{name}"), "$run$", FONTS)], tmp_path / "a.svg", FONTS)
    texts = svg_texts(tmp_path / "a.svg")
    assert {*tokens, "{name}", END, "$run$"} <= set(texts)


def test_control_characters_are_shown_and_break_no_file(tmp_path):
    alignment = make("a\0b \u2028 \u202e \ufffe", "\x1b[31m \ud800")
    save([draw(alignment, "run", FONTS)], tmp_path / "a.svg", FONTS)
    texts = svg_texts(tmp_path / "a.svg")
    assert {"a\ufffdb", "\ufffd[31m", "\ufffd"} <= set(texts)


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_same_alignment_gives_the_same_bytes(tmp_path, suffix):
    for name in ("a", "b"):
        save([draw(make("eins zwei", "one two"), "run", FONTS)], tmp_path / f"{name}.{suffix}", FONTS)
    first = (tmp_path / f"a.{suffix}").read_bytes()
    assert first == (tmp_path / f"b.{suffix}").read_bytes()
    assert not re.search(rb"CreationDate|dc:date", first)


def test_a_users_own_matplotlib_settings_change_nothing(tmp_path):
    save([draw(make("eins", "one"), "run", FONTS)], tmp_path / "a.png", FONTS)
    with mpl.rc_context({"text.usetex": True, "axes.facecolor": "black", "savefig.dpi": 30, "font.size": 30}):
        save([draw(make("eins", "one"), "run", FONTS)], tmp_path / "b.png", FONTS)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_several_pairs_are_pages_of_one_pdf(tmp_path):
    save((draw(make("eins", "one"), "run", FONTS) for _ in range(3)), tmp_path / "a.pdf", FONTS)
    content = (tmp_path / "a.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    assert len(re.findall(rb"/Type /Page\b", content)) == 3


@pytest.mark.parametrize("words", [1, 5, 20, 50])
def test_labels_are_large_enough_and_do_not_overlap(words):
    src = " ".join(["Menschen"] * words)
    axes = draw(make(src, " ".join(["people"] * words)), "run", FONTS).axes[0]
    assert axes.get_yticklabels()[0].get_fontsize() >= 7
    for labels, turned in ((axes.get_yticklabels(), False), (axes.get_xticklabels(), True)):
        boxes = [label.get_window_extent() for label in labels]
        if turned and labels[0].get_rotation() == 45:
            continue  # their boxes overlap, they themselves do not
        assert not any(one.overlaps(other) for one, other in itertools.pairwise(boxes))


def test_numbers_are_printed_where_they_fit():
    few = draw(make("eins", "one", [[0.75, 0.25], [0, 1]]), "run", FONTS).axes[0]
    assert [text.get_text() for text in few.texts] == ["75", "25", "100"]
    assert not draw(make("a " * 49 + "a", "b"), "run", FONTS).axes[0].texts


def test_very_many_words_stay_within_a_page_that_can_be_drawn():
    alignment = make(" ".join(["a"] * 400), "b")
    assert max(draw(alignment, "run", FONTS).get_size_inches()) <= 40


def test_a_very_long_word_is_shortened_in_the_middle():
    label = shown("Donaudampfschiff" * 100)
    assert len(label) == 28
    assert label.startswith("Donaudampfschiff")
    assert "…" in label
    assert shown("Donaudampfschiff") == "Donaudampfschiff"


def test_widths_of_characters_are_known():
    assert [columns_of(character) for character in "a鸡\u0301\u200d"] == [1, 2, 0, 0]


def test_matplotlibs_own_font_is_enough_for_many_scripts(only_own_fonts, caplog):
    assert choose_fonts(["Grüße, Ελλάδα, Привет, שלום, مرحبا 😀 \0 \u200d"]) == FONTS
    assert not caplog.messages


@pytest.mark.usefixtures("only_own_fonts")
def test_characters_without_a_font_are_named_once_with_what_to_install(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "translate"):
        fonts = choose_fonts(["鸡", "鸡", "สวัสดี", "한국어"])
        # Warnings are errors here: matplotlib's own, one for each glyph, must not come through.
        save([draw(make("鸡 สวัสดี", "한국어"), "run", fonts)], tmp_path / "a.png", fonts)
    assert fonts == FONTS
    (message,) = caplog.messages
    assert (
        "no font on this machine has 9 characters of the text, drawn as boxes: 4 CJK (鸡 국 어 한)" in message
    )
    assert "5 THAI (ด" in message
    assert "apt-get install fonts-noto-cjk fonts-noto-core" in message


@pytest.mark.usefixtures("only_own_fonts")
def test_a_font_installed_since_matplotlib_last_looked_is_found_and_used(tmp_path, monkeypatch, caplog):
    write_font(tmp_path / "other.ttf", "Squares Sans", "鸡")
    write_font(tmp_path / "more.ttf", "More Squares Sans", "鸡狗")
    (tmp_path / "damaged.ttf").write_bytes(b"no font")
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: sorted(map(str, tmp_path.glob("*.ttf"))))
    fonts = choose_fonts(["鸡狗"])
    assert fonts == ["DejaVu Sans", "More Squares Sans"]
    assert not caplog.messages

    def ink(fonts):
        path = tmp_path / "a.png"
        save([draw(make("鸡狗", "x"), "run", fonts)], path, fonts)
        image = matplotlib.image.imread(path)[..., :3]
        return (image.max(axis=-1) < 0.2).sum()

    assert ink(fonts) > ink(FONTS) + 200  # squares are darker than boxes


def test_fonts_without_serifs_and_for_chinese_are_preferred(only_own_fonts, tmp_path, monkeypatch):
    for family in ("Some Serif CJK SC", "Some Sans CJK JP", "Some Sans CJK SC", "Some Sans Mono CJK SC"):
        write_font(tmp_path / f"{family}.ttf", family, "鸡狗すし")
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: sorted(map(str, tmp_path.glob("*.ttf"))))
    assert choose_fonts(["鸡狗"])[1:] == ["Some Sans CJK SC"]
    assert choose_fonts(["鸡狗すし"])[1:] == ["Some Sans CJK JP"]


def legend(figure):
    return [text.get_text() for drawn in figure.legends for text in drawn.get_texts()]


def test_the_other_direction_has_a_circle_in_each_cell_as_large_as_its_weight():
    # Rows of the backward alignment are our source words: it reads "one two three" and emits "eins zwei".
    weights = [[0.7, 0.3, 0, 0], [0, 0, 0.6, 0.4], [0, 0, 0, 1]]
    backward = make("one two three", "eins zwei", weights)
    axes = draw(make("eins zwei", "one two three"), "run", FONTS, backward=backward).axes[0]
    (circles,) = (drawn for drawn in axes.collections if drawn.get_offsets().shape[0] == 5)
    sizes = {
        tuple(place): size for place, size in zip(circles.get_offsets(), circles.get_sizes(), strict=True)
    }
    # Source words are columns, target words rows.
    assert set(sizes) == {(0.5, 0.5), (0.5, 1.5), (1.5, 2.5), (1.5, 3.5), (2.5, 3.5)}
    for place, weight in {(0.5, 0.5): 0.7, (0.5, 1.5): 0.3, (1.5, 2.5): 0.6}.items():
        assert sizes[place] / sizes[2.5, 3.5] == pytest.approx(weight)
    assert not axes.texts  # numbers would be under the circles


def test_circles_stay_within_their_cells():
    pair = make("eins zwei", "one", [[1, 0, 0], [0, 0, 1]])
    other = make("one", "eins zwei", [[1, 0], [0, 1], [0, 1]])
    figure = draw(pair, "run", FONTS, backward=other)
    axes = figure.axes[0]
    cell = figure.get_figwidth() * 72 / 3  # points
    assert max(axes.collections[-1].get_sizes()) ** 0.5 < cell


def test_gold_links_have_boxes_in_their_cells():
    gold = Gold(frozenset({(0, 0), (1, 2)}), frozenset({(1, 1)}))
    axes = draw(make("eins zwei", "one two three"), "run", FONTS, gold=gold).axes[0]
    boxes = {(int(box.get_x()), int(box.get_y())): box for box in axes.patches}
    assert set(boxes) == {(0, 0), (1, 2), (1, 1)}
    assert boxes[0, 0].get_linewidth() > boxes[1, 1].get_linewidth()
    assert (boxes[0, 0].get_linestyle(), boxes[1, 1].get_linestyle()) == ("-", "--")


def test_a_legend_names_the_marks_that_are_there():
    pair, other = make("eins", "one"), make("one", "eins")
    gold = Gold(frozenset({(0, 0)}), frozenset())
    assert legend(draw(pair, "run", FONTS)) == []
    assert legend(draw(pair, "run", FONTS, gold=gold)) == ["gold: sure", "gold: possible"]
    both = ["forward: shading", "backward: area of the circle"]
    assert legend(draw(pair, "run", FONTS, backward=other)) == both
    figure = draw(pair, "run", FONTS, backward=other, gold=gold)
    assert legend(figure) == [*both, "gold: sure", "gold: possible"]
    (box,) = (drawn.get_window_extent() for drawn in figure.legends)
    assert not any(text.get_window_extent().overlaps(box) for text in figure.texts)


def test_an_overview_has_a_map_for_each_layer_and_head_in_rows_of_layers():
    grid = [[make("eins zwei", "one", np.full((2, 3), 0.1 * n)) for n in (1, 2, 3)] for _ in range(2)]
    figure = draw_overview(grid, "run", FONTS, gold=Gold(frozenset({(0, 0)}), frozenset()))
    titles = [axes.texts[0].get_text() for axes in figure.axes]
    assert titles == [f"layer {n}, {name}" for n in (1, 2) for name in ("head 1", "head 2", "mean")]
    assert [axes.collections[0].get_array().max() for axes in figure.axes] == pytest.approx(
        [0.1, 0.2, 0.3] * 2
    )
    tops = [axes.get_position().y0 for axes in figure.axes]
    assert len(set(tops)) == 2
    assert tops[0] > tops[3]
    assert all(len(axes.patches) == 1 for axes in figure.axes)
    assert legend(figure) == ["gold: sure", "gold: possible"]


def test_one_head_has_no_mean_in_the_overview():
    figure = draw_overview([[make("eins", "one")]], "run", FONTS)
    assert [axes.texts[0].get_text() for axes in figure.axes] == ["layer 1, head 1"]


def test_drawing_needs_no_pyplot():
    code = "import sys, translate.alignment.heatmap; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_plot_says_whether_rows_add_up(tmp_path):
    one = make("a b", "x")
    for alignment, words in (
        (one, "every row adds up to 100%"),
        (one._replace(weights=one.weights / 2), "rows need not add up to 100%"),
    ):
        save([draw(alignment, "name", FONTS)], tmp_path / "a.svg", FONTS)
        assert any(words in text for text in svg_texts(tmp_path / "a.svg"))
