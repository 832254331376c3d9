"""Monolingual text of the target language, made into training pairs (Sennrich et al. 2016)."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from translate.config import Config
from translate.errors import InputError, UsageError
from translate.run_directory import RunDirectory
from translate.teaching import Device, Lesson, open_teacher, read_monolingual, teach
from translate.training.mixture import Part
from translate.training.text import Pair, StoredPairs, Text


def back_translate(config: Config, text: Text, path: Path, translations: Path) -> Part:
    """Let the reverse run translate the monolingual text; a pair whose source is blank is left out.

    Sentences that are, but for case, digits and punctuation, in the validation text are left out too.

    Args:
        text: what the run is trained on and validated with otherwise.
        path: of the file that the pairs are kept in.
        translations: of the file that an interrupted translation goes on from.

    Raises:
        InputError: the text or the run is missing or bad.
        UsageError: no run was named that translates back.
    """
    data, training = config.data, config.training
    assert data.monolingual is not None
    device = Device(training.device, threads=training.threads)
    tgt_lang = data.tgt_lang or text.tgt_lang
    lines = read_monolingual(data.monolingual, (tgt for _, tgt in text.valid))
    translator = open_teacher(_reverse_run(config), tgt_lang, device, reverse=True)
    search = replace(translator.config.search, n_best=1)
    sources = teach(translator, Lesson(lines), search, translations)

    def pairs() -> Iterator[Pair]:
        for src, tgt in zip(sources, lines, strict=True):
            if src.strip():
                yield f"{data.monolingual_tag} {src}".lstrip(), tgt

    stored = StoredPairs.write(path, pairs())
    if not stored:
        raise InputError(
            f"{translator.directory.path} has only empty translations for {data.monolingual}: needed is one "
            "that has learned to translate"
        )
    return Part("back-translated", data.monolingual, stored, data.monolingual_share)


def _reverse_run(config: Config) -> str:
    if config.data.reverse is not None:
        return config.data.reverse
    first = config.initial.run
    if first is not None and RunDirectory.open(first).config.data.directions == "both":
        return first
    raise UsageError(
        "--monolingual needs --reverse RUN, which translates it back: a run of the other direction, or of "
        "both"
    )
