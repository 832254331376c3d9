"""Make docs/images/page.png and overview.png: of a model that has just learnt the project's own grammar.

    python benchmarks/page_screenshot.py

It makes the synthetic corpus, trains a small transformer on it (some minutes on one core), aligns test
sentences with their gold links, and takes a picture of the page in a Chromium without a window. What is there
already in --work is used again. It wants playwright (extra `dev`) and `chromium` on the PATH.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONFIG = """\
data: {batch_tokens: 1024}
tokenizer: {algorithm: bpe, vocab_size: 2000}
model:
  embedding_size: 128
  dropout: 0.05
  encoder: {type: transformer, layers: 2, size: 128, heads: 4, feed_forward_size: 256}
  attention: {score: scaled_dot, size: 128, heads: 4}
  decoder: {type: transformer, layers: 3, size: 128, heads: 4, feed_forward_size: 256}
training:
  max_steps: 2600
  learning_rate: 3.0e-3
  warmup_steps: 200
  label_smoothing: 0.05
  validate_every: 1300
search: {beam_size: 1}
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--work", type=Path, default=ROOT / "runs" / "page_screenshot", help="folder for what is made"
    )
    parser.add_argument("--sentence", type=int, default=3, help="the sentence that is shown")
    options = parser.parse_args()
    run = make_run(options.work)
    page = options.work / "page.html"
    src, tgt, gold = (options.work / "corpus" / f"test.{suffix}" for suffix in ("en", "de", "links"))
    texts = ("--src", src, "--tgt", tgt, "--gold", gold, "--limit", "100")
    seq2see("align", run, *texts, "--format", "html", "--out", page)
    images = ROOT / "docs" / "images"
    take_picture(page, options.sentence, images / "page.png")
    pages = options.work / "overviews"
    shutil.rmtree(pages, ignore_errors=True)
    texts = (*texts[:-1], str(options.sentence))
    seq2see("align", run, *texts, "--overview", "--format", "png", "--out", pages)
    shutil.copy(pages / f"{options.sentence:04}.png", images / "overview.png")


def make_run(work: Path) -> Path:
    run, corpus = work / "grammar", work / "corpus"
    work.mkdir(parents=True, exist_ok=True)
    if not corpus.exists():
        seq2see("corpus", "synthetic", "--out", corpus)
    if not run.exists():
        (work / "config.yaml").write_text(CONFIG)
        seq2see("train", "--config", work / "config.yaml", "--corpus", corpus, "--out", run, "--seed", "1")
    return run


def seq2see(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, str(ROOT / "seq2see.py"), *map(str, arguments)], check=True)


def take_picture(page: Path, sentence: int, out: Path) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        view = browser.new_page(viewport={"width": 1240, "height": 900}, color_scheme="light")
        view.goto(f"{page.resolve().as_uri()}#{sentence}")
        view.locator(".side.src .token").nth(4).hover()
        view.screenshot(path=out)
        browser.close()


if __name__ == "__main__":
    main()
