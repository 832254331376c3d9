"""Score translations of a test set: BLEU, chrF, TER with sacreBLEU signatures, placeholders that survive."""

import dataclasses
import hashlib
import json
import logging
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from jsonargparse import ArgumentParser, Namespace

from translate import __version__
from translate.commands.pairs_input import PAIRS_HELP, add_pairs_options, check_pairs_options, pair_sources
from translate.compression import packed_name
from translate.config.search import SearchConfig
from translate.errors import InputError, UsageError
from translate.export.hub import find_run
from translate.run_directory import RunDirectory
from translate.text_files import read_lines, read_parallel

log = logging.getLogger(__name__)

Entry = dict[str, Any]  # one evaluation, as JSON

SEARCH_OPTIONS: dict[str, tuple[type, str]] = {
    "beam_size": (int, "Hypotheses kept for each sentence; 1 is greedy."),
    "length_penalty": (float, "Log-probability is divided by length to this power; 0: not at all."),
    "max_length_ratio": (float, "Most pieces of a translation, for each piece of the source."),
    "max_length_offset": (int, "Pieces it may have beyond that."),
    "min_length": (int, "Fewest pieces of a translation."),
    "no_repeat_ngram": (int, "No sequence of so many pieces occurs twice; 0: repetition is allowed."),
    "mbr": (
        int,
        "Of the N best translations (at most --beam-size) take the one with the highest expected chrF "
        "against them all, each weighted by its probability: minimum Bayes risk. 0: the best one.",
    ),
}


class TestSet(NamedTuple):
    """What is translated, and what that is compared with."""

    name: str  # corpus folder/split, or the path of the references
    sources: list[str] | None  # None: only hypotheses and references were given
    references: list[str]
    src_lang: str | None
    tgt_lang: str | None


def add_arguments(parser: ArgumentParser) -> None:
    """Declare which model, which test set, which search, and where results go."""
    parser.add_argument(
        "run", type=str, nargs="?", help="Run directory of the model, or user/name of the Hugging Face hub."
    )
    parser.add_argument("--src", type=str, help="Text to translate, one sentence a line.")
    parser.add_argument("--ref", type=str, help="Its translations, line by line.")
    add_test_set(parser, own="the run's own")
    parser.add_argument(
        "--hypotheses",
        type=str,
        help="Score this file, made elsewhere, and translate nothing; needs no run directory.",
    )
    parser.add_argument(
        "--backwards",
        action="store_true",
        help="Translate from the run's target language to its source language; for a run trained with "
        "data.directions both. A corpus is read the other way round, files are given as they are translated.",
    )
    add_ensemble(parser)
    parser.add_argument(
        "--tokenized_lowercase",
        action="store_true",
        help="Add BLEU as in the literature on Multi30k: of lowercased, Moses-tokenised text.",
    )
    add_search_arguments(parser)
    parser.add_argument("--out", type=str, help="Write the translations to this file, line by line.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object instead of a table.")


def add_test_set(parser: ArgumentParser, own: str) -> None:
    """Declare where a test set comes from instead of --src and --ref; `own` is what is taken by default."""
    parser.add_argument(
        "--corpus",
        type=str,
        help=f"Instead of --src and --ref: a folder made by `seq2see corpus`. Default: {own}.",
    )
    parser.add_argument(
        "--pairs", type=str, nargs="+", metavar="FILE", help=f"Instead of --src and --ref: {PAIRS_HELP}"
    )
    add_pairs_options(parser, skip=("tgt_lang",))
    parser.add_argument("--split", type=str, help="Which part of the corpus. Default: test.")
    parser.add_argument(
        "--tgt_lang",
        type=str,
        help="Language of the translations. Default: the corpus', or as in the name text.de or text.de.gz.",
    )


def add_search_arguments(parser: ArgumentParser) -> None:
    """Declare how a run translates."""
    for name, (kind, about) in SEARCH_OPTIONS.items():
        parser.add_argument(f"--{name}", type=kind, help=f"{about} Default: as in the run's config.")
    parser.add_argument(
        "--device", type=Literal["auto", "cpu", "cuda", "mps"], default="auto", help="Where to translate."
    )
    parser.add_argument(
        "--engine",
        type=Literal["torch", "ctranslate2"],
        default="torch",
        help="What translates: torch in float32, or ctranslate2 with what `seq2see export` has made.",
    )
    parser.add_argument("--threads", type=int, default=0, help="Processor threads; 0: one per core.")


def add_ensemble(parser: ArgumentParser) -> None:
    """Declare which other models choose each piece too."""
    parser.add_argument(
        "--ensemble",
        type=str,
        nargs="+",
        metavar="RUN",
        default=[],
        help="More run directories: each piece is chosen by the mean of all models' probabilities. They may "
        "be of any kind, with the same tokenizers. Search is as in the first run's config. For engine torch.",
    )


def run(options: Namespace) -> None:
    """Translate and score, or only score; print it, and keep it in the run directory."""
    from translate.evaluation import moses_lang

    _check_usage(options)
    directory = None if options.run is None else find_run(options.run)
    kept = [] if directory is None else _read_entries(directory)
    test_set = read_test_set(options, directory)
    if options.tokenized_lowercase:
        if test_set.tgt_lang is None:
            raise UsageError("--tokenized-lowercase has rules for each language: give --tgt-lang, such as de")
        moses_lang(test_set.tgt_lang)  # refused now, not after the translating
    if options.hypotheses is None:
        assert directory is not None  # _check_usage
        hypotheses, how = translate(directory.path, test_set, options, options.ensemble)
        if options.out is not None:
            Path(options.out).write_bytes("".join(f"{line}\n" for line in hypotheses).encode())
    else:
        hypotheses, how = read_hypotheses(options.hypotheses, test_set), {"hypotheses": options.hypotheses}
    entry = _score(test_set, hypotheses, how, tokenized_lowercase=options.tokenized_lowercase)
    if directory is not None:
        entries = [*(old for old in kept if not _same(old, entry)), entry]
        directory.save_json(directory.evaluation_path, entries)
    print(json.dumps(entry, ensure_ascii=False) if options.json else _table(entry))


def _check_usage(options: Namespace) -> None:
    """Refuse options that lack or contradict one another, before anything is read."""
    check_test_set(options)
    if options.hypotheses is None:
        if options.run is None:
            raise UsageError(
                "nothing to score: give a run directory, or --hypotheses with a file of translations"
            )
        if (options.src is None) != (options.ref is None):
            given, lacking = ("--src", "--ref") if options.ref is None else ("--ref", "--src")
            raise UsageError(f"{given} is given without {lacking}: a test set of files needs both")
    else:
        unused = [name for name in ("out", *SEARCH_OPTIONS) if getattr(options, name) is not None]
        unused += ["ensemble"] if options.ensemble else []
        if unused:
            flag = unused[0].replace("_", "-")
            raise UsageError(
                f"--{flag} is for translating, but --hypotheses is scored as it is: leave one out"
            )
        if options.ref is None and options.pairs is None and options.corpus is None and options.run is None:
            raise UsageError(
                "--hypotheses needs references to be compared with: give --ref, --pairs or --corpus"
            )
    if options.out is not None:
        check_writable(options.out)


def check_test_set(options: Namespace) -> None:
    """Refuse a test set both of files and of a corpus, and threads below 0."""
    if options.threads < 0:
        raise UsageError(f"--threads is {options.threads}: it must be at least 0")
    check_pairs_options(options, skip=("tgt_lang",))
    if options.pairs is not None and (options.src is not None or options.ref is not None):
        raise UsageError("--pairs has sources and references: leave --src and --ref out")
    for extra in ("corpus", "split"):
        files = [name for name in ("src", "ref", "pairs") if getattr(options, name) is not None]
        if files and getattr(options, extra) is not None:
            raise UsageError(
                f"--{files[0]} and --{extra} are both given: a test set is of files or of a corpus"
            )


def check_writable(path: str) -> None:
    """Refuse a file in no folder, before any work that would be lost."""
    if not Path(path).absolute().parent.is_dir():
        raise InputError(f"{path} cannot be written: its folder does not exist")


def read_test_set(options: Namespace, directory: RunDirectory | None) -> TestSet:
    """Read what the options name, or the test part of the run's own corpus."""
    if options.pairs is not None:
        return _read_pairs(options)
    if options.ref is None:
        return _read_split(options.corpus or _own_corpus(directory), options.split or "test", options)
    tgt_lang = options.tgt_lang or lang_of(options.ref)
    if options.src is None:
        return TestSet(options.ref, None, read_lines(options.ref), None, tgt_lang)
    srcs, refs = map(list, zip(*read_parallel(options.src, options.ref), strict=True))
    return TestSet(options.ref, srcs, refs, lang_of(options.src), tgt_lang)


def _read_pairs(options: Namespace) -> TestSet:
    from translate.corpora.pairs import stream_pairs

    pairs = list(stream_pairs(pair_sources(options, options.pairs)))
    name = ", ".join(options.pairs)
    return TestSet(
        name, [src for src, _ in pairs], [tgt for _, tgt in pairs], options.src_lang, options.tgt_lang
    )


def _read_split(folder: str, split: str, options: Namespace) -> TestSet:
    from translate.corpora.corpus import load_corpus

    corpus = load_corpus(folder)
    if split not in corpus.splits:
        raise InputError(f"{folder} has no split {split}: it has {', '.join(corpus.splits)}")
    rows = corpus.splits[split]
    name = f"{Path(folder).as_posix()}/{split}"
    sides = (list(rows["src"]), corpus.src_lang), (list(rows["tgt"]), corpus.tgt_lang)
    if options.backwards:
        sides = sides[::-1]
        name += ", backwards"
    (src, src_lang), (tgt, tgt_lang) = sides
    return TestSet(name, src, tgt, src_lang, options.tgt_lang or tgt_lang)


def _own_corpus(directory: RunDirectory | None) -> str:
    assert directory is not None  # _check_usage
    corpus = directory.config.data.corpus
    if corpus is None:
        raise UsageError(
            f"{directory.path} was trained on files, without a test part: give --src and --ref, or --corpus"
        )
    if not Path(corpus).is_dir():
        raise InputError(
            f"{corpus}, the corpus of {directory.path}, is not there: give --corpus, or --src and --ref"
        )
    return corpus


def lang_of(path: str) -> str | None:
    """Return the language that a file's name ends in, as in text.de and text.zh-Hans.gz."""
    suffix = Path(packed_name(path)[0]).suffix[1:]
    return suffix if re.fullmatch("[a-z]{2}([-_][A-Za-z]+)?", suffix) else None


def read_hypotheses(path: str, test_set: TestSet) -> list[str]:
    """Read translations that were made elsewhere, one a line."""
    hypotheses = read_lines(path)
    if len(hypotheses) != len(test_set.references):
        raise InputError(
            f"{path} has {len(hypotheses)} lines but {test_set.name} has {len(test_set.references)}: "
            "there must be one translation for each reference"
        )
    return hypotheses


def translate(
    run: str | Path, test_set: TestSet, options: Namespace, ensemble: Sequence[str] = ()
) -> tuple[list[str], Entry]:
    """Translate the sources with a run (and others), as `add_search_arguments` asks; return how, too."""
    from importlib.metadata import version

    from translate.platforms import keep_freed_memory
    from translate.translator import Translator

    keep_freed_memory()
    assert test_set.sources is not None  # _check_usage
    translator = Translator(
        run,
        options.device,
        options.engine,
        options.threads,
        backwards=options.backwards,
        ensemble=ensemble,
    )
    engine = translator.engine
    given = {name: value for name in SEARCH_OPTIONS if (value := getattr(options, name)) is not None}
    search = dataclasses.replace(translator.config.search, n_best=1, **given)
    started = time.perf_counter()
    translations = translator.translate(test_set.sources, search=search, scored=False)
    hypotheses = [translation.text for translation in translations]
    seconds = time.perf_counter() - started
    rate = len(hypotheses) / seconds
    log.info(
        "translated %d sentences with %s in %.1f s: %.0f sentences/s",
        len(hypotheses), translator.describe(), seconds, rate,
    )  # fmt: skip
    members = [str(member.path) for member in translator.members]
    return hypotheses, {
        **({"ensemble": members} if ensemble else {}),
        "engine": engine.name,
        "precision": engine.precision,
        "device": engine.device,
        "threads": engine.threads,
        "search": {name: getattr(search, name) for name in SEARCH_OPTIONS},
        "seconds": round(seconds, 2),
        "versions": {"seq2see": __version__, engine.name: version(engine.name)},
    }


def _score(test_set: TestSet, hypotheses: Sequence[str], how: Entry, *, tokenized_lowercase: bool) -> Entry:
    from translate.evaluation import placeholders, score

    tgt_lang = test_set.tgt_lang
    scores = score(
        hypotheses,
        test_set.references,
        tgt_lang=tgt_lang,
        tokenized_lowercase_lang=tgt_lang if tokenized_lowercase else None,
    )
    kept = None if test_set.sources is None else placeholders(test_set.sources, hypotheses)._asdict()
    references = "".join(f"{line}\n" for line in test_set.references)
    return {
        "test_set": test_set.name,
        # of a plain file with Unix line ends, this is the checksum of the file
        "reference_sha256": hashlib.sha256(references.encode()).hexdigest(),
        "sentences": len(hypotheses),
        "tgt_lang": tgt_lang,
        **how,
        "scores": [item._asdict() for item in scores],
        "placeholders": kept,
    }


def _read_entries(directory: RunDirectory) -> list[Entry]:
    """Return what evaluation.json holds, before any work that would be lost."""
    path = directory.evaluation_path
    entries = directory.read_json(path) or []
    if not (isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)):
        raise InputError(f"{path} is not a list of evaluations: restore it, or remove it")
    return entries


def _same(old: Entry, new: Entry) -> bool:
    """Whether the new entry replaces the old: the same translations are asked for."""
    key = ("test_set", "reference_sha256", "ensemble", "engine", "precision", "search", "hypotheses")
    return all(old.get(name) == new.get(name) for name in key)


def _table(entry: Entry) -> str:
    """Show an entry to people."""
    rows = [(item["name"], f"{item['value']:.2f}", item["signature"]) for item in entry["scores"]]
    kept = entry["placeholders"]
    if kept and kept["total"]:
        share = 100 * kept["kept"] / kept["total"]
        rows.append(("placeholders kept", f"{share:.1f}%", f"{kept['kept']} of {kept['total']}"))
    width = max(len(name) for name, _, _ in rows)
    lines = [f"{name:{width}}  {value:>6}  {about}" for name, value, about in rows]
    return "\n".join(
        [f"{entry['test_set']}: {entry['sentences']} sentences, {_describe_search(entry)}", *lines]
    )


def _describe_search(entry: Entry) -> str:
    if "hypotheses" in entry:
        return f"translations from {entry['hypotheses']}"
    search, default = entry["search"], dataclasses.asdict(SearchConfig())
    beam = "greedy search" if search["beam_size"] == 1 else f"beam {search['beam_size']}"
    unusual = [name for name in list(search)[2:] if search[name] != default[name]]
    parts = [beam, f"length penalty {search['length_penalty']}"]
    parts += [f"{name.replace('_', ' ')} {search[name]}" for name in unusual]
    if "ensemble" in entry:
        parts.append(f"an ensemble of {' and '.join(entry['ensemble'])}")
    return ", ".join(parts)
