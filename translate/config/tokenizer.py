"""How text becomes pieces."""

from dataclasses import dataclass
from typing import Literal

from translate.config.numbers import below_one


@dataclass(frozen=True)
class TokenizerConfig:
    """How text becomes pieces: SentencePiece (Kudo & Richardson 2018)."""

    path: str | None = None
    """Use this trained tokenizer instead of training one: a .model file for both languages, or a folder made
    by `seq2see tokenizer` (with tokenizer.model, or src.model and tgt.model)."""
    algorithm: Literal["unigram", "bpe"] = "unigram"
    """unigram: Kudo 2018; bpe: Sennrich et al. 2016."""
    vocab_size: int = 8000
    """Pieces in each vocabulary; lowered by itself when the corpus is too small for it."""
    joint: bool = True
    """One vocabulary for both languages; otherwise one each."""
    trim: bool = True
    """Leave out of a joint vocabulary, on the target side, what no training target has: fewer pieces to score
    at each position. The embeddings stay shared. A tokenizer that is given, and one for both directions, are
    used as they are."""
    character_coverage: float = 1.0
    """Share of characters that get a piece of their own; the rest is spelled in bytes."""
    normalization: Literal["identity", "nfkc", "nfkc_cf", "nmt_nfkc", "nmt_nfkc_cf"] = "identity"
    """identity loses nothing: decoding gives back the text that was encoded."""
    user_defined_symbols: tuple[str, ...] = ()
    """Strings that are always one piece, such as a placeholder."""
    sampling_alpha: float = 0.0
    """Training draws other pieces of a sentence each time (0: never). unigram: the probability of its
    pieces to this power is drawn from, so that less is more varied (subword regularization, Kudo 2018); bpe:
    the probability that a merge is left out (BPE-dropout, Provilkov et al. 2020)."""

    def __post_init__(self) -> None:
        below_one(self, "tokenizer", "sampling_alpha")
