"""Tokenizers of some 300 pieces, and texts that are hard for them."""

import io
import random

import sentencepiece
from hypothesis import strategies as st

from translate.config.tokenizer import TokenizerConfig
from translate.tokenizer import Tokenizer

TEXT = "der die das Hund Katze läuft schläft springt über grüne Wiese heute morgen the a dog cat runs sleeps"
NASTY = [
    "",
    " ",
    "   ",
    " leading",
    "trailing ",
    "two  spaces   three",
    "\ttab\t",
    "\0",
    "a\0b",
    "▁",
    " ▁ ▁▁",
    "▁Hund▁ läuft",
    "▅ ⁇ \u2047",
    "\u2028\u2029\x85\x0b\x0c\x1c",
    "\ufeffBOM\ufeff",
    "🙂👩‍👩‍👧‍👦🇩🇪",
    "\ue000\uf8ff\U0010ffff\U000f0000",
    "\ufffd\ufffe\uffff",
    "<s> </s> <pad> <unk>",
    "<s>",
    "</s><s>",
    "<0x0A><0xE2> <0x00>",
    "e\u0301 é ﬁ ㌔ Å",
    "\u200b\u200e\u202eשלום\u202c مرحبا",
    "你好，世界",
    "\u00a0nbsp\u3000wide",
    "<ph>{name} <ph>",
    "x" * 5000,
]
near_the_escapes = st.text(st.sampled_from(" ▁▅\t\0<ph>s/0xA{}aä\u2028\ufffd🙂"))


def sentences(count: int = 300) -> list[str]:
    random.seed(7)
    return [" ".join(random.choices(TEXT.split(), k=random.randrange(3, 9))) for _ in range(count)]


def train(texts=None, **changes) -> Tokenizer:
    config = TokenizerConfig(**{"vocab_size": 320, **changes})
    return Tokenizer.train(sentences() if texts is None else texts, config)


TOKENIZERS = {
    "unigram": train(),
    "bpe": train(algorithm="bpe"),
    "symbols": train(user_defined_symbols=("<ph>", "▁", " a ", "{name}", "a,b", 'q"r')),
}
NORMALIZING = {name: train(normalization=name) for name in ("nfkc", "nfkc_cf", "nmt_nfkc", "nmt_nfkc_cf")}


def train_elsewhere(**options) -> bytes:
    """A model of the sentences that another program could have made."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(sentences()), model_writer=model, minloglevel=3, **options
    )
    return model.getvalue()


def model_of_characters() -> bytes:
    """A model as ours are, but that every text has one spelling."""
    return train_elsewhere(
        model_type="char",
        vocab_size=290,
        byte_fallback=True,
        pad_id=0,
        bos_id=1,
        eos_id=2,
        unk_id=3,
        remove_extra_whitespaces=False,
    )
