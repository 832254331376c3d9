"""Make docs/images/serve.png: the page of `seq2see serve`, with a model that learnt Home Assistant's texts.

    seq2see demo
    python benchmarks/serve_screenshot.py --run runs/demo --languages en-de

It serves the run, types a text into a Chromium without a window, points at a word, and takes a picture. It
wants playwright (extra `dev`), `chromium` on the PATH, and the extra `serve`.
"""

import argparse
import contextlib
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEXT = "The battery of the sensor is low.\nSelect the device you want to use."


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, default=ROOT / "runs" / "demo", help="the run that is served")
    parser.add_argument("--languages", default="en-de", help="what it translates")
    parser.add_argument("--text", default=TEXT, help="what is typed")
    parser.add_argument("--word", type=int, default=1, help="the translated word that is pointed at, from 0")
    parser.add_argument("--width", type=int, default=1200)
    parser.add_argument("--scheme", choices=("light", "dark"), default="light")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "serve.png")
    options = parser.parse_args()
    with served(options.run, options.languages) as address:
        take_picture(address, options)


@contextlib.contextmanager
def served(run: Path, languages: str) -> Iterator[str]:
    """Serve a run as long; its address, as soon as it answers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, str(ROOT / "seq2see.py"), "serve", str(run)]
    server = subprocess.Popen([*command, "--languages", languages, "--port", str(port)])
    address = f"http://127.0.0.1:{port}"
    try:
        while server.poll() is None:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/ready", timeout=1):
                yield address
                return
        raise SystemExit(f"the server stopped with exit code {server.returncode}")
    finally:
        server.terminate()
        server.wait()


def take_picture(address: str, options: argparse.Namespace) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        view = browser.new_page(viewport={"width": options.width, "height": 720}, color_scheme=options.scheme)
        view.goto(address)
        view.locator("#input").fill(options.text)
        view.evaluate("document.getElementById('input').setSelectionRange(0, 0)")
        view.locator("#choices button").first.wait_for()
        # Words are underlined when they are known; those of the other lines are asked for last.
        view.locator("#output .line:has([style])").nth(len(options.text.splitlines()) - 1).wait_for()
        view.locator("#output .word").nth(options.word).hover()
        view.screenshot(path=options.out, full_page=True)
        browser.close()


if __name__ == "__main__":
    main()
