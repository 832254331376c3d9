"""The models that are served: which run translates which way, in batches, and anew when a run has changed."""

import dataclasses
import json
import logging
import re
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from translate.errors import InputError, UsageError
from translate.run_directory import RunDirectory
from translate.serve.batching import Batcher
from translate.translator import EngineChoice, TextOptions, Translator, translate_texts

if TYPE_CHECKING:
    from translate.alignment.extract import Reading
    from translate.alignment.words import Level

log = logging.getLogger(__name__)

WAIT = 0.005  # seconds that a text waits for others to be translated with
# Requests that wait for a model. Each holds a connection, of which there are at most 1,000: who comes when
# these are taken is refused without being told when to try again.
MOST_WAITING = 250


class TooLongError(Exception):
    """A text has more pieces than an alignment may have."""


class Kind(NamedTuple):
    """What the items of a batch have in common."""

    verb: Literal["translate", "align"]
    backwards: bool
    n_best: int = 1  # of translate
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
        path: the run directory.
        src: language that it calls its source.
        tgt: likewise; with data.directions both it also translates from it.
        observe: is told how many texts each batch has.

    Raises:
        InputError, UsageError: as `Translator`.
    """

    def __init__(
        self, path: Path, src: str, tgt: str, settings: Settings, observe: Callable[[int], None]
    ) -> None:
        self.path = path
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
        tokenizer = self.translator.tokenizers.src
        sizes = [len(ids) + 1 for ids in tokenizer.encode_batch(list(texts))]
        return self.batcher.submit(Kind("translate", backwards, n_best=n_best), texts, sizes)

    def align(self, pair: tuple[str, str], *, backwards: bool, level: "Level") -> "Future[list[Any]]":
        """Queue a pair; its result is the object that `alignment.formats.to_json` describes.

        Raises:
            TooLongError: one side has more pieces than can be aligned.
            and as `Batcher.submit`.
        """
        from translate.alignment.extract import MAX_PIECES

        tokenizers = self.translator.tokenizers  # one for both languages if there are both directions
        sizes = len(tokenizers.src.encode(pair[0])), len(tokenizers.tgt.encode(pair[1]))
        if max(sizes) > MAX_PIECES:
            raise TooLongError(f"a text has {max(sizes)} pieces, more than the {MAX_PIECES} that are aligned")
        return self.batcher.submit(Kind("align", backwards, level=level), [pair], [sum(sizes) + 2])

    def refresh(self) -> bool:
        """Open the run again if it has new weights, and say if so; where it cannot be, the old ones stay."""
        try:
            if self.translator.is_current() or not self.translator.directory.weights_path.is_file():
                return False
            self.translator = self._open()
        except (InputError, UsageError, OSError) as error:
            log.warning("%s has changed, but its old weights are served, for: %s", self.path, error)
            return False
        log.info("%s has changed: its new weights are served", self.path)
        return True

    def _open(self) -> Translator:
        translator = Translator(
            self.path, self._settings.device, self._settings.engine, self._settings.threads
        )
        translator.translate(["."])  # what is made at the first use is made now
        return translator

    def _compute(self, kind: Kind, items: list[Any]) -> Sequence[Any]:
        translator = self.translator  # the same for the whole batch, though a new one may come
        self._observe(len(items))
        if kind.verb == "align":
            return _align(translator, self._reading(translator, kind.backwards), items, kind)
        config = translator.config
        search = config.search
        if kind.n_best > 1:
            beam_size = max(search.beam_size, kind.n_best)
            search = dataclasses.replace(search, n_best=kind.n_best, beam_size=beam_size)
        found = translate_texts(
            translator.engine,
            translator.tokenizers,
            items,
            search,
            TextOptions(max_src_length=config.data.max_length, backwards=kind.backwards),
        )
        return [[text for text, _ in each.alternatives] for each in found]

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
    from translate.alignment.words import Linked, at_level, links

    reading, threshold = chosen
    if kind.backwards:  # `read_maps` takes the pairs of the run's first direction, and swaps them
        pairs = [(tgt, src) for src, tgt in pairs]
    maps = read_maps(translator.model, translator.tokenizers, pairs, backwards=kind.backwards)
    alignments = [at_level(read(each, reading), kind.level) for each in maps]
    return [json.loads(to_json(Linked(each, links(each, threshold)))) for each in alignments]


def open_models(
    runs: Sequence[str], languages: Sequence[str], settings: Settings, observe: Callable[[int], None]
) -> list[Model]:
    """Open runs.

    Args:
        languages: of each run, as in de-en; without any, those that the runs know.

    Raises:
        InputError, UsageError: as `Translator`; the languages of a run are not known or make no sense, or two
            runs translate the same way.
    """
    if languages and len(languages) != len(runs):
        raise UsageError(
            f"there are {len(runs)} runs, but --languages names {len(languages)} pairs: name one pair a run"
        )
    pairs = [_pair(text) for text in languages] or [_known(RunDirectory.open(run)) for run in runs]
    models: list[Model] = []
    ways: dict[tuple[str, str], str] = {}
    for run, (src, tgt) in zip(runs, pairs, strict=True):
        model = Model(Path(run), src, tgt, settings, observe)
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


def _known(run: RunDirectory) -> tuple[str, str]:
    data = run.config.data
    if data.src_lang is None or data.tgt_lang is None or data.src_lang == data.tgt_lang:
        raise UsageError(
            f"{run.path} does not say which languages it translates (data.src_lang, data.tgt_lang): name "
            "them with --languages, such as --languages de-en"
        )
    return data.src_lang, data.tgt_lang
