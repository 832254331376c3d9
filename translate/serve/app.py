"""The HTTP application: its endpoints, and what every request passes through."""

import asyncio
import contextlib
import mimetypes
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.middleware.cors import CORSMiddleware

from translate import __version__
from translate.serve.answers import Service
from translate.serve.fields import read_request
from translate.serve.limits import BodyLimit
from translate.serve.observing import Observe
from translate.serve.schemas import (
    PROBLEMS,
    Aligned,
    AlignRequest,
    Detected,
    DetectRequest,
    FrontendSettings,
    Keyed,
    Language,
    State,
    Translated,
    TranslateRequest,
    described,
)

PAGE = Path(__file__).with_name("page")
# What a browser refuses under any other name, and what some systems call otherwise.
mimetypes.add_type("text/javascript", ".js")

router = APIRouter()

Asked = TypeVar("Asked", bound=Keyed)
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def create_app(service: Service, cors: Sequence[str] = (), refresh_seconds: float = 5.0) -> FastAPI:
    """Make the application.

    Args:
        service: answers.
        cors: origins whose pages may ask.
        refresh_seconds: how often is looked whether a run has changed; 0: never.
    """

    @contextlib.asynccontextmanager
    async def live(app: FastAPI) -> AsyncIterator[None]:
        refreshing = asyncio.create_task(_refresh(service, refresh_seconds))
        yield
        refreshing.cancel()
        for model in service.models:  # those who wait have their answers by now, or have given up
            await asyncio.to_thread(model.batcher.close)

    # No pages that show the description: they load their parts from other hosts.
    # No redirects: they would lead to whatever host the request named.
    app = FastAPI(
        title="seq2see",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=live,
    )
    app.state.service = service
    app.include_router(router)
    app.add_exception_handler(AnyHTTPException, _problem)
    app.add_middleware(BodyLimit, limits=service.limits)
    if cors:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(cors),
            allow_methods=["GET", "POST"],
            allow_headers=["Content-Type"],
        )
    app.add_middleware(Observe, metrics=service.metrics)
    # Not at /: it would take what is not there, and wrong methods, from the API.
    app.mount("/page", StaticFiles(directory=PAGE))
    return app


@router.get("/", include_in_schema=False)
async def page() -> FileResponse:
    """The page; what it needs is below /page."""
    return FileResponse(PAGE / "index.html")


def _post(path: str, asked: type[Keyed], answer: Any, summary: str) -> Callable[[Endpoint], Endpoint]:
    """Declare an endpoint that reads its fields itself, wherever they are."""
    return router.post(
        path, response_model=answer, responses=PROBLEMS, openapi_extra=described(asked), summary=summary
    )


@_post("/translate", TranslateRequest, Translated, "Translate texts")
async def translate(request: Request) -> Response:
    """As LibreTranslate's."""
    service, asked = await _admit(request, TranslateRequest)
    return JSONResponse(await service.translate(request, asked))


@_post("/detect", DetectRequest, list[Detected], "Say which of the languages served a text is in")
async def detect(request: Request) -> Response:
    """As LibreTranslate's."""
    service, asked = await _admit(request, DetectRequest)
    return JSONResponse(service.detect(asked))


@_post("/align", AlignRequest, Aligned, "Show which source words each target word came from")
async def align(request: Request) -> Response:
    """Links and weights of one pair."""
    service, asked = await _admit(request, AlignRequest)
    return JSONResponse(await service.align(request, asked))


@router.get("/languages", response_model=list[Language], summary="List the languages")
async def languages(request: Request) -> list[dict[str, Any]]:
    """As LibreTranslate's."""
    service = _service(request)
    return [service.named(code) | {"targets": service.targets(code)} for code in service.languages]


@router.get("/frontend/settings", response_model=FrontendSettings, summary="Say what a page wants to know")
async def frontend_settings(request: Request) -> dict[str, Any]:
    """As LibreTranslate's."""
    service = _service(request)
    src, tgt = next(iter(service.ways))
    return {
        "charLimit": service.limits.characters,
        "frontendTimeout": 250,
        "apiKeys": bool(service.keys),
        "keyRequired": bool(service.keys),
        "suggestions": False,
        "filesTranslation": False,
        "supportedFilesFormat": [],
        "language": {"source": service.named(src), "target": service.named(tgt)},
    }


@router.get("/health", response_model=State, summary="Say that the server lives")
async def health() -> dict[str, str]:
    """Whether it answers at all."""
    return {"status": "ok"}


@router.get("/ready", response_model=State, responses={503: {"model": State}}, summary="Say if it translates")
async def ready(request: Request) -> Response:
    """Whether every model takes texts."""
    alive = all(model.batcher.alive for model in _service(request).models)
    return JSONResponse({"status": "ok" if alive else "stopping"}, 200 if alive else 503)


@router.get("/metrics", response_class=Response, summary="Show numbers for Prometheus")
async def metrics(request: Request) -> Response:
    """In Prometheus' text format."""
    return Response(_service(request).metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def _admit(request: Request, kind: type[Asked]) -> tuple[Service, Asked]:
    """Read what is asked for, and let it in."""
    service = _service(request)
    asked = await read_request(request, kind)
    service.admit(request, asked.api_key)
    return service, asked


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def _problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, AnyHTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


async def _refresh(service: Service, seconds: float) -> None:
    while seconds:
        await asyncio.sleep(seconds)
        for model in service.models:
            await asyncio.to_thread(model.refresh)
