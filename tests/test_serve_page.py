"""The page that is served, in a real browser, with a real server of a tiny model."""

import json
import re
import shutil
from dataclasses import replace

import pytest
from httpx2 import Client
from serving import make_app, real_server
from test_page_browser import HOSTILE
from tiny import TRANSFORMER, tiny_run

from translate.serve.limits import Limits

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed: pip install playwright"
)
expect = playwright.expect
expect.set_options(timeout=30_000)  # as long as nothing is wrong, nobody waits
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="chromium is not installed: apt-get install chromium"
)

LIMIT = 300  # characters of a request
TEXT, OTHER = "Ein Hund läuft.", "Zwei Kinder spielen."


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    # It repeats one word, as often as the text has pieces.
    halves = (TRANSFORMER.encoder, TRANSFORMER.decoder)
    encoder, decoder = (replace(half, positions="sinusoidal") for half in halves)
    model = replace(TRANSFORMER, encoder=encoder, decoder=decoder)
    run = tiny_run(tmp_path_factory.mktemp("runs"), model=model, directions="both")
    with real_server(make_app([run], limits=Limits(characters=LIMIT))) as (host, port):
        yield f"http://{host}:{port}"


@pytest.fixture(scope="module")
def api(server):
    """Answers of the server: `api(path, **fields)`; German to English unless told otherwise."""
    with Client(base_url=server, timeout=30) as client:
        way = {"source": "de", "target": "en"}
        yield lambda path, **fields: client.post(path, json=way | fields).json()


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, server):
    """Open the page, and afterwards know that nothing went wrong and nothing was asked of others."""
    contexts, wrong, asked = [], [], []

    def opening(**settings):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        # A refusal that a test asks for is logged by the browser itself.
        page.on("console", lambda said: "Failed to load" in said.text or wrong.append(said.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(server)
        expect(page.locator("#source option").nth(1)).to_be_attached()
        return page

    yield opening
    for context in contexts:
        context.close()
    assert wrong == []
    assert asked
    assert all(url.startswith((f"{server}/", f"blob:{server}/")) for url in asked)


@pytest.fixture
def page(open_page):
    return open_page()


def test_languages_that_cannot_be_swapped_say_why(page):
    languages = [
        {"code": "de", "name": "German", "targets": ["en"]},
        {"code": "en", "name": "English", "targets": []},
    ]
    page.route("**/languages", lambda route: route.fulfill(json=languages))
    page.reload()
    swap = page.get_by_role("button", name="Swap the languages")
    expect(swap).to_be_disabled()
    expect(swap).to_have_attribute("title", "No model here translates English to German")


def translate(page, api, text=TEXT):
    """Put in a text; its translation, when it is shown and its words are known."""
    page.locator("#input").fill(text)
    translated = api("/translate", q=text)["translatedText"]
    expect(page.locator("#output .line:not(.stale)").first).to_be_visible()
    shown(page, translated)
    expect(page.locator("#map table")).to_be_visible()
    return translated


def shown(page, text):
    """Wait until this is the translation."""
    lines = text.split("\n")
    expect(page.locator("#output .line")).to_have_count(len(lines))
    expect(page.locator("#output .stale")).to_have_count(0)
    # Not the visible text, which loses control characters and spaces.
    assert page.locator("#output .line").all_text_contents() == lines


def words(page, side="tgt", kind=""):
    box = {"src": "#backdrop", "tgt": "#output"}[side]
    return page.locator(f"{box} .word{kind}")


def lit(page, side, kind="linked"):
    """Numbers of the words of a one-line text that have a class."""
    return words(page, side).evaluate_all(
        "(all, kind) => all.flatMap((it, i) => it.classList.contains(kind) ? [i] : [])", kind
    )


def told(page):
    return re.sub("[\u2068\u2069]", "", page.locator("#told").text_content())


def refuse(page, path, status, error, headers=(), times=None):
    body = json.dumps({"error": error})
    kind = {"content-type": "application/json"}
    answer = {"status": status, "body": body, "headers": kind | dict(headers)}
    settings = {} if times is None else {"times": times}
    page.route(f"**/{path}", lambda route: route.fulfill(**answer), **settings)


def drop(page, name, content):
    """Drop a file of these bytes on the page."""
    files = page.evaluate_handle(
        """([name, bytes]) => {
          const carried = new DataTransfer();
          carried.items.add(new File([new Uint8Array(bytes)], name));
          return carried;
        }""",
        [name, list(content)],
    )
    page.dispatch_event("#input", "drop", {"dataTransfer": files})


# ---- translating


def test_the_translation_appears_while_one_types(page, api):
    page.locator("#input").focus()
    page.keyboard.type(TEXT)
    translated = api("/translate", q=TEXT)["translatedText"]
    expect(page.locator("#output")).to_have_text(translated)
    expect(page.locator("#counter")).to_have_text(f"{len(TEXT)} / {LIMIT}")
    expect(page.locator("#spoken")).to_have_text(translated)
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(page.locator("#output")).to_be_hidden()
    expect(page.locator("#details")).to_be_hidden()
    assert page.evaluate("document.activeElement.id") == "input"


def test_what_is_asked_for_an_outdated_text_is_given_up(page, api):
    failed = []
    page.on("requestfailed", lambda request: failed.append(request.post_data_json["q"]))
    page.route("**/translate", lambda route: None, times=1)  # never answered
    with page.expect_request("**/translate"):
        page.locator("#input").fill(OTHER)
    assert page.locator("#translation").get_attribute("aria-busy") == "true"
    assert translate(page, api) != ""
    assert failed == [[OTHER]]
    assert page.locator("#translation").get_attribute("aria-busy") == "false"


def test_lines_stay_lines_and_only_new_ones_are_asked_for(page, api):
    translate(page, api, f"{TEXT}\n\n  {OTHER}")
    with page.expect_request("**/translate") as asked:
        page.locator("#input").fill(f"{TEXT}\n\n  {OTHER}\nneu")
    assert asked.value.post_data_json["q"] == ["neu"]
    shown(page, api("/translate", q=f"{TEXT}\n\n  {OTHER}\nneu")["translatedText"])


def test_what_one_may_point_at_is_said_until_one_does(page, api):
    hint = page.get_by_text("Point at a word to see where it came from.")
    expect(hint).to_be_visible()
    translate(page, api)
    words(page).first.hover()
    assert told(page) != ""
    expect(hint).to_be_hidden()


def test_languages_are_swapped_with_their_texts(page, api):
    translated = translate(page, api)
    page.get_by_role("button", name="Swap the languages").click()
    assert page.locator("#input").input_value() == translated
    assert [page.locator(f"#{side}").input_value() for side in ("source", "target")] == ["en", "de"]
    shown(page, api("/translate", q=translated, source="en", target="de")["translatedText"])


def test_the_language_is_detected_and_the_target_gives_way(page, api):
    page.get_by_label("Translate from").select_option("auto")
    page.locator("#input").fill("Two children are playing in the park.")
    expect(page.locator("#source option:checked")).to_have_text("Detected: English")
    assert page.get_by_label("Translate to").input_value() == "de"
    expected = api("/translate", q="Two children are playing in the park.", source="en", target="de")
    shown(page, expected["translatedText"])


def test_the_translation_is_copied(open_page, api):
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    translated = translate(page, api)
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == translated


# ---- words


@pytest.fixture
def aligned(page, api):
    """The alignment of what the page shows."""
    return api("/align", src=TEXT, tgt=translate(page, api))


def test_pointing_at_a_word_lights_those_it_came_from_or_went_into(page, aligned):
    links = aligned["links"]
    for tgt in (0, 2):
        words(page).nth(tgt).hover()
        assert lit(page, "tgt", "active") == [tgt]
        assert lit(page, "src") == [i for i, j in links if j == tgt]
    src = links[0][0]
    box = words(page, "src").nth(src).bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)  # the input lies above it
    assert lit(page, "src", "active") == [src]
    assert lit(page, "tgt") == [j for i, j in links if i == src] != []
    page.mouse.move(5, 5)
    assert lit(page, "src", "active") == [2]  # that of the cursor
    page.evaluate("document.activeElement.blur()")
    assert (lit(page, "src", "active"), told(page)) == ([], "")


def test_the_text_behind_the_input_is_at_the_same_place(page, aligned):
    page.locator("#input").evaluate("it => it.setSelectionRange(4, 8)")
    assert words(page, "src").nth(1).text_content() == "Hund"
    heights = page.evaluate("[input.scrollHeight, input.clientHeight, backdrop.clientHeight]")
    assert len(set(heights)) == 1
    fonts = page.evaluate(
        """[input, backdrop].map((it) => ["font", "padding", "letterSpacing", "whiteSpace", "width"]
          .map((name) => getComputedStyle(it)[name]).join())"""
    )
    assert fonts[0] == fonts[1]


def test_keys_reach_every_word_and_say_what_it_came_from(page, aligned):
    page.locator("#confidence").focus()
    page.keyboard.press("Shift+Tab")
    expect(words(page).first).to_have_class(re.compile(r"\bactive\b"))
    assert lit(page, "tgt", "active") == [0]
    for key, place in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", -1), ("Home", 0)):
        page.keyboard.press(key)
        place %= words(page).count()
        assert lit(page, "tgt", "active") == [place]
    assert lit(page, "src") == [i for i, j in aligned["links"] if j == 0]
    assert words(page).first.get_attribute("aria-selected") == "true"
    sources = [f"{aligned['src_tokens'][i]} " for i, j in aligned["links"] if j == 0]
    assert told(page).startswith(f"{aligned['tgt_tokens'][0]} ← {(sources or ['no word'])[0]}")
    assert re.search(r" · \d+% sure$", told(page))
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "input"
    page.keyboard.press("Home")  # the browser tells of a cursor that has moved a little later
    expect(words(page, "src").first).to_have_class(re.compile(r"\bactive\b"))
    assert lit(page, "src", "active") == [0]
    page.keyboard.press("End")
    expect(page.locator("#told")).to_contain_text("läuft.")
    assert told(page).startswith("läuft. →")


def test_confidence_is_drawn_and_written(page, aligned):
    shares = words(page).evaluate_all(
        "all => all.map(it => Number(it.style.getPropertyValue('--doubt-share')))"
    )
    expected = [1 - 2.718281828**score for score in aligned["scores"][:-1]]
    assert shares == pytest.approx(expected, abs=0.002)
    written = page.locator("#map td.sure").all_text_contents()
    assert [int(text.rstrip("%")) for text in written[:-1]] == pytest.approx(
        [100 * (1 - doubt) for doubt in expected], abs=0.51
    )
    line = "getComputedStyle(document.querySelector('#output .word')).textDecorationLine"
    assert page.evaluate(line) == "underline"
    page.get_by_label("Confidence").uncheck()
    assert page.evaluate(line) == "none"


def test_the_map_is_a_table_of_the_weights(page, aligned):
    rows = page.locator("#map tbody tr")
    for row, weights in enumerate(aligned["weights"]):
        cells = rows.nth(row).locator(".cell").all_text_contents()
        assert [int(text.rstrip("%")) for text in cells] == pytest.approx(
            [100 * weight for weight in weights], abs=0.51
        )
    assert page.locator("#map thead th").all_text_contents() == [*aligned["src_tokens"][:-1], "end", "sure"]
    assert page.locator("#map tbody th").all_text_contents() == [*aligned["tgt_tokens"][:-1], "end"]
    rows.nth(1).locator(".cell").first.hover()
    assert lit(page, "tgt", "active") == [1]


def test_the_details_are_those_of_the_line_at_the_cursor(page, api):
    translate(page, api, f"{TEXT}\n{OTHER}")
    page.evaluate("input.setSelectionRange(0, 0)")
    expect(page.locator("#map thead th").first).to_have_text("Ein")
    page.evaluate("input.setSelectionRange(20, 20)")
    expect(page.locator("#map thead th").first).to_have_text("Zwei")
    words(page).first.focus()
    expect(page.locator("#map thead th").first).to_have_text("Ein")


def test_another_translation_is_chosen_and_aligned(page, api):
    translated = translate(page, api)
    answer = api("/translate", q=TEXT, alternatives=4)
    texts = list(dict.fromkeys([translated, answer["translatedText"], *answer["alternatives"]]))
    choices = page.locator("#choices button")
    expect(choices).to_have_count(len(texts))
    assert choices.all_text_contents() == texts
    assert len(texts) > 2
    with page.expect_response("**/align") as asked:
        choices.nth(1).press("Enter")
    assert asked.value.request.post_data_json["tgt"] == texts[1]
    shown(page, texts[1])
    expect(choices.nth(1)).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#spoken")).to_have_text(texts[1])
    expect(page.locator("#map tbody th").first).to_have_text(asked.value.json()["tgt_tokens"][0])
    assert past(page) == [TEXT + texts[1]]


# ---- history and documents


def past(page):
    page.get_by_role("button", name="History").click()
    return [text.split("→")[1][3:] for text in page.locator("#past button").all_text_contents()]


def test_the_history_is_kept_chosen_cleared_and_switched_off(page, api):
    translated = translate(page, api, TEXT[:8])
    expect(page.locator("#spoken")).to_have_text(translated)
    translated = translate(page, api)  # it begins with the former: one entry
    expect(page.locator("#spoken")).to_have_text(translated)
    page.reload()
    expect(page.locator("#source option").nth(1)).to_be_attached()
    assert past(page) == [TEXT + translated]
    page.locator("#past button").click()
    assert page.locator("#input").input_value() == TEXT
    shown(page, translated)
    assert past(page) == [TEXT + translated]
    page.get_by_role("button", name="Clear history").click()
    expect(page.locator("#past button")).to_have_count(0)
    page.get_by_label("Keep what I translate").uncheck()
    page.keyboard.press("Escape")
    expect(page.locator("#history")).to_be_hidden()
    expect(page.locator("#spoken")).to_have_text(translate(page, api, OTHER))
    assert past(page) == []
    assert page.evaluate("localStorage.getItem('seq2see.history')") == "[]"


@pytest.mark.parametrize(
    ("name", "text", "format"),
    [
        ("letter.txt", f"{TEXT}\r\n\n" * 18 + OTHER, "text"),
        ("page.html", f"<p class=a>{TEXT}</p><script>window.broken=1</script>\n<b>{OTHER}</b>", "html"),
    ],
)
def test_a_dropped_document_comes_back_translated(page, api, name, text, format):
    page.get_by_label("Translate from").select_option("auto")
    drop(page, name, text.encode())
    new = name.replace(".", ".en.")
    with page.expect_download() as download:
        page.get_by_role("link", name=f"Download {new}").click()
    assert download.value.suggested_filename == new
    # In parts, if it is longer than a request may be.
    parts = text.split("\n") if format == "text" else [text]
    different = list(dict.fromkeys(parts))
    found = api("/translate", q=different, format=format)["translatedText"]
    expected = "\n".join(found[different.index(part)] for part in parts)
    assert download.value.path().read_bytes().decode() == expected
    assert len(text) > LIMIT or format == "html"
    expect(page.locator("#source option:checked")).to_have_text("Detect language")  # of the text typed
    page.get_by_role("button", name=f"Remove {name}").click()
    expect(page.locator("#documents")).to_be_hidden()


def test_a_document_that_cannot_be_translated_says_why(page):
    drop(page, "a.pdf", b"%PDF")
    drop(page, "b.txt", b"\xff\xfe")
    drop(page, "c.txt", b"a" * (LIMIT + 1))
    reasons = dict(
        zip(
            page.locator("#document-list .name").all_text_contents(),
            ("c", "b", "a"),
            strict=True,
        )
    )
    assert list(reasons) == ["c.txt", "b.txt", "a.pdf"]
    for index, reason in enumerate(
        (
            f"Invalid request: request ({LIMIT + 1}) exceeds text limit ({LIMIT})",
            "This document is not UTF-8 text.",
            "Only .txt and .html documents are translated.",
        )
    ):
        expect(page.locator("#document-list .status").nth(index)).to_have_text(reason)


# ---- problems


def test_texts_stay_texts(page):
    text = "\n".join(HOSTILE).replace("\x00", "")  # no keyboard types it

    def echo(route):
        texts = route.request.post_data_json["q"]
        several = isinstance(texts, list)
        others = {} if several else {"alternatives": [f"{texts}{other}" for other in HOSTILE]}
        route.fulfill(json={"translatedText": texts} | others)

    page.route("**/translate", echo)
    page.locator("#input").fill(text)
    shown(page, text)
    expect(page.locator("#choices button")).to_have_count(1 + len(HOSTILE))
    expect(page.locator("#spoken")).not_to_be_empty()
    assert page.locator("#spoken").text_content() == text
    drop(page, "<img src=x onerror=window.broken=1>.txt", HOSTILE[1].encode())
    expect(page.locator("#document-list .status")).to_have_text("done")
    assert past(page) == [text + text]
    assert page.evaluate("window.broken") is None
    assert page.locator("main script, img, #output svg, #choices svg, dialog svg").count() == 0


def test_who_asks_too_often_waits_and_asks_again(page, api):
    refuse(page, "translate", 429, "Slowdown: too much is waiting", {"retry-after": "1"}, times=1)
    page.locator("#input").fill(TEXT)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The server is busy (Slowdown: too much is waiting). Trying again in 1 s.")
    shown(page, api("/translate", q=TEXT)["translatedText"])
    refuse(page, "align", 429, "Slowdown: too much is waiting", {"retry-after": "1"}, times=1)
    page.locator("#input").fill(OTHER)
    expect(alert).to_be_visible()
    expect(page.locator("#map thead th").first).to_have_text("Zwei")
    expect(alert).to_be_hidden()


def test_what_is_wrong_is_said_and_tried_again(page, api):
    for status, reason in (
        (413, "This text is too large for the server."),
        (500, "The server made a mistake."),
        (503, "The server is stopping or has too many visitors."),
        (504, "The translation took too long."),
        (400, "what the server says"),
        (418, "what the server says"),
    ):
        refuse(page, "translate", status, "what the server says", times=1)
        page.locator("#input").fill(f"{TEXT} {status}")
        expect(page.locator("#problem-text")).to_have_text(reason)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#problem")).to_be_hidden()
    shown(page, api("/translate", q=f"{TEXT} 418")["translatedText"])


def test_who_is_offline_hears_it_and_goes_on_when_it_is_over(page, api):
    page.context.set_offline(True)
    page.locator("#input").fill(TEXT)
    expect(page.locator("#problem-text")).to_have_text("You are offline.")
    page.context.set_offline(False)
    expect(page.locator("#problem")).to_be_hidden()
    shown(page, api("/translate", q=TEXT)["translatedText"])


def test_a_server_that_is_gone_is_said(page):
    page.route("**/translate", lambda route: route.abort())
    page.locator("#input").fill(TEXT)
    expect(page.locator("#problem-text")).to_have_text("The server does not answer.")


def test_too_long_a_text_is_not_sent(page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.locator("#input").fill("a" * (LIMIT + 1))
    expect(page.locator("#problem-text")).to_have_text(f"The text is longer than {LIMIT} characters.")
    assert asked == []


def test_what_cannot_be_aligned_is_translated_all_the_same(page, api):
    refuse(page, "align", 400, "Invalid request: too many pieces")
    page.locator("#input").fill(TEXT)
    expect(page.locator("#map-note")).to_have_text("Invalid request: too many pieces")
    shown(page, api("/translate", q=TEXT)["translatedText"])
    expect(page.locator("#problem")).to_be_hidden()


def test_a_key_is_asked_for_where_one_is_needed(page, server):
    settings = page.request.get(f"{server}/frontend/settings").json() | {"keyRequired": True}
    page.route("**/frontend/settings", lambda route: route.fulfill(json=settings))
    page.reload()
    page.locator("#input").fill(TEXT)
    expect(page.locator("#problem-text")).to_have_text("This server wants an API key: enter it above.")
    refuse(page, "translate", 403, "Invalid API key", times=1)
    with page.expect_request("**/translate") as asked:
        page.get_by_label("API key").fill("open sesame")
        page.keyboard.press("Enter")
    assert asked.value.post_data_json["api_key"] == "open sesame"
    expect(page.locator("#problem-text")).to_have_text("The server does not know this API key.")


# ---- looks


def test_nothing_is_wider_than_a_phone_and_what_is_touched_is_large_enough(open_page, api):
    page = open_page(viewport={"width": 360, "height": 700}, has_touch=True, is_mobile=True)
    translate(page, api, f"{TEXT} {'Donaudampfschifffahrtsgesellschaft' * 3}\n{OTHER}")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    words(page).nth(1).tap()
    expect(words(page).nth(1)).to_have_class(re.compile(r"\bactive\b"))
    assert lit(page, "tgt", "active")[0] == 1
    sizes = page.locator("button:visible, select:visible").evaluate_all(
        "all => all.map(it => [it.getBoundingClientRect().width, it.getBoundingClientRect().height])"
    )
    assert all(min(size) >= 24 for size in sizes)  # WCAG 2.2, 2.5.8


def background(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_the_page_is_light_or_dark_as_the_system_or_as_one_chooses(open_page):
    light, dark = (open_page(color_scheme=scheme) for scheme in ("light", "dark"))
    colors = background(light), background(dark)
    assert colors == ("rgb(244, 245, 242)", "rgb(19, 21, 24)")
    for page, other in ((light, colors[1]), (dark, colors[0])):
        page.get_by_role("button", name="Light or dark").click()
        assert background(page) == other


CONTRAST = """() => {
  const parse = (color) => {
    const [r, g, b, a] = color.match(/[\\d.]+/g).map(Number);
    const most = color.startsWith("color(srgb") ? 255 : 1;
    return [most * r, most * g, most * b, a ?? 1];
  };
  const paper = (it) => {
    for (; it; it = it.parentElement) {
      const [r, g, b, a] = parse(getComputedStyle(it).backgroundColor);
      if (a === 1) return [r, g, b];
    }
  };
  const bright = (rgb) => {
    const linear = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const [r, g, b] = rgb.slice(0, 3).map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const selector = "h1 b, .quiet:enabled, #counter, .note, .told, footer, a, select, .word, .choice, th, td";
  return [...document.querySelectorAll(selector)].filter((it) => it.checkVisibility()
    && it.closest("#backdrop") === null && it.textContent.trim()).map((it) => {
    const [one, other] = [bright(parse(getComputedStyle(it).color)), bright(paper(it))].sort((a, b) => a - b);
    return [(other + 0.05) / (one + 0.05), it.id || it.className || it.tagName];
  });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_is_readable(open_page, api, scheme):
    page = open_page(color_scheme=scheme)
    translate(page, api)
    found = page.evaluate(CONTRAST)
    assert len(found) > 20
    assert min(found)[0] >= 4.5, min(found)  # WCAG 2.2, 1.4.3


def test_every_control_has_a_name(page, api):
    translate(page, api)
    page.get_by_role("button", name="History").click()
    unnamed = page.locator("button, select, input:not([type=file]), textarea").evaluate_all(
        """all => all.filter(it => !it.ariaLabel && !it.labels?.length && !it.textContent.trim())
          .map(it => it.outerHTML)"""
    )
    assert unnamed == []
    assert page.get_by_role("dialog", name="History").is_visible()


def test_texts_that_run_from_right_to_left_do_so(page, api):
    translate(page, api)
    page.route("**/translate", lambda route: route.fulfill(json={"translatedText": ["הכלב רץ"]}))
    page.route("**/align", lambda route: route.abort())
    page.locator("#input").fill("الكلب الصغير يركض")
    shown(page, "הכלב רץ")
    box, word = page.locator("#output .line").bounding_box(), words(page).first.bounding_box()
    assert word["x"] + word["width"] == pytest.approx(box["x"] + box["width"], abs=2)
    assert page.locator("#input").evaluate("it => it.matches(':dir(rtl)')")
