"""A corpus that we write ourselves: English-German sentences whose exact word alignment is known.

grammar.py draws sentences, and syntax.py says how the two languages put them and which words are linked;
the words are in lexicon.py, how they inflect in forms.py. Every English word has one German translation, and
the German sentence is a function of the English one, so that a model can learn to be right, and its
attention can be held against links that are right by construction. Words are what white space separates.
"""

from collections import Counter
from random import Random
from typing import NamedTuple

from translate.corpora.corpus import Corpus, to_dataset
from translate.corpora.synthetic.grammar import Grammar
from translate.errors import UsageError


def make_synthetic(size: int = 20_000, seed: int = 1, valid_size: int = 500, test_size: int = 500) -> Corpus:
    """Draw English-German pairs with gold word alignments.

    English sentences are distinct within and across the splits, however large `size` is: of 200,000
    sentences drawn, 97% are new. Test and validation pairs are drawn first, so they are the same
    for every `size`.

    Args:
        size: Training pairs.
        seed: The same seed and sizes give the same corpus.
        valid_size: Validation pairs.
        test_size: Test pairs.

    Raises UsageError when a size is not positive.
    """
    sizes = {"test": test_size, "valid": valid_size, "train": size}
    for name, count in sizes.items():
        if count < 1:
            raise UsageError(f"synthetic corpus: {count} {name} pairs asked for, at least 1 is needed")
    grammar = Grammar(Random(seed))
    seen: set[str] = set()
    pairs: dict[str, list[tuple[str, str]]] = {"train": [], "valid": [], "test": []}
    links: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    for name, count in sizes.items():
        while len(pairs[name]) < count:
            phrase = grammar.sentence()
            src = " ".join(word.text for word in phrase.src)
            if src not in seen:
                seen.add(src)
                pairs[name].append((src, " ".join(word.text for word in phrase.tgt)))
                links[name].append(phrase.pharaoh())
    return Corpus(
        name="synthetic",
        src_lang="en",
        tgt_lang="de",
        splits={name: to_dataset(rows) for name, rows in pairs.items()},
        links=links,
        licence="Apache-2.0",
        citation="Drawn from the grammar of seq2see (translate/corpora/synthetic).",
        url="",
        seed=seed,
    )


class Facts(NamedTuple):
    """What is counted over all splits of a corpus with gold links."""

    sentences: int
    src_words: int
    tgt_words: int
    src_types: int
    tgt_types: int
    crossing: float  # share of sentences with two links in opposite order
    several: float  # share of target words with several source words
    none: float  # share of target words with no source word
    diagonal_aer: float  # of `diagonal`; Och & Ney (2003), all gold links sure


def count_facts(corpus: Corpus) -> Facts:
    """Count how far a corpus with gold links is from word by word."""
    types: dict[str, set[str]] = {"src": set(), "tgt": set()}
    count: Counter[str] = Counter()
    for name, split in corpus.splits.items():
        for src_text, tgt_text, line in zip(split["src"], split["tgt"], corpus.links[name], strict=True):
            src, tgt = src_text.split(), tgt_text.split()
            types["src"].update(src)
            types["tgt"].update(tgt)
            gold = {(int(i), int(j)) for i, _, j in (link.partition("-") for link in line.split())}
            sources = Counter(j for _, j in gold)
            count["sentences"] += 1
            count["src"] += len(src)
            count["tgt"] += len(tgt)
            count["crossing"] += any(i < k and j > m for i, j in gold for k, m in gold)
            count["several"] += sum(n > 1 for n in sources.values())
            count["none"] += len(tgt) - len(sources)
            count["links"] += len(gold)
            count["hits"] += len(gold & diagonal(len(src), len(tgt)))
    return Facts(
        sentences=count["sentences"],
        src_words=count["src"],
        tgt_words=count["tgt"],
        src_types=len(types["src"]),
        tgt_types=len(types["tgt"]),
        crossing=count["crossing"] / count["sentences"],
        several=count["several"] / count["tgt"],
        none=count["none"] / count["tgt"],
        diagonal_aer=1 - 2 * count["hits"] / (count["tgt"] + count["links"]),
    )


def diagonal(src_length: int, tgt_length: int) -> set[tuple[int, int]]:
    """Link each target word to the source word at the same relative position, middle to middle."""
    return {(int((j + 0.5) * src_length / tgt_length), j) for j in range(tgt_length)}


def report(corpus: Corpus) -> str:
    """Say the facts of a corpus with gold links, a line each."""
    facts = count_facts(corpus)
    src, tgt = corpus.src_lang, corpus.tgt_lang
    return "\n".join(
        [
            f"{facts.sentences:,} sentences, {facts.src_words:,} {src} and {facts.tgt_words:,} {tgt} words",
            f"{facts.src_types:,} {src} and {facts.tgt_types:,} {tgt} word types",
            f"{facts.crossing:.1%} of the sentences have crossing links",
            f"{facts.several:.1%} of the {tgt} words have several {src} words",
            f"{facts.none:.1%} of the {tgt} words have no {src} word",
            f"{facts.diagonal_aer:.1%} is the alignment error rate (AER) of the plain diagonal",
        ]
    )
