"""The process that listens: uvicorn, with what it lacks against those who send slowly or nothing."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from translate.errors import UsageError
from translate.serve.observing import JsonFormatter

log = logging.getLogger(__name__)

# Connections at a time; more are answered 503 by uvicorn.
CONNECTIONS = 1000
HEADER_SECONDS = 10.0


class PunctualProtocol(H11Protocol):
    """HTTP whose request line and headers have to come in time: uvicorn waits for them for ever."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait_for_headers()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        super().on_response_complete()
        self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def _wait_for_headers(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(HEADER_SECONDS, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if self.conn.their_state is h11.IDLE:
            self.transport.close()


def listen(host: str, port: int) -> socket.socket:
    """Open the socket that requests come to.

    Raises:
        UsageError: it cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        why = error.strerror or str(error)
        raise UsageError(
            f"cannot listen on {host}, port {port} ({why}): choose another --host or --port"
        ) from None


def make_server(app: FastAPI, graceful_seconds: float) -> uvicorn.Server:
    """Return a server that, when it is told to stop, first answers what it has accepted."""
    config = uvicorn.Config(
        app,
        http=PunctualProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=int(graceful_seconds),
    )
    return uvicorn.Server(config)


@contextlib.contextmanager
def json_logs() -> Iterator[None]:
    """Show the package's log and uvicorn's as JSON on stderr, instead of the command line's messages."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    ours, theirs = logging.getLogger("translate"), logging.getLogger("uvicorn.error")
    before, propagate = ours.handlers, theirs.propagate
    ours.handlers = [handler]
    theirs.addHandler(handler)
    theirs.propagate = False
    try:
        yield
    finally:
        ours.handlers = before
        theirs.removeHandler(handler)
        theirs.propagate = propagate


def serve(app: FastAPI, listening: socket.socket, graceful_seconds: float) -> None:
    """Answer requests until a signal comes, which is raised again when all is answered."""
    host, port = listening.getsockname()[:2]
    log.info("serving", extra={"fields": {"url": f"http://{f'[{host}]' if ':' in host else host}:{port}"}})
    make_server(app, graceful_seconds).run(sockets=[listening])
