"""Where sentence pairs come from, and what training begins with."""

from dataclasses import dataclass
from typing import Literal

from translate.config.numbers import at_least
from translate.errors import UsageError

PairFormat = Literal[
    "tsv", "csv", "jsonl", "parquet", "tmx", "po", "mo", "xliff", "parallel", "corpus", "hub"
]
FileFormat = Literal["tsv", "csv", "jsonl", "parquet", "tmx", "po", "mo", "xliff"]


@dataclass(frozen=True)
class DataConfig:
    """Where the sentence pairs come from, and how they are batched."""

    corpus: str | None = None
    """A folder made by `seq2see corpus`: its train and valid parts are used."""
    src: str | None = None
    """Training text in the language to translate from, one sentence a line (.gz, .bz2, .xz, .zst: unpacked;
    -: standard input)."""
    tgt: str | None = None
    """Its translations, line by line."""
    valid_src: str | None = None
    """Validation text; without it, `valid_size` pairs are held out from the training text."""
    valid_tgt: str | None = None
    """Its translations, line by line."""
    monolingual: str | None = None
    """Further text in the language to translate into, one sentence a line: the run `reverse` translates it
    back, and the pairs that this makes are trained on too (back-translation, Sennrich et al. 2016)."""
    reverse: str | None = None
    """The run that translates `monolingual` back: of the other direction, or of both. Without it, the run
    that is fine-tuned, if that is one of both."""
    monolingual_share: float = 0.5
    """At most this share of the pairs of an epoch is back-translated; where there are more, they are drawn
    anew for each epoch."""
    monolingual_tag: str = ""
    """Begins each back-translated source, so that the model can tell, such as <BT> (Caswell et al. 2019)."""
    directions: Literal["forward", "both"] = "forward"
    """both: one model learns to translate from src to tgt and back, each pair once an epoch in either
    direction; its vocabulary is joint."""
    src_lang: str | None = None
    """Language translated from, such as en. A corpus folder knows its own. With `pairs` it chooses texts of a
    TMX file, {lang}, and fields without src_column."""
    tgt_lang: str | None = None
    """Language translated into, such as de: validation BLEU splits zh, ja and others by character. A corpus
    folder knows its own. With `pairs` it chooses texts, as src_lang does."""
    valid_size: int = 1000
    """Pairs held out when no validation text is given (never more than a tenth)."""
    max_length: int = 256
    """Training pairs with more pieces than this on either side are left out, and counted."""
    batch_tokens: int = 4096
    """Slots of a batch, source and target together, padding included."""
    pairs: tuple[str, ...] = ()
    """Instead of src and tgt: files that hold both (tsv, csv, jsonl, parquet, tmx, po, mo, xlf, also packed
    as .gz, .bz2, .xz or .zst), corpus folders, text.{lang} for two files, hub:NAME, - for standard input."""
    weights: tuple[float, ...] = ()
    """How often a pair of each of `pairs` is seen in an epoch; 0.5: a half of them, drawn by the seed."""
    valid_pairs: tuple[str, ...] = ()
    """Instead of valid_src and valid_tgt: files as in `pairs`."""
    format: FileFormat | None = None
    """Format of all files in `pairs` and `valid_pairs`, whatever their names."""
    src_column: str | None = None
    """Column of a table, by name or number (from 1), or a field such as translation.de."""
    tgt_column: str | None = None
    """Column or field of the translation."""
    markup: Literal["drop", "keep"] = "drop"
    """What becomes of codes inside the texts of TMX and XLIFF files."""
    window: int = 0
    """Train on so many pairs of the text at a time, while the next ones are prepared, so that a text of any
    size needs no more room than two windows (0: on the whole text). The tokenizer is trained, and validation
    text held out, on the first window."""
    strict: bool = False
    """Stop at a broken record of `pairs`; otherwise it is counted, and passed over."""

    def __post_init__(self) -> None:
        at_least(self, "data", valid_size=1, max_length=1, batch_tokens=1, window=0)
        if not 0 < self.monolingual_share < 1:
            raise UsageError(
                f"data.monolingual_share is {self.monolingual_share}: it must be above 0 and below 1"
            )
        if self.reverse is not None and self.monolingual is None:
            raise UsageError("data.reverse is the run that translates data.monolingual back: give that too")
        for weight in self.weights:
            if not 0 < weight < float("inf"):
                raise UsageError(f"data.weights has {weight}: a weight must be above 0, and finite")


@dataclass(frozen=True)
class InitialConfig:
    """What training begins with, when it does not begin from nothing."""

    run: str | None = None
    """Fine-tune this run: its weights, tokenizer and model, on the text that is given now. Settings of data,
    model and search are that run's, unless given; optimiser and schedule begin anew."""
    mix: float = 0.0
    """Share of that run's own training pairs among those of an epoch, drawn anew for each, so that less is
    forgotten (mixed fine-tuning, Chu et al. 2017)."""
    corpus: str | None = None
    """That run's training text, if it is no longer where the run's config says: a corpus folder."""
    src: str | None = None
    """The same as a file, in the language to translate from."""
    tgt: str | None = None
    """Its translations, line by line."""

    def __post_init__(self) -> None:
        if not 0 <= self.mix < 1:
            raise UsageError(f"initial.mix is {self.mix}: it must be at least 0 and below 1")
        text = self.corpus or self.src or self.tgt
        if self.run is None and (self.mix or text):
            raise UsageError("initial.mix, corpus, src and tgt are for fine-tuning: give --init-from RUN")
        if self.mix == 0 and text:
            raise UsageError("initial.corpus, src and tgt name what is mixed in: give --mix, such as 0.5")
