"""The page of a comparison: what it says, and in a real browser that texts stay texts."""

import re
import shutil
from collections import Counter

import pytest
from test_comparison import REFS, A, B

from translate.comparison import Resampling, Texts, compare
from translate.comparison_page import About, write_page

CHROMIUM = shutil.which("chromium")
HOSTILE = [
    "<script>window.broken=1</script>",
    "</dd><img src=x onerror=window.broken=1>",
    "</style> <!-- ]]> &lt;b&gt; &amp;",
    "' \" ` ${sentences} $style {{1}}",
    "<svg/onload=window.broken=1> javascript:window.broken=1",
    "a \u202e turned \x00 \x1b[31m",
]


def write(path, texts, train_text="train.de", frequencies=None, names=("runs/a", "runs/b")):
    comparison = compare(texts, frequencies=frequencies, resampling=Resampling(50, 1))
    write_page(path, comparison, About(names, "data/test", texts.tgt_lang, train_text, 50))
    return comparison


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    return write(path, Texts(REFS, REFS, A, B), frequencies=Counter(dog=3)), path


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser):
    """Open files, and afterwards know that nothing was logged, and nothing but the files asked for."""
    contexts, wrong, asked, files = [], [], [], set()

    def opening(path, **settings):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | settings)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        files.add(path.as_uri())
        page.goto(path.as_uri())
        return page

    yield opening
    for context in contexts:
        context.close()
    assert wrong == []
    assert {url for url in asked if not url.startswith("data:,")} <= files


def test_scores_buckets_and_examples_are_on_the_page(written, open_page):
    comparison, path = written
    page = open_page(path)
    cards = page.locator(".card .pair").all_text_contents()
    for card, (_, signature, compared) in zip(cards, comparison.metrics, strict=True):
        difference = f"{compared.difference:+.2f}".replace("-", "−")
        assert card == f"A{compared.a:.2f}B{compared.b:.2f}B − A{difference}"
        assert signature in page.locator(".signature").all_text_contents()
    tables = page.locator(".buckets table")
    parts = (comparison.by_length, comparison.by_rarest, comparison.by_frequency)
    assert tables.count() == len(parts)
    for number, buckets in enumerate(parts):
        rows = tables.nth(number).locator("tbody tr")
        assert rows.locator("th").all_text_contents() == [bucket.name for bucket in buckets]
        assert rows.locator("td:nth-child(2)").all_text_contents() == [str(bucket.size) for bucket in buckets]
    lines = [f"line {it.line} " for it in (*comparison.b_best, *comparison.a_best)]
    headings = page.locator(".examples h3").all_text_contents()
    assert [re.sub("chrF.*", "", heading) for heading in headings] == lines


def test_the_picture_has_the_interval_where_its_numbers_are(written, open_page):
    comparison, path = written
    picture = open_page(path).locator(".buckets svg").first
    differences = [bucket.compared for bucket in comparison.by_length]
    scale = max(abs(x) for it in differences for x in (it.difference, *it.interval))
    low, high = differences[0].interval
    line, dot = picture.locator("line:not(.zero)"), picture.locator("circle")
    assert [float(line.get_attribute(end)) for end in ("x1", "x2")] == pytest.approx(
        [80 + 75 * low / scale, 80 + 75 * high / scale], abs=0.06
    )
    assert float(dot.get_attribute("cx")) == pytest.approx(
        80 + 75 * differences[0].difference / scale, abs=0.06
    )
    assert picture.get_attribute("class") == "b"  # B is better, and the sentences are enough to say so


def test_words_that_differ_are_marked_right_or_wrong(tmp_path, open_page):
    write(tmp_path / "a.html", Texts(None, ["a small dog"], ["a small cat"], ["a big dog"]))
    page = open_page(tmp_path / "a.html")
    for kind, words in (("right", ["small", "dog"]), ("wrong", ["cat", "big"])):
        assert sorted(page.locator(f".examples mark.{kind}").all_text_contents()) == sorted(words)
    assert "a small cat" in page.locator(".examples dd").all_text_contents()


def test_texts_of_every_kind_stay_texts(tmp_path, open_page):
    texts = Texts(HOSTILE, HOSTILE, HOSTILE, [f"x{text}" for text in HOSTILE])
    write(tmp_path / "a.html", texts, HOSTILE[0], Counter(), (HOSTILE[0], HOSTILE[1]))
    page = open_page(tmp_path / "a.html")
    assert page.evaluate("window.broken") is None
    assert page.locator("img, script").count() == 0
    shown = page.locator(".examples dd").all_text_contents()
    for text in HOSTILE[:-1]:
        assert shown.count(text) == 3  # source, reference, A
        assert shown.count(f"x{text}") == 1
    assert "a \ufffd turned \ufffd \ufffd[31m" in shown
    assert page.locator("h1 bdi").all_text_contents() == HOSTILE[:2]
    assert HOSTILE[0] in page.locator(".buckets h2").last.text_content()


def test_without_sources_training_text_and_examples_the_page_has_fewer_parts(tmp_path, open_page):
    write(tmp_path / "a.html", Texts(None, ["a dog"], ["a dog"], ["a dog"]), None)
    page = open_page(tmp_path / "a.html")
    assert page.locator(".buckets section, .examples section").count() == 0
    assert not page.locator(".legend").last.is_visible()
    assert page.locator(".verdict").all_text_contents() == ["too few sentences to tell from chance"] * 2


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_window(written, tmp_path, open_page, width):
    long = "Donaudampfschifffahrtsgesellschaft" * 20
    write(tmp_path / "a.html", Texts([long], [long], [long], ["x"]), names=(long, long))
    for path in (written[1], tmp_path / "a.html"):
        page = open_page(path, viewport={"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") == width
        for table in page.locator(".buckets section").all():
            assert table.evaluate("it => it.scrollWidth <= it.clientWidth")


def test_colours_follow_the_system_until_others_are_chosen(written, open_page):
    def dark(page):
        red, *_ = map(
            int, re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor"))
        )
        return red < 128

    page = open_page(written[1], color_scheme="dark")
    assert dark(page)
    page.locator("#theme").select_option("light")
    assert not dark(page)
    page = open_page(written[1], color_scheme="light")
    assert not dark(page)
    page.locator("#theme").select_option("dark")
    assert dark(page)
