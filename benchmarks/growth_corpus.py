"""Text of any size and of sentences of any length, from the grammar of `seq2see corpus synthetic`.

The grammar's own thousand words would soon repeat themselves, so invented nouns are added until there are
some 32,000 word types in each language; they inflect, and come as often as Zipf's law has it. The first
million pairs are drawn one by one; further ones are these with other invented nouns, each for one of the same
kind and declension, which makes the sentences that the grammar would have made of them. No source comes
twice. The text is written as it is drawn, so that its size is limited by the disk only.
"""

import hashlib
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TextIO

from translate.corpora.synthetic.forms import Noun
from translate.corpora.synthetic.grammar import Grammar
from translate.corpora.synthetic.lexicon import NOUNS

SRC, TGT = "en", "de"
SEED = 1
VALID_PAIRS = 500
# Kinds of nouns that make no compounds and have a plural: every noun adds two types to each language.
KINDS = ("person", "animal", "thing", "text", "place")
NOUNS_A_KIND = 3_150
# One sentence or two: 13 words in the mean, as Multi30k has, punctuation counted.
SECOND_SENTENCE = 0.4
LONGEST_SENTENCE = 14  # words
STOCK = 20_000  # sentences that long texts are put together from
DRAWN = 1_000_000  # pairs: they take minutes, and what is made of them seconds
VARIANTS = 12  # of a pair, by its nouns

Pair = tuple[str, str]
Forms = tuple[str, str, str, str]  # of a noun: singular and plural, in English and German
Sides = tuple[TextIO, TextIO]  # where sources and targets are written


def write_growing(folders: Mapping[int, Path]) -> None:
    """Write the first pairs of one text into a folder for each size, as `train`, and others as `valid`."""
    first = islice(_distinct(_captions()), VALID_PAIRS + DRAWN)
    with ExitStack() as stack:
        drawn = Path(stack.enter_context(TemporaryDirectory()), "drawn")
        pairs = _distinct(chain(_kept(first, drawn), _with_other_nouns(drawn)))
        valid = list(islice(pairs, VALID_PAIRS))
        files = {}
        for size, folder in folders.items():
            folder.mkdir(parents=True)
            _write(valid, _open(stack, folder, "valid"))
            files[size] = _open(stack, folder, "train")
        written = 0
        for size in sorted(files):
            _write(islice(pairs, size - written), *(files[other] for other in files if other >= size))
            written = size
        pairs.close()


def write_long(folder: Path, words: int, count: int) -> None:
    """Write `count` pairs with just so many English words, punctuation counted; and ten others as `valid`."""
    folder.mkdir(parents=True)
    pairs = _distinct(_texts_of(words))
    with ExitStack() as stack:
        for name, size in (("valid", 10), ("train", count)):
            _write(islice(pairs, size), _open(stack, folder, name))


def invent_nouns(random: Random) -> dict[str, list[Noun]]:
    """Return the lexicon's nouns and invented ones, one of rank r listed 1/r times as often as the first."""
    spelled = {form for nouns in NOUNS.values() for noun in nouns for form in (noun.en, noun.de.lower())}
    found = dict(NOUNS)
    for kind in KINDS:
        nouns = [*NOUNS[kind]]
        while len(nouns) < NOUNS_A_KIND:
            en, de = _spell(random, spelled), _spell(random, spelled).capitalize()
            column = random.randrange(3)
            genitive, plural = [(f"{de}en", f"{de}en"), (de, f"{de}en"), (f"{de}s", f"{de}s")][column]
            nouns.append(Noun(en, f"{en}s", column, de, genitive, plural))
        found[kind] = [noun for rank, noun in enumerate(nouns, start=1) for _ in range(NOUNS_A_KIND // rank)]
    return found


def _spell(random: Random, spelled: set[str]) -> str:
    """A new word that no ending makes into another one."""
    while True:
        syllables = [
            random.choice(
                ["b", "br", "d", "dr", "f", "g", "gl", "k", "kl", "l", "m", "n", "p", "r", "t", "tr"]
            )
            + random.choice("aeiou")
            for _ in range(random.choice([1, 2, 2, 3]))
        ]
        word = "".join(syllables) + random.choice("bdfgklmprt")
        if word not in spelled:
            spelled.add(word)
            return word


def _sentences(random: Random) -> Iterator[Pair]:
    grammar = Grammar(random, invent_nouns(random))
    while True:
        phrase = grammar.sentence()
        yield " ".join(word.text for word in phrase.src), " ".join(word.text for word in phrase.tgt)


def _captions() -> Iterator[Pair]:
    """Texts as long as those of Multi30k."""
    random = Random(SEED)
    sentences = _sentences(random)
    for src, tgt in sentences:
        if random.random() < SECOND_SENTENCE:
            second_src, second_tgt = next(sentences)
            yield f"{src} {second_src}", f"{tgt} {second_tgt}"
        else:
            yield src, tgt


def _kept(pairs: Iterable[Pair], path: Path) -> Iterator[Pair]:
    """Yield the pairs, each written to a file as well."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for src, tgt in pairs:
            file.write(f"{src}\t{tgt}\n")
            yield src, tgt


def _with_other_nouns(path: Path) -> Iterator[Pair]:
    """Read the pairs of a file, and yield each of them several times with other invented nouns."""
    random = Random(SEED)
    nouns = invent_nouns(random)  # those of `_captions`
    alike: dict[tuple[str, int], list[Forms]] = {}
    known: dict[
        str, tuple[list[Forms], Forms, int]
    ] = {}  # of a form: those it may become, its own, which one
    for kind in KINDS:
        for noun in nouns[kind]:
            if noun not in NOUNS[kind]:
                forms = noun.en, noun.en_plural, noun.de, noun.plural
                same = alike.setdefault((kind, noun.column), [])
                same.append(forms)
                known |= {form: (same, forms, which) for which, form in enumerate(forms)}
    while True:
        with path.open(encoding="utf-8", newline="\n") as file:
            for line in file:
                words = line[:-1].replace("\t", " \t ").split(" ")
                found = [(place, *known[word]) for place, word in enumerate(words) if word in known]
                count = Counter((forms, which < 2) for _, _, forms, which in found)
                # What is spelled like a noun but has another translation is none, such as `for`.
                found = [each for each in found if count[each[2], True] == count[each[2], False]]
                for _ in range(VARIANTS if found else 0):
                    chosen = {forms: random.choice(same) for _, same, forms, _ in found}
                    for place, _, forms, which in found:
                        words[place] = chosen[forms][which]
                    src, tgt = " ".join(words).split(" \t ")
                    yield src, tgt


def _texts_of(words: int) -> Iterator[Pair]:
    """Texts of just so many English words, at least five."""
    random = Random(SEED)
    of_length: dict[int, list[Pair]] = {}
    for pair in islice(_sentences(random), STOCK):
        of_length.setdefault(pair[0].count(" ") + 1, []).append(pair)
    while True:
        chosen, left = [], words
        while left:
            # A rest of fewer than five words might be no sentence.
            fitting = [
                length for length in range(5, LONGEST_SENTENCE + 1) if left == length or left - length >= 5
            ]
            length = random.choice(fitting)
            chosen.append(random.choice(of_length[length]))
            left -= length
        yield " ".join(src for src, _ in chosen), " ".join(tgt for _, tgt in chosen)


def _distinct(pairs: Iterator[Pair]) -> Generator[Pair]:
    """Leave out what came before; eight bytes are kept of each source."""
    seen: set[bytes] = set()
    for src, tgt in pairs:
        digest = hashlib.blake2b(src.encode(), digest_size=8).digest()
        if digest not in seen:
            seen.add(digest)
            yield src, tgt


def _open(stack: ExitStack, folder: Path, name: str) -> Sides:
    src, tgt = (
        stack.enter_context((folder / f"{name}.{lang}").open("w", encoding="utf-8", newline="\n"))
        for lang in (SRC, TGT)
    )
    return src, tgt


def _write(pairs: Iterable[Pair], *files: Sides) -> None:
    for pair in pairs:
        for sides in files:
            for file, text in zip(sides, pair, strict=True):
                file.write(f"{text}\n")
