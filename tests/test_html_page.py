"""Pages of one file: what their policy allows, and that texts cannot leave their places."""

import base64
import hashlib
import re

import pytest

from translate.html_page import as_html, fill, write_html, write_report


def hash_of(element, page):
    (content,) = re.findall(f"<{element}>(.*?)</{element}>", page, flags=re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


@pytest.fixture
def parts(tmp_path):
    for name, content in {"a.css": "p { color: red; }", "a.js": "first();", "b.js": "second();"}.items():
        (tmp_path / name).write_text(content)
    return tmp_path


def test_only_the_pages_own_style_and_scripts_are_allowed(parts):
    path = parts / "page.html"
    scripts = [parts / "a.js", parts / "b.js"]
    size = write_html(path, title="t", body="<p>x</p>\n", styles=[parts / "a.css"], scripts=scripts)
    page = path.read_text(encoding="utf-8")
    assert size == path.stat().st_size
    assert f"default-src 'none'; script-src {hash_of('script', page)};" in page
    assert f"style-src {hash_of('style', page)};" in page
    assert "<p>x</p>\n<script>first();\nsecond();</script>" in page


def test_a_report_has_no_script_and_no_policy_for_one(parts):
    path = parts / "page.html"
    write_report(path, title="a & b", heading="<b>A</b>", about="of", main="$main", style=parts / "a.css")
    page = path.read_text(encoding="utf-8")
    assert "<title>a &amp; b</title>" in page
    assert "<h1><b>A</b></h1>\n<p>of</p>" in page
    assert "$main" in page  # what is put in is no template
    assert "script" not in page


def test_texts_are_escaped_and_steer_nothing():
    assert as_html("<b> & \u202e") == "&lt;b&gt; &amp; \ufffd"


def test_a_place_without_contents_is_an_error(parts):
    (parts / "a.html").write_text("$here $there")
    with pytest.raises(KeyError, match="there"):
        fill(parts / "a.html", here=1)
