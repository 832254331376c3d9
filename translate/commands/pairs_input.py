"""The flags of verbs that take pairs from files of any format, and what they stand for."""

from typing import TYPE_CHECKING, Literal

from jsonargparse import ArgumentParser, Namespace

from translate.config.data import FileFormat
from translate.errors import UsageError

if TYPE_CHECKING:
    from translate.corpora.pairs import Sources

PAIRS_HELP = (
    "a file with source and target (tsv, csv, jsonl, parquet, tmx, po, mo, xlf, also packed as .gz, .bz2, "
    ".xz or .zst), a corpus folder, text.{lang} for two files, hub:NAME, or - for standard input."
)
ABOUT = {
    "src_lang": "Language of the source: chooses texts of TMX, {lang}, and fields without --src-column.",
    "tgt_lang": "Language of the target, likewise.",
    "src_column": "Column of a table, by name or number (from 1), or a field such as translation.de.",
    "tgt_column": "Column or field of the target.",
}


def add_pairs_options(
    parser: ArgumentParser, *, skip: tuple[str, ...] = (), format_flag: str = "format"
) -> None:
    """Declare how the files of --pairs are read, but for flags that the verb has already.

    Args:
        format_flag: another name where --format says something else.
    """
    for name, about in ABOUT.items():
        if name not in skip:
            parser.add_argument(f"--{name}", type=str, help=about)
    parser.add_argument(
        f"--{format_flag}", type=FileFormat, help="Format of all files of --pairs, whatever names."
    )
    parser.add_argument(
        "--markup",
        type=Literal["drop", "keep"],
        default="drop",
        help="What becomes of codes inside the texts of TMX and XLIFF.",
    )
    parser.add_argument("--strict", action="store_true", help="Stop at a broken record of --pairs.")


def check_pairs_options(
    options: Namespace, *, skip: tuple[str, ...] = (), format_flag: str = "format"
) -> None:
    """Raise UsageError for a flag that says how --pairs is read, where there is none; arguments as above."""
    if options.pairs is None:
        for name in (*(each for each in ABOUT if each not in skip), format_flag, "markup", "strict"):
            if getattr(options, name) not in (None, False, "drop"):
                raise UsageError(f"--{name.replace('_', '-')} is for --pairs, but there are none")


def pair_sources(options: Namespace, paths: list[str], *, format_flag: str = "format") -> "Sources":
    """Return the sources that the flags describe."""
    from translate.corpora.formats import Wanted
    from translate.corpora.pairs import Sources

    wanted = Wanted(
        options.src_lang, options.tgt_lang, options.src_column, options.tgt_column, options.markup
    )
    return Sources(paths, wanted, getattr(options, format_flag), strict=options.strict)
