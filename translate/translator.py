"""From text to text: the one decoding path of the command line, of evaluation and of validation."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import torch

from translate.config import SearchConfig
from translate.errors import InputError
from translate.model import Seq2Seq
from translate.padding import group_by_tokens, pad
from translate.platforms import choose_plan, gather_facts
from translate.run_directory import RunDirectory
from translate.search import Hypothesis, beam_search
from translate.tokenizer import BOS_ID, EOS_ID, PAD_ID, UNK_ID, Tokenizer, Tokenizers

log = logging.getLogger(__name__)

OnLong = Literal["split", "truncate", "error"]
BATCH_TOKENS = 8192  # source slots times beam: enough for full matrix products, little enough for a laptop
SENTENCE_ENDS = ".!?;:。！？；…"


class Translation(NamedTuple):
    """A sentence and what became of it."""

    src: str
    text: str
    score: float  # length-normalised log-probability; of a split line, the mean over its parts
    alternatives: list[tuple[str, float]]  # the n best with their scores, best first


class Part(NamedTuple):
    """A piece of a line that is translated at once."""

    line: int
    ids: list[int]
    spaced: bool  # whether white space stood before it


class Translator:
    """A trained model, ready to translate.

    Args:
        run: a run directory.
        device: auto, cpu, cuda or mps.

    Raises:
        InputError: no run directory there, or one without good weights.
        UsageError: the device is not there.
    """

    def __init__(self, run: str | Path, device: str = "auto") -> None:
        directory = RunDirectory.open(run)
        self.config = directory.config
        self.tokenizers = directory.tokenizers()
        self.model = directory.load_model(choose_plan(device, "float32", gather_facts()).device)

    def translate(
        self,
        texts: Sequence[str],
        search: SearchConfig | None = None,
        on_long: OnLong = "split",
        batch_tokens: int = BATCH_TOKENS,
    ) -> list[Translation]:
        """Translate texts (one each, in their order); the search is the run's unless given."""
        return translate_texts(
            self.model,
            self.tokenizers,
            texts,
            search or self.config.search,
            batch_tokens=batch_tokens,
            on_long=on_long,
            max_src_length=self.config.data.max_length,
        )


@torch.inference_mode()
def translate_texts(
    model: Seq2Seq,
    tokenizers: Tokenizers,
    texts: Sequence[str],
    search: SearchConfig,
    *,
    batch_tokens: int = BATCH_TOKENS,
    on_long: OnLong = "split",
    max_src_length: int = 256,
    first_line: int = 1,
) -> list[Translation]:
    """Translate texts: as many as come in go out, in their order; a blank one stays blank.

    Args:
        batch_tokens: slots of a batch, padding and hypotheses included.
        on_long: what to do with a text of more than `max_src_length` pieces: translate it in parts, cut it off,
            or refuse it.
        first_line: number of the first text in messages.

    Raises:
        InputError: a text is too long, with on_long "error".
    """
    if isinstance(texts, str):
        raise TypeError("translate takes a sequence of texts, got one str: put it into a list")
    parts = _parts(tokenizers.src, texts, max_src_length, on_long, first_line)
    was_training = model.training
    model.eval()
    try:
        found = _search(model, [part.ids for part in parts], search, batch_tokens)
    finally:
        model.train(was_training)
    of_line: list[list[tuple[Part, list[Hypothesis]]]] = [[] for _ in texts]
    for part, hypotheses in zip(parts, found, strict=True):
        of_line[part.line].append((part, hypotheses))
    return [_join(text, line, tokenizers.tgt) for text, line in zip(texts, of_line, strict=True)]


def _search(
    model: Seq2Seq, rows: Sequence[list[int]], search: SearchConfig, batch_tokens: int
) -> list[list[Hypothesis]]:
    found: list[list[Hypothesis]] = [[] for _ in rows]
    slots = [(len(row) + 1) * search.beam_size for row in rows]
    for group in group_by_tokens(slots, batch_tokens):
        src, mask = (tensor.to(model.device) for tensor in pad([[*rows[n], EOS_ID] for n in group]))
        pieces = mask.sum(dim=1) - 1
        max_lengths = (pieces * search.max_length_ratio).long() + search.max_length_offset
        hypotheses = beam_search(
            model.step,
            model.start(src, mask),
            max_lengths,
            search,
            bos_id=BOS_ID,
            eos_id=EOS_ID,
            forbidden_ids=(PAD_ID, UNK_ID),
        )
        for number, best in zip(group, hypotheses, strict=True):
            found[number] = best
    return found


def _parts(
    tokenizer: Tokenizer, texts: Sequence[str], limit: int, on_long: OnLong, first_line: int
) -> list[Part]:
    """Encode; a text that is too long becomes several parts, or a shorter one; a blank one none."""
    kept = [number for number, text in enumerate(texts) if text.strip()]
    encoded = tokenizer.encode_batch([texts[number] for number in kept])
    parts = []
    long_lines = []
    for number, ids in zip(kept, encoded, strict=True):
        if len(ids) <= limit:
            parts.append(Part(number, ids, spaced=False))
            continue
        if on_long == "error":
            raise InputError(
                f"line {first_line + number} has {len(ids)} pieces, more than the {limit} the model was trained "
                "with: shorten it, or choose --on-long split or truncate"
            )
        long_lines.append(f"line {first_line + number} ({len(ids)} pieces)")
        if on_long == "truncate":
            parts.append(Part(number, ids[:limit], spaced=False))
        else:
            parts += _split(tokenizer, texts[number], number, limit)
    if long_lines:
        done = "translated in parts" if on_long == "split" else f"cut off after {limit} pieces"
        log.warning("too long for the model, %s: %s", done, ", ".join(long_lines))
    return parts


def _split(tokenizer: Tokenizer, text: str, line: int, limit: int) -> list[Part]:
    """Cut where a sentence ends, else at white space, else between pieces: always the last place that fits."""
    parts = []
    start, spaced = 0, False
    while text[start:].strip():
        rest = text[start:]
        spaced = start > 0 and (spaced or rest[:1].isspace())
        rest = rest.lstrip()
        start = len(text) - len(rest)
        spans = tokenizer.offsets(rest)
        end = len(rest) if len(spans) <= limit else _cut(rest, max(spans[limit][0], 1))
        ids = tokenizer.encode(rest[:end])
        while len(ids) > limit and end > 1:  # pieces may differ without what follows
            end -= 1
            ids = tokenizer.encode(rest[:end])
        parts.append(Part(line, ids[:limit], spaced))
        start, spaced = start + end, rest[end - 1 : end].isspace()
    return parts


def _cut(text: str, most: int) -> int:
    """The place to cut text at, at most `most` characters from its beginning."""
    spaces = [n for n in range(1, most + 1) if text[n - 1].isspace()]
    ends = [n for n in spaces if text[:n].rstrip()[-1:] in SENTENCE_ENDS]
    # A cut in the first half would leave a short part behind.
    return max((n for n in ends if n > most // 2), default=max(spaces, default=most))


def _join(text: str, line: list[tuple[Part, list[Hypothesis]]], tokenizer: Tokenizer) -> Translation:
    """Put the translations of a line's parts together again; a blank line is its own."""
    if not line:
        return Translation(text, "", 0.0, [("", 0.0)])
    alternatives = []
    for rank in range(max(len(hypotheses) for _, hypotheses in line)):
        chosen = [hypotheses[min(rank, len(hypotheses) - 1)] for _, hypotheses in line]
        texts = [(" " if part.spaced else "") + tokenizer.decode(best.tokens)
                 for (part, _), best in zip(line, chosen, strict=True)]  # fmt: skip
        alternatives.append(("".join(texts), sum(best.score for best in chosen) / len(chosen)))
    return Translation(text, *alternatives[0], alternatives)
