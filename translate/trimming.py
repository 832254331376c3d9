"""The target's part of a joint vocabulary: no step scores pieces that only sources have.

Of 8,000 pieces that German and English share, English text may use half. The others would be scored at each
target position, in training and in translating, only to learn that they never come.
"""

from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING

from translate.tokenizer import Tokenizer, Tokenizers, sample_text

if TYPE_CHECKING:
    from sentencepiece.sentencepiece_model_pb2 import ModelProto

# Pieces: a position's scores then fill whole cache lines. The product of 256 positions with 4,106 pieces
# takes 1.4 times as long as with 4,112 (MKL 2024.2, AVX2).
_MULTIPLE = 16

_AT_A_TIME = 1024  # sentences
_SPACE = "▁"  # in bytes it would be a character of the text


def trim(tokenizer: Tokenizer, tgt: Iterable[str]) -> Tokenizers:
    """Put the pieces of the target sentences in front; the target's vocabulary ends with them.

    The sentences keep the pieces that they had (of a very large text, those of a sample do), and any other
    text can still be spelled, if need be in bytes: special pieces, bytes, the space and user-defined symbols
    stay. So do a few of the others, the likeliest ones, up to a multiple of 16 pieces. If no piece can go,
    the tokenizer is returned as it is, twice.
    """
    from sentencepiece import sentencepiece_model_pb2 as protobuf  # 20 ms that few commands need

    sentences = sample_text(tgt)
    used = set[int]()
    for start in range(0, len(sentences), _AT_A_TIME):
        used.update(chain.from_iterable(tokenizer.encode_batch(sentences[start : start + _AT_A_TIME])))
    model = protobuf.ModelProto.FromString(tokenizer.model)
    names = {_SPACE, *(model.pieces[number].piece for number in used)}
    if model.trainer_spec.model_type == protobuf.TrainerSpec.BPE:
        # Whatever merges make on the way to a piece is a part of it.
        names = {name[i:j] for name in names for i in range(len(name)) for j in range(i + 1, len(name) + 1)}
    normal = protobuf.ModelProto.SentencePiece.NORMAL
    stays = [piece.type != normal or piece.piece in names for piece in model.pieces]
    others = (number for number, stay in enumerate(stays) if not stay)  # the likeliest first
    for number in islice(others, -sum(stays) % _MULTIPLE):
        stays[number] = True
    if all(stays):
        return Tokenizers(tokenizer, tokenizer)
    first = [piece for piece, stay in zip(model.pieces, stays, strict=True) if stay]
    rest = [piece for piece, stay in zip(model.pieces, stays, strict=True) if not stay]
    return Tokenizers(_with_pieces(model, first + rest), _with_pieces(model, first))


def _with_pieces(model: "ModelProto", pieces: "Sequence[ModelProto.SentencePiece]") -> Tokenizer:
    """A tokenizer that has these pieces, in this order, and is like the model otherwise."""
    other = type(model)()
    other.CopyFrom(model)
    del other.pieces[:]
    other.pieces.extend(pieces)
    other.trainer_spec.vocab_size = len(pieces)
    return Tokenizer(other.SerializeToString(deterministic=True))
