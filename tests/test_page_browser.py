"""The page in a real browser: what it lights, and that texts stay texts."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from pages import HEADS, LAYERS, READING, make_page, sentence

from translate.alignment.aer import Gold
from translate.alignment.extract import END, Reading, read
from translate.alignment.words import at_level, links

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed: pip install playwright"
)
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="chromium is not installed: apt-get install chromium"
)

LONG = " ".join(["Donaudampfschifffahrtsgesellschaft", "läuft", "zur"] * 25 + ["x" * 300])
GOLD = Gold(frozenset({(0, 0), (1, 2)}), frozenset({(2, 1)}))
PAIRS = [
    sentence("kleine Hunde laufen schnell", "small dogs run fast", gold=GOLD),
    sentence("die Katze schläft", "the cat sleeps", "the cat is asleep", "a cat sleeps"),
    sentence("", "nothing"),
    sentence("הכלב הקטן רץ", "the little dog runs"),
    sentence("the little dog", "الكلب الصغير يركض"),
    sentence("小さな犬が走る", "小狗 跑步"),
    sentence(LONG, LONG.lower()),
]
HOSTILE = [
    "<script>window.broken=1</script>",
    "</script><img src=x onerror=window.broken=1>",
    "</textarea> </style> <!-- ]]> &lt;b&gt; &amp;",
    "a\u2028b \u202e turned \x00 \x1b[31m",
    "' \" ` ${window.broken=1} {{1}} \\u003cscript\\u003e",
    "<svg/onload=window.broken=1> javascript:window.broken=1",
]


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser):
    """Open files, and afterwards know that nothing was logged, and nothing but the files asked for."""
    contexts, wrong, asked, files = [], [], [], set()

    def opening(path: Path, place: str = "", **settings):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: asked.append(request.url.partition("#")[0]))
        files.add(path.as_uri())
        page.goto(path.as_uri() + place)
        page.wait_for_selector(".pair, .note:not([hidden])")
        return page

    yield opening
    for context in contexts:
        context.close()
    assert wrong == []
    assert {url for url in asked if not url.startswith("data:,")} <= files


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    make_page(path, *PAIRS)
    return path


@pytest.fixture
def page(open_page, path):
    return open_page(path)


def at(number=1, hypothesis=0, reading=READING, level="word"):
    return at_level(read(PAIRS[number - 1].hypotheses[hypothesis].maps, reading), level)


def token(page, side, index, panel=0):
    return page.locator(".pair").nth(panel).locator(f".{side} .token").nth(index)


def lit(page, side, kind="linked", panel=0):
    """Numbers of the tokens that have a class."""
    tokens = page.locator(".pair").nth(panel).locator(f".{side} .token")
    return tokens.evaluate_all(
        "(all, kind) => all.flatMap((it, i) => it.classList.contains(kind) ? [i] : [])", kind
    )


def texts(page, side):
    return page.locator(f".pair:first-child .{side} .token").all_text_contents()


def away(page):
    page.mouse.move(5, 5)


def background(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


# ---- weights


@pytest.mark.parametrize("level", ["word", "subword"])
@pytest.mark.parametrize("shift", [0, 1])
def test_every_reading_is_the_one_of_python(page, level, shift):
    for layer in range(LAYERS):
        for head in (None, *range(HEADS)):
            expected = at(1, 0, Reading(layer, head, shift, ""), level)
            view = {"layer": layer, "head": head, "shift": shift, "level": level, "mode": "strongest"}
            found = page.evaluate(
                """view => {
                  const sentence = contents.sentences[0];
                  const found = readHypothesis(contents, sentence, sentence.hypotheses[0], view);
                  return [found.weights.map(row => [...row]), found.src, found.tgt];
                }""",
                view,
            )
            # A byte is 1/510 off at most, and a word has at most two pieces here.
            np.testing.assert_allclose(found[0], expected.weights, atol=2 / 510 + 1e-6)
            assert [tuple(tokens) for tokens in found[1:]] == [expected.src_tokens, expected.tgt_tokens]


@pytest.mark.parametrize("threshold", [None, 0.1, 0.35])
def test_links_are_those_of_python(open_page, tmp_path, threshold):
    make_page(tmp_path / "a.html", *PAIRS[:2], threshold=threshold)
    page = open_page(tmp_path / "a.html")
    found = page.evaluate("panels[0].reading.links")
    assert sorted(map(tuple, found)) == links(at(), threshold)


def test_probabilities_of_words_are_products_of_those_of_their_pieces(page):
    # small, dogs: two pieces each; run: one.
    log_probs = PAIRS[0].hypotheses[0].maps.log_probs
    expected = np.exp([log_probs[0:2].sum(), log_probs[2:4].sum(), log_probs[4]])
    for index, probability in enumerate(expected):
        token(page, "tgt", index).hover()
        assert page.locator("#tip").text_content() == f"probability {probability:.3f}"
        width = token(page, "tgt", index).evaluate(
            "it => parseFloat(getComputedStyle(it, '::after').width) / (it.clientWidth - 6)"
        )
        assert width == pytest.approx(probability, abs=0.02)
    page.locator("#probabilities").uncheck()
    assert token(page, "tgt", 0).evaluate("it => getComputedStyle(it, '::after').content") == "none"


# ---- light


def test_pointing_at_a_target_word_lights_the_source_words_it_is_linked_to(page):
    found = links(at())
    for tgt in range(4):
        token(page, "tgt", tgt).hover()
        assert lit(page, "tgt", "active") == [tgt]
        assert lit(page, "src") == sorted(i for i, j in found if j == tgt)
        assert page.locator(".lit path.on:not(.missed)").count() == len([1 for _, j in found if j == tgt])
    away(page)
    assert lit(page, "src") == lit(page, "tgt", "active") == []


def test_pointing_at_a_source_word_lights_the_target_words_linked_to_it(page):
    found = links(at())
    assert len({i for i, _ in found}) > 1
    for src in range(4):
        token(page, "src", src).hover()
        assert lit(page, "src", "active") == [src]
        assert lit(page, "tgt") == sorted(j for i, j in found if i == src)


def test_a_stronger_link_is_lit_more(page):
    src, tgt = links(at())[0]
    token(page, "tgt", tgt).hover()
    weight = float(token(page, "src", src).evaluate("it => it.style.getPropertyValue('--weight')"))
    assert weight == pytest.approx(at().weights[tgt, src], abs=0.01)


def test_a_click_pins_a_word_and_another_lets_it_go(page):
    token(page, "tgt", 0).click()
    away(page)
    assert lit(page, "tgt", "active") == [0]
    assert token(page, "tgt", 0).get_attribute("aria-selected") == "true"
    token(page, "src", 1).click()
    away(page)
    assert lit(page, "src", "active") == [1]
    token(page, "tgt", 0).click()
    away(page)
    page.evaluate("document.activeElement.blur()")
    assert lit(page, "tgt", "active") == []
    page.keyboard.press("Escape")
    assert lit(page, "src", "active") == []


def test_keys_move_along_a_sentence_and_across_pin_and_are_announced(page):
    page.locator("#reset").focus()
    page.keyboard.press("Tab")
    assert lit(page, "src", "active") == [0]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    assert lit(page, "src", "active") == [1]
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")  # nowhere
    assert lit(page, "src", "active") == [4]
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    best = int(at().weights[:, 0].argmax())
    assert lit(page, "tgt", "active") == [best]
    page.keyboard.press("ArrowUp")
    assert lit(page, "src", "active") == [int(at().weights[best].argmax())]
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Tab")  # the target sentence is one stop, at the word last visited
    assert lit(page, "tgt", "active") == [best]
    page.keyboard.press("Enter")
    page.keyboard.press("Shift+Tab")
    assert lit(page, "tgt", "active") == [best]
    page.keyboard.press("Escape")
    assert lit(page, "tgt", "active") == []


def test_the_linked_words_are_told_to_those_who_do_not_see_them(page):
    src, tgt = links(at())[0]
    token(page, "tgt", tgt).focus()
    status = page.locator("#status")
    assert status.get_attribute("aria-live") == "polite"
    alignment = at()
    told = status.text_content().replace("\u2068", "").replace("\u2069", "")
    weight = round(100 * float(alignment.weights[tgt, src]))
    assert told.startswith(f"{alignment.tgt_tokens[tgt]} → {alignment.src_tokens[src]} ")
    assert abs(int(told.rpartition(" ")[2].rstrip("%")) - weight) <= 1
    assert page.get_by_role("listbox", name="Source words").get_by_role("option").count() == 5


def test_pointing_in_the_map_lights_both_words_and_names_the_weight(page):
    alignment = at()
    left, top, cell = page.evaluate(
        "[panels[0].geometry.left, panels[0].geometry.top, panels[0].geometry.cell]"
    )
    canvas = page.locator(".map canvas").last
    place = {"x": left + 1.5 * cell, "y": top + 2.5 * cell}
    canvas.hover(position=place)
    assert lit(page, "src", "active") == [1]
    assert lit(page, "tgt", "active") == [2]
    tip = page.locator("#tip").text_content().replace("\u2068", "").replace("\u2069", "")
    assert tip.startswith("Hunde – run ")
    assert float(tip.split()[-1].rstrip("%")) == pytest.approx(100 * alignment.weights[2, 1], abs=0.5)
    canvas.click(position=place)
    away(page)
    assert lit(page, "tgt", "active") == [2]
    canvas.hover(position={"x": 1, "y": 1})  # beside the cells
    assert lit(page, "src", "active") == []


def test_the_map_is_darker_where_weights_are_higher(page):
    weights = at().weights
    page.locator("#gold").uncheck()
    brightness = page.evaluate(
        """() => {
          const {base, left, top, cell, rows, columns} = panels[0].geometry;
          const ratio = base.width / base.clientWidth;
          const {data} = base.getContext("2d").getImageData(0, 0, base.width, base.height);
          const place = (begin, at) => Math.round((begin + (at + 0.5) * cell) * ratio);
          const bright = (row, column) => data[4 * (place(top, row) * base.width + place(left, column))];
          return Array.from({length: rows}, (_, row) =>
            Array.from({length: columns}, (_, column) => bright(row, column)));
        }"""
    )
    brightness = np.array(brightness)
    assert brightness.shape == weights.shape
    assert brightness[weights > 0.4].max() < brightness[weights < 0.2].min()
    assert np.corrcoef(brightness.ravel(), weights.ravel())[0, 1] < -0.99


# ---- controls


def shown_weights(page):
    return np.array(page.evaluate("panels[0].reading.weights.map(row => [...row])"))


def test_layer_head_and_reading_are_chosen(page):
    assert page.locator("#about").text_content() == READING.words
    for control, value, expected, told in (
        ("#layer", "1", Reading(0, None, 0, ""), "layer 1 of 2, mean of 3 heads, plain"),
        ("#head", "3", Reading(0, 2, 0, ""), "layer 1 of 2, head 3 of 3, plain"),
        ("#shift", "1", Reading(0, 2, 1, ""), "layer 1 of 2, head 3 of 3, shifted"),
    ):
        page.locator(control).select_option(value=value)
        np.testing.assert_allclose(shown_weights(page), at(reading=expected).weights, atol=0.005)
        assert page.locator("#about").text_content() == told
    page.locator("#reset").click()
    np.testing.assert_allclose(shown_weights(page), at().weights, atol=0.005)


def test_words_or_pieces_are_shown(page):
    assert texts(page, "src") == ["kleine", "Hunde", "laufen", "schnell", END]
    page.locator("#level").select_option(value="subword")
    assert texts(page, "src")[:4] == ["▁kle", "ine", "▁Hun", "de"]
    assert shown_weights(page).shape == at(level="subword").weights.shape


def test_the_threshold_is_that_of_links(page):
    assert page.locator(".words path:not(.missed)").count() == len(links(at()))
    for value in ("5", "40"):
        page.locator("#threshold").fill(value)
        assert page.locator("#mode").input_value() == "threshold"
        assert page.locator("#threshold-value").text_content() == f"{value}%"
        # Weights near the threshold may fall on its other side, as they are bytes.
        low, high = (len(links(at(), int(value) / 100 + by)) for by in (0.005, -0.005))
        assert low <= page.locator(".words path:not(.missed)").count() <= high
    page.locator("#mode").select_option(value="strongest")
    assert page.locator(".words path:not(.missed)").count() == len(links(at()))


def test_gold_tells_right_links_from_wrong_and_missed_ones(page):
    found = set(links(at()))
    right = found & (GOLD.sure | GOLD.possible)
    counts = {kind: page.locator(f"path.{kind}").count() for kind in ("right", "wrong", "missed")}
    assert counts == {
        "right": len(right),
        "wrong": len(found - right),
        "missed": len(GOLD.sure - found),
    }
    assert sum(map(bool, counts.values())) >= 2
    assert "Gold" in page.locator("#legend").text_content()
    with_gold = page.evaluate("panels[0].geometry.base.toDataURL()")
    page.locator("#gold").uncheck()
    assert page.locator("path.right, path.wrong, path.missed").count() == 0
    assert page.evaluate("panels[0].geometry.base.toDataURL()") != with_gold
    assert "Gold" not in page.locator("#legend").text_content()


def test_what_a_page_does_not_have_has_no_control(open_page, tmp_path):
    written = make_page(tmp_path / "all.html", *PAIRS[1:2], all_heads=True)
    assert written.maps == LAYERS * HEADS
    assert open_page(tmp_path / "all.html").locator("#layer").is_visible()
    assert not open_page(tmp_path / "all.html").locator("#gold").is_visible()


def test_a_page_with_one_map_says_so_and_still_shifts_it(open_page, tmp_path, monkeypatch):
    monkeypatch.setattr("translate.alignment.page.MOST_WEIGHTS", 10)
    reading = Reading(0, 1, 1, "layer 1, head 2, shifted")
    assert make_page(tmp_path / "one.html", *PAIRS[:2], reading=reading).maps == 1
    page = open_page(tmp_path / "one.html")
    assert not page.locator("#layer").is_visible()
    assert not page.locator("#head").is_visible()
    assert "only this map of 6 is in the page" in page.locator("#about").text_content()
    np.testing.assert_allclose(shown_weights(page), at(reading=reading).weights, atol=0.005)
    page.locator("#shift").select_option(value="0")
    plain = reading._replace(shift=0)
    np.testing.assert_allclose(shown_weights(page), at(reading=plain).weights, atol=0.005)


# ---- the list


def listed(page):
    return [int(text) for text in page.locator("#sentences .number").all_text_contents()]


def test_sentences_are_found_by_their_source_and_by_any_translation(page):
    for wanted, found in (
        ("HUNDE", [1]),
        ("asleep", [2]),
        ("犬", [6]),
        ("little dog", [4, 5]),
        ("zebra", []),
    ):
        page.locator("#search").fill(wanted)
        assert listed(page) == found
        assert page.locator("#count").text_content() == f"{len(found)} of 7 sentences"
    page.locator("#search").fill("")
    assert listed(page) == [1, 2, 3, 4, 5, 6, 7]


def test_sentences_are_sorted_by_the_mean_probability_of_their_pieces(page):
    means = {
        number: np.exp(pair.hypotheses[0].maps.log_probs).mean()
        for number, pair in enumerate(PAIRS, start=1)
        if number != 3
    }
    least = sorted(means, key=means.get)
    page.locator("#order").select_option(value="least")
    assert listed(page) == [*least, 3]  # what is blank is last either way
    shown = page.locator("#sentences .percent").all_text_contents()
    assert shown[0] == f"{round(100 * float(means[least[0]]))}%"
    assert shown[-1] == "–"
    page.locator("#order").select_option(value="most")
    assert listed(page) == [*least[::-1], 3]


def test_a_sentence_is_chosen_by_click_key_or_address(page, open_page, path):
    page.locator("#sentences button").nth(1).click()
    assert page.locator("#heading").text_content() == "Sentence 2"
    assert page.locator("#sentences [aria-current]").count() == 1
    page.keyboard.press("ArrowDown")
    assert page.locator("#heading").text_content() == "Sentence 3"
    assert "blank or too long" in page.locator("#hypotheses").text_content()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert page.locator("#heading").text_content() == "Sentence 1"
    assert open_page(path, "#4").locator("#heading").text_content() == "Sentence 4"
    assert open_page(path, "#99").locator("#heading").text_content() == "Sentence 1"


def test_several_translations_stand_side_by_side(open_page, path):
    page = open_page(path, "#2")
    assert page.locator(".pair").count() == 3
    headings = page.locator(".pair h3").all_text_contents()
    assert [heading.split(" · ")[:2] for heading in headings] == [
        ["1 of 3", "score -0.250"],
        ["2 of 3", "score -0.500"],
        ["3 of 3", "score -0.750"],
    ]
    boxes = [pair.bounding_box() for pair in page.locator(".pair").all()]
    assert boxes[0]["x"] < boxes[1]["x"] < boxes[2]["x"]
    assert boxes[0]["y"] == boxes[1]["y"]
    token(page, "src", 1).hover()  # one word of the source, three alignments
    for panel in range(3):
        assert lit(page, "src", "active", panel) == [1]
        assert lit(page, "tgt", panel=panel) == sorted(j for i, j in links(at(2, panel)) if i == 1)
    token(page, "tgt", 1, panel=1).hover()
    assert [lit(page, "tgt", "active", panel) for panel in range(3)] == [[], [1], []]


def test_a_blank_translation_among_others_changes_nothing(open_page, tmp_path):
    make_page(tmp_path / "a.html", sentence("die Katze", "", "the cat"))
    page = open_page(tmp_path / "a.html")
    assert page.locator(".pair").count() == 1
    assert texts(page, "tgt") == [] or page.locator(".tgt .token").all_text_contents() == ["the", "cat", END]
    assert page.locator("#hypotheses .note").count() == 1


# ---- how it looks


def test_light_and_dark_follow_the_system_and_the_button(open_page, path):
    page = open_page(path, color_scheme="light")
    light = background(page)
    map_in_light = page.evaluate("panels[0].geometry.base.toDataURL()")
    page.emulate_media(color_scheme="dark")
    dark = background(page)
    assert dark != light
    page.wait_for_function("light => panels[0].geometry.base.toDataURL() !== light", arg=map_in_light)
    assert page.locator("#theme").text_content() == "Light"
    page.locator("#theme").click()
    assert background(page) == light
    assert page.evaluate("panels[0].geometry.base.toDataURL()") == map_in_light
    page.locator("#theme").click()
    assert background(page) == dark


def test_a_phone_shows_all_without_scrolling_sideways(open_page, path):
    page = open_page(path, viewport={"width": 390, "height": 844}, has_touch=True)
    for number in range(len(PAIRS)):
        page.evaluate("select", number)
        assert page.evaluate("document.documentElement.scrollWidth") == 390
    for control in page.locator("button:visible, select:visible, #search, #threshold").all():
        box = control.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390


def test_a_long_sentence_wraps_and_its_map_scrolls_in_its_own_box(open_page, path):
    page = open_page(path, "#7")
    first, last = (token(page, "src", index).bounding_box() for index in (0, 75))
    assert last["y"] > first["y"] + 100
    assert page.evaluate("document.documentElement.scrollWidth") == 1280
    assert page.evaluate("(box => box.scrollWidth > box.clientWidth)(document.querySelector('.map'))")


def test_right_to_left_sentences_run_from_the_right_and_so_do_the_keys(open_page, path):
    page = open_page(path, "#4")
    first, second = (token(page, "src", index).bounding_box() for index in (0, 1))
    assert first["x"] > second["x"]
    assert token(page, "tgt", 0).bounding_box()["x"] < token(page, "tgt", 1).bounding_box()["x"]
    token(page, "src", 0).focus()
    page.keyboard.press("ArrowLeft")
    assert lit(page, "src", "active") == [1]
    page = open_page(path, "#5")
    assert token(page, "tgt", 0).bounding_box()["x"] > token(page, "tgt", 1).bounding_box()["x"]


def test_scripts_without_spaces_are_shown_piece_by_piece(open_page, path):
    page = open_page(path, "#6")
    assert texts(page, "src") == ["小さな", "犬が走る", END]
    assert texts(page, "tgt") == ["小狗", "跑步", END]


# ---- texts are texts


def test_a_hostile_sentence_runs_nothing_and_is_shown_as_text(open_page, tmp_path):
    rows = [sentence(text, f"{text} {HOSTILE[0]}") for text in HOSTILE]
    make_page(tmp_path / "a.html", *rows, name="</title><script>window.broken=1</script>")
    page = open_page(tmp_path / "a.html")
    assert page.title() == "</title><script>window.broken=1</script>"
    for number, row in enumerate(rows, start=1):
        page.locator("#sentences button").nth(number - 1).click()
        expected = at_level(read(row.hypotheses[0].maps, READING), "word")
        controls = dict.fromkeys(map(ord, "\u202e\x00\x1b\u2028"), "\ufffd")
        assert texts(page, "src") == [text.translate(controls) for text in expected.src_tokens]
        for index in range(len(expected.tgt_tokens)):
            token(page, "tgt", index).focus()
    assert page.locator("#sentences .text").first.text_content() == HOSTILE[0]
    assert page.evaluate("window.broken") is None
    assert page.locator("img, textarea, main script, nav script, main style").count() == 0
    assert page.locator("script").count() == 2


def test_the_policy_lets_no_other_script_run(browser, path):
    page = browser.new_page()
    page.goto(path.as_uri())
    page.wait_for_selector(".pair")
    page.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "window.broken = 1";
          document.body.append(script);
          document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.broken=1'>");
        }"""
    )
    assert page.evaluate("window.broken") is None
    page.context.close()


def test_a_damaged_page_says_so(open_page, path, tmp_path):
    begin, mark, rest = path.read_text(encoding="utf-8").partition('id="data">')
    (tmp_path / "a.html").write_text(begin + mark + "AAAA" + rest, encoding="utf-8")
    page = open_page(tmp_path / "a.html")
    assert "This page cannot be shown" in page.locator("#failure").text_content()
