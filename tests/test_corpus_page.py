"""The page of a report: what it says, and in a real browser that texts stay texts."""

import numpy as np
import pytest
import test_comparison_page
from test_comparison_page import HOSTILE
from test_corpora_report import look_at

from translate.corpora.report import DROPPED
from translate.corpora.report.results import summarize
from translate.corpus_page import write_page

browser, open_page = test_comparison_page.browser, test_comparison_page.open_page


def write(folder, pairs, name="data/mine", scores=None, unchecked=()):
    part, spool = look_at(folder, pairs, scores=scores)
    report = summarize("train", part, spool, DROPPED, scores)
    about = {"name": name, "src_lang": "en", "tgt_lang": None, "unchecked": unchecked, "dropping": DROPPED}
    path = folder / "page.html"
    write_page(path, about, [report])
    return path


def test_counts_plots_and_examples_are_on_the_page(tmp_path, open_page):
    pairs = [("a dog", "ein Hund"), ("a dog", "ein Hund"), ("x &amp; y", "x und y")]
    scores = np.array([-1, -1, -2], np.float32)
    path = write(tmp_path, pairs, scores=scores, unchecked=["mojibake: no"])
    page = open_page(path)
    rows = [row.locator("th, td").all_text_contents() for row in page.locator("tbody tr").all()]
    assert ["pairs", "3", "", ""] in rows
    assert ["duplicate", "1", "drops", "the same pair once more"] in rows
    assert ["entity", "1", "", "HTML entities, such as &amp;"] in rows
    assert ["dropped when cleaned", "1", "", ""] in rows
    assert page.locator(".legend").inner_text() == "not looked at: mojibake: no"
    assert page.locator("figure").count() == 6  # words and characters of both, ratio, alignment
    first = page.locator(".examples li").first
    assert first.locator("p").inner_text() == "text.en: line 2 (2 times)"
    assert first.locator("dd").all_text_contents() == ["a dog", "ein Hund"]
    assert write(tmp_path, pairs).read_text(encoding="utf-8").count("<figure>") == 5  # without an aligner


def test_bars_are_as_high_as_the_counts(tmp_path, open_page):
    page = open_page(write(tmp_path, [("a b", "x"), ("c d", "y"), ("e", "z")]))
    bars = page.locator("figure").first.locator("rect")
    heights = [float(bar.get_attribute("height")) for bar in bars.all()]
    assert heights[1] == pytest.approx(2 * heights[0])
    assert [bar.locator("title").text_content() for bar in bars.all()] == ["1", "2"]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_texts_stay_texts(tmp_path, open_page, hostile):
    page = open_page(write(tmp_path, [(hostile, ""), (hostile, hostile)], name=hostile))
    assert page.evaluate("window.broken") is None
    assert page.locator("img, script").count() == 0
    shown = page.locator(".examples dd").first.text_content()
    assert shown.replace("\ufffd", "") == "".join(c for c in hostile if c.isprintable())


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_system_and_narrow_screens_do_not_scroll(tmp_path, open_page, scheme):
    page = open_page(
        write(tmp_path, [("word" * 300, "Wort" * 300), ("a", "")]),
        color_scheme=scheme,
        viewport={"width": 360, "height": 700},
    )
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(252, 252, 250)", "dark": "rgb(21, 23, 26)"}[scheme]
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
