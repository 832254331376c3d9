"""A real server on a local port: clients from PyPI, and those who send slowly, too much or nonsense."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from deep_translator import LibreTranslator
from deep_translator.exceptions import AuthorizationException
from libretranslatepy import LibreTranslateAPI
from serving import DE_EN, TEXT, Held, make_app, real_server, talk
from tiny import tiny_run

from translate.errors import UsageError
from translate.serve import server
from translate.serve.limits import Limits
from translate.serve.server import listen
from translate.translator import Translator

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("runs"), directions="both")


@pytest.fixture(scope="module")
def expected(run):
    return Translator(run).translate([TEXT])[0].text


@pytest.fixture(scope="module")
def address(run):
    app = make_app([run], keys=["a key"], limits=Limits(body_seconds=0.5))
    before, server.HEADER_SECONDS = server.HEADER_SECONDS, 0.5
    with real_server(app) as address:
        yield address
    server.HEADER_SECONDS = before


def url(address):
    return "http://{}:{}/".format(*address)


def status_of(answer: bytes) -> int:
    return int(answer.split()[1])


def test_libretranslatepy_works_unchanged(address, expected):
    client = LibreTranslateAPI(url(address), api_key="a key")
    assert client.translate(TEXT, "de", "en") == expected
    assert client.translate(TEXT, "auto", "en") == expected
    assert client.detect(TEXT)[0]["language"] == "de"
    assert [language["code"] for language in client.languages()] == ["de", "en"]
    with pytest.raises(urllib.error.HTTPError) as refused:
        LibreTranslateAPI(url(address), api_key="no").translate(TEXT, "de", "en")
    assert refused.value.code == 403
    refused.value.close()


def test_deep_translator_works_unchanged(address, expected):
    client = LibreTranslator(source="de", target="en", api_key="a key", custom_url=url(address))
    assert client.translate(TEXT) == expected
    assert client.translate_batch([TEXT, TEXT]) == [expected, expected]
    with pytest.raises(AuthorizationException):
        LibreTranslator(source="de", target="en", api_key="no", custom_url=url(address)).translate(TEXT)


def test_a_body_of_100_megabytes_is_refused_before_it_is_sent(address):
    head = b"POST /translate HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n"
    answer = talk(address, head)
    assert status_of(answer) == 413
    assert b'{"error":"Invalid request: the body has more than' in answer


def test_of_a_body_of_unknown_length_no_more_is_read_than_is_allowed(address):
    head = b"POST /translate HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    answer = talk(address, head, *[chunk] * 8)
    assert status_of(answer) == 413


@pytest.mark.parametrize(
    "sent",
    [
        [],
        [b"POST /translate HT"],
        [b"GET /languages HTTP/1.1\r\nHost: x\r\nX: "],
        [b"GET /languages HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /la"],
    ],
)
def test_headers_that_do_not_come_in_time_close_the_connection(address, sent):
    answer = talk(address, *sent)  # comes back at all
    assert answer.count(b"HTTP/1.1") == (2 if len(sent) == 3 else int(len(sent) == 2))


def test_headers_that_come_byte_by_byte_do_not_keep_it_open(address):
    def slowly():
        for _ in range(200):
            time.sleep(0.02)
            yield b"x"

    begun = time.monotonic()
    talk(address, b"GET / HTTP/1.1\r\nX: ", *slowly())
    assert time.monotonic() - begun < 100  # it came to an end


def test_a_body_that_does_not_come_in_time_is_refused(address):
    answer = talk(address, b"POST /translate HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
    assert status_of(answer) == 408
    assert b'{"error":"the request\'s body was not there within 0.5 seconds"}' in answer


def test_what_is_no_http_is_refused(address):
    assert status_of(talk(address, b"\x00\xff\r\n\r\n")) == 400
    long = b"GET /?q=" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n"
    assert status_of(talk(address, long)) == 400


def test_headers_cannot_be_injected(address):
    evil = "de%0d%0aX-Evil:%201"
    line = f"POST /translate?q=x&source={evil}&target={evil}&api_key=a%20key HTTP/1.1\r\n".encode()
    answer = talk(address, line + b"Host: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    assert status_of(answer) == 400
    assert b"x-evil" not in answer.lower()


def test_who_closes_the_connection_takes_his_texts_with_him(run, monkeypatch):
    app = make_app([run])
    held = Held(app, monkeypatch)
    body = json.dumps({"q": TEXT, **DE_EN}).encode()
    head = b"POST /translate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    request = head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    with real_server(app) as address:
        with socket.create_connection(address) as first:
            first.sendall(request)
            assert held.begun.wait(20)
            with socket.create_connection(address) as second:
                second.sendall(request)
                wait_for(lambda: held.model.batcher.waiting)
            wait_for(lambda: not held.model.batcher.waiting)
            held.go_on.set()
            assert status_of(first.recv(65_536)) == 200
        wait_for(lambda: 'path="/translate",status="499"} 1.0' in get(f"{url(address)}metrics"))


def wait_for(fact):
    end = time.monotonic() + 60
    while not fact():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_port_that_is_taken_is_named(address):
    with pytest.raises(UsageError, match=rf"cannot listen on 127.0.0.1, port {address[1]} \(.+\): choose"):
        listen(*address)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without asking it")
@pytest.mark.parametrize(("told", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_told_to_stop_it_answers_what_it_has_accepted(run, tmp_path, told, code):
    command = [sys.executable, "-m", "seq2see", "serve", str(run), "--languages", "de-en", "--port", "0"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, stderr=log, stdout=subprocess.PIPE)
    try:
        lines = []
        while not lines and process.poll() is None:
            lines = [line for line in (tmp_path / "log").read_text().splitlines() if '"serving"' in line]
            time.sleep(0.05)
        where = json.loads(lines[0])["url"]
        wait_until_ready(f"{where}/ready")
        many = json.dumps({"q": [f"Hund {n} " * 20 for n in range(100)], **DE_EN}).encode()
        request = urllib.request.Request(f"{where}/translate", many, {"Content-Type": "application/json"})
        answers = []

        def ask():
            with urllib.request.urlopen(request, timeout=100) as response:
                answers.append(json.loads(response.read()))

        asking = threading.Thread(target=ask)
        asking.start()
        while "seq2see_waiting_tokens" not in (numbers := get(f"{where}/metrics")) or (
            "seq2see_characters_total 0.0" in numbers
        ):
            pass
        process.send_signal(told)
        asking.join()
        assert len(answers[0]["translatedText"]) == 100
        assert process.wait(100) == code
        assert process.stdout.read() == b""
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    log = (tmp_path / "log").read_text()
    assert "Traceback" not in log
    shown = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert any(line.get("path") == "/translate" and line["status"] == 200 for line in shown)
    assert "Hund" not in log


def get(address: str) -> str:
    with urllib.request.urlopen(address, timeout=20) as response:
        return response.read().decode()


def wait_until_ready(address: str) -> None:
    while True:
        try:
            return json.loads(get(address))["status"] == "ok"
        except urllib.error.URLError:
            time.sleep(0.05)
