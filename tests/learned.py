"""Models learnt from the synthetic corpus, and how right their links are."""

import subprocess
import sys
from pathlib import Path

from translate.alignment.aer import Gold, error_rate
from translate.alignment.extract import Reading, align_pairs
from translate.alignment.symmetrize import Mean, combine
from translate.alignment.words import Extraction, at_level
from translate.corpora.corpus import Corpus, load_corpus
from translate.translator import Translator

ROOT = Path(__file__).parents[1]


def learn(folder: Path, *settings: str, config: str = "synthetic") -> tuple[Corpus, Translator]:
    """Make the corpus, and train with these flags besides the config's."""
    # In processes of their own: the checks of every call's types would take longer than the work.
    seq2see = [sys.executable, "-m", "seq2see"]
    subprocess.run([*seq2see, "corpus", "synthetic", "--out", str(folder / "corpus")], check=True, cwd=ROOT)
    command = [*seq2see, "train", "--config", ROOT / f"configs/{config}.yaml"]
    command += ["--corpus", folder / "corpus", "--out", folder / "run"]
    command += ["--precision", "float32", "--threads", "1", *settings]
    subprocess.run([*map(str, command)], check=True, cwd=ROOT)
    return load_corpus(folder / "corpus"), Translator(folder / "run")


def error_rate_of_both(
    corpus: Corpus, translator: Translator, reading: Reading, mean: Mean, extract: Extraction, *rules: float
) -> float:
    """Alignment error rate on the test part, of the links in the mean of both directions' weights.

    Args:
        rules: threshold, and share of the strongest link of the source word.
    """
    test = corpus.splits["test"]
    pairs = list(zip(test["src"], test["tgt"], strict=True))
    forward, backward = (
        align_pairs(translator.model, translator.tokenizers, pairs, reading, backwards=backwards)
        for backwards in (False, True)
    )
    threshold, relative = rules
    found = [
        combine(at_level(one, "token"), at_level(other, "token"), mean, threshold, extract, relative).links
        for one, other in zip(forward, backward, strict=True)
    ]
    gold = [
        Gold(frozenset(tuple(map(int, link.split("-"))) for link in line.split()), frozenset())
        for line in corpus.links["test"]
    ]
    return error_rate(found, gold).aer
