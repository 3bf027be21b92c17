"""Around every request: its id, its log line, its metrics, every error a problem, and an answer that arrives."""

import asyncio
import re
import secrets
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dualtrack.errors import Unavailable
from service.api import problems
from service.api.layers.forwarded import with_prefix
from service.api.metrics.api import ApiMetrics

REQUEST_ID = re.compile(r"^[A-Za-z0-9._\-]{1,64}$")
CLIENT_CLOSED = 499
"""What metrics and log say of a client that went away; no answer carries it."""
UNMATCHED = "unmatched"
SHOWN = 200
"""Most characters of a path in the log."""
STOPPING = Unavailable("service: it is being restarted", retry_after_s=1)
DRAIN_BYTES = 4 * 1024 * 1024
DRAIN_S = 1.0
"""So much of a body that is not wanted is read before the connection is closed."""


class RequestMiddleware:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, *, metrics: ApiMetrics) -> None:
        self._app = app
        self._metrics = metrics
        self._log = structlog.get_logger("dualtrack.api")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope))
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _Answer(scope, send, request_id)
        start = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, answer.send)
            except ClientDisconnect:
                answer.status = CLIENT_CLOSED
            except Exception:  # noqa: BLE001 (the process's border: a fault becomes a 500 and a log entry, never silence)
                self._log.exception("request failed", method=scope["method"], route=_route(scope))
                await answer.fail(receive, problems.internal())
            except asyncio.CancelledError:
                # the process stops and has waited long enough
                await answer.fail(receive, problems.of_error(STOPPING))
            finally:
                self._observe(scope, answer, time.perf_counter() - start)

    def _observe(self, scope: Scope, answer: "_Answer", seconds: float) -> None:
        route = _route(scope)
        self._metrics.observe(scope["method"], route, answer.status, seconds)
        if route not in {"/livez", "/readyz", "/metrics"}:
            # a route has no id in its name; what matches none is for finding out who tries what
            unmatched = {"path": scope["path"][:SHOWN], "client": _client(scope)} if route == UNMATCHED else {}
            self._log.info(
                "request",
                method=scope["method"],
                route=route,
                status=answer.status,
                seconds=round(seconds, 4),
                **unmatched,
            )


class FaultMiddleware:
    """Answers for an application that failed or was cut off, inside the layers that add headers to every answer.

    An answer that has begun can't be replaced: `RequestMiddleware` gets the exception.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._log = structlog.get_logger("dualtrack.api")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except ClientDisconnect:
            raise
        except Exception:
            if started or scope["type"] != "http":
                raise
            self._log.exception("request failed", method=scope["method"], route=_route(scope))
            await problems.response(problems.internal(), scope)(scope, receive, send)
        except asyncio.CancelledError:
            if started or scope["type"] != "http":
                raise
            await problems.response(problems.of_error(STOPPING), scope)(scope, receive, send)


class _Answer:
    """Watches one answer: adds the request id and turns plain-text errors of the framework into problems."""

    def __init__(self, scope: Scope, send: Send, request_id: str) -> None:
        self._scope = scope
        self._send = send
        self._request_id = request_id
        self._started = False
        self._replaced = False
        self.status = 500

    async def send(self, message: Message) -> None:
        """The `send` that the application gets."""
        if message["type"] == "http.response.start":
            await self._start(message)
        elif not self._replaced:
            await self._send(message)

    async def fail(self, receive: Receive, problem: problems.Problem) -> None:
        """Answer with `problem`, unless an answer has begun: then the connection breaks and the client sees that."""
        self.status = problem.status
        if not self._started:
            await problems.response(problem, self._scope)(self._scope, receive, self.send)

    async def _start(self, message: Message) -> None:
        self._started = True
        self.status = int(message["status"])
        headers = MutableHeaders(scope=message)
        headers["x-request-id"] = self._request_id
        if "location" in headers:
            headers["location"] = _path(headers["location"], self._scope)
        plain = not headers.get("content-type", problems.MEDIA_TYPE).startswith("application/")
        if self.status < 400 or not (plain or "content-type" not in headers):
            await self._send(message)
            return
        self._replaced = True
        await self._replace(headers)

    async def _replace(self, headers: Mapping[str, Any]) -> None:
        kept = {name: value for name, value in headers.items() if name not in {"content-length", "content-type"}}
        answer = problems.response(problems.of_status(self.status, "", headers=kept), self._scope)
        await self._send({"type": "http.response.start", "status": self.status, "headers": answer.raw_headers})
        await self._send({"type": "http.response.body", "body": answer.body})


def _path(location: str, scope: Scope) -> str:
    """The path of a redirect's target: the framework puts the request's `Host` into it, which anybody can choose."""
    parts = urlsplit(location)
    return urlunsplit(("", "", with_prefix(scope, parts.path), parts.query, parts.fragment))


def _request_id(headers: Headers) -> str:
    given = headers.get("x-request-id", "")
    return given if REQUEST_ID.match(given) else secrets.token_hex(8)


def _route(scope: Scope) -> str:
    """The route's template: ids in labels would make a series per job."""
    return str(getattr(scope.get("route"), "path", UNMATCHED))


def _client(scope: Scope) -> str:
    return str(scope["client"][0]) if scope.get("client") else ""


class LingeringCloseMiddleware:
    """Closes the connection after an answer that came before the end of the body, but not at once.

    Closing with unread input resets the connection, and the reset may overtake the answer. So a little of the
    rest is read first; a client that sends on and on is cut off.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not _has_body(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        unread = True

        async def watch() -> Message:
            nonlocal unread
            message = await receive()
            unread = message["type"] == "http.request" and message.get("more_body", False)
            return message

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start" and unread:
                MutableHeaders(scope=message)["connection"] = "close"
            if message["type"] != "http.response.body" or message.get("more_body", False) or not unread:
                await send(message)
                return
            await send({**message, "more_body": True})
            await _drain(watch)
            await send({"type": "http.response.body", "body": b""})

        await self._app(scope, watch, answer)


async def _drain(receive: Receive) -> None:
    size = 0
    try:
        async with asyncio.timeout(DRAIN_S):
            while size < DRAIN_BYTES:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
                size += len(message.get("body", b""))
    except TimeoutError:
        return


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
