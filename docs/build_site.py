"""Make a site of this folder: `make docs`, or `python docs/build_site.py OUT`.

The pages are read on their own, too, so they link to files of the project. For the site, the files that are
linked to become pages beside them, and the notebook becomes a page with the outputs that are stored in it.
"""

import base64
import json
import posixpath
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
CONFIG = "zensical.toml"

# [text](target) and ![text](target); a title or white space in a target is not written here.
LINK = re.compile(r"(?<=\]\()([^)\s]+)(?=\))")
# On the site, the names in such a comment become the docstrings of what they name.
DOCSTRINGS = re.compile(r"<!-- docstrings\n(.*?)-->", re.DOTALL)
FENCE = re.compile(r"^(```|~~~)")
LANGUAGES = {".py": "python", ".yaml": "yaml", ".toml": "toml", ".sh": "sh"}


def build(out: Path) -> Path:
    """Build the site into `out`/site and return that folder. A warning is an error.

    Raises:
        SystemExit: zensical found something wrong, and printed it.
    """
    shutil.rmtree(out, ignore_errors=True)
    stage(out)
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict", "--config-file", CONFIG]
    done = subprocess.run(command, cwd=out, check=False)
    if done.returncode:
        sys.exit(f"{out}: zensical ended with exit code {done.returncode}; what it found is above")
    return out / "site"


def stage(out: Path) -> None:
    """Write into `out` what zensical reads: its settings, and every page with what it links to."""
    pages = out / "pages"
    waiting = [*sorted(DOCS.glob("*.md")), *sorted(DOCS.glob("*.ipynb"))]
    done: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path in done:
            continue
        done.add(path)
        to = pages / place(path)
        to.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix not in (".md", ".ipynb") and to.suffix != ".md":
            shutil.copyfile(path, to)
            continue
        text, linked = page(path, to)
        to.write_text(text, encoding="utf-8")
        waiting += linked
    unnamed = {place(path) for path in done if path.parent == DOCS and place(path).endswith(".md")}
    (out / CONFIG).write_text(settings(unnamed), encoding="utf-8")


def place(path: Path) -> str:
    """Return where among the pages a file of the project goes."""
    name = path.relative_to(ROOT).as_posix()
    if path.is_relative_to(DOCS):
        inner = path.relative_to(DOCS).with_suffix(".md" if path.suffix == ".ipynb" else path.suffix)
        return "index.md" if inner.name == "README.md" else inner.as_posix()
    if path.suffix == ".md":
        return f"project/{name.removesuffix('.md').replace('/', '-').lower()}-page.md"
    return f"source/{name}.md"


def page(path: Path, to: Path) -> tuple[str, list[Path]]:
    """Return a file as a page, and the files that it links to."""
    if path.suffix == ".ipynb":
        text = from_notebook(json.loads(path.read_text(encoding="utf-8")), to.parent)
    elif path.suffix == ".md":
        text = DOCSTRINGS.sub(directives, path.read_text(encoding="utf-8"))
    else:
        name, language = path.relative_to(ROOT).as_posix(), LANGUAGES.get(path.suffix, "text")
        return f"# {name}\n\n````{language}\n{path.read_text(encoding='utf-8')}````\n", []
    linked: list[Path] = []

    def relink(match: re.Match[str]) -> str:
        name, hash_, anchor = match[1].partition("#")
        target = (path.parent / name).resolve()
        if not name or "://" in name or not target.is_file():
            return match[1]
        linked.append(target)
        return posixpath.relpath(place(target), posixpath.dirname(place(path)) or ".") + hash_ + anchor

    return outside_code(text, lambda line: LINK.sub(relink, line)), linked


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """Change the lines of a page that are not in a fenced block."""
    lines, fenced = [], False
    for line in text.splitlines(keepends=True):
        fence = FENCE.match(line) is not None
        lines.append(line if fenced or fence else change(line))
        fenced ^= fence
    return "".join(lines)


def directives(comment: re.Match[str]) -> str:
    """Return what mkdocstrings puts docstrings in the place of; headings stay."""
    lines = comment[1].splitlines()
    return "\n\n".join(line if line.startswith("#") else f"::: {line}" for line in lines) + "\n"


def from_notebook(notebook: dict[str, Any], folder: Path) -> str:
    """Return a notebook as a page; its pictures are written into the folder."""
    parts = []
    for number, cell in enumerate(notebook["cells"]):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            data = output.get("data", {})
            if "image/png" in data:
                name = f"notebook-{number}.png"
                (folder / name).write_bytes(base64.b64decode(data["image/png"]))
                parts.append(f"![What the cell shows]({name})")
            elif output.get("name") != "stderr":
                shown = "".join(output.get("text", data.get("text/plain", "")))
                parts.append(f"```text\n{shown.rstrip()}\n```")
    return "\n\n".join(parts) + "\n"


def settings(pages: set[str]) -> str:
    """Return zensical's settings; pages that their nav does not name are put at its end."""
    text = (DOCS / CONFIG).read_text(encoding="utf-8")
    named = set(re.findall(r'= "([\w-]+\.md)"', text))
    more = sorted(pages - named)
    if more:
        section = f'  {{ "More" = {json.dumps(more)} }},\n]\n\n[project.theme]'
        text = text.replace("]\n\n[project.theme]", section, 1)
    tomllib.loads(text)
    return text


if __name__ == "__main__":
    print(build(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "docs") / "index.html")
