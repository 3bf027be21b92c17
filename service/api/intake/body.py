"""The body of a request: bytes, JSON or the parts of a form, always as a stream and under a limit.

No part of a form is ever held whole, in memory or in a spool file.
"""

import asyncio
import json
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MAX_BOUNDARY_LENGTH, MultipartParser, parse_options_header
from starlette.requests import Request

from dualtrack.errors import InvalidInput, TooLarge
from service.api.intake.pace import Pace
from service.api.proxies import client_key

JSON = "application/json"
FORM = "multipart/form-data"

CHUNK_TIMEOUT_S = 30.0
"""A client that sends nothing for this long is disconnected."""
JSON_BYTES = 64 * 1024
"""Most bytes of a JSON body or part: parameters are a few hundred."""
MOST_BOUNDARY = MAX_BOUNDARY_LENGTH
"""RFC 2046 allows 70 characters, the parser more."""
EXTENDED_NAME = re.compile(r"""(?:^|;)\s*filename\*\s*=\s*"?(utf-8|iso-8859-1)'[^']*'([^\s;"]*)""", re.IGNORECASE)
ESCAPED = re.compile(r"%(22|0D|0A)", re.IGNORECASE)
MULTIPART_OVERHEAD = 1024 * 1024
"""Bytes beyond the file that a multipart body may have: boundaries, headers, parameters."""


@dataclass(frozen=True, slots=True)
class FormPart:
    """One part of a form.

    Attributes:
        name: of the form field.
        filename: as the client sent it, or None.
        chunks: the content; what is left unread is skipped.
    """

    name: str
    filename: str | None
    chunks: AsyncIterator[bytes]


def media_type(request: Request) -> str:
    """The content type without its parameters, lower case; empty if none is given."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def filename(request: Request) -> str | None:
    """The file name that the request gives its body, as the client sent it."""
    header = request.headers.get("content-disposition", "")
    _, options = parse_options_header(header)
    return _filename(header, options)


async def stream(request: Request, max_bytes: int) -> AsyncIterator[bytes]:
    """The body, chunk by chunk as it arrives.

    Raises:
        TooLarge: by `Content-Length` before anything is read, otherwise at the limit.
        InvalidInput: the body is compressed, or comes too slowly.
        Overloaded: the client has too many slow bodies under way.
    """
    _check_headers(request, max_bytes)
    pace = _pace(request)
    chunks = aiter(request.stream())
    size = 0
    with pace.followed():
        while True:
            before = time.monotonic()
            try:
                async with asyncio.timeout(CHUNK_TIMEOUT_S):
                    chunk = await anext(chunks, None)
            except TimeoutError as error:
                raise InvalidInput(
                    f"body: nothing came for {CHUNK_TIMEOUT_S:.0f} s after {size} bytes", code="upload-stalled"
                ) from error
            if chunk is None:
                return
            pace.came(len(chunk), time.monotonic() - before)
            size += len(chunk)
            if size > max_bytes:
                raise TooLarge(f"body: at most {max_bytes} bytes are accepted, more came")
            if chunk:
                yield chunk


def _pace(request: Request) -> Pace:
    client = client_key(request.client.host if request.client else "")
    return Pace(client, request.state.slow, deadline_s=request.state.parts.settings.upload_deadline_s)


async def form(request: Request, max_file_bytes: int) -> AsyncIterator[FormPart]:
    """The parts of a form whose files may have `max_file_bytes`; each must be read before the next is asked for.

    Raises:
        TooLarge, InvalidInput: as `stream`; the form is malformed.
    """
    boundary = _boundary(request.headers.get("content-type", ""))
    reader = _FormReader(stream(request, max_file_bytes + MULTIPART_OVERHEAD), boundary)
    async for part in reader.parts():
        yield part


async def bounded(chunks: AsyncIterator[bytes], what: str, max_bytes: int) -> AsyncIterator[bytes]:
    """The same chunks; TooLarge, which names `what`, when more than `max_bytes` come."""
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > max_bytes:
            raise TooLarge(f"{what}: at most {max_bytes} bytes are accepted, more came")
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


def unsupported(request: Request, *expected: str) -> InvalidInput:
    """The error for a content type that the endpoint does not accept."""
    got = request.headers.get("content-type") or "none"
    return InvalidInput(
        f"content type: expected {' or '.join(expected)}, got {got[:100]}", code="unsupported-media-type"
    )


def unexpected_part(name: str, wanted: str) -> InvalidInput:
    """The error for a part that the form does not have, or that came twice."""
    return InvalidInput(f"form: expected {wanted}, got another part {name[:80]!r}", code="unexpected-part")


def missing_part(name: str) -> InvalidInput:
    """The error for a form without a required part."""
    return InvalidInput(f"form: expected a part {name!r}, got none", code="missing-part")


class _Kind(Enum):
    HEADERS = auto()
    DATA = auto()
    END = auto()


class _FormReader:
    """The parts of one form, in the order in which they come."""

    def __init__(self, chunks: AsyncIterator[bytes], boundary: bytes) -> None:
        self._chunks = chunks
        self._events: deque[tuple[_Kind, bytes]] = deque()
        self._headers: dict[bytes, bytes] = {}
        self._field, self._value = b"", b""
        self._finished = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._headers.clear,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
                "on_end": self._on_end,
            },
        )

    async def parts(self) -> AsyncIterator[FormPart]:
        while (event := await self._next()) is not None:
            kind, payload = event
            if kind is not _Kind.HEADERS:
                continue
            name, filename = _disposition(payload)
            yield FormPart(name, filename, self._content())

    async def _content(self) -> AsyncIterator[bytes]:
        while (event := await self._next()) is not None:
            kind, payload = event
            if kind is _Kind.END:
                return
            yield payload

    async def _next(self) -> tuple[_Kind, bytes] | None:
        while not self._events:
            if self._finished:
                return None
            await self._feed()
        return self._events.popleft()

    async def _feed(self) -> None:
        chunk = await anext(self._chunks, None)
        if chunk is None:
            raise _malformed("the body ended before its closing boundary")
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _malformed(str(error)) from error

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field, self._value = b"", b""

    def _on_headers_finished(self) -> None:
        self._events.append((_Kind.HEADERS, self._headers.get(b"content-disposition", b"")))

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._events.append((_Kind.DATA, data[start:end]))

    def _on_part_end(self) -> None:
        self._events.append((_Kind.END, b""))

    def _on_end(self) -> None:
        self._finished = True


def _boundary(content_type: str) -> bytes:
    _, options = parse_options_header(content_type)
    boundary: bytes = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= MOST_BOUNDARY:
        raise _malformed(
            f"expected a boundary of 1 to {MOST_BOUNDARY} characters, got {len(boundary)} "
            f"in the content type {content_type[:100]!r}"
        )
    return boundary


def _disposition(header: bytes) -> tuple[str, str | None]:
    kind, options = parse_options_header(header)
    name = options.get(b"name")
    if kind != b"form-data" or name is None:
        raise _malformed("expected a part with 'Content-Disposition: form-data; name=…'")
    found = _filename(header.decode("latin-1"), options)
    # browsers write these three in a form's names
    return name.decode(errors="replace"), None if found is None else ESCAPED.sub(_unescaped, found)


def _filename(header: str, options: Mapping[bytes, bytes]) -> str | None:
    """The name after `filename*=` (RFC 8187), which the parser skips, or after `filename=`."""
    if extended := EXTENDED_NAME.search(header):
        charset, quoted = extended.groups()
        return unquote_to_bytes(quoted).decode("latin-1" if charset.lower() == "iso-8859-1" else "utf-8", "replace")
    plain = options.get(b"filename")
    return None if plain is None else plain.decode(errors="replace")


def _unescaped(match: re.Match[str]) -> str:
    return chr(int(match.group(1), 16))


def _malformed(detail: str) -> InvalidInput:
    return InvalidInput(f"multipart body: {detail}", code="malformed-multipart")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _check_headers(request: Request, max_bytes: int) -> None:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        raise InvalidInput(f"content encoding: expected none, got {encoding[:100]}", code="unsupported-media-type")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise TooLarge(f"body: at most {max_bytes} bytes are accepted, Content-Length says {length}")
