"""What one may ask for: sizes and times, who may ask, and how often."""

import asyncio
import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from translate.errors import InputError
from translate.text_files import read_lines

# Addresses and keys whose requests are counted at a time; whoever asked longest ago is forgotten first.
REMEMBERED = 10_000


@dataclass(frozen=True)
class Limits:
    """The limits of one request, and of one who asks."""

    characters: int = 20_000  # of all texts of a request
    texts: int = 256
    alternatives: int = 10
    seconds: float = 60.0  # until a request is answered
    body_seconds: float = 10.0  # until its body is there
    requests_per_minute: int = 0  # of a key or an address; 0: any number

    @property
    def body(self) -> int:
        """Bytes of a body: a character takes at most 12, as an escaped pair of surrogates, and tags count."""
        return 12 * self.characters + 65_536


class BodyLimit:
    """Reads the whole body before the app does, unless it is too large or too slow."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self.app, self.limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its body, or refuse it; one who has gone hears nothing."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")  # digits: h11 refuses all else
        too_large = f"Invalid request: the body has more than {self.limits.body} bytes"
        if int(declared) > self.limits.body:
            await _refuse(413, too_large)(scope, receive, send)
            return
        body = bytearray()
        try:
            async with asyncio.timeout(self.limits.body_seconds):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return
                    body += message.get("body", b"")
                    if len(body) > self.limits.body:
                        await _refuse(413, too_large)(scope, receive, send)
                        return
                    more = message.get("more_body", False)
        except TimeoutError:
            late = f"the request's body was not there within {self.limits.body_seconds:g} seconds"
            await _refuse(408, late)(scope, receive, send)
            return
        waiting: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def read() -> Message:
            return waiting.pop() if waiting else await receive()

        await self.app(scope, read, send)


def _refuse(status: int, error: str) -> JSONResponse:
    # What is left of the body is not read, so the connection is of no more use.
    return JSONResponse({"error": error}, status, headers={"Connection": "close"})


class Keys:
    """The API keys, of which only hashes are kept."""

    def __init__(self, keys: list[str]) -> None:
        self._hashes = {_hash(key) for key in keys}

    def __bool__(self) -> bool:
        return bool(self._hashes)

    def __contains__(self, key: str) -> bool:
        # The time that finding a hash takes says nothing about a key.
        return _hash(key) in self._hashes


def read_keys(path: Path | None, variable: str | None) -> Keys:
    """Read keys: a file has one a line, # begins a comment; a variable has commas between.

    Raises:
        InputError: the file is missing or has no key, which would let everybody in.
    """
    keys = [key.strip() for key in (variable or "").split(",")]
    if path is not None:
        lines = [line.partition("#")[0].strip() for line in read_lines(path)]
        if not any(lines):
            raise InputError(f"{path} has no API key: needed is one a line")
        keys += lines
    return Keys([key for key in keys if key])


class RateLimit:
    """Counts requests: as many as fit a minute at once, and then as many as the time that passes allows.

    Args:
        per_minute: requests; 0: any number.
        clock: seconds.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute, self._clock = per_minute, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # who -> requests left, when

    def seconds_to_wait(self, who: str) -> int:
        """Count a request and return 0, or return how long to wait before the next one."""
        if not self._per_minute:
            return 0
        now = self._clock()
        left, then = self._left.pop(who, (float(self._per_minute), now))
        left = min(self._per_minute, left + (now - then) * self._per_minute / 60)
        allowed = left >= 1
        self._left[who] = (left - allowed, now)
        if len(self._left) > REMEMBERED:
            self._left.popitem(last=False)
        return 0 if allowed else max(1, math.ceil((1 - left) * 60 / self._per_minute))


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()
