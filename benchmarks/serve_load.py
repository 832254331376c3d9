"""Measure `seq2see serve` under load: throughput and latency, then twice as much as it can do; one JSON.

    python benchmarks/serve_load.py --run runs/multi30k_transformer --languages de-en --src test.de

One after another, 1, 8 and 64 clients ask for a sentence each, and again as soon as they have it. What the
last of them get done a second is the capacity. Then, for --minutes, requests come at twice that rate, whether
the ones before are answered or not: every one has to be answered, with a translation or with 429, and the
server's anonymous memory (Linux) should be at the end what it was at the beginning. Each request has a
connection of its own.
"""

import argparse
import asyncio
import collections
import itertools
import json
import platform
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple

from measuring import fingerprint, machine, save
from memory import anonymous

from translate.text_files import read_lines

RESULTS = Path(__file__).parent / "results" / "serve_load.json"


class Answer(NamedTuple):
    status: int  # 0: there was none
    seconds: float


class Server(NamedTuple):
    process: "subprocess.Popen[str]"
    host: str
    port: int
    drain: threading.Thread  # reads its log

    def stop(self) -> int:
        """Let it end in good order; its exit code."""
        assert self.process.stderr is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait()
        self.drain.join()
        self.process.stderr.close()
        return code

    async def ask(self, body: bytes) -> Answer:
        """Ask for one translation."""
        started = time.perf_counter()
        try:
            reader, writer = await asyncio.open_connection(self.host, self.port)
            writer.write(
                b"POST /translate HTTP/1.1\r\nHost: server\r\nContent-Type: application/json\r\n"
                b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
            )
            received = await reader.read()
            writer.close()
            head, _, answer = received.partition(b"\r\n\r\n")
            status = int(head.split(maxsplit=2)[1])
            whole = "translatedText" in json.loads(answer) if status == 200 else True
        except (OSError, IndexError, ValueError):
            status, whole = 0, True
        return Answer(status if whole else 0, time.perf_counter() - started)


def start(options: argparse.Namespace) -> Server:
    """Start the server, and wait until it listens."""
    command = [sys.executable, "-m", "seq2see", "serve", str(options.run), "--languages", options.languages]
    flags = ["--port", "0", "--threads", str(options.threads), "--engine", options.engine]
    process = subprocess.Popen([*command, *flags], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("{") and "url" in (record := json.loads(line)):
            host, port = record["url"].removeprefix("http://").split(":")
            break
        sys.stderr.write(line)
    else:
        sys.exit(process.wait())
    drain = threading.Thread(target=collections.deque, args=(process.stderr, 0))  # a full pipe would stop it
    drain.start()
    return Server(process, host, int(port), drain)


async def keep_asking(
    server: Server, bodies: Iterator[bytes], clients: int, seconds: float
) -> dict[str, Any]:
    """Let clients ask one request after the other for some seconds."""
    answers: list[Answer] = []
    started = time.perf_counter()

    async def client() -> None:
        for number in itertools.count():
            if number > 1 and time.perf_counter() - started >= seconds:  # two make a distribution
                break
            answers.append(await server.ask(next(bodies)))

    await asyncio.gather(*(client() for _ in range(clients)))
    return {"clients": clients, **summary(answers, time.perf_counter() - started)}


async def flood(server: Server, bodies: Iterator[bytes], rate: float, seconds: float) -> dict[str, Any]:
    """Ask at a rate for some seconds, and wait for all answers."""
    asked: list[asyncio.Task[Answer]] = []
    memory: list[int] = []
    started = time.perf_counter()
    while (now := time.perf_counter() - started) < seconds:
        while len(asked) < now * rate:
            asked.append(asyncio.create_task(server.ask(next(bodies))))
        if len(memory) <= now:  # once a second
            memory.append(anonymous(server.process.pid))
        await asyncio.sleep(0.005)
    answers = await asyncio.gather(*asked)
    quarter = max(1, len(memory) // 4)
    return {
        "requests_per_second_asked": round(rate, 1),
        **summary(answers, time.perf_counter() - started),
        # Not the first quarter: at first memory grows with the queue.
        "memory_second_quarter_kib": round(median(memory[quarter : 2 * quarter] or memory)),
        "memory_last_quarter_kib": round(median(memory[-quarter:])),
        "alive": server.process.poll() is None,
    }


def summary(answers: list[Answer], seconds: float) -> dict[str, Any]:
    """Say how many were answered how, and how fast the translations came."""
    times = sorted(answer.seconds for answer in answers if answer.status == 200)
    found: dict[str, Any] = {
        "seconds": round(seconds, 2),
        "answers": dict(collections.Counter(str(answer.status) for answer in answers)),
        "requests_per_second": round(len(times) / seconds, 2),
    }
    if len(times) > 1:
        cuts = quantiles(times, n=100, method="inclusive")
        found |= {f"p{percent}_ms": round(1000 * cuts[percent - 1], 1) for percent in (50, 95, 99)}
    return found


async def measure(options: argparse.Namespace, server: Server, lines: list[str]) -> dict[str, Any]:
    """Do all measurements."""
    src, tgt = options.languages.split("-")
    texts = [json.dumps({"q": line, "source": src, "target": tgt}).encode() for line in lines if line.strip()]
    bodies = itertools.cycle(texts)
    await keep_asking(server, bodies, 1, min(2.0, options.seconds))  # what is made once is not measured
    rows = [await keep_asking(server, bodies, clients, options.seconds) for clients in options.clients]
    rate = 2 * float(rows[-1]["requests_per_second"])
    return {"load": rows, "overload": await flood(server, bodies, rate, 60 * options.minutes)}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--run", type=Path, required=True, help="run directory of the model")
    parser.add_argument("--languages", required=True, help="its languages, such as de-en")
    parser.add_argument("--src", type=Path, required=True, help="sentences, one a line")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64], help="default: 1 8 64")
    parser.add_argument("--seconds", type=float, default=60, help="for each number of clients (default: 60)")
    parser.add_argument("--minutes", type=float, default=10, help="of twice the capacity (default: 10)")
    parser.add_argument("--threads", type=int, default=1, help="of the server's engine (default: 1)")
    parser.add_argument("--engine", default="auto", help="auto, torch or ctranslate2 (default: auto)")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    if platform.system() != "Linux":
        sys.exit(f"{platform.system()} does not say what a process holds: measure on Linux")
    lines = read_lines(options.src)
    server = start(options)
    try:
        measured = asyncio.run(measure(options, server, lines))
    finally:
        code = server.stop()
    settings = {name: getattr(options, name) for name in ("languages", "threads", "engine")}
    about = {
        "machine": machine(),
        "settings": settings,
        "sentences": len(lines),
        "weights_sha256": fingerprint(options.run / "model.safetensors"),
        "exit_code": code,
    }
    save(options.results, about | measured)
    print(json.dumps(measured, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
