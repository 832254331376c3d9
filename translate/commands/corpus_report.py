"""`seq2see corpus report`: what is wrong with a corpus, and the corpus without it."""

import json
import logging
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from jsonargparse import ArgumentParser, Namespace

from translate.commands.corpus_table import show_report
from translate.commands.evaluate import check_writable, lang_of
from translate.commands.json_output import as_json
from translate.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from translate.corpora.corpus import Corpus
    from translate.corpora.report.judge import Limits
    from translate.corpora.report.results import PartReport
    from translate.corpora.report.survey import Part, Records, Spool

log = logging.getLogger(__name__)

PARTS = ("test", "valid", "train")  # in the order of reading: what is held out comes first
FLAGS = (
    "clean",
    "json",
    "html",
    "drop",
    "keep",
    "without",
    "examples",
    "length_limit",
    "alignment_limit",
    "folder",
)


_LANGS = ("src_lang", "tgt_lang")
# What goes with each way to name a corpus.
WAYS: dict[str, tuple[str, ...]] = {
    "a folder": (),
    "--src": (*_LANGS, "src", "tgt", "valid_src", "valid_tgt", "test_src", "test_tgt"),
    "--pairs": (
        *(*_LANGS, "src_column", "tgt_column", "format", "markup", "strict"),
        *("pairs", "valid_pairs", "test_pairs"),
    ),
}


class Input(NamedTuple):
    """A corpus to report on."""

    about: "Corpus"
    langs: tuple[str | None, str | None]
    parts: "dict[str, Records]"
    links: dict[str, Path]


def add_report_arguments(parser: ArgumentParser) -> None:
    """Declare what only `report` takes."""
    parser.add_argument("folder", type=str, nargs="?", help="For report: a corpus folder to look at.")
    parser.add_argument(
        "--clean", action="store_true", help="For report: write the corpus without bad pairs."
    )
    for name, about in (("drop", "drop a pair, besides those that do"), ("keep", "do not drop a pair")):
        parser.add_argument(
            f"--{name}", type=str, nargs="+", metavar="REASON", help=f"For report: reasons that {about}."
        )
    parser.add_argument("--html", type=str, help="For report: write a page with plots to this file.")
    parser.add_argument("--json", action="store_true", help="For report: print JSON instead of tables.")
    parser.add_argument("--examples", type=int, help="For report: pairs shown of each reason. Default: 5.")
    parser.add_argument(
        "--length_limit",
        type=float,
        help="For report: robust standard deviations from which on a length is an outlier. Default: 6.",
    )
    parser.add_argument("--alignment_limit", type=float, help="Likewise for alignments. Default: 4.")
    parser.add_argument(
        "--without",
        type=Literal["language", "alignment"],
        nargs="+",
        help="For report: what not to look at, to save time.",
    )


def check_unused_by(source: str, options: Namespace) -> None:
    """Raise UsageError for a flag that only `report` takes."""
    for name in FLAGS:
        if getattr(options, name) not in (None, False):
            given = f"the folder {options.folder}" if name == "folder" else f"--{name.replace('_', '-')}"
            raise UsageError(f"{given} is not used by {source}, only by report")


def run_report(options: Namespace) -> None:
    """Look at a corpus, print and write what was found, and write the corpus without it.

    Raises UsageError for options that make no sense; InputError as reading the corpus does.
    """
    dropping = _choose_reasons(options)
    limits, examples = _check_numbers(options)
    given = _read_input(options)
    if options.clean:
        _check_clean(options, given.langs)
    if options.html is not None:
        check_writable(options.html)

    from translate.corpora.report.flaws import Checks
    from translate.corpora.report.results import summarize

    without = options.without or []
    checks = Checks(given.langs, identify="language" not in without)
    with tempfile.TemporaryDirectory(prefix="seq2see-") as folder:
        spools, parts = _survey(given, checks, Path(folder), examples)
        unchecked = list(checks.unchecked)
        scores = _judge(parts, spools, limits, examples, unchecked, align="alignment" not in without)
        unchecked += [f"{name}: left out by --without" for name in without]
        reports = [
            summarize(name, parts[name], spools[name], dropping if name == "train" else (), scores.get(name))
            for name in reversed(parts)
        ]
        _show(options, given, reports, unchecked, dropping)
        if options.clean:
            _write_clean(options, given, parts, spools, dropping)


def _choose_reasons(options: Namespace) -> tuple[str, ...]:
    """Return the reasons that drop a pair."""
    from translate.config_files import did_you_mean
    from translate.corpora.report import DROPPED, REASONS

    drop, keep = options.drop or [], options.keep or []
    for flag, names in (("--drop", drop), ("--keep", keep)):
        for name in names:
            if name not in REASONS:
                known = ", ".join(REASONS)
                raise UsageError(
                    f"{flag} {name}: no such reason{did_you_mean(name, REASONS)}; there are {known}"
                )
            if name in drop and name in keep:
                raise UsageError(f"{name} is given to --drop and to --keep: choose one")
    return tuple(reason for reason in REASONS if reason in {*DROPPED, *drop} - {*keep})


def _check_numbers(options: Namespace) -> "tuple[Limits, int]":
    from translate.corpora.report.judge import Limits

    limits = Limits()
    for name in ("length", "alignment"):
        limit = getattr(options, f"{name}_limit")
        if limit is not None:
            if limit <= 0:
                raise UsageError(f"--{name}-limit is {limit}: it must be above 0")
            limits = limits._replace(**{name: limit})
    examples = 5 if options.examples is None else options.examples
    if examples < 0:
        raise UsageError(f"--examples is {examples}: it must be at least 0")
    return limits, examples


def _check_clean(options: Namespace, langs: tuple[str | None, str | None]) -> None:
    from translate.corpora.corpus import check_unused

    if options.out is None:
        raise UsageError("--clean needs --out, the folder to make")
    for flag, lang in zip(("--src-lang", "--tgt-lang"), langs, strict=True):
        if lang is None:
            raise UsageError(f"--clean needs {flag}: the files of the new corpus are named by it")
        if not re.fullmatch(r"[\w-]+", lang):
            raise UsageError(f"{flag} is {lang!r}: letters, digits and hyphens are allowed, as in zh-Hans")
    if langs[0] == langs[1]:
        raise UsageError(f"--src-lang and --tgt-lang are both {langs[0]}: they must differ")
    check_unused(options.out)


def _read_input(options: Namespace) -> Input:
    """Return the parts of the corpus that is named, not read yet."""
    ways = {"a folder": options.folder, "--src": options.src, "--pairs": options.pairs}
    given = [way for way, value in ways.items() if value is not None]
    if len(given) != 1:
        told = f"got {' and '.join(given)}" if given else "got nothing"
        raise UsageError(
            f"report needs a corpus folder, --src and --tgt, or --pairs, and one of these: {told}"
        )
    (way,) = given
    for name in {name for names in WAYS.values() for name in names} - {*WAYS[way]}:
        if getattr(options, name) not in (None, False):
            raise UsageError(f"--{name.replace('_', '-')} does not go with {way}")
    if options.out is not None and not options.clean:
        raise UsageError("--out is for --clean, which is not given")
    if options.folder is not None:
        return _read_folder(options)
    return _read_texts(options) if options.src is not None else _read_pairs(options)


def _read_folder(options: Namespace) -> Input:
    from translate.corpora.corpus import find_files, read_description

    folder = Path(options.folder)
    files, about = find_files(folder), read_description(folder)
    parts = {name: _locate(files.splits[name]) for name in sorted(files.splits, key=_order)}
    links = {name: folder / f"{name}.links" for name in about.links}
    return Input(about, (files.src_lang, files.tgt_lang), parts, links)


def _order(name: str) -> int:
    """Tests first, then valid, then train."""
    return PARTS.index(name) if name in PARTS else 0


def _read_texts(options: Namespace) -> Input:
    paths = {}
    for part in PARTS:
        prefix = "" if part == "train" else f"{part}_"
        pair = getattr(options, f"{prefix}src"), getattr(options, f"{prefix}tgt")
        if (pair[0] is None) != (pair[1] is None):
            flags = [f"--{prefix}{side}".replace("_", "-") for side in ("src", "tgt")]
            raise UsageError(f"{' and '.join(flags)} belong together: give both or none")
        if pair[0] is not None:
            paths[part] = pair
    langs = (
        options.src_lang or lang_of(options.src),
        options.tgt_lang or lang_of(options.tgt),
    )
    parts = {name: _locate(pair) for name, pair in paths.items()}
    return Input(_describe_files(langs), langs, parts, {})


def _read_pairs(options: Namespace) -> Input:
    from translate.corpora.formats import Wanted
    from translate.corpora.pairs import Sources, check_sources, stream_located

    langs = (options.src_lang, options.tgt_lang)
    wanted = Wanted(*langs, options.src_column, options.tgt_column, options.markup or "drop")
    sources: dict[str, Sources] = {}
    for part in PARTS:
        paths = getattr(options, "pairs" if part == "train" else f"{part}_pairs")
        if paths is not None:
            sources[part] = Sources(paths, wanted, options.format, strict=options.strict)
            check_sources(sources[part])
    if sum(list(source.paths).count("-") for source in sources.values()) > 1:
        raise UsageError("standard input (-) can be read once only")
    parts = {name: stream_located(source) for name, source in sources.items()}
    return Input(_describe_files(langs), langs, parts, {})


def _locate(paths: tuple[str | Path, str | Path]) -> "Records":
    from translate.corpora.pairs import one_line, read_texts

    for record in read_texts(paths):
        yield str(paths[0]), record._replace(src=one_line(record.src), tgt=one_line(record.tgt))


def _describe_files(langs: tuple[str | None, str | None]) -> "Corpus":
    from translate.corpora.corpus import Corpus

    licence = "not stated: that of your files"
    return Corpus("files", langs[0] or "", langs[1] or "", {}, {}, licence, "", "", None)


def _survey(
    given: Input, checks: Any, folder: Path, examples: int
) -> "tuple[dict[str, Spool], dict[str, Part]]":
    from translate.corpora.report.survey import Spool, survey

    spools: dict[str, Spool] = {}
    parts: dict[str, Part] = {}
    for number, (name, records) in enumerate(given.parts.items()):
        spools[name] = Spool(folder / f"{number}.jsonl")
        last = number == len(given.parts) - 1
        parts[name] = survey(spools[name].through(records), checks, parts, examples, last=last)
        log.info("read %s: %d pairs", name, parts[name].pairs)
    return spools, parts


def _judge(
    parts: "dict[str, Part]",
    spools: "dict[str, Spool]",
    limits: "Limits",
    examples: int,
    unchecked: list[str],
    *,
    align: bool,
) -> "dict[str, np.ndarray]":
    """Compare the pairs of each part with the others; return the aligner's scores, if there is one."""
    import numpy as np

    from translate.alignment.statistical import SYSTRAN_ALIGN, is_installed, score_statistically, split_words
    from translate.corpora.report.judge import judge

    def words() -> Iterator[tuple[list[str], list[str]]]:
        for spool in spools.values():
            for _, record in spool.pairs():
                yield split_words(record.src), split_words(record.tgt)

    scores: dict[str, np.ndarray] = {}
    if align and is_installed():
        found = score_statistically(words())
        for name, part in parts.items():
            scores[name] = np.fromiter(found, np.float32, part.pairs)
    elif align:
        unchecked.append(f"alignment: fast_align is not installed ({SYSTRAN_ALIGN}, on Python 3.11)")
    for name, part in parts.items():
        judge(part, examples, limits, scores.get(name))
    return scores


def _show(
    options: Namespace,
    given: Input,
    reports: "list[PartReport]",
    unchecked: list[str],
    dropping: tuple[str, ...],
) -> None:
    about: dict[str, Any] = {
        "name": options.folder or options.src or ", ".join(options.pairs),
        "src_lang": given.langs[0],
        "tgt_lang": given.langs[1],
        "unchecked": unchecked,
        "dropping": list(dropping),
    }
    if options.html is not None:
        from translate.corpus_page import write_page

        write_page(options.html, about, reports)
        log.info("wrote %s", options.html)
    if options.json:
        print(json.dumps(about | {"parts": [as_json(report) for report in reports]}, ensure_ascii=False))
    else:
        print(show_report(about, reports))


def _write_clean(
    options: Namespace,
    given: Input,
    parts: "dict[str, Part]",
    spools: "dict[str, Spool]",
    dropping: tuple[str, ...],
) -> None:
    from translate.corpora.report.clean import LOG, Cleaning, write_clean

    cleanings: dict[str, Cleaning] = {
        name: Cleaning(
            spools[name],
            part.columns["flags"],
            # What a system is measured with stays what it was.
            dropping if name == "train" else (),
            given.links.get(name),
        )
        for name, part in reversed(parts.items())
    }
    for name, kept in write_clean(cleanings, given.about, options.out).items():
        log.info("%s: %d records = %d kept + %d dropped", name, *kept)
    log.info("made %s; what was dropped, and why, is in %s", options.out, Path(options.out, LOG))
