"""A run directory that is made in a moment: whole, but its model was never trained."""

from functools import cache
from pathlib import Path

import torch

from translate.config import (
    AttentionConfig,
    Config,
    DataConfig,
    DecoderConfig,
    EncoderConfig,
    ModelConfig,
    SearchConfig,
    TokenizerConfig,
)
from translate.run_directory import RunDirectory
from translate.tokenizer import Tokenizer, Tokenizers

SENTENCES = (
    "Ein Hund läuft über die Wiese.",
    "Zwei Kinder spielen im Park.",
    "Guten Morgen! Wie geht es dir?",
    "A dog runs across the meadow.",
    "Two children are playing in the park.",
    "Good morning! How are you?",
)
MODEL = ModelConfig(
    embedding_size=16,
    encoder=EncoderConfig(size=8),
    attention=AttentionConfig(size=16),
    decoder=DecoderConfig(size=16),
)
# Untrained models seldom end by themselves.
SEARCH = SearchConfig(beam_size=2, max_length_ratio=1.0, max_length_offset=2)


@cache
def tiny_tokenizers() -> Tokenizers:
    """One vocabulary of some 330 pieces for both languages, most of them bytes."""
    tokenizer = Tokenizer.train(SENTENCES, TokenizerConfig(vocab_size=330))
    return Tokenizers(tokenizer, tokenizer)


def tiny_run(
    folder: Path, model: ModelConfig = MODEL, search: SearchConfig = SEARCH, max_length: int = 32
) -> Path:
    """Make a run directory called `run` in a folder, and return its path."""
    config = Config(data=DataConfig(max_length=max_length), model=model, search=search)

    def prepare(directory: RunDirectory) -> None:
        tokenizers = tiny_tokenizers()
        directory.save_config(config)
        directory.save_tokenizers(tokenizers)
        torch.manual_seed(0)
        directory.save_weights(directory.build_model(tokenizers), tokenizers)

    return RunDirectory.create(folder / "run", prepare).path
