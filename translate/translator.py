"""A trained model, ready to translate and to align."""

import logging
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Literal

from translate.config import check_both_directions
from translate.config.search import SearchConfig
from translate.engine import Engine, EngineName, describe
from translate.errors import InputError, UsageError
from translate.export.hub import find_run
from translate.glossary import goes_on_word
from translate.parts import OnLong
from translate.platforms import choose_plan, count_cores, gather_facts, set_threads
from translate.run_directory import RunDirectory
from translate.run_directory.exports import find_export
from translate.steering import Steering
from translate.translation import Found, TextOptions, Translation, search_texts, translate_texts

if TYPE_CHECKING:
    from translate.alignment.extract import Reading
    from translate.alignment.words import Level, Linked
    from translate.documents.document import Document
    from translate.documents.projection import WordLinks
    from translate.model import Seq2Seq

log = logging.getLogger(__name__)

ALIGNED_AT_ONCE = 256  # pairs: the weights of all layers and heads of so many are in memory
EngineChoice = Literal["auto", EngineName]


class Translator:
    """A trained model, ready to translate and to align. Several threads may use one at once.

    Args:
        run: a run directory, or a model of the Hugging Face hub: user/name or user/name@revision.
        device: auto, cpu, cuda or mps.
        engine: torch runs every model; ctranslate2 an export of exactly the run's weights, faster and without
            importing torch; auto takes ctranslate2 where it can, and says why if there is an export, but not
            a usable one.
        threads: of the processor, for translating and for aligning (torch's are those of this whole process);
            0: one per core.
        backwards: from the language that the run calls its target to its source.
        ensemble: run directories of models that choose each piece together with the run's, by the mean of
            their probabilities. They have the run's tokenizers; search is as the run's config says.

    Raises:
        InputError: no run directory there, none of that name on the hub or the hub out of reach, one without
            good weights, or no export that fits; members of an ensemble with other tokenizers or another
            target language.
        UsageError: the device is not there, or not for the engine; a model translates forward only; an
            ensemble for ctranslate2.
    """

    def __init__(
        self,
        run: str | Path,
        device: str = "auto",
        engine: EngineChoice = "torch",
        threads: int = 0,
        *,
        backwards: bool = False,
        ensemble: Sequence[str | Path] = (),
    ) -> None:
        if ensemble and engine == "ctranslate2":
            raise UsageError("engine ctranslate2 translates with one model: an ensemble is for engine torch")
        self.members = [find_run(path) for path in (run, *ensemble)]
        self.directory = self.members[0]
        self.config = self.directory.config
        self.backwards = backwards
        if backwards:
            for member in self.members:
                check_both_directions(member.config, str(member.path))
        self.tokenizers = self.directory.tokenizers()
        for member in self.members[1:]:
            self._check_fits(member)
        self.weights_written = tuple(member.weights_written() for member in self.members)
        self.max_src_length = min(member.config.data.max_length for member in self.members)
        self._device, self._threads = device, threads
        self._model: Seq2Seq | None = None
        self._loading = Lock()
        self.engine = self._open_engine(engine)

    @property
    def model(self) -> "Seq2Seq":
        """The run's model itself: what the torch engine searches with, or what an alignment is read from."""
        with self._loading:  # of several threads that ask first, one loads it
            if self._model is None:
                self._model = self._load(self.directory)
            return self._model

    def is_current(self) -> bool:
        """Whether the run directories still hold the weights that this translates with."""
        there = all(member.weights_path.is_file() for member in self.members)
        return there and self.weights_written == tuple(member.weights_written() for member in self.members)

    def describe(self) -> str:
        """Say in a few words what translates."""
        if len(self.members) == 1:
            return describe(self.engine)
        names = " and ".join(str(member.path) for member in self.members)
        return f"an ensemble of {names} by {describe(self.engine)}"

    def translate(
        self,
        texts: Sequence[str],
        search: SearchConfig | None = None,
        on_long: OnLong = "split",
        batch_tokens: int | None = None,
        first_line: int = 1,
        steering: Steering | None = None,
        *,
        scored: bool = True,
    ) -> list[Translation]:
        """As `translate_texts`, with the run's model, and the run's search unless one is given."""
        return translate_texts(
            self.engine,
            self.tokenizers,
            texts,
            search or self.config.search,
            TextOptions(
                batch_tokens, on_long, self.max_src_length, first_line, self.backwards, steering, scored
            ),
        )

    def align(self, src: str, tgt: str | None = None, level: "Level" = "word") -> "Linked":
        """Say which source words each target word came from.

        The attention that was chosen for the run is read (`seq2see align --choose`), else the one that was
        guided in training, else the usual one; `alignment.choice` of the result says which. Of an ensemble it
        is the first member's.

        Args:
            src: of this translator's direction, as `translate` takes it.
            tgt: any translation of it; without one, the model's own.
            level: words, words of tokenised text, or pieces (`at_level`).

        Returns:
            the alignment, with tokens, spans, weights (a row for each target token) and log-probabilities;
            and its links, pairs of (source, target) token from 0. The end of sentence is the last token of
            each side. A pair with a blank side, or with one of more than MAX_PIECES pieces, has no tokens.
        """
        if tgt is None:
            tgt = self.translate([src])[0].text
        [linked] = self.align_all([(src, tgt)], level)
        return linked

    def align_all(self, pairs: Sequence[tuple[str, str]], level: "Level" = "word") -> "list[Linked]":
        """As `align`, of many pairs at once."""
        from translate.alignment.extract import align_pairs
        from translate.alignment.words import Linked, at_level, links

        if self.backwards:  # `align_pairs` swaps what is read backwards
            pairs = [(tgt, src) for src, tgt in pairs]
        reading, threshold = self.reading
        aligned: list[Linked] = []
        for start in range(0, len(pairs), ALIGNED_AT_ONCE):
            together = pairs[start : start + ALIGNED_AT_ONCE]
            for pieces in align_pairs(
                self.model, self.tokenizers, together, reading, backwards=self.backwards
            ):
                alignment = at_level(pieces, level)
                aligned.append(Linked(alignment, links(alignment, threshold)))
        return aligned

    def link_marked(self, document: "Document", translations: Sequence[str]) -> "dict[int, WordLinks]":
        """Say where the words of a document's texts are in their translations, for those with inline markup.

        It is read off the model's attention, as `align` does.
        """
        texts = document.texts()
        numbers = [n for n, marked in enumerate(document.marked()) if marked and texts[n] != translations[n]]
        if not numbers:
            return {}
        from translate.alignment.words import word_links

        found = self.align_all([(texts[n], translations[n]) for n in numbers])
        return {n: word_links(each.alignment) for n, each in zip(numbers, found, strict=True)}

    @cached_property
    def reading(self) -> "tuple[Reading, float | None]":
        """Which attention `align` reads, and from which weight it links; None: each word's highest weight."""
        from translate.alignment.choose import choose_reading

        return choose_reading(self.directory, backwards=self.backwards)

    def search(self, texts: Sequence[str], search: SearchConfig) -> list[Found]:
        """Return what is found of each text; `translate` makes its translation of that."""
        return search_texts(
            self.engine,
            self.tokenizers,
            texts,
            search,
            TextOptions(max_src_length=self.max_src_length, backwards=self.backwards),
        )

    def _check_fits(self, member: RunDirectory) -> None:
        """Refuse a member of an ensemble to which the same pieces, or the same task, mean something else."""
        ours, theirs = self.tokenizers, member.tokenizers()
        for side, our, their in (("source", ours.src, theirs.src), ("target", ours.tgt, theirs.tgt)):
            if our.sha256 != their.sha256:
                raise InputError(
                    f"{member.path} has another {side} tokenizer than {self.directory.path}: the models of "
                    "an ensemble must be trained with the same one (tokenizer.path)"
                )
        our_lang, their_lang = self.config.data.tgt_lang, member.config.data.tgt_lang
        if None not in (our_lang, their_lang) and our_lang != their_lang:
            raise InputError(
                f"{member.path} was trained to translate into {their_lang}, {self.directory.path} into "
                f"{our_lang}: the models of an ensemble have one task"
            )

    def _load(self, run: RunDirectory) -> "Seq2Seq":
        set_threads(self._threads)
        model = run.load_model(choose_plan(self._device, "float32", gather_facts()).device)
        model.lay_out_for_translating()
        return model

    def _open_engine(self, choice: EngineChoice) -> Engine:
        if choice != "torch":
            try:
                return self._open_export()
            except (InputError, UsageError) as error:
                if choice == "ctranslate2":
                    raise
                if self.directory.export_path.exists():
                    log.info("the export for CTranslate2 is not used: %s", error)
        from translate.ensemble import Ensemble
        from translate.torch_engine import TorchEngine

        others = [self._load(member) for member in self.members[1:]]
        return TorchEngine(
            Ensemble([self.model, *others]) if others else self.model,
            partial(goes_on_word, self.tokenizers.tgt),
        )

    def _open_export(self) -> Engine:
        from translate.export.ctranslate2_engine import Ctranslate2Engine

        path = self.directory.path
        if len(self.members) > 1:
            raise UsageError("it is of one model, not of an ensemble")
        if self._device not in ("auto", "cpu"):
            raise UsageError(
                f"device {self._device} is not for engine ctranslate2, which computes on the cpu"
            )
        export = find_export(self.directory, self.tokenizers)
        if export is None:
            raise InputError(f"{path} holds no export for CTranslate2: make one with `seq2see export {path}`")
        if not export.current:
            raise InputError(
                f"{export.path} was made from other weights than those in {path} now: make it anew with "
                f"`seq2see export {path}`"
            )
        return Ctranslate2Engine(export, self.tokenizers, self._threads or count_cores())
