"""JSON with texts in it, such as the translations of Home Assistant: every string that is a value."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase

from translate.documents.document import Document, Slot, Span, replace_spans
from translate.errors import InputError

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]')
_REFERENCE = re.compile(r"\[%key:[^\s\]]*%\]")  # to another text of Home Assistant


def read_json(raw: str, name: str, keys: Sequence[str] = ()) -> Document:
    """Read JSON. Left as they are: keys, strings without a letter, and references to other texts.

    Args:
        keys: only values are translated whose own key, or whose keys from the top on with dots between
            (`state.*.name`), are among these; * stands for anything, places in lists are numbers. None: all.

    Raises InputError when it is no JSON.
    """
    try:
        json.loads(raw.removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        raise InputError(
            f"{name}: line {error.lineno}, column {error.colno}: {error.msg}; needed is JSON"
        ) from None
    except RecursionError:
        raise InputError(f"{name}: nested too deeply; needed is JSON") from None
    write = _escaped if raw.isascii() and "\\u" in raw else _plain
    return replace_spans(raw, _values(raw, keys, write))


def _values(raw: str, keys: Sequence[str], write: Callable[[str], str]) -> Iterator[Span]:
    path: list[str | int] = []  # the key or place in each object or list that is open
    is_key = False
    for found in _TOKEN.finditer(raw):
        match found.group():
            case "{":
                path.append("")
                is_key = True
            case "[":
                path.append(0)
                is_key = False
            case "}" | "]":
                path.pop()
                is_key = False
            case ",":
                if isinstance(path[-1], int):
                    path[-1] += 1
                is_key = isinstance(path[-1], str)
            case ":":
                is_key = False
            case string if is_key:
                path[-1] = json.loads(string, strict=False)
            case string:
                text = json.loads(string, strict=False)
                if _is_wanted(path, keys) and _is_text(text):
                    yield found.start(), found.end(), [Slot(text, string, write)]


def _is_wanted(path: Sequence[str | int], keys: Sequence[str]) -> bool:
    names = (str(path[-1]) if path else "", ".".join(map(str, path)))
    return not keys or any(fnmatchcase(name, key) for name in names for key in keys)


def _is_text(text: str) -> bool:
    return any(map(str.isalpha, text)) and not _REFERENCE.fullmatch(text.strip())


def _plain(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _escaped(text: str) -> str:
    return json.dumps(text)
