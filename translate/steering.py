"""What translations have to be like beyond what the model holds best: a prefix, terms, or drawn by chance."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from translate.config.search import SearchConfig
from translate.engine import Demand, Sampling
from translate.errors import UsageError
from translate.glossary import Glossary, phrase
from translate.parts import Part
from translate.tokenizer import Tokenizer, Tokenizers


class Steering(NamedTuple):
    """What is wanted of translations; as it stands, nothing."""

    prefix: str = ""  # each begins with it
    sampling: Sampling | None = None  # pieces are drawn
    glossary: Glossary | None = None  # its target terms occur where its source terms do
    # By number of the text: what occurs in its translation too, as it is there. One that begins with a space
    # has one before it in the translation, or begins it.
    phrases: Mapping[int, Sequence[str]] = {}

    def __bool__(self) -> bool:
        return bool(self.prefix or self.sampling or self.glossary or self.phrases)


def demands_of(
    steering: Steering, tokenizers: Tokenizers, parts: Sequence[Part], first_line: int, search: SearchConfig
) -> list[Demand]:
    """Return what each part has to be like.

    The prefix belongs to the first part of a text, a term to each part that it is found in. What is drawn
    depends on the seed, the line and the part, and not on what is translated together.

    Raises UsageError when the prefix itself has what may not be repeated.
    """
    prefix = tuple(tokenizers.tgt.encode(steering.prefix)) if steering.prefix else ()
    _check_prefix(prefix, search.no_repeat_ngram)
    demands = []
    ordinal, before = 0, -1
    for part in parts:
        ordinal = ordinal + 1 if part.number == before else 0
        before = part.number
        demands.append(
            Demand(
                () if ordinal else prefix,
                tuple(_phrases(steering, tokenizers, part)),
                steering.sampling,
                (first_line + part.number, ordinal),
            )
        )
    return demands


def _phrases(steering: Steering, tokenizers: Tokenizers, part: Part) -> list[tuple[int, ...]]:
    """The pieces of the terms that a part asks for, and of what is wanted of its text if the part has it."""
    if not (steering.glossary or steering.phrases):
        return []
    text = tokenizers.src.decode(part.ids)
    wanted = [term.tgt for term in steering.glossary.find(text)] if steering.glossary else []
    pool = f" {text}"  # so that what begins the text has a space before it, as a word has
    for each in steering.phrases.get(part.number, ()):
        if each in pool:
            wanted.append(each)
            pool = pool.replace(each, "\n", 1)
    return [pieces for each in wanted if (pieces := _pieces(tokenizers.tgt, each))]


def _pieces(tokenizer: Tokenizer, text: str) -> tuple[int, ...]:
    return tuple(phrase(tokenizer, text))


def _check_prefix(prefix: Sequence[int], size: int) -> None:
    ngrams = [tuple(prefix[at : at + size]) for at in range(len(prefix) - size + 1)]
    if size > 0 and len(set(ngrams)) < len(ngrams):
        raise UsageError(
            f"the prefix repeats a sequence of {size} pieces, which search.no_repeat_ngram {size} rules out: "
            "shorten the one or raise the other"
        )
