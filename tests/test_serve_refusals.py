"""What the endpoints refuse, without a network."""

import json
import logging

import pytest
from serving import DE_EN, TEXT, client_of, error_of, post
from tiny import tiny_run

from translate.serve.limits import Limits
from translate.serve.observing import JsonFormatter


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("runs"), directions="both")


@pytest.fixture(scope="module")
def client(run):
    with client_of([run], limits=Limits(characters=2000, texts=20)) as client:
        yield client


@pytest.mark.parametrize("name", ["q", "source", "target"])
@pytest.mark.parametrize("value", [None, "", []])
def test_what_is_missing_is_named(client, name, value):
    fields = {"q": TEXT, **DE_EN, name: value}
    assert error_of(post(client, **fields)) == f"Invalid request: missing {name} parameter"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"q": 5}, "Invalid request: q: Input should be a valid string"),
        ({"q": ["x", None]}, "Invalid request: q: Input should be a valid string"),
        ({"q": {"a": "b"}}, "Invalid request: q: Input should be a valid string"),
        ({"source": ["de"]}, "Invalid request: source: Input should be a valid string"),
        ({"format": "pdf"}, "Invalid request: format: Input should be 'text' or 'html'"),
        ({"alternatives": "x"}, "Invalid request: alternatives: Input should be a valid integer"),
        ({"alternatives": -1}, "Invalid request: alternatives: Input should be greater than or equal to 0"),
        ({"alternatives": 11}, "Invalid request: alternatives parameter must be <= 10"),
        ({"source": "fr"}, "fr is not supported"),
        ({"target": "fr"}, "fr is not supported"),
        ({"source": "auto", "target": "fr"}, "fr is not supported"),
        ({"source": "de\r\nX-Evil: 1"}, "this language is not supported"),
        ({"target": "<script>"}, "this language is not supported"),
        ({"target": "de"}, "German (de) is not available as a target language from German (de)"),
        ({"q": "x" * 2001}, "Invalid request: request (2001) exceeds text limit (2000)"),
        ({"q": ["x"] * 21}, "Invalid request: request (21) exceeds text limit (20)"),
        ({"q": "word " * 400 + "x"}, "Invalid request: request (2001) exceeds text limit (2000)"),
    ],
)
def test_what_makes_no_sense_is_refused(client, fields, error):
    assert error_of(post(client, **{"q": TEXT, **DE_EN, **fields})).startswith(error)


@pytest.mark.parametrize(
    ("form", "body", "error"),
    [
        ("application/json", b"{", "the body is not JSON"),
        ("application/json", b"", "the body is not JSON"),
        ("application/json", b"[" * 50_000, "the body is not JSON"),
        ("application/json", b"[1]", "the body is JSON, but not an object"),
        ("application/json; charset=utf-8", b'{"q": "\xff"}', "not UTF-8"),
        ("application/json", rb'{"q": "\ud800", "source": "de", "target": "en"}', "not UTF-8"),
        ("application/x-www-form-urlencoded", b"q=\xff", "not UTF-8"),
        ("application/x-www-form-urlencoded", b"q=%ff", "not UTF-8"),
        ("application/x-www-form-urlencoded", b"q=a&" * 1001, "more than 1000 fields"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: \xff", "not UTF-8"),
        ("multipart/form-data; boundary=x", b"--x\r\nbroken", "missing q parameter"),
        ("text/plain", b"q=a", "missing q parameter"),
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_read_is_refused(client, form, body, error):
    response = client.post("/translate", content=body, headers={"Content-Type": form})
    assert error_of(response).startswith(f"Invalid request: {error}")


def test_a_multipart_form_without_its_boundary_is_refused(client):
    response = client.post("/translate", content=b"x", headers={"Content-Type": "multipart/form-data"})
    assert "boundary" in error_of(response)


def test_an_uploaded_file_is_no_text(client):
    response = client.post("/translate", data=DE_EN, files={"q": ("a.txt", b"Hund")})
    assert error_of(response) == "Too many files. Maximum number of files is 0."


def test_a_query_that_is_not_utf8_is_refused(client):
    assert error_of(client.post("/translate?q=%ff")) == "Invalid request: not UTF-8"


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/translate", 405), ("GET", "/nothing", 404)])
def test_other_paths_and_methods_have_the_same_shape_of_error(client, method, path, status):
    error_of(client.request(method, path), status)


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/translate/"), ("GET", "/languages/"), ("GET", "/page")]
)
def test_nobody_is_sent_to_another_host(client, method, path):
    response = client.request(method, path, headers={"Host": "evil.example"}, follow_redirects=False)
    error_of(response, 404)
    assert "location" not in response.headers


def test_what_is_as_large_as_it_may_be_is_answered(client):
    longest = "\U0001f600" * 2000
    body = json.dumps({"q": longest, **DE_EN}).encode()  # 12 bytes a character
    response = client.post("/translate", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 200


def test_a_body_that_is_too_large_is_refused(client):
    limit = Limits(characters=2000).body
    message = f"Invalid request: the body has more than {limit} bytes"
    response = client.post("/translate", content=b" " * (limit + 1))
    assert error_of(response, 413) == message
    assert response.headers["connection"] == "close"
    in_parts = (b" " * 1000 for _ in range(limit // 1000 + 1))  # its length is not declared
    assert error_of(client.post("/translate", content=in_parts), 413) == message


def test_a_hundred_thousand_words_are_refused(client):
    response = post(client, q="word " * 100_000, **DE_EN)
    assert error_of(response, 413).startswith("Invalid request: the body has more than")


def test_a_bug_is_an_answer_without_details(client, monkeypatch, caplog):
    def broken(self, asked):
        raise RuntimeError(f"about {asked.q}")

    monkeypatch.setattr("translate.serve.answers.Service.detect", broken)
    with caplog.at_level(logging.INFO, logger="translate"):
        assert error_of(post(client, "/detect", q="a secret"), 500) == "internal error"
    shown = "\n".join(JsonFormatter().format(record) for record in caplog.records)
    assert '"error": "RuntimeError"' in shown
    assert "in broken" in shown
    assert "secret" not in shown
