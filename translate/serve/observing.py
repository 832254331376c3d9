"""What can be known of a running server without seeing its texts: logs in JSON, numbers for Prometheus."""

import json
import logging
import time
import traceback

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

# A reader may only be shown what the server itself serves, as what the server says it is.
HEADERS = ((b"x-content-type-options", b"nosniff"), (b"content-security-policy", b"default-src 'self'"))
GONE = 499  # as nginx says it: nobody waits for the answer any more
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60)
COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """Numbers of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "seq2see_requests", "Requests answered.", ["path", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "seq2see_request_seconds",
            "Time to the answer.",
            ["path"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.characters = Counter("seq2see_characters", "Characters accepted.", registry=self.registry)
        self.batch_texts = Histogram(
            "seq2see_batch_texts", "Texts computed together.", buckets=COUNTS, registry=self.registry
        )
        self.waiting = Gauge("seq2see_waiting_tokens", "Pieces that wait.", ["run"], registry=self.registry)

    def text(self) -> bytes:
        """Return all numbers in Prometheus' format."""
        return generate_latest(self.registry)


class Observe:
    """Counts, times and logs each request; turns a bug into an answer without details."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and see what becomes of it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), GONE

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception:
            log.exception("a bug: please report")
            if status == GONE:
                await JSONResponse({"error": "internal error"}, 500)(scope, receive, watched)
        seconds = time.perf_counter() - started
        route = scope.get("route")
        path = getattr(route, "path", "other")  # not what was asked for, which anybody can make up
        self.metrics.requests.labels(path, status).inc()
        self.metrics.seconds.labels(path).observe(seconds)
        fields = {"method": scope["method"], "path": path, "status": status, "seconds": round(seconds, 4)}
        fields["client"] = (scope.get("client") or ("",))[0]
        log.info("request", extra={"fields": fields})


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return time, level, message and the record's own fields."""
        shown = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        # Not an exception's own message: that may hold what was to be translated.
        if record.exc_info and record.exc_info[0] is not None:
            shown["error"] = record.exc_info[0].__name__
            shown["where"] = "".join(traceback.format_tb(record.exc_info[2]))
        return json.dumps(shown, ensure_ascii=False)
