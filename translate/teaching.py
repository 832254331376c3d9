"""A trained model as a teacher: its translations of a text, kept on the disk as they are made."""

import hashlib
import json
import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from translate.bulk import Chunk, Manner, Text, translate_text
from translate.config.search import SearchConfig
from translate.corpora.split import source_group
from translate.errors import InputError, UsageError
from translate.evaluation import sentence_chrf
from translate.run_directory import RunDirectory
from translate.text_files import read_lines
from translate.translator import EngineChoice, Translator

log = logging.getLogger(__name__)

TOGETHER = 1024  # lines that are translated, and kept, before the next: enough to find some of like lengths
LINE_EVERY = 30.0  # seconds between plain lines, where there is no terminal


class Device(NamedTuple):
    """What a teacher computes with."""

    device: str = "auto"
    engine: EngineChoice = "auto"
    threads: int = 0
    processes: int = 0


@dataclass(frozen=True)
class Lesson:
    """What a teacher is given.

    Args:
        texts: to translate.
        references: of each; of `n_best` translations the one most like it by chrF is taken, which is
            sequence-level interpolation (Kim & Rush 2016, who compare by smoothed BLEU).
    """

    texts: Sequence[str]
    references: Sequence[str] | None = None


def open_teacher(
    run: str, text_lang: str | None, device: Device, *, reverse: bool, ensemble: Sequence[str] = ()
) -> Translator:
    """Open a run, or several that translate together, for a text.

    Args:
        run: trained in the one direction that is wanted, or in both.
        text_lang: of the text to translate, if it is known.
        reverse: whether a run of both directions, whose languages nobody knows, is to go backwards.
        ensemble: further runs, of the same direction and with the same tokenizers.

    Raises:
        InputError: there is no such run, or none with good weights.
        UsageError: it translates into the language that the text is in.
    """
    data = RunDirectory.open(run).config.data
    known = data.tgt_lang is not None and text_lang is not None
    if data.directions == "both":
        backwards = data.tgt_lang == text_lang if known else reverse
    elif known and data.tgt_lang == text_lang:
        raise UsageError(
            f"{run} translates into {data.tgt_lang}, which the text is in already: needed is a run of the "
            "other direction, or of both"
        )
    else:
        backwards = False
    return Translator(
        run, device.device, device.engine, device.threads, backwards=backwards, ensemble=ensemble
    )


def kept_beside(out: str | Path) -> Path:
    """Where the translations are kept until the folder `out`, which is made of them, is whole."""
    path = Path(out).resolve()
    return path.with_name(f"{path.name}.translations")


def teach(
    translator: Translator, lesson: Lesson, search: SearchConfig, path: Path, processes: int = 0
) -> list[str]:
    """Translate each text, going on where `path` says that this was interrupted.

    Args:
        path: of the file that the translations are added to as they are made; the caller removes it.

    Raises:
        InputError: the file has other translations; as translating does.
    """
    key = _key(translator, lesson, search)
    done, size = _read_kept(path, key)
    if len(done) < len(lesson.texts):
        log.info("translating %d texts with %s", len(lesson.texts) - len(done), translator.describe())
    if done:
        log.info("%d were translated before the interruption", len(done))
    rest = Lesson(
        lesson.texts[len(done) :], None if lesson.references is None else lesson.references[len(done) :]
    )
    with path.open("ab") as file:
        file.truncate(size)
        if size == 0:
            file.write(f"{key}\n".encode())
        for texts in _translate(translator, rest, search, processes):
            file.write("".join(f"{text}\n" for text in texts).encode())
            file.flush()
            done += texts
    return done


def read_monolingual(path: str, held_out: Iterable[str]) -> list[str]:
    """Read text in one language: each line once, without blank ones and those of held-out parts.

    Args:
        held_out: sentences of the same language; lines that differ from them in case, digits and punctuation
            only are left out.

    Raises:
        InputError: the file is missing or bad, or nothing is left of it.
    """
    lines = read_lines(path)
    groups = {source_group(text) for text in held_out}
    kept = [line for line in dict.fromkeys(lines) if line.strip() and source_group(line) not in groups]
    if not kept:
        raise InputError(f"{path} has no text (of {len(lines)} lines) that is not in a held-out part")
    if len(kept) < len(lines):
        log.info(
            "left out %d of %d lines of %s: blank, there before, or in a held-out part",
            len(lines) - len(kept), len(lines), path,
        )  # fmt: skip
    return kept


def _translate(
    translator: Translator, lesson: Lesson, search: SearchConfig, processes: int
) -> Iterator[list[str]]:
    """Yield the chosen translations of each chunk."""
    total = len(lesson.texts)
    chunks: Iterator[Chunk] = (
        [(text, {}) for text in lesson.texts[start : start + TOGETHER]] for start in range(0, total, TOGETHER)
    )
    references = iter(lesson.references or ())
    manner = Manner(search, "split", None, scored=False)
    done, shown = 0, time.monotonic()
    with (
        tqdm(desc="translating", unit="line", total=total, disable=None, leave=False) as bar,
        closing(
            translate_text(translator, Text(chunks, total, lambda: True), manner, processes, 1.0)
        ) as found,
    ):
        for _, translations in found:
            if lesson.references is None:
                yield [translation.text for translation in translations]
            else:
                yield [
                    max(
                        (text for text, _ in one.alternatives),
                        key=lambda text: sentence_chrf(text, reference),
                    )
                    for one, reference in zip(
                        translations, islice(references, len(translations)), strict=True
                    )
                ]
            done += len(translations)
            bar.update(len(translations))
            if not sys.stderr.isatty() and time.monotonic() - shown > LINE_EVERY:
                shown = time.monotonic()
                log.info("%d of %d lines translated", done, total)


def _key(translator: Translator, lesson: Lesson, search: SearchConfig) -> str:
    """What the translations depend on, on one line."""
    texts = hashlib.sha256("\n".join([*lesson.texts, "", *(lesson.references or ())]).encode()).hexdigest()
    about: dict[str, Any] = {
        "weights": [member.weights_sha256() for member in translator.members],
        "backwards": translator.backwards,
        "search": asdict(search),
        "texts": texts,
    }
    return json.dumps(about)


def _read_kept(path: Path, key: str) -> tuple[list[str], int]:
    """The translations that are there, and the size of the file without a half-written last one."""
    content = path.read_bytes() if path.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    if not whole:
        return [], 0
    found, *lines = whole.decode(errors="replace").split("\n")[:-1]
    if found != key:
        raise InputError(
            f"{path} holds translations that were interrupted, of other text, by another model or by another "
            "search: remove it to begin anew"
        )
    return lines, len(whole)
