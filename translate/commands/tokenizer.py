"""Train a tokenizer on a corpus, to look at it or to share it between runs (`train` makes its own)."""

from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from translate.commands.pairs_input import PAIRS_HELP, add_pairs_options, check_pairs_options, pair_sources
from translate.config.tokenizer import TokenizerConfig
from translate.errors import InputError, UsageError

if TYPE_CHECKING:
    from translate.tokenizer import Tokenizer

# Sentences are counted from the beginning; the averages change little after that many.
_COUNTED = 10_000


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options: where the text is, where the models go, and the fields of TokenizerConfig."""
    parser.add_argument("--src", type=str, help="Training text, one sentence a line.")
    parser.add_argument("--tgt", type=str, help="Its translations, line by line.")
    parser.add_argument("--corpus", type=str, help="Instead: a folder made by `seq2see corpus`.")
    parser.add_argument("--pairs", type=str, nargs="+", metavar="FILE", help=f"Instead: {PAIRS_HELP}")
    add_pairs_options(parser)
    parser.add_argument(
        "--out",
        type=str,
        required=True,
        help="Folder for tokenizer.model, or src.model and tgt.model when not joint, or trimmed.",
    )
    parser.add_class_arguments(TokenizerConfig, skip={"path", "user_defined_symbols"})
    parser.add_argument(
        "--user_defined_symbols",
        type=str,
        nargs="+",
        default=[],
        metavar="SYMBOL",
        help="Strings that are always one piece, such as a placeholder.",
    )


def run(options: Namespace) -> None:
    """Train, save, and print what the vocabularies do to the text."""
    from translate.tokenizer import train_tokenizers
    from translate.trimming import trim

    config = TokenizerConfig(
        algorithm=options.algorithm,
        vocab_size=options.vocab_size,
        joint=options.joint,
        trim=options.trim,
        character_coverage=options.character_coverage,
        normalization=options.normalization,
        user_defined_symbols=tuple(options.user_defined_symbols),
    )
    src, tgt = _read(options)
    out = Path(options.out)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; --out needs a folder")
    for name in ("tokenizer.model", "src.model", "tgt.model"):
        if (out / name).exists():
            raise InputError(
                f"{out / name} exists already, and is not overwritten: move it, or choose another --out"
            )
    tokenizers = train_tokenizers(src, tgt, config)
    if config.joint and config.trim:
        tokenizers = trim(tokenizers.tgt, tgt)
    out.mkdir(parents=True, exist_ok=True)
    names = ["tokenizer.model"] if tokenizers.src is tokenizers.tgt else ["src.model", "tgt.model"]
    for name, tokenizer in zip(names, tokenizers, strict=False):  # one name: twice the same tokenizer
        tokenizer.save(out / name)
        print(f"{out / name}: {len(tokenizer)} pieces ({config.algorithm})")
    _describe("src", tokenizers.src, src)
    _describe("tgt", tokenizers.tgt, tgt)


def _read(options: Namespace) -> tuple[list[str], list[str]]:
    """Return the source and the target sentences to train on."""
    check_pairs_options(options)
    given = [f"--{name}" for name in ("src", "tgt", "corpus", "pairs") if getattr(options, name) is not None]
    match given:
        case ["--corpus"]:
            from translate.corpora.corpus import load_corpus

            train = load_corpus(options.corpus).splits["train"]
            return list(train["src"]), list(train["tgt"])
        case ["--src", "--tgt"]:
            from translate.text_files import read_parallel

            pairs = read_parallel(options.src, options.tgt)
        case ["--pairs"]:
            from translate.corpora.pairs import stream_pairs

            pairs = list(stream_pairs(pair_sources(options, options.pairs)))
        case _:
            raise UsageError(
                "needed are --src and --tgt, or --corpus alone, or --pairs alone; got "
                f"{' '.join(given) or 'none of them'}"
            )
    return [src for src, _ in pairs], [tgt for _, tgt in pairs]


def _describe(side: str, tokenizer: "Tokenizer", texts: list[str]) -> None:
    """Print how many pieces the text becomes, and an example."""
    counted = [text for text in texts[:_COUNTED] if text.strip()]
    if not counted:
        return
    pieces = sum(map(len, tokenizer.encode_batch(counted)))
    words = sum(len(text.split()) for text in counted)
    print(f"{side}: {pieces / words:.2f} pieces a word, {pieces / len(counted):.1f} a sentence; for example")
    print(f"    {counted[0]}")
    print(f"    {' '.join(tokenizer.pieces(tokenizer.encode(counted[0])))}")
