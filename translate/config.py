"""Every setting of a run as frozen dataclasses, and the checks across fields.

A YAML file, a flag (`--model.attention.score general`) and a field here are the same thing; a
field's docstring is its help text. Nothing heavy is imported, so `--help` is quick.
"""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from translate.errors import UsageError

Score = Literal["additive", "dot", "general", "scaled_dot", "symmetric"]
Normalizer = Literal["softmax", "sparsemax", "entmax15"]
PairFormat = Literal[
    "tsv", "csv", "jsonl", "parquet", "tmx", "po", "mo", "xliff", "parallel", "corpus", "hub"
]
FileFormat = Literal["tsv", "csv", "jsonl", "parquet", "tmx", "po", "mo", "xliff"]

MOST_LINKED = 2**16  # pieces of a side: the number of each is half of four bytes


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
    strict: bool = False
    """Stop at a broken record of `pairs`; otherwise it is counted, and passed over."""

    def __post_init__(self) -> None:
        _at_least(self, "data", valid_size=1, max_length=1, batch_tokens=1)
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
        _below_one(self, "tokenizer", "sampling_alpha")


@dataclass(frozen=True)
class EncoderConfig:
    """From source ids to the values that the decoder attends to."""

    type: Literal["recurrent", "transformer"] = "recurrent"
    """recurrent: bidirectional (Bahdanau et al. 2015); transformer: pre-norm (Vaswani et al. 2017)."""
    layers: int = 1
    """Layers on top of one another."""
    size: int = 256
    """Hidden units (recurrent: in each direction; transformer: model width)."""
    cell: Literal["gru", "lstm"] = "gru"
    """Recurrent only: Cho et al. 2014 or Hochreiter & Schmidhuber 1997."""
    bidirectional: bool = True
    """Recurrent only: read from both ends."""
    bridging: bool = False
    """Recurrent only: a value has its piece's embedding, too (source-side bridging, Kuang et al. 2018)."""
    heads: int = 4
    """Transformer only: heads of self-attention."""
    feed_forward_size: int = 512
    """Transformer only: hidden units of the feed-forward layer."""
    positions: Literal["sinusoidal", "rotary"] = "sinusoidal"
    """Transformer only: Vaswani et al. 2017, or rotary (Su et al. 2021)."""


@dataclass(frozen=True)
class AttentionConfig:
    """How the decoder looks at the source."""

    score: Score = "additive"
    """additive: Bahdanau 2015; dot, general: Luong 2015; scaled_dot: Vaswani 2017; symmetric: one W."""
    normalizer: Normalizer = "softmax"
    """Scores to weights: softmax, sparsemax (Martins & Astudillo 2016), entmax15 (Peters et al. 2019)."""
    size: int = 256
    """Units that query and keys are projected to, all heads together (dot projects nothing)."""
    heads: int = 1
    """Attentions side by side; with more than one, values are projected for each head."""
    coverage: bool = False
    """Feed what was attended so far into the score (Tu et al. 2016); score additive, feeding not parallel."""
    end_of_sentence: bool = True
    """Whether the source's end of sentence can be attended to, as if it were a word."""


@dataclass(frozen=True)
class DecoderConfig:
    """From target ids and what is attended to the next target piece."""

    type: Literal["recurrent", "transformer"] = "recurrent"
    """recurrent: Bahdanau et al. 2015; transformer: pre-norm (Vaswani et al. 2017)."""
    layers: int = 1
    """Layers on top of one another."""
    size: int = 256
    """Hidden units (transformer: model width)."""
    cell: Literal["gru", "lstm"] = "gru"
    """Recurrent only: Cho et al. 2014 or Hochreiter & Schmidhuber 1997."""
    feeding: Literal["input", "conditional", "parallel"] = "input"
    """Recurrent only. input: the last state asks, the context enters with the token (Bahdanau 2015, A.2.2);
    conditional: the first layer reads the token, asks, and reads the context (Sennrich et al. 2017);
    parallel: the first layer asks, the next one gets the context, a sentence is one call (2+ layers)."""
    context_only: float = 0.0
    """Recurrent only: share of the positions that training scores from their context alone, without state and
    last piece, so that attention has to find the word (Zenkel et al. 2019 always do)."""
    heads: int = 4
    """Transformer only: heads of self-attention."""
    feed_forward_size: int = 512
    """Transformer only: hidden units of the feed-forward layer."""
    positions: Literal["sinusoidal", "rotary"] = "sinusoidal"
    """Transformer only: Vaswani et al. 2017, or rotary (Su et al. 2021)."""


@dataclass(frozen=True)
class ModelConfig:
    """Encoder, attention and decoder, freely combined."""

    embedding_size: int = 256
    """Size of the piece embeddings (for a transformer: its width)."""
    dropout: float = 0.2
    """Probability that an activation is dropped in training (Srivastava et al. 2014); in steps of 1/256."""
    tie_embeddings: bool = True
    """Output layer = target embeddings (= source embeddings when joint; Press & Wolf 2017)."""
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    """The encoder."""
    attention: AttentionConfig = field(default_factory=AttentionConfig)
    """The attention between decoder and encoder."""
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    """The decoder."""

    def __post_init__(self) -> None:
        check_model(self)


@dataclass(frozen=True)
class SearchConfig:
    """How the best translation is looked for."""

    beam_size: int = 5
    """Hypotheses kept for each sentence; 1 is greedy."""
    length_penalty: float = 1.0
    """Log-probability is divided by length to this power (0: not at all)."""
    n_best: int = 1
    """Translations returned for each sentence, at most beam_size."""
    max_length_ratio: float = 2.0
    """A translation has at most this many times the source's pieces, plus `max_length_offset`."""
    max_length_offset: int = 10
    """See max_length_ratio."""
    min_length: int = 0
    """A translation has at least this many pieces."""
    no_repeat_ngram: int = 0
    """No sequence of so many pieces occurs twice (0: repetition is allowed; Paulus et al. 2018)."""
    mbr: int = 0
    """Of so many best translations the one with the highest expected chrF against all of them is taken, each
    weighted by its probability (0: simply the best one; Kumar & Byrne 2004)."""

    def __post_init__(self) -> None:
        _at_least(self, "search", beam_size=1, n_best=1, min_length=0, no_repeat_ngram=0, mbr=0)
        for name in ("n_best", "mbr"):
            if getattr(self, name) > self.beam_size:
                count = getattr(self, name)
                raise UsageError(f"search.{name} is {count}, more than search.beam_size {self.beam_size}")
        if self.mbr and self.n_best > 1:
            raise UsageError(
                f"search.mbr is {self.mbr}, which chooses one translation, but search.n_best is {self.n_best}"
                ": leave one at its default (mbr 0, n_best 1)"
            )


@dataclass(frozen=True)
class TrainingConfig:
    """The recipe."""

    max_steps: int = 3000
    """Optimiser steps of the whole run; the schedule ends there."""
    max_minutes: float = 0.0
    """Minutes of the whole run (0: no limit); the schedule ends at whichever comes first. How far a run comes
    in its time depends on the machine, so only without a limit is it the same every time."""
    learning_rate: float = 2e-3
    """Highest learning rate."""
    alignment: Literal["none", "guided"] = "none"
    """guided: besides translating, one attention is trained towards links (Chen et al. 2016; Garg et al.
    2019)."""
    alignment_links: str = "self"
    """Where links come from. self: the model's own, of the two directions where it has both, from
    alignment_start on (after Chen et al. 2020). fast_align: what that makes of the training pairs (an extra).
    Else a file with links i-j of words between white space, from 0, a line for each of the training text."""
    alignment_start: float = 0.5
    """Share of the run after which the model aligns the corpus to be guided by its own links."""
    alignment_weight: float = 0.05
    """The guide's cross-entropy counts so much beside that of translating."""
    alignment_layer: int = 0
    """Transformer only: the layer that is guided, from 1 (0: the last but one, or the only one)."""
    alignment_head: int = 1
    """The attention head that is guided, from 1."""
    schedule: Literal["cosine", "inverse_sqrt"] = "cosine"
    """cosine to zero (Loshchilov & Hutter 2017), or inverse square root (Vaswani et al. 2017)."""
    warmup_steps: int = 300
    """Steps in which the learning rate rises from zero."""
    weight_decay: float = 0.01
    """AdamW's decoupled decay of matrices (Loshchilov & Hutter 2019)."""
    clip_norm: float = 1.0
    """Gradients longer than this are shortened (Pascanu et al. 2013); 0: never."""
    accumulate: int = 1
    """Batches whose gradients make one step."""
    label_smoothing: float = 0.1
    """Share of the target spread over the vocabulary (Szegedy et al. 2016)."""
    r_drop: float = 0.0
    """Weight of the divergence between two passes with different dropout (R-Drop, Liang et al. 2021; 0: one
    pass). A step then computes twice as much."""
    word_dropout: float = 0.0
    """Probability that a piece of the source, or one that the decoder reads, is made the unknown one (word
    dropout, Gal & Ghahramani 2016; Sennrich & Zhang 2019)."""
    precision: Literal["auto", "float32", "bf16"] = "auto"
    """auto: bf16 where the processor multiplies it natively, float32 elsewhere."""
    average: Literal["ema", "checkpoints", "none"] = "ema"
    """What is validated and kept. ema: an exponential moving average of the weights (Polyak & Juditsky 1992);
    checkpoints: the mean of the weights at the last validations (Vaswani et al. 2017); none: the weights."""
    average_checkpoints: int = 10
    """Validations whose weights make the mean of average checkpoints (Wu et al. 2021 take 10)."""
    ema_decay: float = 0.998
    """Share of the old average kept at each step (early steps keep less)."""
    validate_every: int = 500
    """Steps between validations; each one also writes a checkpoint."""
    valid_beam_size: int = 1
    """Beam of the BLEU that is computed in validation; 1 is greedy."""
    patience: int = 0
    """Validations without a better BLEU before training stops early (0: never)."""
    checkpoint_every: int = 0
    """Steps between checkpoints besides those at validations (0: none)."""
    seed: int = 1
    """Everything random follows from it."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to train."""
    cuda_graphs: bool = True
    """On an NVIDIA GPU, record the work of a batch once for each shape and replay it."""
    threads: int = 0
    """Processor threads of all processes together (0: one per core)."""
    processes: int = 0
    """Processes that share each batch on a CPU (0: one per thread, fewer if batches are small)."""
    devices: int = 0
    """Devices of each machine that share each batch, each with a process and a model of its own: GPUs, or
    parts of a CPU (0: as many as torchrun or srun has started, else one)."""
    nodes: int = 0
    """Machines that take part; torchrun or srun has to be started on each (0: as many as there are)."""
    sharding: bool = False
    """With several processes, each holds a part of every weight, its gradient and its moments (FSDP2; Zhao et
    al. 2023): for transformers too large for one device, with average checkpoints or none."""

    def __post_init__(self) -> None:
        _at_least(self, "training", max_steps=1, accumulate=1, validate_every=1, valid_beam_size=1)
        _at_least(self, "training", max_minutes=0, warmup_steps=0, weight_decay=0, clip_norm=0, patience=0)
        _at_least(self, "training", learning_rate=0, checkpoint_every=0, seed=0, threads=0)
        _at_least(self, "training", processes=0, devices=0, nodes=0, r_drop=0, average_checkpoints=1)
        _at_least(self, "training", alignment_weight=0, alignment_layer=0, alignment_head=1)
        if not 0 < self.alignment_start < 1:
            raise UsageError(
                f"training.alignment_start is {self.alignment_start}: it must be above 0 and below 1"
            )
        _below_one(self, "training", "label_smoothing", "ema_decay", "word_dropout")


@dataclass(frozen=True)
class Config:
    """Every setting of a run."""

    data: DataConfig = field(default_factory=DataConfig)
    """The corpus."""
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    """The tokenizer."""
    model: ModelConfig = field(default_factory=ModelConfig)
    """The model."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    """The recipe."""
    search: SearchConfig = field(default_factory=SearchConfig)
    """The search used by `translate` and `evaluate` unless told otherwise."""
    initial: InitialConfig = field(default_factory=InitialConfig)
    """The run that is fine-tuned, if one is."""

    def __post_init__(self) -> None:
        _check_guide(self)
        _check_sharding(self)


class GuidedHead(NamedTuple):
    """The attention that training guides towards links."""

    layer: int  # from 0
    head: int  # from 0
    shift: int  # 0: the row of the step that emits a piece is guided; 1: of the step that has read it


def guided_head(config: Config) -> GuidedHead | None:
    """Return which attention is guided, if one is.

    A transformer's is guided at the step that has read the piece (as Chen et al. 2020, SHIFT-AET), so that
    the head need not know yet what will be emitted. A recurrent decoder's one attention is guided at the step
    that emits the piece, whose context has to bring the word.
    """
    settings = config.training
    if settings.alignment == "none":
        return None
    transformer = config.model.decoder.type == "transformer"
    layers = config.model.decoder.layers if transformer else 1
    layer = settings.alignment_layer or max(layers - 1, 1)
    return GuidedHead(layer - 1, settings.alignment_head - 1, int(transformer))


# Everyday flags and the settings they stand for.
ALIASES = {
    "corpus": "data.corpus",
    "src": "data.src",
    "tgt": "data.tgt",
    "valid_src": "data.valid_src",
    "valid_tgt": "data.valid_tgt",
    "pairs": "data.pairs",
    "valid_pairs": "data.valid_pairs",
    "weights": "data.weights",
    "format": "data.format",
    "src_lang": "data.src_lang",
    "tgt_lang": "data.tgt_lang",
    "src_column": "data.src_column",
    "tgt_column": "data.tgt_column",
    "strict": "data.strict",
    "monolingual": "data.monolingual",
    "reverse": "data.reverse",
    "init_from": "initial.run",
    "mix": "initial.mix",
    "mix_corpus": "initial.corpus",
    "mix_src": "initial.src",
    "mix_tgt": "initial.tgt",
    "batch_tokens": "data.batch_tokens",
    "vocab_size": "tokenizer.vocab_size",
    "tokenizer_path": "tokenizer.path",
    "max_steps": "training.max_steps",
    "learning_rate": "training.learning_rate",
    "seed": "training.seed",
    "device": "training.device",
    "threads": "training.threads",
    "devices": "training.devices",
    "nodes": "training.nodes",
    "precision": "training.precision",
    "alignment": "training.alignment",
}


def check_both_directions(config: Config, run: str) -> None:
    """Refuse a run whose model has not learned to read its pairs backwards."""
    if config.data.directions != "both":
        raise UsageError(
            f"{run} was trained to translate forward only: going backwards needs data.directions both"
        )


def _at_least(config: object, group: str, **least: int) -> None:
    for name, limit in least.items():
        value = getattr(config, name)
        if not value >= limit:  # so that NaN is refused too
            raise UsageError(f"{group}.{name} is {value}: it must be at least {limit}")


def _below_one(config: object, group: str, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if not 0 <= value < 1:
            raise UsageError(f"{group}.{name} is {value}: it must be at least 0 and below 1")


def _check_sharding(config: Config) -> None:
    """Refuse what needs the weights in one piece at each step, or has no layers to be gathered one by one."""
    if not config.training.sharding:
        return
    if config.training.average == "ema":
        raise UsageError(
            "training.sharding leaves no weights in one piece for training.average ema: set it to "
            "checkpoints or none"
        )
    if config.training.alignment == "guided":
        raise UsageError("training.sharding does not go together with training.alignment guided")
    types = config.model.encoder.type, config.model.decoder.type
    if types != ("transformer", "transformer"):
        raise UsageError(
            "training.sharding needs a transformer as model.encoder and model.decoder, got "
            f"{types[0]} and {types[1]}"
        )


def _check_guide(config: Config) -> None:
    """Refuse a guide for an attention that is not there, or that cannot follow."""
    guided, attention = guided_head(config), config.model.attention
    if guided is None:
        return
    layers = config.model.decoder.layers if guided.shift else 1
    for name, number, count in (("layer", guided.layer, layers), ("head", guided.head, attention.heads)):
        if number >= count:
            raise UsageError(
                f"training.alignment_{name} is {number + 1}, but attention has {count} to be guided"
            )
    if attention.normalizer != "softmax":
        raise UsageError(
            "training.alignment guided needs model.attention.normalizer softmax, got "
            f"{attention.normalizer}: a weight of zero has no gradient"
        )
    if config.data.max_length >= MOST_LINKED:
        raise UsageError(
            f"training.alignment guided links pieces of sentences with less than {MOST_LINKED}, but "
            f"data.max_length is {config.data.max_length}"
        )


def check_model(model: ModelConfig) -> None:
    """Refuse combinations that no layer could be built for, naming the settings and their values."""
    encoder, attention, decoder = model.encoder, model.attention, model.decoder
    _below_one(model, "model", "dropout")
    _below_one(decoder, "model.decoder", "context_only")
    for size_name, size in (
        ("embedding_size", model.embedding_size),
        ("encoder.size", encoder.size),
        ("encoder.feed_forward_size", encoder.feed_forward_size),
        ("attention.size", attention.size),
        ("decoder.size", decoder.size),
        ("decoder.feed_forward_size", decoder.feed_forward_size),
    ):
        if size < 1:
            raise UsageError(f"model.{size_name} is {size}: it must be at least 1")
    _check_part(encoder, "encoder", model.embedding_size)
    _check_part(decoder, "decoder", model.embedding_size)
    _divides("model.attention.size", attention.size, "model.attention.heads", attention.heads)
    memory_size = encoder.size
    if encoder.type == "recurrent":
        memory_size *= 2 if encoder.bidirectional else 1
        memory_size += model.embedding_size if encoder.bridging else 0
    if attention.score in ("dot", "symmetric") and decoder.size != memory_size:
        raise UsageError(
            f"model.attention.score {attention.score} needs a query as large as the memory, but "
            f"model.decoder.size is {decoder.size} and the encoder gives {memory_size}"
        )
    if attention.score in ("dot", "general"):
        _divides("model.decoder.size", decoder.size, "model.attention.heads", attention.heads)
    if decoder.type == "transformer":  # its contexts are as wide as itself, others' as wide as the memory
        _divides("model.decoder.size", decoder.size, "model.attention.heads", attention.heads)
    else:
        _divides("the encoder's output size", memory_size, "model.attention.heads", attention.heads)
    if decoder.type == "recurrent" and decoder.feeding == "parallel" and decoder.layers < 2:
        raise UsageError(
            f"model.decoder.feeding parallel needs model.decoder.layers of at least 2, got {decoder.layers}: "
            "the first asks, the second gets the context"
        )
    if attention.coverage and not (
        attention.score == "additive" and decoder.type == "recurrent" and decoder.feeding != "parallel"
    ):
        raise UsageError(
            "model.attention.coverage needs model.attention.score additive and a recurrent model.decoder "
            f"with feeding input or conditional, got {attention.score}, {decoder.type}, {decoder.feeding}"
        )


def _check_part(part: EncoderConfig | DecoderConfig, name: str, embedding_size: int) -> None:
    """Check an encoder or decoder by itself."""
    if part.layers < 1:
        raise UsageError(f"model.{name}.layers is {part.layers}: it must be at least 1")
    if part.type != "transformer":
        return
    _divides(f"model.{name}.size", part.size, f"model.{name}.heads", part.heads)
    if part.size != embedding_size:
        raise UsageError(
            f"model.{name}.size is {part.size} but model.embedding_size is {embedding_size}: "
            "a transformer adds to its embeddings, so they must be equal"
        )
    if part.positions == "rotary" and part.size // part.heads % 2:
        raise UsageError(
            f"model.{name}.positions rotary turns pairs of units, but model.{name}.size {part.size} over "
            f"model.{name}.heads {part.heads} gives each head {part.size // part.heads}: it must be even"
        )


def _divides(size_name: str, size: int, parts_name: str, parts: int) -> None:
    if parts < 1 or size % parts:
        raise UsageError(
            f"{size_name} {size} cannot be shared by {parts_name} {parts}: it must be a multiple"
        )
