"""A run directory that is made in a moment: whole, but its model was never trained."""

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import torch

from translate.config import Config
from translate.config.data import DataConfig
from translate.config.model import AttentionConfig, DecoderConfig, EncoderConfig, ModelConfig
from translate.config.search import SearchConfig
from translate.config.tokenizer import TokenizerConfig
from translate.export import Quantization
from translate.export.ctranslate2_model import export_ctranslate2
from translate.model import Seq2Seq
from translate.run_directory import RunDirectory
from translate.stored_pairs import IdPairs, Rows
from translate.tokenizer import BOS_ID, EOS_ID, PAD_ID, UNK_ID, Tokenizer, Tokenizers
from translate.trimming import trim

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
TRANSFORMER = ModelConfig(
    embedding_size=16,
    encoder=EncoderConfig(type="transformer", size=16, heads=2, feed_forward_size=24, layers=2),
    attention=AttentionConfig(score="scaled_dot", size=16, heads=4),
    decoder=DecoderConfig(type="transformer", size=16, heads=4, feed_forward_size=24, layers=2),
)
# Untrained models seldom end by themselves.
SEARCH = SearchConfig(beam_size=2, max_length_ratio=1.0, max_length_offset=2)


@cache
def tiny_tokenizers() -> Tokenizers:
    """One vocabulary of some 330 pieces for both languages, most of them bytes."""
    tokenizer = Tokenizer.train(SENTENCES, TokenizerConfig(vocab_size=330))
    return Tokenizers(tokenizer, tokenizer)


@cache
def separate_tokenizers() -> Tokenizers:
    """A vocabulary for each language, of different sizes."""
    src = Tokenizer.train(SENTENCES[:3], TokenizerConfig(vocab_size=290))
    return Tokenizers(src, Tokenizer.train(SENTENCES[3:], TokenizerConfig(vocab_size=280)))


@cache
def trimmed_tokenizers() -> Tokenizers:
    """One vocabulary for both languages, of which the target's is what English uses."""
    return trim(tiny_tokenizers().src, SENTENCES[3:])


def write_ids(folder: Path, src: Iterable[Sequence[int]], tgt: Iterable[Sequence[int]]) -> None:
    """Write the ids of pairs, for `IdPairs` to read."""
    IdPairs.write(folder, [(Rows.of([*src]), Rows.of([*tgt]))])


def tiny_run(
    folder: Path,
    model: ModelConfig = MODEL,
    search: SearchConfig = SEARCH,
    max_length: int = 32,
    tokenizers: Tokenizers | None = None,
    directions: Literal["forward", "both"] = "forward",
    seed: int = 0,
) -> Path:
    """Make a run directory called `run` in a folder, and return its path."""
    config = Config(data=DataConfig(max_length=max_length, directions=directions), model=model, search=search)

    def prepare(directory: RunDirectory) -> None:
        vocabularies = tokenizers or tiny_tokenizers()
        directory.save_config(config)
        directory.save_tokenizers(vocabularies)
        torch.manual_seed(seed)
        directory.save_weights(directory.build_model(vocabularies), vocabularies)

    return RunDirectory.create(folder / "run", prepare).path


def tiny_export(folder: Path, quantization: Quantization = "float32", **settings) -> RunDirectory:
    """A tiny run of a transformer that has made up its mind, exported for CTranslate2."""
    run = RunDirectory.open(tiny_run(folder, **{"model": TRANSFORMER, **settings}))
    run.save_weights(decided(run.load_model()), run.tokenizers())
    export_ctranslate2(run, quantization)
    return run


def decided(model: Seq2Seq) -> Seq2Seq:
    """As if trained: sure of some pieces, of the end now and then, and never producing special ones."""
    torch.manual_seed(1)
    with torch.no_grad():
        # Of both signs, so that a piece whose embedding is tied to the output does not repeat itself.
        model.decoder.norm.weight.normal_(std=5)
        model.output.bias[[PAD_ID, BOS_ID, UNK_ID]] = -30
        model.output.bias[EOS_ID] = 4
    return model
