"""How good translations are: BLEU, chrF and TER with signatures, and placeholders that survive.

Scores are sacreBLEU's (Post 2018), on raw text as a reader sees it. Beside each value stands the signature
that says how it was counted: without one, two BLEU scores cannot be compared.
"""

import logging
import re
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER
from sacremoses.normalize import MosesPunctNormalizer
from sacremoses.tokenize import MosesTokenizer, nonbreaking_prefixes

from translate.errors import InputError, UsageError
from translate.placeholders import count

log = logging.getLogger(__name__)

TOKENIZED_BLEU = "BLEU (lowercased, Moses-tokenised)"

# Languages written without spaces between words (Korean: between whole phrases), and sacreBLEU's tokenizer
# for them. It has better ones for Japanese and Korean, but they need dictionaries to be installed.
UNSPACED = {
    **dict.fromkeys(("zh", "zho", "cmn", "yue"), "zh"),
    **dict.fromkeys(("ja", "jpn", "ko", "kor", "th", "tha", "lo", "lao", "km", "khm", "my", "mya"), "char"),
}


class Score(NamedTuple):
    """One figure about a whole test set, and how it was counted."""

    name: str  # sacreBLEU's: chrF2 is chrF with beta = 2
    value: float  # 0 to 100; TER, where less is better, can be more
    signature: str


class Counts(NamedTuple):
    """What a metric counts in each sentence, and how it scores the sum of any of these rows."""

    name: str  # sacreBLEU's
    signature: str
    rows: Int[np.ndarray, "P C"]
    score: Callable[[Int[np.ndarray, " C"]], float]  # 0 to 100


class Placeholders(NamedTuple):
    """How many placeholders of the sources are still in the translations."""

    kept: int
    total: int


def score(
    hypotheses: Sequence[str],
    references: Sequence[str],
    *,
    tgt_lang: str | None = None,
    tokenized_lowercase_lang: str | None = None,
) -> list[Score]:
    """Score translations, one reference each: BLEU, chrF and TER of the raw text.

    Args:
        hypotheses: Translations, detokenised.
        references: What they should be, in the same order.
        tgt_lang: Their language (`de`, `zh-Hans`). Where words are not separated by spaces, BLEU counts
            characters, TER does so for Chinese, and is left out for the others.
        tokenized_lowercase_lang: Also count BLEU as the literature on Multi30k does, by the rules of this
            language; see `tokenize_lowercase`.

    Raises InputError when there is nothing to score or the counts differ.
    """
    _check_counts("hypotheses", hypotheses, "references", references)
    tokenizer = _tokenizer(tgt_lang)
    # chrF: Popović 2015. TER: Snover et al. 2006; its words are those between spaces.
    metrics: list[BLEU | CHRF | TER] = [BLEU(tokenize=tokenizer), CHRF()]
    if tokenizer == "13a":
        metrics.append(TER())
    elif tokenizer == "zh":
        metrics.append(TER(normalized=True, asian_support=True))
    scores = []
    for metric in metrics:
        result = metric.corpus_score(hypotheses, [references])
        scores.append(Score(result.name, result.score, str(metric.get_signature())))
    if tokenized_lowercase_lang is not None:
        scores.append(_tokenized_bleu(hypotheses, references, tokenized_lowercase_lang))
    return scores


def bleu(hypotheses: Sequence[str], references: Sequence[str], tgt_lang: str | None = None) -> float:
    """Return the value of the BLEU that `score` reports, quickly; for validation while training."""
    return bleu_score(hypotheses, references, tgt_lang).value


def bleu_score(hypotheses: Sequence[str], references: Sequence[str], tgt_lang: str | None = None) -> Score:
    """Return the BLEU that `score` reports, without the other scores."""
    _check_counts("hypotheses", hypotheses, "references", references)
    # force: whoever trains on tokenised text would otherwise read the same warning at every validation
    metric = BLEU(tokenize=_tokenizer(tgt_lang), force=True)
    result = metric.corpus_score(hypotheses, [references])
    return Score(result.name, float(result.score), str(metric.get_signature()))


def count_matches(
    hypotheses: Sequence[str], references: Sequence[str], tgt_lang: str | None = None
) -> tuple[Counts, Counts]:
    """Return what BLEU and chrF count in each sentence: their sum has the scores that `score` reports.

    BLEU's rows begin with the lengths of the hypothesis and of the reference, in its words.

    Raises InputError when there is nothing to score or the numbers of sentences differ.
    """
    _check_counts("hypotheses", hypotheses, "references", references)
    # force: whoever compares systems of tokenised text would otherwise read a warning for each of them
    in_words = _count(BLEU(tokenize=_tokenizer(tgt_lang), force=True), hypotheses, references)
    return in_words, _count(CHRF(), hypotheses, references)


def word_splitter(lang: str | None = None) -> Callable[[str], list[str]]:
    """Return what splits sentences of a language into words as BLEU counts them: cased, punctuation apart."""
    tokenizer: Any = BLEU(tokenize=_tokenizer(lang)).tokenizer
    return lambda sentence: str(tokenizer(sentence.rstrip())).split()


def sentence_chrf(hypothesis: str, reference: str) -> float:
    """Return chrF (Popović 2015) of one sentence, for choosing among translations of it."""
    return float(CHRF().sentence_score(hypothesis, [reference]).score)


def tokenize_lowercase(sentences: Sequence[str], lang: str) -> list[str]:
    """Prepare text as the literature on Multi30k (Elliott et al. 2016) does before it counts BLEU.

    Lowercased, then punctuation normalised, then tokenised with XML escapes, in this order. From the raw test
    sets of 2016 and 2017 in the Multi30k repository (de, en, fr, cs) it makes the `lc.norm.tok` files beside
    them, but for one line of one French file.
    """
    lang = moses_lang(lang)
    if lang not in nonbreaking_prefixes.available_langs:
        log.warning("Moses has no list of abbreviations for %s: the English one is used", lang)
    normalizer: Any = MosesPunctNormalizer(lang)
    tokenizer: Any = MosesTokenizer(lang)
    return [
        str(tokenizer.tokenize(normalizer.normalize(sentence.lower()), escape=True, return_str=True))
        for sentence in sentences
    ]


def moses_lang(lang: str) -> str:
    """Return what Moses calls a language; UsageError where Moses cannot tokenise it."""
    if primary_language(lang) in UNSPACED:
        raise UsageError(
            f"Moses tokenisation needs a language with spaces between words, got {lang}: "
            "leave out the lowercased, tokenised BLEU"
        )
    return primary_language(lang)


def placeholders(sources: Sequence[str], hypotheses: Sequence[str]) -> Placeholders:
    """Count the sources' placeholders, and those that their translations still have.

    A placeholder is `{...}` without spaces or a printf conversion (`%s`, `%(name)d`, `%1$s`), and must be
    kept to the letter. One that occurs twice counts twice; a translation that has it once has kept one of
    them. Additional ones in a translation are not counted, nor are tags such as `<b>`.

    Raises InputError when the counts of sentences differ or are zero.
    """
    _check_counts("sources", sources, "hypotheses", hypotheses)
    kept = total = 0
    for source, hypothesis in zip(sources, hypotheses, strict=True):
        wanted = count(source)
        kept += (wanted & count(hypothesis)).total()
        total += wanted.total()
    return Placeholders(kept, total)


def _tokenized_bleu(hypotheses: Sequence[str], references: Sequence[str], lang: str) -> Score:
    # The text is prepared here: sacreBLEU only splits at spaces. force: it would warn of tokenised text;
    # lowercase: changes nothing any more, but puts case:lc into the signature.
    metric = BLEU(tokenize="none", lowercase=True, force=True)
    result = metric.corpus_score(tokenize_lowercase(hypotheses, lang), [tokenize_lowercase(references, lang)])
    how = f"moses:lc.norm.tok.{moses_lang(lang)}|sacremoses:{version('sacremoses')}"
    return Score(TOKENIZED_BLEU, result.score, f"{metric.get_signature()}|{how}")


def _count(metric: BLEU | CHRF, hypotheses: Sequence[str], references: Sequence[str]) -> Counts:
    # Not public in sacreBLEU, which resamples with both methods itself; tests compare with its public scores.
    rows = np.array(metric._extract_corpus_statistics(hypotheses, [references]), dtype=np.int64)
    name = metric._compute_score_from_stats(rows[0].tolist()).name

    def score(sums: Int[np.ndarray, " C"]) -> float:
        return float(metric._compute_score_from_stats(sums.tolist()).score)

    return Counts(name, str(metric.get_signature()), rows, score)


def _tokenizer(tgt_lang: str | None) -> str:
    return UNSPACED.get(primary_language(tgt_lang or ""), "13a")


def primary_language(lang: str) -> str:
    """Return the language without script and country, of zh-Hans and pt_BR."""
    return re.split("[-_]", lang.lower())[0]


def _check_counts(name: str, sentences: Sequence[str], other_name: str, others: Sequence[str]) -> None:
    if len(sentences) != len(others):
        raise InputError(
            f"{len(sentences)} {name} but {len(others)} {other_name}: they must match one to one"
        )
    if not sentences:
        raise InputError(f"0 {name} and 0 {other_name}: there is nothing to score")
