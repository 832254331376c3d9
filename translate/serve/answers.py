"""What the API answers with: the service behind the endpoints, from fields to translations."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from fastapi import HTTPException, Request

from translate.documents.document import Document, plain_text
from translate.documents.html import read_html
from translate.documents.projection import WordLinks
from translate.languages import Detection, Identifier, name_of
from translate.serve.batching import ClosedError, FullError
from translate.serve.limits import Keys, Limits, RateLimit
from translate.serve.models import Model, TooLongError
from translate.serve.observing import GONE, Metrics
from translate.serve.schemas import AlignRequest, DetectRequest, TranslateRequest


class Service:
    """Models, and the rules for asking them. Every refusal is an HTTPException."""

    def __init__(self, models: Sequence[Model], limits: Limits, keys: Keys, metrics: Metrics) -> None:
        self.models, self.limits, self.keys, self.metrics = models, limits, keys, metrics
        self.rates = RateLimit(limits.requests_per_minute)
        self.ways = {way: (model, way_back) for model in models for way, way_back in model.ways.items()}
        self.languages = list(dict.fromkeys(code for way in self.ways for code in way))
        self._identifiers: dict[tuple[str, ...], Identifier] = {}
        self.identifier(self.languages)  # loads what it needs
        for model in models:
            metrics.waiting.labels(model.run).set_function(partial(getattr, model.batcher, "waiting"))

    def identifier(self, codes: Sequence[str]) -> Identifier:
        """Return who tells these languages apart."""
        return self._identifiers.setdefault(tuple(codes), Identifier(codes))

    def targets(self, src: str) -> list[str]:
        """Languages that one can be translated to."""
        return [tgt for way_src, tgt in self.ways if way_src == src]

    def admit(self, request: Request, key: str | None) -> None:
        """Let a request in: its key is good if one is needed, and it has not been too many."""
        if self.keys and not key:
            raise HTTPException(400, "Please contact the server operator to get an API key")
        if self.keys and key and key not in self.keys:
            raise HTTPException(403, "Invalid API key")
        who = key if self.keys and key else request.client.host if request.client else ""
        if seconds := self.rates.seconds_to_wait(who):
            raise _slow_down(f"{self.limits.requests_per_minute} requests a minute are allowed", seconds)

    async def translate(self, request: Request, asked: TranslateRequest) -> dict[str, Any]:
        """Answer POST /translate."""
        texts = _texts(asked.q)
        self.check_size(texts)
        if asked.alternatives > self.limits.alternatives:
            raise HTTPException(
                400, f"Invalid request: alternatives parameter must be <= {self.limits.alternatives}"
            )
        detected = self._sources(texts, asked.source, asked.target)
        documents = [_read(text, is_html=asked.format == "html") for text in texts]
        of_way: dict[str, list[int]] = defaultdict(list)
        for number, found in enumerate(detected):
            of_way[found.language].append(number)
        chosen = {src: self._way(src, asked.target) for src in of_way}

        def submit(src: str) -> "Future[list[Any]]":
            model, backwards = chosen[src]
            lines = [line for number in of_way[src] for line in documents[number].texts()]
            return model.translate(lines, backwards=backwards, n_best=1 + asked.alternatives)

        answers = await self._wait(request, [partial(submit, src) for src in of_way])
        variants: dict[int, list[list[str]]] = {}  # of each text its translations, best first, as lines
        for numbers, found_lines in zip(of_way.values(), answers, strict=True):
            lines = iter(found_lines)
            for number in numbers:
                own = [next(lines) for _ in documents[number].texts()]
                most = max((len(each) for each in own), default=1)
                variants[number] = [[each[min(rank, len(each) - 1)] for each in own] for rank in range(most)]
        links = await self._links(request, documents, variants, of_way, chosen)
        results = [
            list(
                dict.fromkeys(
                    document.join(lines, links[number, rank]) for rank, lines in enumerate(variants[number])
                )
            )
            for number, document in enumerate(documents)
        ]
        answer: dict[str, Any] = {"translatedText": [found[0] for found in results]}
        if asked.source == "auto":
            answer["detectedLanguage"] = [found._asdict() for found in detected]
        if asked.alternatives:
            answer["alternatives"] = [found[1:] for found in results]
        return answer if isinstance(asked.q, list) else {name: values[0] for name, values in answer.items()}

    async def _links(
        self,
        request: Request,
        documents: Sequence[Document],
        variants: dict[int, list[list[str]]],
        of_way: dict[str, list[int]],
        chosen: "dict[str, tuple[Model, bool]]",
    ) -> dict[tuple[int, int], dict[int, WordLinks]]:
        """Return how the words of lines with inline markup are linked, of each document and translation."""
        links: dict[tuple[int, int], dict[int, WordLinks]] = defaultdict(dict)
        wanted: dict[str, list[tuple[int, int, int, tuple[str, str]]]] = defaultdict(list)
        for src, numbers in of_way.items():
            for number in numbers:
                texts, marked = documents[number].texts(), documents[number].marked()
                wanted[src] += [
                    (number, rank, line, (texts[line], lines[line]))
                    for rank, lines in enumerate(variants[number])
                    for line in range(len(texts))
                    if marked[line]
                ]

        def submit(src: str) -> "Future[list[WordLinks]]":
            model, backwards = chosen[src]
            return model.link([pair for *_, pair in wanted[src]], backwards=backwards)

        ways = [src for src in wanted if wanted[src]]
        if not ways:
            return links
        answers = await self._wait(request, [partial(submit, src) for src in ways])
        for src, found in zip(ways, answers, strict=True):
            for (number, rank, line, _), each in zip(wanted[src], found, strict=True):
                links[number, rank][line] = each
        return links

    async def align(self, request: Request, asked: AlignRequest) -> Any:
        """Answer POST /align."""
        self.check_size([asked.src, asked.tgt or ""])
        found = self._sources([asked.src], asked.source, asked.target)[0]
        model, backwards = self._way(found.language, asked.target)
        tgt = asked.tgt
        if tgt is None:
            [[best]] = await self._wait(
                request, [lambda: model.translate([asked.src], backwards=backwards, n_best=1)]
            )
            tgt = best[0]
        pair = asked.src, tgt
        [[aligned]] = await self._wait(
            request, [lambda: model.align(pair, backwards=backwards, level=asked.level)]
        )
        return aligned

    def detect(self, asked: DetectRequest) -> list[dict[str, Any]]:
        """Answer POST /detect, of the texts together."""
        texts = _texts(asked.q)
        self.check_size(texts)
        found = self.identifier(self.languages).detect("\n".join(texts))
        return [each._asdict() for each in found or [Detection(self.languages[0], 0.0)]]

    def check_size(self, texts: Sequence[str]) -> None:
        """Refuse too many or too long texts."""
        characters = sum(map(len, texts))
        for size, limit in ((len(texts), self.limits.texts), (characters, self.limits.characters)):
            if size > limit:
                raise HTTPException(400, f"Invalid request: request ({size}) exceeds text limit ({limit})")
        self.metrics.characters.inc(characters)

    def named(self, code: str) -> dict[str, str]:
        """A language as the API shows it."""
        return {"code": code, "name": name_of(code)}

    def _sources(self, texts: Sequence[str], source: str, target: str) -> list[Detection]:
        if source != "auto":
            return [Detection(source, 100.0)] * len(texts)
        codes = [src for src, tgt in self.ways if tgt == target]
        if not codes:
            raise HTTPException(400, f"{_quoted(target)} is not supported")
        identifier = self.identifier(codes)
        unknown = [Detection(codes[0], 0.0)]
        together = identifier.detect("\n".join(texts)) or unknown
        return [(identifier.detect(text) or together)[0] for text in texts]

    def _way(self, src: str, tgt: str) -> tuple[Model, bool]:
        for code in (src, tgt):
            if code not in self.languages:
                raise HTTPException(400, f"{_quoted(code)} is not supported")
        if (src, tgt) not in self.ways:
            raise HTTPException(
                400,
                f"{name_of(tgt)} ({tgt}) is not available as a target language from {name_of(src)} ({src})",
            )
        return self.ways[src, tgt]

    async def _wait(self, request: Request, submits: Sequence[Callable[[], "Future[Any]"]]) -> list[Any]:
        """Submit jobs and wait for all results, as long as somebody waits for them."""
        futures: list[asyncio.Future[Any]] = []
        gone = asyncio.ensure_future(_until_gone(request))
        try:
            for submit in submits:
                futures.append(asyncio.wrap_future(submit()))
            answer = asyncio.ensure_future(asyncio.wait(futures))
            async with asyncio.timeout(self.limits.seconds):
                await asyncio.wait([gone, answer], return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise HTTPException(GONE, "nobody waits for the answer")
            return [future.result() for future in futures]
        except FullError as error:
            raise _slow_down("too much is waiting", error.seconds) from None
        except ClosedError:
            raise HTTPException(503, "the server is stopping") from None
        except TooLongError as error:
            raise HTTPException(400, f"Invalid request: {error}") from None
        except TimeoutError:
            raise HTTPException(504, f"not done within {self.limits.seconds:g} seconds") from None
        finally:
            for waiting in (gone, *futures):
                waiting.cancel()


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _slow_down(why: str, seconds: int) -> HTTPException:
    return HTTPException(429, f"Slowdown: {why}", headers={"Retry-After": str(seconds)})


def _texts(q: str | list[str]) -> list[str]:
    return q if isinstance(q, list) else [q]


def _quoted(code: str) -> str:
    """Return a code as it came, but for what no code has: it goes into a message."""
    return code if code.replace("-", "").replace("_", "").isalnum() and len(code) < 30 else "this language"


def _read(text: str, *, is_html: bool) -> Document:
    return read_html(text) if is_html else plain_text(text)
