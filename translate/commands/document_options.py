"""Flags of `seq2see translate` for documents."""

from typing import TYPE_CHECKING, Literal

from jsonargparse import ArgumentParser, Namespace

from translate.errors import UsageError

if TYPE_CHECKING:
    from translate.documents.document import Document

# Flags that are for some formats only.
_FOR = {
    "overwrite": ("po", "xliff", "tmx"),
    "fuzzy": ("po",),
    "keys": ("json",),
    "src_lang": ("tmx",),
    "tgt_lang": ("tmx", "xliff"),
}


def add_document(parser: ArgumentParser) -> None:
    """Declare what a document is, and what of it is translated."""
    parser.add_argument(
        "--format",
        type=Literal["po", "xliff", "tmx", "json", "md", "srt", "html"],
        help="Translate a document of this format, a file given in place of TEXTS or - : its texts are "
        "translated, all else stays as it is. Markup inside a sentence is placed by the alignment.",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="In a po, xliff or tmx, also translate anew what is translated already.",
    )
    parser.add_argument("--fuzzy", action="store_true", help="In a po, mark what is translated as fuzzy.")
    parser.add_argument(
        "--keys",
        type=str,
        nargs="+",
        default=[],
        help="In a json, translate only values whose key, or whose keys from the top on with dots between, "
        "are among these; * stands for anything.",
    )
    parser.add_argument(
        "--src_lang", type=str, help="Language to translate from in a tmx. Default: the run's, or the tmx's."
    )
    parser.add_argument(
        "--tgt_lang", type=str, help="Language to translate to in a tmx or an xliff. Default: the run's."
    )


def check_document(options: Namespace) -> None:
    """Refuse what is not for a document, and what is only for one."""
    for name, formats in _FOR.items():
        if options[name] and options.format not in formats:
            flag = name.replace("_", "-")
            raise UsageError(f"--{flag} is for documents: give --format {' or '.join(formats)} too")
    if options.format is None:
        return
    for name in ("src", "json", "json_input"):
        if getattr(options, name):
            flag = name.replace("_", "-")
            raise UsageError(f"--format translates one document, --{flag} is for lines: leave one out")
    if (options.n_best or 1) > 1:
        raise UsageError(f"--format writes one translation, but --n-best is {options.n_best}")
    if len(options.texts) != 1:
        raise UsageError(
            f"--format translates one document, a file or - : {len(options.texts)} names are given"
        )


def read_given_document(options: Namespace) -> "Document | None":
    """Read the document, if one is to be translated."""
    if options.format is None:
        return None
    from translate.documents import Wanted, read_document  # from here on it takes time
    from translate.export.hub import find_run

    data = find_run(options.run).config.data
    src_lang, tgt_lang = data.src_lang, data.tgt_lang
    if options.backwards:
        src_lang, tgt_lang = tgt_lang, src_lang
    wanted = Wanted(
        options.src_lang or src_lang,
        options.tgt_lang or tgt_lang,
        options.overwrite,
        options.fuzzy,
        tuple(options["keys"]),  # options.keys is a method
    )
    return read_document(options.texts[0], options.format, wanted)
