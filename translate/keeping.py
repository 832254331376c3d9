"""Translations that keep the placeholders of their sources, each as often as it is there.

Where the best translation does not, another of the best is taken; where none does, one is searched for in
which they must occur; and where that fails, what is missing is copied to where the attention says it belongs.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from translate.alignment.choose import load_choice
from translate.alignment.extract import Alignment, Reading, align_pairs, choose_attention
from translate.config import guided_head
from translate.config.search import SearchConfig
from translate.parts import OnLong
from translate.placeholders import count, drop, find, insert
from translate.steering import Steering
from translate.translation import Kept, Translation
from translate.translator import Translator


def translate_keeping(
    translator: Translator,
    texts: Sequence[str],
    search: SearchConfig,
    pattern: re.Pattern[str],
    *,
    on_long: OnLong = "split",
    batch_tokens: int | None = None,
    first_line: int = 1,
    steering: Steering | None = None,
) -> list[Translation]:
    """As `Translator.translate`; `Translation.kept` says how the placeholders came there.

    The first of several translations keeps them; the others may not. What was copied has the score of the
    translation that it was copied into.

    Args:
        pattern: what is a placeholder, as `placeholders.find` reads it.
    """
    steering = steering or Steering()
    wanted = [count(text, pattern) for text in texts]
    wide = search
    if not (search.mbr or steering.sampling):
        wide = replace(search, n_best=search.beam_size)  # they are found anyway
    found = translator.translate(texts, wide, on_long, batch_tokens, first_line, steering)
    results = [
        _choose(each, those, "at once" if those else "", pattern, search.n_best)
        for those, each in zip(wanted, found, strict=True)
    ]
    failed = [n for n, each in enumerate(results) if count(each.text, pattern) != wanted[n]]
    if failed and not steering.sampling:
        phrases = {n: _phrases(texts[n], pattern) for n in failed if wanted[n]}
        # The others are left blank, so that lines keep their numbers in messages.
        blanked = [text if n in phrases else "" for n, text in enumerate(texts)]
        constrained = replace(search, n_best=search.beam_size, mbr=0)
        again = translator.translate(
            blanked, constrained, on_long, batch_tokens, first_line, steering._replace(phrases=phrases)
        )
        for n in phrases:
            results[n] = _choose(again[n], wanted[n], "constrained", pattern, search.n_best)
        failed = [n for n in failed if count(results[n].text, pattern) != wanted[n]]
    for n, copied in zip(
        failed, copy_missing(translator, [results[n] for n in failed], pattern), strict=True
    ):
        results[n] = copied
    return results


def _phrases(text: str, pattern: re.Pattern[str]) -> list[str]:
    """The placeholders of a source, each with the space before it if it has one."""
    spaced = f" {text}"
    return [" " * spaced[found.begin].isspace() + found.text for found in find(text, pattern)]


def _choose(
    found: Translation, wanted: Counter[str], how: Kept, pattern: re.Pattern[str], n_best: int
) -> Translation:
    """Put the translations first that have exactly the placeholders wanted."""
    ordered = sorted(found.alternatives, key=lambda each: count(each[0], pattern) != wanted)
    moved = ordered[0] != found.alternatives[0] and how == "at once"
    kept: Kept = "another" if moved else how
    return found._replace(text=ordered[0][0], score=ordered[0][1], alternatives=ordered[:n_best], kept=kept)


def copy_missing(
    translator: Translator, translations: Sequence[Translation], pattern: re.Pattern[str]
) -> list[Translation]:
    """Take out of translations the placeholders that are too many, and put in those that are missing.

    A placeholder comes before the word that attends to it most, or to the end if that is what does.
    """
    pairs = []
    for each in translations:
        too_many = count(each.text, pattern) - count(each.src, pattern)
        pairs.append((each.src, drop(each.text, too_many, pattern)))
    alignments = (
        align_pairs(
            translator.model,
            translator.tokenizers,
            pairs,
            _reading(translator),
            backwards=translator.backwards,
        )
        if pairs
        else []
    )
    copied = []
    for each, alignment, (_, text) in zip(translations, alignments, pairs, strict=True):
        whole = _copy_into(text, each.src, alignment, pattern)
        alternatives = [(whole, each.score), *each.alternatives[1:]]
        # A pattern may look at what stands beside a placeholder: then nothing is sure.
        same = count(whole, pattern) == count(each.src, pattern)
        copied.append(each._replace(text=whole, alternatives=alternatives, kept="copied" if same else "lost"))
    return copied


def _reading(translator: Translator) -> Reading:
    """The attention that `seq2see align` reads."""
    saved = load_choice(translator.directory, backwards=translator.backwards)
    if saved is not None:
        return saved.reading
    return choose_attention(translator.config.model, guided=guided_head(translator.config))


def _copy_into(text: str, src: str, alignment: Alignment, pattern: re.Pattern[str]) -> str:
    """Put what a source has and a text lacks into it; from the right, so that places stay what they are."""
    missing = count(src, pattern) - count(text, pattern)
    places = []
    for order, found in enumerate(find(src, pattern)):
        if missing[found.text] > 0:
            missing[found.text] -= 1
            places.append((_place(alignment, found.begin, found.end, len(text)), order, found.text))
    for place, _, placeholder in sorted(places, reverse=True):
        text = insert(text, placeholder, place, pattern)
    return text


def _place(alignment: Alignment, begin: int, end: int, otherwise: int) -> int:
    """Where in the target what is at a place of the source belongs; `otherwise` if it is not aligned."""
    columns = [n for n, (first, last) in enumerate(alignment.src_spans) if first < end and begin < last]
    if not columns:
        return otherwise
    row = int(alignment.weights[:, columns].sum(axis=1).argmax())
    return alignment.tgt_spans[row][0]
