"""A model of configs/synthetic.yaml, learnt from the synthetic corpus in a minute or two."""

import subprocess
import sys
from pathlib import Path

from translate.corpora import Corpus, write_corpus
from translate.corpora.synthetic import make_synthetic
from translate.translator import Translator

ROOT = Path(__file__).parents[1]


def learn(folder: Path, *settings: str) -> tuple[Corpus, Translator]:
    """Make the corpus, and train with these flags besides the config's."""
    corpus = make_synthetic(20_000, seed=1)
    write_corpus(corpus, folder / "corpus")
    # In a process of its own: the checks of every call's shapes would take longer than the training.
    command = [sys.executable, "-m", "seq2see", "train", "--config", ROOT / "configs/synthetic.yaml"]
    command += ["--corpus", folder / "corpus", "--out", folder / "run"]
    command += ["--precision", "float32", "--threads", "1", *settings]
    subprocess.run([*map(str, command)], check=True, cwd=ROOT)
    return corpus, Translator(folder / "run")
