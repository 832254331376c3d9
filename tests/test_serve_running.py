"""Limits of time, place and persons; logs and numbers; runs that change."""

import asyncio
import dataclasses
import json
import logging
import threading

import pytest
import torch
from serving import DE_EN, TEXT, Held, client_of, error_of, make_app, post
from starlette.testclient import TestClient
from tiny import TRANSFORMER, tiny_run

from translate.config.data import DataConfig
from translate.config.search import SearchConfig
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


LONG = "Ein Hund läuft über die Wiese. " * 12  # in one line: more than a model takes at once


def submit_held(run, monkeypatch):
    """A model with batches of 40 pieces that has begun to compute a long line, of which it has several."""
    app = make_app([run])
    held = Held(app, monkeypatch)
    monkeypatch.setattr(held.model.batcher, "_budget", 40)
    long = held.model.translate([LONG], backwards=False, n_best=1)
    assert held.begun.wait(20)
    return held, long


def test_a_long_line_holds_up_no_short_one(run, expected, monkeypatch):
    held, long = submit_held(run, monkeypatch)
    short = held.model.translate([TEXT, ""], backwards=False, n_best=1)
    done = []
    for name, future in (("long", long), ("short", short)):
        future.add_done_callback(lambda _, name=name: done.append(name))
    held.go_on.set()
    assert long.result(200) == [[expected(LONG)]]
    assert short.result(200) == [[expected(TEXT)], [""]]
    assert done == ["short", "long"]
    held.model.batcher.close()


def test_of_a_long_line_that_is_given_up_no_more_is_computed(run, expected, monkeypatch):
    held, long = submit_held(run, monkeypatch)
    assert long.cancel()
    assert held.model.batcher.waiting == 0
    held.go_on.set()
    assert held.model.translate([TEXT], backwards=False, n_best=1).result(200) == [[expected(TEXT)]]
    assert len(held.batches) == 2
    held.model.batcher.close()


def test_what_waits_while_a_run_changes_is_translated_by_the_run_that_it_came_to(tmp_path, monkeypatch):
    run = RunDirectory.open(tiny_run(tmp_path))
    app = make_app([run.path])
    held = Held(app, monkeypatch)
    before = Translator(run.path).translate([TEXT])[0].text
    old = [held.model.translate([TEXT], backwards=False, n_best=1) for _ in range(2)]
    assert held.begun.wait(20)
    model = run.load_model()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    run.save_weights(model, run.tokenizers())
    assert held.model.refresh()
    new = held.model.translate([TEXT], backwards=False, n_best=1)
    held.go_on.set()
    assert [future.result(200) for future in old] == [[[before]]] * 2
    assert new.result(200) == [[Translator(run.path).translate([TEXT])[0].text]] != [[before]]
    held.model.batcher.close()


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
        assert "has changed, but is served as it was, for: " in caplog.text
        run.weights_path.unlink()
        assert not model.refresh()
        assert post(client, q=TEXT, **DE_EN).json() == before
        run.weights_path.write_bytes(whole)
        assert model.refresh()
        assert post(client, q=TEXT, **DE_EN).json() == before


def test_what_commands_write_into_a_run_is_served_too(tmp_path):
    from translate.alignment.choose import Choice, save_choice
    from translate.alignment.extract import choose_attention
    from translate.export.ctranslate2_model import export_ctranslate2

    run = RunDirectory.open(tiny_run(tmp_path, model=TRANSFORMER))
    with client_of([run.path], refresh_seconds=0.0) as client:
        model = client.app.state.service.models[0]
        asked = {"src": TEXT, "tgt": "A dog.", **DE_EN}
        assert "chosen" not in post(client, "/align", **asked).json()["attention"]
        save_choice(run, Choice(choose_attention(run.config.model), 0.9, "by hand", 0.5, 7))
        assert model.refresh()
        assert "chosen on 7 pairs" in post(client, "/align", **asked).json()["attention"]
        run.save_config(dataclasses.replace(run.config, search=SearchConfig(beam_size=3)))  # as tune does
        assert model.refresh()
        assert model.translator.config.search.beam_size == 3
        export_ctranslate2(run)
        assert model.refresh()
        assert model.translator.engine.name == "ctranslate2"
        assert post(client, q=TEXT, **DE_EN).status_code == 200
        (run.path / "metrics.csv").write_text("")
        assert not model.refresh()


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
