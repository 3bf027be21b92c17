"""Reads `multipart/form-data` as it comes in: no part is ever held whole, in memory or in a spool file."""

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import Enum, auto

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from dualtrack.errors import InvalidInput


class _Kind(Enum):
    HEADERS = auto()
    DATA = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class FormPart:
    """One part of the body.

    Attributes:
        name: of the form field.
        filename: as the client sent it, or None.
        chunks: the content; what is left unread is skipped.
    """

    name: str
    filename: str | None
    chunks: AsyncIterator[bytes]


class MultipartReader:
    """The parts of one body, in the order in which they come."""

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
        """The parts; each must be read before the next one is asked for."""
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


def boundary_of(content_type: str) -> bytes:
    """The boundary that a multipart content type names."""
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise _malformed(f"content type {content_type!r} names no boundary")
    return boundary


def _disposition(header: bytes) -> tuple[str, str | None]:
    kind, options = parse_options_header(header)
    name = options.get(b"name")
    if kind != b"form-data" or name is None:
        raise _malformed("expected a part with 'Content-Disposition: form-data; name=…'")
    filename = options.get(b"filename")
    return name.decode(errors="replace"), None if filename is None else filename.decode(errors="replace")


def _malformed(detail: str) -> InvalidInput:
    return InvalidInput(f"multipart body: {detail}", code="malformed-multipart")
