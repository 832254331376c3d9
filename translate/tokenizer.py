"""Text to the ids of pieces and back: SentencePiece (Kudo & Richardson 2018), and the four special ids.

SentencePiece writes a space as U+2581, so a U+2581 of the text would come back as a space. A line break
cannot occur inside a line, so it stands for U+2581 in what the model reads and writes:

    in the text     space     U+2581   LF, CR
    in the model    U+2581    LF       U+2581 (they are read as spaces)
"""

import hashlib
import io
import logging
import os
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import sentencepiece

from translate.config.tokenizer import TokenizerConfig
from translate.errors import InputError, UsageError

log = logging.getLogger(__name__)

PAD_ID, BOS_ID, EOS_ID, UNK_ID = 0, 1, 2, 3
# Begins a source that is to be translated from the target language back: an id that no text can spell.
BACKWARDS_ID = BOS_ID

_SPECIAL_PIECES = ("<pad>", "<s>", "</s>", "<unk>")  # in the order of the ids
_SPECIAL_IDS = frozenset((PAD_ID, BOS_ID, EOS_ID, UNK_ID))
_BYTE_PIECES = [f"<0x{byte:02X}>" for byte in range(256)]
_SURROGATE = re.compile("[\ud800-\udfff]")
# SentencePiece would leave out a sentence with U+2585, its mark for characters that get no piece;
# NUL it takes for such a character. LF is our U+2581 and keeps to its byte piece, so that no piece has a
# line break in it.
_NO_PIECE = str.maketrans({"▅": "\0", "\n": "\0"})
# A sample of this size holds every frequent word: some two million of them. SentencePiece needs 20 bytes a
# character, so that a larger sample, and not the model, would decide how much memory a training takes.
_MAX_CHARACTERS = 12_000_000
# Characters. Longer lines are cut: SentencePiece would leave them out, and is slow on very long words.
_MAX_LINE = 2000
_MAX_VOCAB_SIZE = 1_000_000  # as many candidates as the unigram algorithm starts from
# The scores of the pieces are summed per thread, so the model depends on this number: never on the machine's.
_THREADS = 4
_NEEDED = "needed is a .model file made by `seq2see tokenizer` or found in a run directory"

sentencepiece.set_min_log_level(3)  # what goes wrong reaches us as an exception; nothing is printed


class Tokenizer:
    """One vocabulary: a SentencePiece model that spells in bytes what it has no piece for.

    With identity normalisation `decode(encode(text)) == text` for every text of Unicode scalar values except
    line breaks (LF and CR): those are read as spaces, so that no decoded text is ever more than one line.
    With another normalisation the result is `normalize(text)`. A lone surrogate, which no UTF-8 file can
    hold, is read as U+FFFD.

    A tokenizer never changes, may be shared by threads, and can be pickled.

    Args:
        model: The content of a .model file.

    Raises:
        InputError: The model is damaged, or none of ours.
    """

    def __init__(self, model: bytes) -> None:
        self._model = model
        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(model)
        except (RuntimeError, UnicodeDecodeError):  # the latter from its own message about the damage
            raise InputError(f"damaged, or no SentencePiece model ({len(model)} bytes); {_NEEDED}") from None
        self._check_model()

    @classmethod
    def train(cls, sentences: Iterable[str], config: TokenizerConfig) -> "Tokenizer":
        """Train on sentences; for a vocabulary of both languages, on the sentences of both.

        The same sentences and settings give the same model, byte for byte. When the text has fewer pieces to
        offer than `config.vocab_size`, the vocabulary is smaller; when its alphabet does not fit, the rarest
        characters are spelled in bytes; either is logged as a warning. Of a very large text a sample is used.
        `config.path` and `config.joint` are for the caller.

        Raises:
            InputError: There is no text, or SentencePiece can learn nothing from it.
            UsageError: A setting is out of range.
        """
        _check_config(config)
        lines = sample_text(sentences)
        if not lines:
            raise InputError(
                "no text to train a tokenizer on; needed is at least one sentence that is not blank"
            )
        tokenizer = cls(_train(lines, config))
        if len(tokenizer) < config.vocab_size:
            log.warning(
                "vocabulary size lowered from %d to %d: the training text (%d lines) has no more pieces",
                config.vocab_size,
                len(tokenizer),
                len(lines),
            )
        return tokenizer

    @classmethod
    def load(cls, path: str | Path) -> "Tokenizer":
        """Read a .model file.

        Raises:
            InputError: The file is missing, damaged, or none of ours; the message names it.
        """
        try:
            return cls(Path(path).read_bytes())
        except FileNotFoundError:
            raise InputError(f"{path}: no such file; {_NEEDED}") from None
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}); {_NEEDED}") from None
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    def save(self, path: str | Path) -> None:
        """Write the model; at any moment the file is whole, or what it was before."""
        path = Path(path)
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            aside.write_bytes(self._model)
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text's pieces, without begin and end of sentence."""
        ids: list[int] = self._processor.Encode(_escape(text))
        return ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Return `encode` of each text, in one call of SentencePiece."""
        ids: list[list[int]] = self._processor.Encode([_escape(text) for text in texts], num_threads=1)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of any ids: special ones are left out, bytes that are no UTF-8 become U+FFFD."""
        text: str = self._processor.Decode([piece for piece in ids if piece not in _SPECIAL_IDS])
        return _unescape(text)

    def normalize(self, text: str) -> str:
        """Return the text as the model reads it, which is what decoding its pieces gives back."""
        return _unescape(self.spell(text).removeprefix("▁").replace("▁", " "))

    def spell(self, text: str) -> str:
        """Return what the model cuts into pieces: the normalised text, a space before it, as U+2581."""
        spelled: str = self._processor.Normalize(_escape(text))
        return spelled

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Return each piece for people to read.

        U+2581 stands for a space, also for the one that is put before every text, so that a word has the same
        pieces wherever it is. Special ids are `<pad> <s> </s> <unk>`; a byte is written like `<0xE2>`.
        """
        return [_unescape(self._processor.IdToPiece(piece)) for piece in ids]

    def vocabulary(self) -> list[str]:
        """Return SentencePiece's own names of all pieces, by id; no two are the same."""
        names: list[str] = self._processor.IdToPiece(list(range(len(self))))
        return names

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Return where each piece of `encode(text)` comes from: `text[begin:end]`, counted in characters.

        Begins and ends never decrease, and the spans cover the text. A space belongs to the piece after it.
        Pieces that only together are a character (bytes), or that one character is normalised to, share a
        span. If the first piece is nothing but the space put before every text, its span is (0, 0).
        """
        found = self._processor.Encode(_escape(text), return_type="offset_mapping")
        return _share(found["offsets"], starts_with_space=found["pieces"][:1] == ["▁"])

    @property
    def model(self) -> bytes:
        """The content of the model file."""
        return self._model

    @property
    def sha256(self) -> str:
        """The hash of the model file's content, in hexadecimal digits."""
        return hashlib.sha256(self._model).hexdigest()

    def __len__(self) -> int:
        size: int = self._processor.GetPieceSize()
        return size

    def __reduce__(self) -> tuple[type["Tokenizer"], tuple[bytes]]:
        return Tokenizer, (self._model,)

    def _check_model(self) -> None:
        """Refuse models that would give other ids to special pieces, or lose text."""
        processor = self._processor
        ids = (processor.pad_id(), processor.bos_id(), processor.eos_id(), processor.unk_id())
        if ids != (PAD_ID, BOS_ID, EOS_ID, UNK_ID):
            raise InputError(f"its ids of pad, bos, eos, unk are {ids} instead of (0, 1, 2, 3); {_NEEDED}")
        if not processor.IsByte(processor.PieceToId(_BYTE_PIECES[0])):
            raise InputError(f"it has no pieces for bytes, so it would lose rare characters; {_NEEDED}")
        if processor.Normalize("  ") != "▁▁▁":
            raise InputError(f"it does not keep white space; {_NEEDED}")


class Tokenizers(NamedTuple):
    """The vocabularies of a model: the same object twice when both sides have the same."""

    src: Tokenizer
    tgt: Tokenizer

    @property
    def joint(self) -> bool:
        """Whether the target's pieces are the source's, or (see trimming.py) the first of them."""
        if self.src is self.tgt:
            return True
        return self.tgt.vocabulary() == self.src.vocabulary()[: len(self.tgt)]


def train_tokenizers(src: Iterable[str], tgt: Iterable[str], config: TokenizerConfig) -> Tokenizers:
    """Train on the sentences of two languages: one vocabulary when `config.joint`, else one each.

    Raises what `Tokenizer.train` does.
    """
    if config.joint:
        tokenizer = Tokenizer.train(chain(src, tgt), config)
        return Tokenizers(tokenizer, tokenizer)
    return Tokenizers(Tokenizer.train(src, config), Tokenizer.train(tgt, config))


def sample_text(sentences: Iterable[str]) -> list[str]:
    """Return sentences as lines that a model reads; of a very large text some, drawn alike."""
    return _sample(_training_lines(sentences), _MAX_CHARACTERS)


def _escape(text: str) -> str:
    """Write a text as the model reads it, character by character, but for the spaces."""
    text = text.replace("\n", " ").replace("\r", " ").replace("▁", "\n")
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def _unescape(text: str) -> str:
    """Undo `_escape`; a model may have spelled a CR in bytes, which no text of ours contains."""
    return text.replace("\r", " ").replace("\n", "▁")


def _share(spans: list[tuple[int, int]], *, starts_with_space: bool) -> list[tuple[int, int]]:
    """Give a piece without a span that of the next: SentencePiece gives it to a character's last."""
    shared = list(spans)
    for index in range(len(shared) - 2, -1, -1):
        begin, end = shared[index]
        if begin == end and not (index == 0 and starts_with_space):
            shared[index] = shared[index + 1]
    return shared


def _check_config(config: TokenizerConfig) -> None:
    symbols = [_escape(symbol) for symbol in config.user_defined_symbols]
    reserved = {*_SPECIAL_PIECES, *_BYTE_PIECES}
    for index, (symbol, escaped) in enumerate(zip(config.user_defined_symbols, symbols, strict=True)):
        if not symbol or symbol in reserved or escaped in symbols[:index] or re.search("[\0\r\n]", symbol):
            raise UsageError(
                f"tokenizer.user_defined_symbols has {symbol!r}: a symbol must have characters, none of them "
                f"NUL or a line break, occur once, and be none of <pad> <s> </s> <unk> <0x00> ... <0xFF>"
            )
    least = _reserved_size(config) + 2
    if not least <= config.vocab_size <= _MAX_VOCAB_SIZE:
        raise UsageError(
            f"tokenizer.vocab_size is {config.vocab_size}: it must be at least {least} (4 special pieces, "
            f"256 bytes, {len(symbols)} user-defined symbols, the space, a character) and at most "
            f"{_MAX_VOCAB_SIZE}"
        )
    if not 0.98 <= config.character_coverage <= 1:  # SentencePiece's own limits
        raise UsageError(
            f"tokenizer.character_coverage is {config.character_coverage}: it must be from 0.98 to 1"
        )


def _reserved_size(config: TokenizerConfig) -> int:
    """Count the pieces that every vocabulary of this configuration has."""
    return len(_SPECIAL_PIECES) + len(_BYTE_PIECES) + len(config.user_defined_symbols)


def _training_lines(sentences: Iterable[str]) -> Iterator[str]:
    """Cut sentences into lines that SentencePiece takes, without blank ones."""
    for sentence in sentences:
        text = _escape(sentence).translate(_NO_PIECE)
        lines = (text[i : i + _MAX_LINE] for i in range(0, len(text), _MAX_LINE))
        yield from (line for line in lines if line.strip(" \0"))


def _sample(lines: Iterable[str], size: int) -> list[str]:
    """Keep lines of at most `size` characters in all, each as likely as any other, in their order."""
    generator = random.Random(0)
    kept: list[tuple[float, int, str]] = []  # a heap: those with the lowest draws go first
    total = 0
    lowest = 0.0  # draw that may still stay
    for number, line in enumerate(lines):
        draw = generator.random()
        if draw < lowest:
            continue
        heappush(kept, (draw, number, line))
        total += len(line)
        while total > size:
            lowest, _, dropped = heappop(kept)
            total -= len(dropped)
    kept.sort(key=itemgetter(1))
    return [line for _, _, line in kept]


def _train(lines: list[str], config: TokenizerConfig) -> bytes:
    """Return a model; an alphabet that does not fit into the vocabulary loses its rarest characters."""
    try:
        try:
            return _run_sentencepiece(lines, config)
        except RuntimeError as error:
            if "smaller than required_chars" not in str(error):
                raise
        return _run_sentencepiece(_without_rare_characters(lines, config), config)
    except RuntimeError as error:
        raise InputError(f"SentencePiece cannot train on this text ({len(lines)} lines): {error}") from None


def _without_rare_characters(lines: list[str], config: TokenizerConfig) -> list[str]:
    """Let the commonest characters take half of the room; pieces of several characters need the rest."""
    counts = Counter[str]()
    for line in lines:
        counts.update(line)
    del counts["\0"]
    size = (config.vocab_size - _reserved_size(config)) // 2
    kept = {character for character, _ in counts.most_common(size)}
    log.warning(
        "alphabet lowered from %d to %d characters, the rest is spelled in bytes: "
        "a vocabulary of %d pieces has no room for them all",
        len(counts),
        len(kept),
        config.vocab_size,
    )
    dropped = dict.fromkeys(map(ord, counts.keys() - kept), "\0")
    return [line.translate(dropped) for line in lines]


def _run_sentencepiece(lines: list[str], config: TokenizerConfig) -> bytes:
    """Train; the vocabulary is smaller than asked for when there are no more pieces.

    Raises:
        RuntimeError: SentencePiece cannot train.
    """
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(lines),
        model_writer=model,
        model_type=config.algorithm,
        vocab_size=config.vocab_size,
        hard_vocab_limit=False,
        character_coverage=config.character_coverage,
        normalization_rule_name=config.normalization,
        user_defined_symbols=[_escape(symbol).replace(" ", "▁") for symbol in config.user_defined_symbols],
        pad_id=PAD_ID,
        bos_id=BOS_ID,
        eos_id=EOS_ID,
        unk_id=UNK_ID,
        pad_piece=_SPECIAL_PIECES[PAD_ID],
        bos_piece=_SPECIAL_PIECES[BOS_ID],
        eos_piece=_SPECIAL_PIECES[EOS_ID],
        unk_piece=_SPECIAL_PIECES[UNK_ID],
        byte_fallback=True,
        remove_extra_whitespaces=False,
        add_dummy_prefix=True,  # a word is spelled alike at the beginning and inside of a text
        max_sentence_length=4 * _MAX_LINE,  # bytes: no line is left out
        num_threads=_THREADS,
        minloglevel=3,
    )
    return model.getvalue()
