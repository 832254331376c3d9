"""The models that are served: which run translates which way, in batches, and anew when a run has changed."""

import dataclasses
import json
import logging
import re
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from translate.config.search import SearchConfig
from translate.engine import Hypothesis
from translate.errors import InputError, UsageError
from translate.export.hub import find_run
from translate.serve.batching import Batcher
from translate.translation import TextOptions, by_text, candidates, cut_texts, join, search_parts
from translate.translator import EngineChoice, Translator

if TYPE_CHECKING:
    from translate.alignment.extract import Reading
    from translate.alignment.words import Level
    from translate.documents.projection import WordLinks

log = logging.getLogger(__name__)

WAIT = 0.005  # seconds that a text waits for others to be translated with
# Requests that wait for a model. Each holds a connection, of which there are at most 1,000: who comes when
# these are taken is refused without being told when to try again.
MOST_WAITING = 250


class TooLongError(Exception):
    """A text has more pieces than an alignment may have."""


class Kind(NamedTuple):
    """What the items of a batch have in common."""

    verb: Literal["translate", "align", "link"]
    translator: Translator  # of the run as it was when it was asked
    backwards: bool
    search: SearchConfig  # of translate
    level: "Level" = "word"  # of align


class Settings(NamedTuple):
    """How runs are opened and computed with."""

    device: str = "auto"
    engine: EngineChoice = "auto"
    threads: int = 0
    queue_tokens: int = 4096  # pieces of texts that may wait for a model


class Model:
    """A run, and the thread that computes with it.

    Args:
        run: as `Translator` takes it: a run directory, or a model of the hub.
        src: language that it calls its source.
        tgt: likewise; with data.directions both it also translates from it.
        observe: is told how many texts each batch has.

    Raises:
        InputError, UsageError: as `Translator`.
    """

    def __init__(
        self, run: str, src: str, tgt: str, settings: Settings, observe: Callable[[int], None]
    ) -> None:
        self.run = run
        self._settings, self._observe = settings, observe
        self.translator = self._open()
        self._readings: tuple[Translator, dict[bool, tuple[Reading, float | None]]] = self.translator, {}
        self.ways = {(src, tgt): False}  # languages -> backwards
        if self.translator.config.data.directions == "both":
            self.ways[tgt, src] = True
        engine, search = self.translator.engine, self.translator.config.search
        self.batcher = Batcher(
            self._compute,
            budget=max(1, engine.batch_tokens // search.beam_size),
            wait=WAIT,
            limit=settings.queue_tokens,
            most=MOST_WAITING,
        )

    def translate(self, texts: Sequence[str], *, backwards: bool, n_best: int) -> "Future[list[list[str]]]":
        """Queue texts; each gets its translations, best first. Raises as `Batcher.submit`."""
        translator = self.translator
        search = translator.config.search
        if n_best > 1:
            search = dataclasses.replace(search, n_best=n_best, beam_size=max(search.beam_size, n_best))
        kind = Kind("translate", translator, backwards, candidates(search))
        # The parts of a long text are items of their own, or it would be one that holds up all others.
        options = TextOptions(max_src_length=translator.max_src_length, backwards=backwards)
        parts = cut_texts(translator.engine, translator.tokenizers, texts, kind.search, options)

        def finish(found: list[list[Hypothesis]]) -> list[list[str]]:
            of_text = by_text(len(texts), parts, found)
            tokenizer = translator.tokenizers.tgt
            joined = [
                join(text, those, tokenizer, search) for text, those in zip(texts, of_text, strict=True)
            ]
            return [[text for text, _ in each.alternatives] for each in joined]

        return self.batcher.submit(kind, parts, [len(part.ids) + 1 for part in parts], finish)

    def align(self, pair: tuple[str, str], *, backwards: bool, level: "Level") -> "Future[list[Any]]":
        """Queue a pair; its result is the object that `alignment.formats.to_json` describes.

        Raises:
            TooLongError: one side has more pieces than can be aligned.
            and as `Batcher.submit`.
        """
        from translate.alignment.extract import MAX_PIECES

        translator = self.translator
        tokenizers = translator.tokenizers  # one for both languages if there are both directions
        sizes = len(tokenizers.src.encode(pair[0])), len(tokenizers.tgt.encode(pair[1]))
        if max(sizes) > MAX_PIECES:
            raise TooLongError(f"a text has {max(sizes)} pieces, more than the {MAX_PIECES} that are aligned")
        kind = Kind("align", translator, backwards, translator.config.search, level)
        return self.batcher.submit(kind, [pair], [sum(sizes) + 2])

    def link(self, pairs: Sequence[tuple[str, str]], *, backwards: bool) -> "Future[list[WordLinks]]":
        """Queue texts with their translations, whose words are to be linked. Raises as `Batcher.submit`."""
        translator = self.translator
        kind = Kind("link", translator, backwards, translator.config.search)
        tokenizer = translator.tokenizers.src
        return self.batcher.submit(kind, pairs, [2 * len(tokenizer.encode(src)) + 2 for src, _ in pairs])

    def refresh(self) -> bool:
        """Open the run again if it has changed, and say if so; where it cannot be, it stays as it was."""
        directory = self.translator.directory
        try:
            if directory.written() == self._written or not directory.weights_path.is_file():
                return False
            self.translator = self._open()
        except (InputError, UsageError, OSError) as error:
            log.warning("%s has changed, but is served as it was, for: %s", self.run, error)
            return False
        log.info("%s has changed: it was opened anew", self.run)
        return True

    def _open(self) -> Translator:
        written = find_run(self.run).written()  # before it is read: what is written meanwhile is read next
        translator = Translator(
            self.run, self._settings.device, self._settings.engine, self._settings.threads
        )
        translator.translate(["."])  # what is made at the first use is made now
        self._written = written
        return translator

    def _compute(self, kind: Kind, items: list[Any]) -> Sequence[Any]:
        self._observe(len(items))
        if kind.verb != "translate":
            return _align(kind.translator, self._reading(kind.translator, kind.backwards), items, kind)
        return search_parts(kind.translator.engine, items, kind.search, TextOptions(backwards=kind.backwards))

    def _reading(self, translator: Translator, backwards: bool) -> "tuple[Reading, float | None]":
        """Return which attention is read, and the threshold that was chosen with it."""
        from translate.alignment.choose import choose_reading

        of, readings = self._readings
        if of is not translator:  # a new one has choices of its own
            readings = {}
            self._readings = translator, readings
        if backwards not in readings:
            readings[backwards] = choose_reading(translator.directory, backwards=backwards)
        return readings[backwards]


def _align(
    translator: Translator, chosen: "tuple[Reading, float | None]", pairs: list[tuple[str, str]], kind: Kind
) -> list[Any]:
    from translate.alignment.extract import read, read_maps
    from translate.alignment.formats import to_json
    from translate.alignment.words import Linked, at_level, links, word_links

    reading, threshold = chosen
    if kind.backwards:  # `read_maps` takes the pairs of the run's first direction, and swaps them
        pairs = [(tgt, src) for src, tgt in pairs]
    maps = read_maps(translator.model, translator.tokenizers, pairs, backwards=kind.backwards)
    alignments = [at_level(read(each, reading), kind.level) for each in maps]
    if kind.verb == "link":
        return [word_links(each) for each in alignments]
    return [json.loads(to_json(Linked(each, links(each, threshold)))) for each in alignments]


def open_models(
    runs: Sequence[str], languages: Sequence[str], settings: Settings, observe: Callable[[int], None]
) -> list[Model]:
    """Open runs.

    Args:
        runs: run directories, or models of the hub.
        languages: of each run, as in de-en; without any, those that the runs know.

    Raises:
        InputError, UsageError: as `Translator`; the languages of a run are not known or make no sense, or two
            runs translate the same way.
    """
    if languages and len(languages) != len(runs):
        raise UsageError(
            f"there are {len(runs)} runs, but --languages names {len(languages)} pairs: name one pair a run"
        )
    pairs = [_pair(text) for text in languages] or [_known(run) for run in runs]
    models: list[Model] = []
    ways: dict[tuple[str, str], str] = {}
    for run, (src, tgt) in zip(runs, pairs, strict=True):
        model = Model(run, src, tgt, settings, observe)
        models.append(model)
        for way in model.ways:
            if way in ways:
                raise UsageError(
                    f"{ways[way]} and {run} both translate from {way[0]} to {way[1]}: leave one out"
                )
            ways[way] = run
    return models


def _pair(text: str) -> tuple[str, str]:
    match = re.fullmatch(r"([A-Za-z]{2,8}(?:_\w+)*)-([A-Za-z]{2,8}(?:_\w+)*)", text)
    if match is None or match[1] == match[2]:
        raise UsageError(
            f"--languages has {text!r}: needed is a pair of two languages such as de-en (or zh_Hant-en)"
        )
    return match[1], match[2]


def _known(run: str) -> tuple[str, str]:
    data = find_run(run).config.data
    if data.src_lang is None or data.tgt_lang is None or data.src_lang == data.tgt_lang:
        raise UsageError(
            f"{run} does not say which languages it translates (data.src_lang, data.tgt_lang): name "
            "them with --languages, such as --languages de-en"
        )
    return data.src_lang, data.tgt_lang
