"""Compare two models on a test set: which is better, where, and whether it is chance."""

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jsonargparse import ArgumentParser, Namespace

from translate.commands.comparison_table import show_comparison
from translate.commands.evaluate import (
    SEARCH_OPTIONS,
    TestSet,
    add_search_arguments,
    add_test_set,
    check_test_set,
    check_writable,
    lang_of,
    read_hypotheses,
    read_test_set,
    translate,
)
from translate.commands.json_output import as_json
from translate.errors import InputError, UsageError
from translate.run_directory import RunDirectory
from translate.text_files import stream_lines

if TYPE_CHECKING:
    from translate.comparison import Comparison, Texts

log = logging.getLogger(__name__)


class Training(NamedTuple):
    """What a run directory knows of its training text: source and target, as it translates now."""

    langs: tuple[str | None, str | None]
    paths: tuple[Path, Path] | None  # None: no longer there


def add_arguments(parser: ArgumentParser) -> None:
    """Declare which two systems, which test set, which search, and where results go."""
    parser.add_argument("run_a", type=str, nargs="?", help="Run directory of the first model, A.")
    parser.add_argument("run_b", type=str, nargs="?", help="Of the second, B: differences are B's from A's.")
    parser.add_argument(
        "--hyp_a", type=str, help="Instead of runs: translations of a system A, line by line."
    )
    parser.add_argument("--hyp_b", type=str, help="Translations of a system B.")
    parser.add_argument("--src", type=str, help="Text to translate, one sentence a line (.gz is read as is).")
    parser.add_argument("--ref", "--tgt", type=str, help="Its translations by people, line by line.")
    add_test_set(parser, own="the validation text of the runs")
    parser.add_argument(
        "--backwards",
        action="store_true",
        help="Translate from the runs' target language to their source language (data.directions both).",
    )
    parser.add_argument(
        "--train_text",
        type=str,
        help="Training text in the language of the translations: words are told apart by how often it has "
        "them. Default: the runs' own, if it is still there.",
    )
    parser.add_argument("--samples", type=int, default=1000, help="Test sets that the bootstrap draws.")
    parser.add_argument("--seed", type=int, default=1, help="Draws them.")
    parser.add_argument(
        "--examples", type=int, default=10, help="Sentences to show in which A, and in which B is better."
    )
    add_search_arguments(parser)
    parser.add_argument("--html", type=str, help="Write a page to this file: all in one, without network.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object instead of tables.")


def run(options: Namespace) -> None:
    """Translate with both, or read their translations; compare, print, and write the page."""
    _check_usage(options)
    names = options.run_a or options.hyp_a, options.run_b or options.hyp_b
    runs = [] if options.run_a is None else [RunDirectory.open(name) for name in names]
    trainings = [_find_training(directory, options) for directory in runs]
    test_set = _read_test_set(options, runs, trainings)
    _check_languages(names, trainings, test_set)
    if runs:
        (a, how_a), (b, how_b) = (translate(name, test_set, options) for name in names)
    else:
        a, b = (read_hypotheses(name, test_set) for name in names)
        how_a, how_b = ({"hypotheses": name} for name in names)

    from translate.comparison import Resampling, Texts, compare

    texts = Texts(test_set.sources, test_set.references, a, b, test_set.src_lang, test_set.tgt_lang)
    train_text = _choose_train_text(options, trainings)
    comparison = compare(
        texts,
        frequencies=None if train_text is None else _count(train_text, texts),
        examples=options.examples,
        resampling=Resampling(options.samples, options.seed),
    )
    about = {
        "a": {"name": names[0], **how_a},
        "b": {"name": names[1], **how_b},
        "test_set": test_set.name,
        "src_lang": test_set.src_lang,
        "tgt_lang": test_set.tgt_lang,
        "train_text": train_text,
        "samples": options.samples,
        "seed": options.seed,
    }
    _write(options, about, comparison)


def _write(options: Namespace, about: dict[str, Any], comparison: "Comparison") -> None:
    if options.html is not None:
        from translate.comparison_page import About, write_page

        names = about["a"]["name"], about["b"]["name"]
        described = About(names, about["test_set"], about["tgt_lang"], about["train_text"], options.samples)
        write_page(options.html, comparison, described)
        log.info("wrote %s", options.html)
    if options.json:
        print(json.dumps(about | as_json(comparison), ensure_ascii=False))
    else:
        print(show_comparison(comparison, about))


def _check_usage(options: Namespace) -> None:
    """Refuse options that lack or contradict one another, before anything is read."""
    check_test_set(options)
    runs = [name for name in (options.run_a, options.run_b) if name is not None]
    files = [flag for flag in ("hyp_a", "hyp_b") if getattr(options, flag) is not None]
    if runs and files:
        raise UsageError(
            f"{runs[0]} and --{files[0].replace('_', '-')} are both given: compare two run directories, or "
            "two files of translations"
        )
    if len(runs) + len(files) < 2:
        raise UsageError(
            f"{len(runs) + len(files)} of 2 systems given: name two run directories, or --hyp-a and --hyp-b"
        )
    if files:
        unused = [name for name in (*SEARCH_OPTIONS, "backwards") if getattr(options, name)]
        if unused:
            flag = unused[0].replace("_", "-")
            raise UsageError(f"--{flag} is for translating, but --hyp-a is compared as it is: leave one out")
        if options.ref is None and options.corpus is None:
            raise UsageError(
                "--hyp-a and --hyp-b need references to be compared with: give --ref or --corpus"
            )
    elif (options.src is None) != (options.ref is None):
        given, lacking = ("--src", "--ref") if options.ref is None else ("--ref", "--src")
        raise UsageError(f"{given} is given without {lacking}: a test set of files needs both")
    for name, least in (("samples", 1), ("examples", 0), ("seed", 0)):
        if getattr(options, name) < least:
            raise UsageError(f"--{name} is {getattr(options, name)}: it must be at least {least}")
    if options.html is not None:
        check_writable(options.html)


def _find_training(directory: RunDirectory, options: Namespace) -> Training:
    from translate.corpora.corpus import find_files

    data = directory.config.data
    langs: tuple[str | None, str | None]
    paths = None
    if data.corpus is None:
        langs = (
            data.src_lang or (data.src and lang_of(data.src)),
            data.tgt_lang or (data.tgt and lang_of(data.tgt)),
        )
        if data.src and data.tgt:
            paths = Path(data.src), Path(data.tgt)
    elif Path(data.corpus).is_dir():
        files = find_files(data.corpus)
        langs, paths = (files.src_lang, files.tgt_lang), files.splits.get("train")
    else:
        langs = None, data.tgt_lang
    if paths is not None and not all(path.is_file() for path in paths):
        paths = None
    if options.backwards:
        return Training(langs[::-1], paths and paths[::-1])
    return Training(langs, paths)


def _read_test_set(options: Namespace, runs: list[RunDirectory], trainings: list[Training]) -> TestSet:
    if options.ref is not None or options.pairs is not None or options.corpus is not None:
        return read_test_set(options, None)
    if options.split is not None:
        corpora = [run.config.data.corpus for run in runs]
        if corpora[0] != corpora[1]:
            raise UsageError(
                f"--split is of one corpus, but {runs[0].path} was trained on {corpora[0]} and "
                f"{runs[1].path} on {corpora[1]}: give --corpus"
            )
        return read_test_set(options, runs[0])
    texts = [_read_valid(directory) for directory in runs]
    if texts[0] != texts[1]:
        raise InputError(
            f"{runs[0].path} and {runs[1].path} have different validation text ({len(texts[0][0])} and "
            f"{len(texts[1][0])} pairs): give --corpus, or --src and --ref"
        )
    src, tgt = reversed(texts[0]) if options.backwards else texts[0]
    name = f"validation text of {runs[0].path} and {runs[1].path}"
    langs = trainings[0].langs
    return TestSet(name, src, tgt, langs[0], options.tgt_lang or langs[1])


def _read_valid(directory: RunDirectory) -> tuple[list[str], list[str]]:
    for path in (directory.valid_src_path, directory.valid_tgt_path):
        if not path.is_file():
            raise InputError(f"{path} is missing: give --corpus, or --src and --ref")
    return directory.read_valid()


def _check_languages(names: tuple[str, str], trainings: list[Training], test_set: TestSet) -> None:
    """Refuse systems and a test set of different languages, as far as those are known."""
    from translate.evaluation import primary_language

    known = [(name, training.langs) for name, training in zip(names, trainings, strict=False)]
    known.append((test_set.name, (test_set.src_lang, test_set.tgt_lang)))
    for side, word in enumerate(("from", "into")):
        said = [(name, langs[side]) for name, langs in known]
        told = [(name, lang) for name, lang in said if lang is not None]
        for name, lang in told[1:]:
            if primary_language(lang) != primary_language(told[0][1]):
                raise UsageError(
                    f"{told[0][0]} is {word} {told[0][1]}, but {name} is {word} {lang}: systems and test set "
                    "must be of the same languages"
                )


def _choose_train_text(options: Namespace, trainings: list[Training]) -> str | None:
    if options.train_text is not None:
        return str(options.train_text)
    paths = [training.paths[1] for training in trainings if training.paths is not None]
    if not paths:
        log.info("nothing is said of rare words: no training text is known; --train-text names one")
        return None
    if paths[0] != paths[-1]:
        log.info("words are counted in %s, not in %s: --train-text names another", paths[0], paths[-1])
    return paths[0].as_posix()


def _count(path: str, texts: "Texts") -> Any:
    from translate.comparison import count_words, vocabulary

    return count_words(stream_lines(path), vocabulary(texts), texts.tgt_lang)
