"""What the HTML files have in common: each is one file that needs no network and no other file.

A page's policy lets no style and no script of others run, only its own, by their hashes.
"""

import base64
import hashlib
import html
from collections.abc import Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from translate.labels import shown

_SHARED = files("translate") / "html_page"


def as_html(text: str) -> str:
    """Return a text of a user, for example a sentence of a corpus, as HTML that shows it."""
    return html.escape(shown(text, limit=None))


def fill(template: Traversable, **contents: object) -> str:
    """Put contents, each HTML already, into the places of a template."""
    return Template(_read(template)).substitute({name: str(content) for name, content in contents.items()})


def write_html(
    path: str | Path,
    *,
    title: str,
    body: str,
    styles: Sequence[Traversable],
    scripts: Sequence[Traversable] = (),
) -> int:
    """Write a page and return its size in bytes.

    Args:
        path: Of the file.
        title: Any text.
        body: HTML; where there are scripts, it holds what they read.
        styles: After the one of all pages.
        scripts: In the order in which they build on one another.
    """
    style = "\n".join(map(_read, [_SHARED / "page.css", *styles]))
    script = "\n".join(map(_read, scripts))
    allowed = f"script-src '{_hash(script)}'; " if script else ""
    page = fill(
        _SHARED / "page.html",
        policy=f"default-src 'none'; {allowed}style-src '{_hash(style)}'; img-src data:; base-uri 'none'; "
        "form-action 'none'",
        title=as_html(title),
        style=style,
        body=f"{body}<script>{script}</script>\n" if script else body,
    ).encode()
    Path(path).write_bytes(page)
    return len(page)


def write_report(
    path: str | Path, *, title: str, heading: str, about: str, main: str, style: Traversable
) -> None:
    """Write a page that is only read: a heading, a line about it, a choice of colours, and no script.

    Args:
        path: Of the file.
        title: Any text; what follows is HTML.
        heading: Of the page.
        about: One line below the heading.
        main: All else.
        style: After those of all pages and of all reports.
    """
    body = fill(_SHARED / "report.html", heading=heading, about=about, main=main)
    write_html(path, title=title, body=body, styles=[_SHARED / "report.css", style])


def _read(part: Traversable) -> str:
    return part.read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"
