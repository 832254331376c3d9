"""From text to text: the one decoding path of the command line, of evaluation and of validation."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from translate.config.search import SearchConfig
from translate.engine import Demand, Engine, Hypothesis, max_length
from translate.errors import UsageError
from translate.grouping import group_by_tokens
from translate.mbr import choose
from translate.parts import OnLong, Part, split_texts
from translate.steering import Steering, demands_of
from translate.tokenizer import BACKWARDS_ID, Tokenizer, Tokenizers

# How a translation came to have the placeholders of its source; "": it has none, or nobody asked.
Kept = Literal["", "at once", "another", "constrained", "copied", "lost"]


class Translation(NamedTuple):
    """A text and what became of it."""

    src: str
    text: str
    # Log-probability over length ** length_penalty; the length counts pieces and end of sentence. NaN where
    # no score was asked for and none was needed.
    score: float
    alternatives: list[tuple[str, float]]  # the n best with their scores, best first
    kept: Kept = ""


Found = list[tuple[Part, list[Hypothesis]]]  # of a text: its parts, and of each the hypotheses, best first


class TextOptions(NamedTuple):
    """How texts are translated, besides how is searched."""

    # Slots of a batch: the longest source times sentences times hypotheses of each; None: the engine's own.
    batch_tokens: int | None = None
    # What becomes of a text with more than `max_src_length` pieces. split: it is translated in parts, cut
    # after a sentence, else at white space, else anywhere; the n-th best translation is that of all parts.
    # truncate: its first pieces are translated. Either is logged as a warning.
    on_long: OnLong = "split"
    max_src_length: int = 256  # pieces, end of sentence not counted; fewer where the engine takes no more
    first_line: int = 1  # number of the first text in messages
    backwards: bool = False  # mark the texts as such to be translated back; the vocabulary is joint
    # What translations have to be like beyond what the model holds best. For engine torch.
    steering: Steering | None = None
    scored: bool = True  # without, scores may be NaN, which makes a greedy search faster


DEFAULT_OPTIONS = TextOptions()


def translate_texts(
    engine: Engine,
    tokenizers: Tokenizers,
    texts: Sequence[str],
    search: SearchConfig,
    options: TextOptions = DEFAULT_OPTIONS,
) -> list[Translation]:
    """Translate texts: as many come out as go in, in their order. A blank one becomes the empty text.

    Which texts are translated together changes nothing but rounding.

    Raises:
        InputError: a text is too long, with on_long error.
        UsageError: the search may ask for longer translations than the engine can give.
    """
    found = search_texts(engine, tokenizers, texts, candidates(search), options)
    return [join(text, those, tokenizers.tgt, search) for text, those in zip(texts, found, strict=True)]


def search_texts(
    engine: Engine,
    tokenizers: Tokenizers,
    texts: Sequence[str],
    search: SearchConfig,
    options: TextOptions = DEFAULT_OPTIONS,
) -> list[Found]:
    """As `translate_texts`, but what is found is not yet put together; a blank text has no parts."""
    parts = cut_texts(engine, tokenizers, texts, search, options)
    demands = None
    if options.steering:  # and it asks for something
        demands = demands_of(options.steering, tokenizers, parts, options.first_line, search)
    return by_text(len(texts), parts, search_parts(engine, parts, search, options, demands))


def cut_texts(
    engine: Engine,
    tokenizers: Tokenizers,
    texts: Sequence[str],
    search: SearchConfig,
    options: TextOptions = DEFAULT_OPTIONS,
) -> list[Part]:
    """Return what is translated at once, as `translate_texts` does: each text, or the parts of a long one."""
    if isinstance(texts, str):
        raise TypeError("texts is one str: give a sequence of them, such as [text]")
    max_src_length = options.max_src_length
    if engine.positions is not None:
        max_src_length = min(max_src_length, engine.positions - 1 - options.backwards)
        longest = max_length(max_src_length, search)
        if longest >= engine.positions:
            raise UsageError(
                f"translations may have {longest} pieces (of sources of {max_src_length}), but engine "
                f"{engine.name} only has positions for {engine.positions - 1}: allow fewer, or choose engine "
                "torch"
            )
    return split_texts(tokenizers.src, texts, max_src_length, options.on_long, options.first_line)


def search_parts(
    engine: Engine,
    parts: Sequence[Part],
    search: SearchConfig,
    options: TextOptions = DEFAULT_OPTIONS,
    demands: Sequence[Demand] | None = None,
) -> list[list[Hypothesis]]:
    """Return the hypotheses of each part, best first; of the options, batches and direction matter here."""
    tag = [BACKWARDS_ID] * options.backwards
    rows = [[*tag, *part.ids] for part in parts]
    limits = [max_length(len(part.ids), search) for part in parts]
    if demands is not None:
        limits = [limit + demand.length for limit, demand in zip(limits, demands, strict=True)]
    found: list[list[Hypothesis]] = [[] for _ in rows]
    slots = [(len(row) + 1) * search.beam_size for row in rows]
    for group in group_by_tokens(slots, options.batch_tokens or engine.batch_tokens):
        together, most = [rows[number] for number in group], [limits[number] for number in group]
        own = None if demands is None else [demands[number] for number in group]
        hypotheses = engine.search(together, most, search, own, scored=options.scored)
        for number, best in zip(group, hypotheses, strict=True):
            found[number] = best
    return found


def candidates(search: SearchConfig) -> SearchConfig:
    """Return the search for what `join` has to choose from."""
    return replace(search, n_best=search.mbr, mbr=0) if search.mbr else search


def by_text(count: int, parts: Sequence[Part], found: Sequence[list[Hypothesis]]) -> list[Found]:
    """Return what was found of each of so many texts."""
    of_text: list[Found] = [[] for _ in range(count)]
    for part, hypotheses in zip(parts, found, strict=True):
        of_text[part.number].append((part, hypotheses))
    return of_text


def join(text: str, parts: Found, tokenizer: Tokenizer, search: SearchConfig) -> Translation:
    """Put the translations of a text's parts together; of all these, the one to choose may be asked for."""
    if not parts:
        return Translation(text, "", 0.0, [("", 0.0)])
    alternatives, log_probs = [], []
    for rank in range(max(len(hypotheses) for _, hypotheses in parts)):
        chosen = [(part, hypotheses[min(rank, len(hypotheses) - 1)]) for part, hypotheses in parts]
        joined = "".join(" " * part.spaced + tokenizer.decode(one.tokens) for part, one in chosen)
        log_prob = sum(one.log_prob for _, one in chosen)
        length = sum(one.length for _, one in chosen)
        alternatives.append((joined, log_prob / max(length, 1) ** search.length_penalty))
        log_probs.append(log_prob)
    if search.mbr:
        alternatives = [alternatives[choose([joined for joined, _ in alternatives], log_probs)]]
    return Translation(text, *alternatives[0], alternatives)
