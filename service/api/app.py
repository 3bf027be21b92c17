"""The application: routes, layers around them, and what it holds while it runs."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import structlog
from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from prometheus_client import CollectorRegistry
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from dualtrack.errors import DualtrackError
from service.api import problems
from service.api.auth import require_key
from service.api.deps import UploadSlots
from service.api.intake.pace import SlowBodies
from service.api.layers.compression import CompressionMiddleware
from service.api.layers.forwarded import ForwardedMiddleware
from service.api.layers.head import HeadMiddleware
from service.api.layers.origins import OriginMiddleware
from service.api.metrics.api import ApiMetrics
from service.api.middleware import FaultMiddleware, LingeringCloseMiddleware, RequestMiddleware
from service.api.openapi import document
from service.api.problems import RequestProblem
from service.api.routes import artifacts, docs, health, jobs, models, page, results, videos
from service.settings import Settings
from service.wiring import open_parts, watched

log = structlog.get_logger("dualtrack.api")

MAX_UPLOADS = 16
CORS_METHODS = ("GET", "HEAD", "POST", "DELETE")
CORS_REQUEST_HEADERS = (
    "Authorization",
    "Content-Disposition",
    "Content-Type",
    "Idempotency-Key",
    "If-None-Match",
    "Range",
    "X-Request-ID",
)
CORS_ANSWER_HEADERS = (
    "Content-Disposition",
    "Content-Range",
    "Deprecation",
    "ETag",
    "Idempotency-Replayed",
    "Location",
    "Retry-After",
    "Warning",
    "X-Request-ID",
)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
SUMMARY = "Online video instance segmentation: send a video, receive instance tubelets."
DESCRIPTION = """\
Upload a video (`POST /v1/videos`), create a job (`POST /v1/jobs`), wait for it (`GET /v1/jobs/{job_id}?wait=60`) and
download its result (`GET /v1/jobs/{job_id}/result`). A *tubelet* is one object over the video: its category, its score
and its mask in every frame. The overlay, the video with the objects drawn on it, is an *artifact* of the job: it is
drawn after the job is done, and its failure does not affect the result.

Errors are problems (RFC 9457, `application/problem+json`) with a stable `code`.
"""


def create_app(settings: Settings) -> FastAPI:
    """The application for `settings`; its lifespan opens and closes everything that it needs.

    `state.failure` is the error that ended the lifespan's start, if one did; `state.leaving` and `state.stopping` are
    for the server to set.

    Raises:
        ConfigurationError: others can reach it, and it has no key.
    """
    settings.require_key()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
        async with AsyncExitStack() as stack:
            try:
                parts = await stack.enter_async_context(open_parts(settings))
            except DualtrackError as error:
                app.state.failure = error
                raise
            readiness = await stack.enter_async_context(watched(parts))
            slots, slow = UploadSlots(MAX_UPLOADS), SlowBodies()
            yield {"parts": parts, "slots": slots, "slow": slow, "readiness": readiness}

    metrics = ApiMetrics(CollectorRegistry())
    app = FastAPI(
        title="dualtrack",
        version=_version(),
        summary=SUMMARY,
        description=DESCRIPTION,
        lifespan=lifespan,
        generate_unique_id_function=document.operation_id,
        docs_url=None,  # FastAPI's page loads from a CDN; ours is in routes/docs
        redoc_url=None,
    )
    app.state.metrics, app.state.failure = metrics, None
    app.state.leaving, app.state.stopping = asyncio.Event(), asyncio.Event()
    _add_layers(app, settings, metrics)
    for router in (videos.router, jobs.router, results.router, artifacts.router, models.router):
        app.include_router(router, dependencies=[Depends(require_key)])
    for router in (health.router, docs.router, page.router):
        app.include_router(router)
    handle_errors(app)
    document.install(app, has_key=settings.api_key is not None)
    return app


def _add_layers(app: FastAPI, settings: Settings, metrics: ApiMetrics) -> None:
    """The layers around the routes, innermost first."""
    app.add_middleware(HeadMiddleware)
    app.add_middleware(CompressionMiddleware)
    # within the next: a page of another origin may read of a fault, too
    app.add_middleware(FaultMiddleware)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=CORS_METHODS,
            allow_headers=CORS_REQUEST_HEADERS,
            expose_headers=CORS_ANSWER_HEADERS,
        )
    # a wildcard address is no name that a request could have
    hosts = {settings.host} - {"0.0.0.0", "::"}  # noqa: S104 (compared, not bound)
    app.add_middleware(
        OriginMiddleware,
        hosts=({*settings.allowed_hosts} | hosts) if settings.allowed_hosts or settings.api_key is None else (),
        origins=settings.cors_origins,
        has_key=settings.api_key is not None,
    )
    # around all that refuse or rewrite: an answer that it has delayed looks like a stream to the compression
    app.add_middleware(LingeringCloseMiddleware)
    app.add_middleware(RequestMiddleware, metrics=metrics)
    app.add_middleware(ForwardedMiddleware, trusted=settings.trusted_proxies, root_path=settings.root_path)


def handle_errors(app: FastAPI) -> None:
    """Make `app` answer every error with its problem."""

    async def on_error(request: Request, error: DualtrackError) -> Response:
        problem = problems.of_error(error)
        if problem.status == 500:
            log.error("request failed", path=request.url.path, code=error.code, detail=error.detail)
        return problems.response(problem, request.scope)

    async def on_request_problem(request: Request, error: RequestProblem) -> Response:
        return problems.response(error.problem, request.scope)

    async def on_validation(request: Request, error: RequestValidationError) -> Response:
        return problems.response(problems.of_validation(error), request.scope)

    async def on_http(request: Request, error: HTTPException) -> Response:
        problem = problems.of_http(error)
        if error.status_code == 405:
            problem = problems.of_status(405, "", headers={"Allow": _allowed(request.app, request.scope)})
        return problems.response(problem, request.scope)

    app.exception_handler(DualtrackError)(on_error)
    app.exception_handler(RequestProblem)(on_request_problem)
    app.exception_handler(RequestValidationError)(on_validation)
    app.exception_handler(HTTPException)(on_http)


def _allowed(app: FastAPI, scope: Scope) -> str:
    """All methods of the path: the framework names only those of the first route that has it, and HEAD runs as GET."""
    routes = app.router.routes
    found = [
        method
        for method in METHODS
        for routed in ("GET" if method == "HEAD" else method,)
        if any(route.matches({**scope, "method": routed})[0] is Match.FULL for route in routes)
    ]
    return ", ".join(found)


def _version() -> str:
    try:
        return version("dualtrack")
    except PackageNotFoundError:
        return "0"
