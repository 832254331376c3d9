"""The pages: what they link to is there, and the site that is made of them needs no other host."""

import functools
import importlib
import os
import re
import shutil
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "data/README.md",
    ROOT / "benchmarks/README.md",
]
CHROMIUM = shutil.which("chromium")
NEEDS_ZENSICAL = "the site is made by zensical and mkdocstrings: pip install -e '.[docs]'"


@pytest.fixture(scope="module")
def builder(pytestconfig):
    """docs/build_site.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "docs")
        yield importlib.import_module("build_site")


def anchors(path):
    """What GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ +(.+)$", re.sub(r"(?ms)^```.*?^```", "", path.read_text()), re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_to_a_file_or_a_heading_leads_somewhere(builder, path):
    text = re.sub(r"(?ms)^```.*?^```", "", path.read_text())
    missing = []
    for link in builder.LINK.findall(re.sub(r"`[^`\n]*`", "", text)):
        name, _, anchor = link.partition("#")
        if "://" in name:
            continue
        target = (path.parent / name).resolve() if name else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            missing.append(link)
    assert missing == []


def test_a_link_to_a_heading_is_found_by_its_words():
    assert "bleu-against-minutes" in anchors(ROOT / "docs/benchmarks.md")
    assert "fine-tuning-seq2see-train---init-from-run" in anchors(ROOT / "docs/recipe.md")


def test_every_page_of_the_folder_is_on_its_first_page():
    first = (ROOT / "docs/README.md").read_text()
    pages = {path.name for path in (ROOT / "docs").iterdir() if path.suffix in (".md", ".ipynb")}
    assert {name for name in pages - {"README.md"} if f"]({name})" not in first} == set()


def test_every_page_that_the_nav_names_is_there(builder):
    named = re.findall(r'= "([\w-]+\.md)"', (ROOT / "docs/zensical.toml").read_text())
    pages = {builder.place(path) for path in (ROOT / "docs").iterdir() if path.suffix in (".md", ".ipynb")}
    assert len(named) >= 12
    assert set(named) <= pages


def test_a_page_that_the_nav_does_not_name_is_put_at_its_end(builder):
    text = builder.settings({"index.md", "attention.md", "brand-new.md"})
    assert '{ "More" = ["brand-new.md"] },\n]' in text
    assert '"More"' not in builder.settings({"index.md", "attention.md"})


@pytest.fixture
def project(builder, tmp_path, monkeypatch):
    """A project of a few files, which the builder takes for its own."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "code").mkdir()
    shutil.copy(ROOT / "docs/zensical.toml", tmp_path / "docs")
    monkeypatch.setattr(builder, "ROOT", tmp_path)
    monkeypatch.setattr(builder, "DOCS", tmp_path / "docs")
    return tmp_path


def test_what_pages_link_to_becomes_pages_and_links_follow(builder, project):
    (project / "docs/README.md").write_text(
        "[a](a.md#x) [c](../code/c.py) ![p](p.png) [w](https://w.example)\n"
    )
    (project / "docs/a.md").write_text("[home](README.md) [log](../LOG.md)\n```\n[a](../code/c.py)\n```\n")
    (project / "docs/p.png").write_bytes(b"picture")
    (project / "LOG.md").write_text("[c](code/c.py) [a](docs/a.md) [gone](gone.md)\n")
    (project / "code/c.py").write_text('"""C."""\n')
    out = project / "out"
    builder.stage(out)
    pages = {path.relative_to(out / "pages").as_posix(): path for path in out.glob("pages/**/*.*")}
    assert {name: path.read_text() for name, path in pages.items()} == {
        "index.md": "[a](a.md#x) [c](source/code/c.py.md) ![p](p.png) [w](https://w.example)\n",
        "a.md": "[home](index.md) [log](project/log-page.md)\n```\n[a](../code/c.py)\n```\n",
        "p.png": "picture",
        "project/log-page.md": "[c](../source/code/c.py.md) [a](../a.md) [gone](gone.md)\n",
        "source/code/c.py.md": '# code/c.py\n\n````python\n"""C."""\n````\n',
    }


def test_a_notebook_becomes_a_page_with_its_outputs(builder, tmp_path):
    outputs = [
        {"name": "stderr", "text": ["loading\n"]},
        {"name": "stdout", "text": ["one\n", "two\n"]},
        {"data": {"image/png": "cGljdHVyZQ==", "text/plain": ["<Image>"]}},
        {"data": {"text/plain": ["3"]}},
    ]
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "text"]},
        {"cell_type": "code", "source": ["1 + 2"], "outputs": outputs},
    ]
    assert builder.from_notebook({"cells": cells}, tmp_path) == (
        "# Title\ntext\n\n```python\n1 + 2\n```\n\n```text\none\ntwo\n```\n\n"
        "![What the cell shows](notebook-1.png)\n\n```text\n3\n```\n"
    )
    assert (tmp_path / "notebook-1.png").read_bytes() == b"picture"


def test_a_warning_fails_the_build_and_is_shown(builder, project, capfd):
    pytest.importorskip("zensical", reason=NEEDS_ZENSICAL)
    pytest.importorskip("mkdocstrings_handlers.python", reason=NEEDS_ZENSICAL)
    (project / "docs/zensical.toml").write_text('[project]\nsite_name = "a"\ndocs_dir = "pages"\n')
    (project / "docs/README.md").write_text("# Title\n\n[nowhere](nowhere.md)\n")
    with pytest.raises(SystemExit, match=r"out: zensical ended with exit code 1; what it found is above"):
        builder.build(project / "out")
    assert "page does not exist" in capfd.readouterr().err


class Loaded(HTMLParser):
    """What a page loads by itself when it is opened."""

    def __init__(self):
        super().__init__()
        self.addresses = []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag in ("script", "img", "iframe", "source", "video", "audio", "embed"):
            self.addresses += [values.get("src"), values.get("srcset")]
        if tag == "link" and values.get("rel") not in ("canonical", "prev", "next"):
            self.addresses.append(values.get("href"))
        self.addresses += re.findall(r"url\(([^)]*)\)", values.get("style") or "")


@pytest.fixture(scope="module")
def site(builder, tmp_path_factory):
    pytest.importorskip("zensical", reason=NEEDS_ZENSICAL)
    pytest.importorskip("mkdocstrings_handlers.python", reason=NEEDS_ZENSICAL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])))
        return builder.build(tmp_path_factory.mktemp("docs"))


def test_the_site_is_built_without_warnings_and_has_every_page(site):
    for path in (ROOT / "docs").glob("*.md"):
        folder = "" if path.stem == "README" else path.stem
        assert (site / folder / "index.html").is_file(), path
    assert "Ein Hund läuft" in (site / "reference/index.html").read_text()


def test_the_reference_has_signatures_and_docstrings(site):
    text = re.sub(r"<[^>]+>", "", (site / "reference/index.html").read_text())
    for what in ("Translator", "align", "Bahdanau 2015", "Which source words each target word came from"):
        assert what.lower() in text.lower()
    assert "the alignment, with tokens, spans, weights" in text
    assert ":::" not in text


def test_the_site_loads_nothing_from_other_hosts(site):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        loaded = Loaded()
        loaded.feed(page.read_text())
        assert any(loaded.addresses), page
        foreign = [address for address in loaded.addresses if re.match(r"\s*[\"']?(\w+:)?//", address or "")]
        assert foreign == [], page
    styles = sorted(site.rglob("*.css"))
    assert styles
    for style in styles:
        text = style.read_text()
        found = re.findall(r"(?:url\(|@import)\s*[\"']?(\S{,40})", text)
        assert [address for address in found if re.match(r"(https?:)?//", address)] == [], style


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def address(site):
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site)) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: apt-get install chromium")
def test_a_browser_asks_no_other_host_and_pages_fit_on_a_phone(site, address):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    asked, wrong = [], []
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 844}, is_mobile=True)
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        for name in ("", "get-started/", "attention/", "reference/", "benchmarks/", "notebook/"):
            page.goto(address + name, wait_until="networkidle")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        browser.close()
    assert len(asked) > 10
    assert [url for url in asked if not url.startswith((address, "data:"))] == []
    assert wrong == []
