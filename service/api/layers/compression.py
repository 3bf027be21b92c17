"""JSON and text over 1 kB go out compressed to clients that accept gzip; a job's document is mostly masks as text."""

import asyncio
import zlib

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LEAST_BYTES = 1024
IN_THREAD_BYTES = 32 * 1024
"""Pieces from this size on are compressed in a thread."""
LEVEL = 5
GZIP = 31
"""`wbits` of zlib for gzip's format."""
TYPES = ("application/json", "application/problem+json", "text/html", "text/css", "text/javascript", "text/plain")
UNCHANGED = frozenset({204, 206, 304})
"""Statuses without a body, or with part of one."""


class CompressionMiddleware:
    """Compresses answers piece by piece."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        if scope["type"] != "http" or "range" in headers:
            await self._app(scope, receive, send)
            return
        await self._app(scope, receive, _Answer(send, accepted=_accepts_gzip(headers)).send)


class _Answer:
    """One answer; its header is held until the first piece of the body shows whether compressing is worthwhile."""

    def __init__(self, send: Send, *, accepted: bool) -> None:
        self._send, self._accepted = send, accepted
        self._start: Message | None = None
        self._compressor: zlib._Compress | None = None

    async def send(self, message: Message) -> None:
        """The `send` that the application gets."""
        if message["type"] == "http.response.start":
            if self._is_compressible(message):
                MutableHeaders(scope=message).add_vary_header("Accept-Encoding")
                self._start = message
            else:
                await self._send(message)
            return
        if self._start is not None:
            start, self._start = self._start, None
            if self._accepted and (message.get("more_body") or len(message.get("body", b"")) >= LEAST_BYTES):
                self._begin(MutableHeaders(scope=start))
            await self._send(start)
        await self._send(message if self._compressor is None else await self._compressed(self._compressor, message))

    def _is_compressible(self, start: Message) -> bool:
        headers = Headers(raw=start["headers"])
        kind = headers.get("content-type", "").partition(";")[0].strip()
        return start["status"] not in UNCHANGED and kind in TYPES and "content-encoding" not in headers

    def _begin(self, headers: MutableHeaders) -> None:
        self._compressor = zlib.compressobj(LEVEL, wbits=GZIP)
        headers["content-encoding"] = "gzip"
        del headers["content-length"], headers["accept-ranges"]
        # other bytes under the same strong tag would be combined with ranges of the plain ones
        if (tag := headers.get("etag", "")).startswith('"'):
            headers["etag"] = f"W/{tag}"

    @staticmethod
    async def _compressed(compressor: "zlib._Compress", message: Message) -> Message:
        body, more = message.get("body", b""), message.get("more_body", False)
        piece = (
            compressor.compress(body)
            if len(body) < IN_THREAD_BYTES
            else await asyncio.to_thread(compressor.compress, body)
        )
        return {**message, "body": piece if more else piece + compressor.flush()}


def _accepts_gzip(headers: Headers) -> bool:
    for each in headers.get("accept-encoding", "").split(","):
        name, _, weight = each.strip().partition(";")
        if name.strip().lower() in {"gzip", "x-gzip"}:
            return weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
