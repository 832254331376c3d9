"""Reading a request: JSON, forms and query parameters are one to whoever answers it."""

import json
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from fastapi import HTTPException, Request
from pydantic import BaseModel, ValidationError

Asked = TypeVar("Asked", bound=BaseModel)

FIELDS = 1000  # of a form: enough for its texts


async def read_request(request: Request, kind: type[Asked]) -> Asked:
    """Read what is asked for; what the body says wins over the query.

    Raises:
        HTTPException: 400, saying what is wrong.
    """
    fields = _urlencoded(request.scope["query_string"]) | await _body(request)
    for name, field in kind.model_fields.items():
        if field.is_required() and fields.get(name) in (None, "", []):
            raise HTTPException(400, f"Invalid request: missing {name} parameter")
    try:
        return kind.model_validate({name: value for name, value in fields.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise HTTPException(400, f"Invalid request: {first['loc'][0]}: {first['msg']}") from None


async def _body(request: Request) -> dict[str, Any]:
    form = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    match form:
        case "application/x-www-form-urlencoded":
            return _urlencoded(body)
        case "multipart/form-data":
            _utf8(body)  # or the parser would take it for Latin-1
            found = await request.form(max_files=0, max_fields=FIELDS, max_part_size=len(body))
            return _together([(name, value) for name, value in found.multi_items() if isinstance(value, str)])
        case _ if form == "application/json" or form.endswith("+json"):
            return _json(body)
    return {}


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(_utf8(body))
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half of a surrogate pair can be written in JSON, but is no character
        raise HTTPException(400, "Invalid request: not UTF-8") from None
    except (ValueError, RecursionError):
        raise HTTPException(400, "Invalid request: the body is not JSON") from None
    if not isinstance(found, dict):
        raise HTTPException(400, "Invalid request: the body is JSON, but not an object")
    return found


def _urlencoded(written: bytes) -> dict[str, Any]:
    try:
        pairs = parse_qsl(_utf8(written), keep_blank_values=True, errors="strict", max_num_fields=FIELDS)
    except UnicodeDecodeError:
        raise HTTPException(400, "Invalid request: not UTF-8") from None
    except ValueError:
        raise HTTPException(400, f"Invalid request: more than {FIELDS} fields") from None
    return _together(pairs)


def _together(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Return fields: one that is given several times is a list."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        before = found.get(name)
        found[name] = (
            value if before is None else [*(before if isinstance(before, list) else [before]), value]
        )
    return found


def _utf8(written: bytes) -> str:
    try:
        return written.decode()
    except UnicodeDecodeError:
        raise HTTPException(400, "Invalid request: not UTF-8") from None
