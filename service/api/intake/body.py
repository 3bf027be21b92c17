"""Request bodies, read as streams and under limits."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request

from dualtrack.errors import InvalidInput, TooLarge
from service.api.intake.multipart import MultipartReader, boundary_of

CHUNK_TIMEOUT_S = 30.0
"""A client that sends nothing for so long is cut off."""
JSON_BYTES = 64 * 1024
"""Most bytes of a JSON body or part: parameters are a few hundred."""
MULTIPART_OVERHEAD = 1024 * 1024
"""Bytes beyond the file that a multipart body may have: boundaries, headers, parameters."""


def media_type(request: Request) -> str:
    """The content type without its parameters, lower case; empty if none is given."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def unsupported(request: Request, *expected: str) -> InvalidInput:
    """The error of a content type that the endpoint does not take."""
    got = request.headers.get("content-type") or "none"
    return InvalidInput(
        f"content type: expected {' or '.join(expected)}, got {got[:100]}", code="unsupported-media-type"
    )


async def stream(request: Request, max_bytes: int) -> AsyncIterator[bytes]:
    """The body in the pieces in which it comes.

    Raises:
        TooLarge: by `Content-Length` before anything is read, otherwise at the limit.
        InvalidInput: the body is compressed, or stalled.
    """
    _check_headers(request, max_bytes)
    chunks = aiter(request.stream())
    size = 0
    while True:
        try:
            async with asyncio.timeout(CHUNK_TIMEOUT_S):
                chunk = await anext(chunks, None)
        except TimeoutError as error:
            raise InvalidInput(
                f"body: nothing came for {CHUNK_TIMEOUT_S:.0f} s after {size} bytes", code="upload-stalled"
            ) from error
        if chunk is None:
            return
        size += len(chunk)
        if size > max_bytes:
            raise TooLarge(f"body: at most {max_bytes} bytes are taken, more came")
        if chunk:
            yield chunk


def multipart(request: Request, max_file_bytes: int) -> MultipartReader:
    """The parts of a multipart body whose file may have `max_file_bytes`."""
    boundary = boundary_of(request.headers.get("content-type", ""))
    return MultipartReader(stream(request, max_file_bytes + MULTIPART_OVERHEAD), boundary)


async def bounded(chunks: AsyncIterator[bytes], what: str, max_bytes: int) -> AsyncIterator[bytes]:
    """The same chunks; TooLarge, which names `what`, when more than `max_bytes` come."""
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > max_bytes:
            raise TooLarge(f"{what}: at most {max_bytes} bytes are taken, more came")
        yield chunk


async def text(chunks: AsyncIterator[bytes], what: str) -> bytes:
    """A short value whole, at most `JSON_BYTES` long."""
    return b"".join([chunk async for chunk in bounded(chunks, what, JSON_BYTES)])


async def parse_json(chunks: AsyncIterator[bytes]) -> Any:
    """The JSON value that `chunks` hold, at most `JSON_BYTES` long."""
    content = await text(chunks, "JSON")
    try:
        value = json.loads(content, parse_constant=_no_constant)
        # A lone surrogate is legal JSON, but no text that an answer could repeat.
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"JSON: {error}", code="malformed-json") from error
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _check_headers(request: Request, max_bytes: int) -> None:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        raise InvalidInput(f"content encoding: expected none, got {encoding[:100]}", code="unsupported-media-type")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise TooLarge(f"body: at most {max_bytes} bytes are taken, Content-Length says {length}")
