"""The lines between a worker and its engine process: one JSON object each, with the message's name and its fields.

    worker → engine     start, then any number of do and cancel
    engine → worker     ready, then per run any number of step and cached, and one done or failed

The first message of each side, start and ready, carries the format. Every other message names its run: a number that
the worker's handle counts up for as long as it lives, across restarts of the engine. A job's id and attempt would not
be enough: a job need not come from the queue, and a call that begins an attempt may be repeated with the same number.

The worker starts the engine from the code that it runs itself, so the two formats differ only where an installation was
replaced under a running worker. Only the current format is read; a first message without a number counts as format 0.

Only the standard library is imported here: a program at either end needs no other part of the service.
"""

import json
from dataclasses import dataclass, fields
from types import NoneType
from typing import Any, get_type_hints

FORMAT = 2
"""Counts up when a message gains, loses or renames a field, or means something else."""
NAME = "message"
"""Key of the message's name; no message has a field that is called so."""
Document = dict[str, Any]


class ProtocolError(ValueError):
    """A line that is not a message of the protocol."""


@dataclass(frozen=True, slots=True)
class Start:
    """The worker's first message: what the engine works with.

    `scratch` is the engine's folder for decoded frames and features.
    """

    settings: Document
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Do:
    """Do a job: `video` and its `sha256`, `out`, `parameters`; where there are `detections` also `counted_ids`."""

    run: int
    job: Document


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop a run at its next step; one that has ended or is not known yet is not an error."""

    run: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The engine's first message: its models are loaded."""

    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a run: a stage has processed `done` of the video's `total` frames."""

    run: int
    stage: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Cached:
    """A file of the cache was written or read; without a size: it was removed.

    `checkpoint`: this attempt has written a checkpoint, or has found one and resumes from it.
    """

    run: int
    key: str
    size_bytes: int | None
    checkpoint: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """The result is written; the engine is idle."""

    run: int


@dataclass(frozen=True, slots=True)
class Failed:
    """There is no result; the engine is idle. `final`: another attempt would end the same way."""

    run: int
    code: str
    detail: str
    final: bool


Command = Start | Do | Cancel
OfRun = Step | Cached | Done | Failed
"""Answers that name a run."""
Answer = Ready | OfRun
Message = Command | Answer
KINDS: dict[str, type[Message]] = {
    kind.__name__.lower(): kind for kind in (Start, Do, Cancel, Ready, Step, Cached, Done, Failed)
}
JSON_TYPES: dict[object, tuple[type, ...]] = {
    bool: (bool,),
    int: (int,),
    str: (str,),
    int | None: (int, NoneType),
    Document: (dict,),
}
"""What a field may be in JSON, by its annotation; compared exactly, because `isinstance` takes a bool for an int."""


def encode(message: Message) -> str:
    """The message's line, with its end."""
    values = {field.name: getattr(message, field.name) for field in fields(message)}
    return json.dumps({NAME: name_of(message), **values}) + "\n"


def decode(line: str | bytes) -> Message:
    """The message of a line.

    Raises:
        ProtocolError: it is not a JSON object, its kind or format is unknown, or its fields don't match its kind.
    """
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"engine protocol: expected a line of JSON, got {_short(line)}") from error
    if not isinstance(document, dict):
        raise ProtocolError(f"engine protocol: expected a JSON object, got {_short(line)}")
    name = document.pop(NAME, None)
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ProtocolError(f"engine protocol: unknown message {_short(name)}, expected one of {', '.join(KINDS)}")
    if kind in {Start, Ready}:
        # before the fields: those of another format may differ
        _check_format(document.get("format", 0))
    _check_fields(name, get_type_hints(kind), document)
    return kind(**document)


def name_of(message: Message) -> str:
    """How lines call this kind of message."""
    return type(message).__name__.lower()


def _check_format(number: object) -> None:
    if number != FORMAT:
        raise ProtocolError(f"engine protocol: the other side uses format {number!r}, this side format {FORMAT}")


def _check_fields(name: str, hints: dict[str, object], document: Document) -> None:
    if document.keys() != hints.keys():
        raise ProtocolError(
            f"engine protocol: {name} has the fields {', '.join(hints)}, got {_short(', '.join(document))}"
        )
    for field, hint in hints.items():
        if type(document[field]) not in JSON_TYPES[hint]:
            wanted = " or ".join(kind.__name__ for kind in JSON_TYPES[hint])
            raise ProtocolError(f"engine protocol: {name}.{field} must be {wanted}, got {_short(document[field])}")


def _short(value: object) -> str:
    """Enough of what came to recognize it in a log."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
