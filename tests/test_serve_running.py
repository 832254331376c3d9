"""Limits of time, place and persons; logs and numbers; runs that change."""

import asyncio
import dataclasses
import json
import logging
import threading

import pytest
import torch
from serving import DE_EN, TEXT, client_of, error_of, make_app, post
from starlette.testclient import TestClient
from tiny import tiny_run

from translate.config.data import DataConfig
from translate.run_directory import RunDirectory
from translate.serve.limits import Limits
from translate.serve.models import Settings
from translate.serve.observing import JsonFormatter
from translate.translator import Translator


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("runs"), directions="both")


@pytest.fixture(scope="module")
def client(run):
    with client_of([run], limits=Limits(characters=2000, texts=20)) as client:
        yield client


@pytest.fixture(scope="module")
def expected(run):
    """The translation of a text, alone."""
    translators = {backwards: Translator(run, backwards=backwards) for backwards in (False, True)}
    return lambda text, backwards=False: translators[backwards].translate([text])[0].text


# Limits of time, place and persons


class Held:
    """Lets a model compute only when it is told to."""

    def __init__(self, app, monkeypatch):
        self.model = app.state.service.models[0]
        self.begun, self.go_on = threading.Event(), threading.Event()
        compute = self.model.batcher._compute

        def wait(kind, items):
            self.begun.set()
            assert self.go_on.wait(20)
            return compute(kind, items)

        monkeypatch.setattr(self.model.batcher, "_compute", wait)


def test_who_comes_when_too_much_is_waiting_hears_when_to_come_again(run, monkeypatch):
    app = make_app([run], settings=Settings(queue_tokens=10))
    held = Held(app, monkeypatch)
    with TestClient(app) as client:
        answers = []
        threads = [
            threading.Thread(target=lambda: answers.append(post(client, q=TEXT, **DE_EN).status_code))
            for _ in range(2)
        ]
        threads[0].start()
        assert held.begun.wait(20)
        threads[1].start()
        while not held.model.batcher.waiting:
            pass
        response = post(client, q=TEXT, **DE_EN)
        assert error_of(response, 429) == "Slowdown: too much is waiting"
        assert int(response.headers["retry-after"]) >= 1
        assert f'seq2see_waiting_tokens{{run="{run}"}} 0.0' not in client.get("/metrics").text
        held.go_on.set()
        for thread in threads:
            thread.join()
        assert answers == [200, 200]
        assert f'seq2see_waiting_tokens{{run="{run}"}} 0.0' in client.get("/metrics").text


def test_what_takes_too_long_is_given_up(run, monkeypatch):
    app = make_app([run], limits=Limits(seconds=0.2))
    held = Held(app, monkeypatch)
    with TestClient(app) as client:
        assert error_of(post(client, q=TEXT, **DE_EN), 504) == "not done within 0.2 seconds"
        assert error_of(post(client, q=TEXT, **DE_EN), 504)  # this one only waited
        assert held.model.batcher.waiting == 0
        held.go_on.set()


def test_who_leaves_takes_his_texts_with_him(run, monkeypatch, caplog):
    app = make_app([run])
    held = Held(app, monkeypatch)
    batcher = held.model.batcher

    async def ask_and_leave():
        body = json.dumps({"q": TEXT, **DE_EN}).encode()
        first = asyncio.create_task(asgi(app, body, leave=asyncio.Event()))
        while not held.begun.is_set():
            await asyncio.sleep(0.001)
        leave = asyncio.Event()
        second = asyncio.create_task(asgi(app, body, leave=leave))
        while not batcher.waiting:
            await asyncio.sleep(0.001)
        leave.set()
        await second
        assert batcher.waiting == 0
        held.go_on.set()
        return await first

    with caplog.at_level(logging.INFO, logger="translate"):
        assert asyncio.run(ask_and_leave()) == 200
    assert sorted(record.fields["status"] for record in caplog.records) == [200, 499]
    batcher.close()


async def asgi(app, body, leave):
    """Post a body; return the status."""
    parts = [{"type": "http.request", "body": body}]
    status = []

    async def receive():
        if parts:
            return parts.pop()
        await leave.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        status.append(message.get("status"))

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/translate", "headers": headers, "query_string": b""}
    await app(scope, receive, send)
    return status[0]


def test_a_server_that_stops_finishes_and_takes_no_more(run):
    with client_of([run]) as client:
        assert client.get("/ready").json() == {"status": "ok"}
        client.app.state.service.models[0].batcher.close()
        assert error_of(post(client, q=TEXT, **DE_EN), 503) == "the server is stopping"
        response = client.get("/ready")
        assert (response.status_code, response.json()) == (503, {"status": "stopping"})
        assert client.get("/health").json() == {"status": "ok"}


def test_a_key_is_needed_where_there_are_keys(run, expected):
    with client_of([run], keys=["open sesame"]) as client:
        contact = "Please contact the server operator to get an API key"
        assert error_of(post(client, q=TEXT, **DE_EN)) == contact
        for path in ("/translate", "/detect", "/align"):
            fields = {"q": TEXT, "src": TEXT, **DE_EN, "api_key": "guess"}
            assert error_of(post(client, path, **fields), 403) == "Invalid API key"
        good = {"q": TEXT, **DE_EN, "api_key": "open sesame"}
        for how in ("json", "data", "params"):
            assert client.post("/translate", **{how: good}).json() == {"translatedText": expected(TEXT)}
        settings = client.get("/frontend/settings").json()
        assert settings["apiKeys"]
        assert settings["keyRequired"]
        assert client.get("/languages").status_code == 200


def test_one_may_ask_so_often_a_minute(run):
    with client_of([run], limits=Limits(requests_per_minute=2)) as client:
        answers = [post(client, "/detect", q=TEXT) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert error_of(answers[2], 429) == "Slowdown: 2 requests a minute are allowed"
        assert int(answers[2].headers["retry-after"]) in range(1, 31)


def test_each_key_may_ask_so_often(run):
    with client_of([run], keys=["a", "b"], limits=Limits(requests_per_minute=1)) as client:
        asked = [post(client, "/detect", q=TEXT, api_key=key).status_code for key in "aabb"]
    assert asked == [200, 429, 200, 429]


def test_pages_of_other_origins_may_ask_if_they_are_named(run):
    origin = {"Origin": "https://a.example"}
    with client_of([run]) as client:
        assert "access-control-allow-origin" not in client.get("/languages", headers=origin).headers
    with client_of([run], cors=["https://a.example"]) as client:
        response = client.get("/languages", headers=origin)
        assert response.headers["access-control-allow-origin"] == "https://a.example"
        other = client.get("/languages", headers={"Origin": "https://b.example"})
        assert "access-control-allow-origin" not in other.headers


# Logs and numbers


def test_logs_tell_what_was_asked_but_not_the_text(client, caplog):
    with caplog.at_level(logging.INFO, logger="translate"):
        post(client, q="a secret " * 100, source="de", target="en")
        client.post("/translate?q=secret&source=de&target=en")
        client.get("/secret")
        post(client, "/align", src="a secret", tgt="secret", **DE_EN)
    lines = [json.loads(JsonFormatter().format(record)) for record in caplog.records]
    asked = [line for line in lines if line["message"] == "request"]
    assert [(line["method"], line["path"], line["status"]) for line in asked] == [
        ("POST", "/translate", 200),
        ("POST", "/translate", 200),
        ("GET", "other", 404),
        ("POST", "/align", 200),
    ]
    assert all(line["level"] == "info" and line["seconds"] >= 0 and line["client"] for line in asked)
    assert "secret" not in json.dumps(lines)


def test_numbers_count_requests_by_path_and_status(run):
    with client_of([run]) as client:
        post(client, q=TEXT, **DE_EN)
        client.get("/made-up")
        numbers = client.get("/metrics")
    assert numbers.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'seq2see_requests_total{path="/translate",status="200"} 1.0' in numbers.text
    assert 'seq2see_requests_total{path="other",status="404"} 1.0' in numbers.text
    assert f"seq2see_characters_total {float(len(TEXT))}" in numbers.text
    assert "made-up" not in numbers.text


# Runs that change, several runs


def test_a_run_that_has_changed_is_opened_anew(tmp_path, caplog):
    run = RunDirectory.open(tiny_run(tmp_path))
    with client_of([run.path], refresh_seconds=0.02) as client:
        before = post(client, q=TEXT, **DE_EN).json()
        model = run.load_model()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.normal_()
        with caplog.at_level(logging.INFO, logger="translate"):
            run.save_weights(model, run.tokenizers())
            while "has changed" not in caplog.text:
                pass
        after = post(client, q=TEXT, **DE_EN).json()
    assert after["translatedText"] == Translator(run.path).translate([TEXT])[0].text
    assert after != before


def test_a_run_that_is_damaged_is_served_as_it_was(tmp_path, caplog):
    run = RunDirectory.open(tiny_run(tmp_path))
    with client_of([run.path], refresh_seconds=0.0) as client:
        before = post(client, q=TEXT, **DE_EN).json()
        model = client.app.state.service.models[0]
        assert not model.refresh()
        whole = run.weights_path.read_bytes()
        run.weights_path.write_bytes(whole[:100])
        with caplog.at_level(logging.INFO, logger="translate"):
            assert not model.refresh()
        assert "has changed, but its old weights are served, for: " in caplog.text
        run.weights_path.unlink()
        assert not model.refresh()
        assert post(client, q=TEXT, **DE_EN).json() == before
        run.weights_path.write_bytes(whole)
        assert model.refresh()
        assert post(client, q=TEXT, **DE_EN).json() == before


def test_several_runs_serve_several_languages(run, tmp_path):
    other = tiny_run(tmp_path)
    with client_of([run, other], ["de-en", "fr-en"]) as client:
        assert [(each["code"], each["targets"]) for each in client.get("/languages").json()] == [
            ("de", ["en"]),
            ("en", ["de"]),
            ("fr", ["en"]),
        ]
        texts = [TEXT, "Bonjour tout le monde, comment allez-vous ?"]
        answer = post(client, q=texts, source="auto", target="en").json()
        assert [found["language"] for found in answer["detectedLanguage"]] == ["de", "fr"]
        assert len(answer["translatedText"]) == 2
        missing = "French (fr) is not available as a target language from English (en)"
        assert error_of(post(client, q=TEXT, source="en", target="fr")) == missing


def test_a_run_may_know_its_languages(tmp_path):
    run = RunDirectory.open(tiny_run(tmp_path))
    data = dataclasses.replace(DataConfig(max_length=32), src_lang="cs", tgt_lang="pl")
    run.save_config(dataclasses.replace(run.config, data=data))
    with client_of([run.path], []) as client:
        assert [each["code"] for each in client.get("/languages").json()] == ["cs", "pl"]
