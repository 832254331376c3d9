"""From a sentence pair to its attention weights, in one teacher-forced pass.

Search keeps no weights. Any pair, the model's own translation or one that the user brings, is read again as
in training: the maps have a row for each target piece, of what the decoder attended to when it was about to
emit it. A reading then says which map is taken, and which of its rows belongs to which piece. The last row
and column belong to the end of sentence; they are never cropped.
"""

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float

from translate.config import GuidedHead
from translate.config.model import ModelConfig
from translate.errors import UsageError
from translate.grouping import group_by_tokens
from translate.model import Seq2Seq
from translate.padding import pad
from translate.tokenizer import BACKWARDS_ID, BOS_ID, EOS_ID, Tokenizer, Tokenizers

log = logging.getLogger(__name__)

END = "</s>"
# The longest side that is aligned. The weights grow with the product of both lengths, and a longer text is a
# document, about which a model of sentences and the reader of a plot can say nothing.
MAX_PIECES = 1024

Span = tuple[int, int]


class Alignment(NamedTuple):
    """What each target token attended to; a pair with a blank side has no tokens and no weights."""

    src: str
    tgt: str
    src_tokens: tuple[str, ...]  # as they are shown; the last one is END
    tgt_tokens: tuple[str, ...]
    src_spans: tuple[Span, ...]  # characters: src[begin:end]; END is at (len(src), len(src))
    tgt_spans: tuple[Span, ...]
    weights: Float[np.ndarray, "T S"]  # rows sum to one, unless two directions were averaged
    choice: str  # which attention, for people
    level: str = "subword pieces"  # what a token is, for people
    # Of each target token, given the source and the tokens before it; None if no model says.
    log_probs: Float[np.ndarray, " T"] | None = None


class Maps(NamedTuple):
    """Everything that a decoder attended to in a pair; without tokens as `Alignment`."""

    src: str
    tgt: str
    src_tokens: tuple[str, ...]  # pieces; the last one is END
    tgt_tokens: tuple[str, ...]
    src_spans: tuple[Span, ...]
    tgt_spans: tuple[Span, ...]
    weights: Float[np.ndarray, "L N T S"]  # of each layer and head, when piece t was about to be emitted
    log_probs: Float[np.ndarray, " T"]  # of each target piece, given the source and the pieces before it


class Reading(NamedTuple):
    """Which of a model's attentions is read, and how."""

    layer: int  # from 0
    head: int | None  # from 0; None is the mean of all
    shift: int  # steps from the one that emits a piece to the one whose row it gets (`shifts`)
    words: str  # the choice in words, for the plot


def shifts(config: ModelConfig) -> tuple[int, ...]:
    """Return the shifts that can matter for a decoder, from 0 to that where its query has read the piece.

    A transformer's query has read the piece one step after it was emitted, and so have those of the other
    recurrent decoders; Bahdanau's is the state before the last piece was read, so it takes one step more.
    """
    late = config.decoder.type == "recurrent" and config.decoder.feeding == "input"
    return (0, 1, 2) if late else (0, 1)


def choose_attention(
    config: ModelConfig,
    layer: int | None = None,
    head: int | None = None,
    shift: int | None = None,
    guided: GuidedHead | None = None,
) -> Reading:
    """Choose a layer and a head, both counted from 1 as people do, and say it in words.

    If nothing else is asked for, the head that training guided is read, as it was guided. Else, without a
    layer, a transformer is read at the last but one (best in Garg et al. 2019); without a head, the mean of
    all is taken; without a shift, a row belongs to the piece emitted.

    Args:
        shift: 1 reads what the decoder attended to when the piece was its input, and so known to the query
            (Chen et al. 2020, SHIFT-ATT), instead of when the piece was about to be emitted; `shifts` has
            those that there are.
        guided: the head that was guided, if one was.

    Raises:
        UsageError: The model has no such layer, head or shift.
    """
    layers = config.decoder.layers if config.decoder.type == "transformer" else 1
    heads = config.attention.heads
    if layer is not None and not 1 <= layer <= layers:
        raise UsageError(
            f"there is no layer {layer} to read: the decoder has {_count(layers, 'layer')} with attention"
        )
    if head is not None and not 1 <= head <= heads:
        raise UsageError(f"there is no head {head} to read: the attention has {_count(heads, 'head')}")
    is_guided = guided is not None and (layer, head, shift) == (None, None, None)
    if guided is not None and is_guided:
        layer, head, shift = guided.layer + 1, guided.head + 1, guided.shift
    shift = shift or 0
    if shift not in shifts(config):
        raise UsageError(
            f"the shift is {shift}: a row belongs to the piece emitted (0) or to one read before (up to "
            f"{shifts(config)[-1]} here)"
        )
    chosen = max(layers - 1, 1) if layer is None else layer
    words = [f"{config.attention.score.replace('_', ' ')} attention"]
    if config.attention.normalizer != "softmax":
        words[0] += f" ({config.attention.normalizer})"
    if layers > 1:
        words.append(f"layer {chosen} of {layers}")
    if heads > 1:
        words.append(f"mean of {heads} heads" if head is None else f"head {head} of {heads}")
    if shift:
        words.append("shifted" if shift == 1 else f"shifted by {shift}")
    if is_guided:
        words.append("guided")
    text = ", ".join(words)
    if layers > 1 and layer is None:
        text += " (default: the last layer but one, Garg et al. 2019)"
    return Reading(chosen - 1, None if head is None else head - 1, shift, text)


def align_pairs(
    model: Seq2Seq,
    tokenizers: Tokenizers,
    pairs: Sequence[tuple[str, str]],
    reading: Reading,
    *,
    batch_tokens: int = 4096,
    backwards: bool = False,
) -> list[Alignment]:
    """Align pairs of (source, target) texts, piece by piece: `read_maps`, then `read`."""
    maps = read_maps(model, tokenizers, pairs, batch_tokens=batch_tokens, backwards=backwards)
    return [read(pair, reading) for pair in maps]


def read_maps(
    model: Seq2Seq,
    tokenizers: Tokenizers,
    pairs: Sequence[tuple[str, str]],
    *,
    batch_tokens: int = 4096,
    backwards: bool = False,
) -> list[Maps]:
    """Return what the decoder attends to in pairs of (source, target) texts, in one teacher-forced pass each.

    The model must be in eval mode. A pair is left without tokens if one of its texts is blank, or if one has
    more than MAX_PIECES pieces, which is logged.

    Args:
        batch_tokens: target slots of a batch, padding included, and source slots likewise.
        backwards: the model reads the target and emits the source, so the maps are of the swapped pairs; what
            it attends to the mark of that direction is added to the end of sentence. For a model trained with
            data.directions both.
    """
    if backwards:
        pairs = [(tgt, src) for src, tgt in pairs]
    ids = [
        ([*src, EOS_ID], [*tgt, EOS_ID])
        for src, tgt in zip(
            tokenizers.src.encode_batch([src for src, _ in pairs]),
            tokenizers.tgt.encode_batch([tgt for _, tgt in pairs]),
            strict=True,
        )
    ]
    nothing = np.zeros((1, 1, 0, 0), dtype=np.float32), np.zeros(0, dtype=np.float32)
    results = [Maps(src, tgt, (), (), (), (), *nothing) for src, tgt in pairs]
    kept = [index for index, pair in enumerate(pairs) if _is_alignable(pair, ids[index])]
    lengths = [max(map(len, ids[index])) for index in kept]
    for group in group_by_tokens(lengths, batch_tokens):
        rows = [kept[position] for position in group]
        for row, found in zip(rows, _run(model, [ids[row] for row in rows], backwards), strict=True):
            results[row] = _maps(tokenizers, pairs[row], ids[row], *found)
    return results


def read(maps: Maps, reading: Reading) -> Alignment:
    """Take one map, or the mean of a layer's, and give each target piece its row.

    The end of sentence is never read by a decoder, so its row is always that of the step that emits it, the
    last there is.
    """
    weights = maps.weights[0, 0]
    if maps.src_tokens:
        layer = maps.weights[reading.layer]
        weights = layer.mean(axis=0) if reading.head is None else layer[reading.head]
    if reading.shift:
        weights = weights[np.minimum(np.arange(len(weights)) + reading.shift, len(weights) - 1)]
    return Alignment(*maps[:6], weights, reading.words, log_probs=maps.log_probs)


def end_mass(alignment: Alignment) -> float | None:
    """Mean weight that the target tokens, the end of sentence apart, give to the source's end of sentence.

    A high value means that the picture hides something: the model attends to no word. None for a blank pair.
    """
    rows = alignment.weights[:-1]
    return float(rows[:, -1].mean()) if len(rows) else None


def _is_alignable(pair: tuple[str, str], ids: tuple[list[int], list[int]]) -> bool:
    longest = max(len(side) - 1 for side in ids)
    if longest > MAX_PIECES:
        log.warning(
            "a pair is too long to align, so it gets no links: one side has %d pieces, more than %d (%r ...)",
            longest,
            MAX_PIECES,
            pair[0][:40],
        )
        return False
    return bool(pair[0].strip() and pair[1].strip())


@torch.inference_mode()
def _run(
    model: Seq2Seq, ids: Sequence[tuple[list[int], list[int]]], backwards: bool
) -> list[tuple[Float[np.ndarray, "L N _ _"], Float[np.ndarray, " _"]]]:
    """Return all weights of each pair of ids, and its target's log-probabilities, without padding."""
    tag = [BACKWARDS_ID] * backwards
    src, src_mask = pad([[*tag, *src] for src, _ in ids])
    tgt_in, _ = pad([[BOS_ID, *tgt[:-1]] for _, tgt in ids])
    tgt_out, _ = pad([tgt for _, tgt in ids])
    device = model.device
    weights, logits = model.align(src.to(device), src_mask.to(device), tgt_in.to(device))
    log_probs = -F.cross_entropy(logits.float().transpose(1, 2), tgt_out.to(device), reduction="none")
    maps, scores = weights.float().cpu().numpy(), log_probs.cpu().numpy()
    found = []
    for of_pair, log_probs_of_pair, (src_ids, tgt_ids) in zip(maps, scores, ids, strict=True):
        length, end = len(tgt_ids), len(tag) + len(src_ids)
        # Copies: a slice would keep the weights of the whole batch alive.
        own = of_pair[:, :, :length, len(tag) : end].copy()
        own[..., -1] += of_pair[:, :, :length, : len(tag)].sum(axis=-1)
        found.append((own, log_probs_of_pair[:length].copy()))
    return found


def _maps(
    tokenizers: Tokenizers,
    pair: tuple[str, str],
    ids: tuple[list[int], list[int]],
    weights: Float[np.ndarray, "L N T S"],
    log_probs: Float[np.ndarray, " T"],
) -> Maps:
    src, tgt = pair
    return Maps(
        src,
        tgt,
        (*tokenizers.src.pieces(ids[0][:-1]), END),
        (*tokenizers.tgt.pieces(ids[1][:-1]), END),
        _spans(tokenizers.src, src),
        _spans(tokenizers.tgt, tgt),
        weights,
        log_probs,
    )


def _spans(tokenizer: Tokenizer, text: str) -> tuple[Span, ...]:
    return (*tokenizer.offsets(text), (len(text), len(text)))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
