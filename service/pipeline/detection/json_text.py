"""A large JSON text of which one list is read element by element: only its text and one element are in memory."""

import json
import re
from collections.abc import Iterator
from typing import Any

SPACE = re.compile(r"[ \t\n\r]*")
DECODER = json.JSONDecoder()


class JsonText:
    """The text of a file.

    Args:
        content: its bytes, in any encoding that JSON may have.

    Raises:
        ValueError: they are no text.
    """

    def __init__(self, content: bytes) -> None:
        self._text = content.decode(json.detect_encoding(content), "surrogatepass")

    def outline(self, member: str) -> Any:
        """The document, with a `range` of the text in place of the list that it is, or that its `member` is.

        Raises:
            ValueError: it is not JSON; of the list itself only its beginning is looked at where nothing comes after it.
            RecursionError: it is nested too deep.
        """
        at = self._skip(0)
        if self._text[at : at + 1] == "[":
            return range(at, len(self._text))
        if self._text[at : at + 1] != "{":
            value, at = DECODER.raw_decode(self._text, at)
            self._end(at)
            return value
        found: dict[str, Any] = {}
        at = self._skip(at + 1)
        more = self._text[at : at + 1] != "}"
        while more:
            key, at = DECODER.raw_decode(self._text, at)
            if not isinstance(key, str):
                raise json.JSONDecodeError("Expecting property name enclosed in double quotes", self._text, at)
            at = self._skip(self._expect(":", self._skip(at)))
            found[key], at = self._member(at, is_list=key == member)
            at = self._skip(at)
            more = self._text[at : at + 1] == ","
            at = self._skip(at + 1) if more else at
        self._end(self._expect("}", at))
        return found

    def elements(self, span: range) -> Iterator[Any]:
        """The elements of the list in this part of the text, which must end with the list.

        Raises:
            ValueError, RecursionError: as `outline`.
        """
        at = span.start
        for value, at in self._walk(span.start):  # noqa: B007 (its last value is where the list ends)
            if value is not _END:
                yield value
        if span.stop == len(self._text):
            self._end(at)

    def _member(self, at: int, *, is_list: bool) -> tuple[Any, int]:
        if not is_list or self._text[at : at + 1] != "[":
            value: tuple[Any, int] = DECODER.raw_decode(self._text, at)
            return value
        end = at
        for _, end in self._walk(at):  # noqa: B007 (see `elements`)
            pass
        return range(at, end), end

    def _walk(self, at: int) -> Iterator[tuple[Any, int]]:
        """Each element of the list that begins here, and where it ends; last `_END` and the list's own end."""
        at = self._skip(at + 1)
        more = self._text[at : at + 1] != "]"
        while more:
            value, at = DECODER.raw_decode(self._text, at)
            yield value, at
            at = self._skip(at)
            more = self._text[at : at + 1] == ","
            at = self._skip(at + 1) if more else at
        yield _END, self._expect("]", at)

    def _skip(self, at: int) -> int:
        found = SPACE.match(self._text, at)
        return at if found is None else found.end()

    def _expect(self, character: str, at: int) -> int:
        if self._text[at : at + 1] != character:
            raise json.JSONDecodeError(f"Expecting {character!r}", self._text, at)
        return at + 1

    def _end(self, at: int) -> None:
        at = self._skip(at)
        if at != len(self._text):
            raise json.JSONDecodeError("Extra data", self._text, at)


_END = object()
