"""A server of tiny models: in this process without a network, or a real one in a thread."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from starlette.testclient import TestClient

from translate.serve.answers import Service
from translate.serve.app import create_app
from translate.serve.limits import Keys, Limits
from translate.serve.models import Settings, open_models
from translate.serve.observing import Metrics
from translate.serve.server import listen, make_server

TEXT = "Ein Hund läuft über die Wiese."
DE_EN = {"source": "de", "target": "en"}


def make_app(
    runs: Sequence[Path],
    languages: Sequence[str] = ("de-en",),
    *,
    limits: Limits = Limits(),  # noqa: B008
    keys: Sequence[str] = (),
    settings: Settings = Settings(),  # noqa: B008
    **others,
):
    """The application; its service is `app.state.service`."""
    metrics = Metrics()
    models = open_models([str(run) for run in runs], languages, settings, metrics.batch_texts.observe)
    return create_app(Service(models, limits, Keys(list(keys)), metrics), **others)


@contextlib.contextmanager
def client_of(*args, **settings) -> Iterator[TestClient]:
    """A client of an application that lives as long."""
    with TestClient(make_app(*args, **settings)) as client:
        yield client


@contextlib.contextmanager
def real_server(app) -> Iterator[tuple[str, int]]:
    """Serve an application on a free port of this machine: host and port."""
    with listen("127.0.0.1", 0) as listening:
        server = make_server(app, graceful_seconds=5.0)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.01)
            yield listening.getsockname()
        finally:
            server.should_exit = True
            thread.join()


def talk(address: tuple[str, int], *sent: bytes, seconds: float = 20.0) -> bytes:
    """Send bytes as they are; return all that comes until the server closes the connection."""
    with socket.create_connection(address, timeout=seconds) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for part in sent:
                connection.sendall(part)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(65_536):
                received += part
        return received


def post(client, path="/translate", **fields):
    """Post JSON."""
    return client.post(path, json=fields)


def error_of(response, status=400):
    """The message of an answer that must be an error of the API's shape."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert set(response.json()) == {"error"}
    return response.json()["error"]


class Held:
    """Lets a model compute only when it is told to."""

    def __init__(self, app, monkeypatch):
        self.model = app.state.service.models[0]
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.batches = []
        compute = self.model.batcher._compute

        def wait(kind, items):
            self.batches.append(items)
            self.begun.set()
            assert self.go_on.wait(200)
            return compute(kind, items)

        monkeypatch.setattr(self.model.batcher, "_compute", wait)
