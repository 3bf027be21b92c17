"""Messages between an engine process and the process that controls it, a worker or an `Engine`.

Each message is one line of JSON: an object with the message's name and its fields.

    controller → engine     start, then any number of do and cancel
    engine → controller     ready, then for each run any number of step and cached, and finally done or failed

The first message of each side, start and ready, has the format number. Every other message has the number of its run,
which the controller's handle increments for as long as it exists, also across restarts of the engine. A job's id and
attempt would not identify a run: a job need not come from the queue, and the call that begins an attempt may be
repeated with the same attempt number.

The controller starts the engine from its own code, so the format numbers differ only if the installation was replaced
while it was running. Only the current format is read; a first message without a number counts as format 0.

This module imports only the standard library, so a program on either side needs no other part of dualtrack.
"""

import json
from dataclasses import dataclass, fields
from types import NoneType
from typing import Any, get_type_hints

FORMAT = 3
"""Format number; it is incremented when a field is added, removed or renamed, or a message changes its meaning."""
SILENT_S = 120.0
"""Seconds of silence after which an engine is considered frozen, until it has sent its own setting."""
NAME = "message"
"""Key of the message's name; no message has a field of this name."""
Document = dict[str, Any]


class ProtocolError(ValueError):
    """A line is not a message of the protocol."""


@dataclass(frozen=True, slots=True)
class Start:
    """The controller's first message.

    Attributes:
        settings: settings of the engine by name, and `scratch`, its folder for decoded frames and features; those
            that are absent come from the environment.
        format: format number of the controller.
    """

    settings: Document
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Do:
    """Run a job.

    Attributes:
        run: number of the run.
        job: `video` (path) and its `sha256`, `out` (folder of the results), `parameters`; optionally `detections`
            (path), `counted_ids` (whether their category ids are those of jobs before schema 1) and `overlay` (whether
            to draw the overlay, too, if the parameters request one; if it can't be drawn, the run fails with the code
            `overlay-failed`, and the result stays).
    """

    run: int
    job: Document


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop a run at its next step; the run may have ended already, or be unknown so far."""

    run: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The engine's first message: its models are loaded.

    Attributes:
        format: format number of the engine.
        silent_s: seconds without a message and without processor time after which it is considered frozen.
        deadline_s: maximum duration of a run in seconds; 0: no limit.
    """

    format: int = FORMAT
    silent_s: float = SILENT_S
    deadline_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Step:
    """Progress of a run: `stage` has processed `done` of the video's `total` frames."""

    run: int
    stage: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Cached:
    """A cache file was written, read or removed.

    Attributes:
        run: number of the run.
        key: cache key of the file.
        size_bytes: size of the file; None if it was removed.
        checkpoint: whether the file is a checkpoint that this attempt wrote or resumes from.
    """

    run: int
    key: str
    size_bytes: int | None
    checkpoint: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """The run has succeeded: its result is written, and the engine is idle."""

    run: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The run has failed: there is no result, and the engine is idle.

    Attributes:
        run: number of the run.
        code: code of the error (`dualtrack.error_codes`).
        detail: message of the error.
        final: whether another attempt would fail in the same way.
    """

    run: int
    code: str
    detail: str
    final: bool


Command = Start | Do | Cancel
OfRun = Step | Cached | Done | Failed
"""Messages of the engine about a run."""
EngineMessage = Ready | OfRun
Message = Command | EngineMessage
KINDS: dict[str, type[Message]] = {
    kind.__name__.lower(): kind for kind in (Start, Do, Cancel, Ready, Step, Cached, Done, Failed)
}
JSON_TYPES: dict[object, tuple[type, ...]] = {
    bool: (bool,),
    int: (int,),
    float: (float, int),
    str: (str,),
    int | None: (int, NoneType),
    Document: (dict,),
}
"""Types that a field may have in JSON, by annotation; compared exactly, because a bool is also an instance of int."""


def encode(message: Message) -> str:
    """Encode a message as a line, including the line break."""
    values = {field.name: getattr(message, field.name) for field in fields(message)}
    return json.dumps({NAME: name_of(message), **values}) + "\n"


def decode(line: str | bytes) -> Message:
    """Decode a line into a message.

    Raises:
        ProtocolError: the line is not a JSON object, its kind or format is unknown, or its fields don't match its
            kind.
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
        # checked before the fields, which may differ in another format
        _check_format(document.get("format", 0))
    _check_fields(name, get_type_hints(kind), document)
    return kind(**document)


def name_of(message: Message) -> str:
    """Name of this kind of message in a line."""
    return type(message).__name__.lower()


def _check_format(number: object) -> None:
    if number != FORMAT:
        raise ProtocolError(f"engine protocol: the other side uses format {number!r}, this side format {FORMAT}")


def _check_fields(name: str, hints: dict[str, object], document: Document) -> None:
    if document.keys() != hints.keys():
        raise ProtocolError(
            f"engine protocol: {name}: expected the fields {', '.join(hints)}, got {_short(', '.join(document))}"
        )
    for field, hint in hints.items():
        if type(document[field]) not in JSON_TYPES[hint]:
            expected = " or ".join(kind.__name__ for kind in JSON_TYPES[hint])
            raise ProtocolError(f"engine protocol: {name}.{field} must be {expected}, got {_short(document[field])}")


def _short(value: object) -> str:
    """The start of the value's representation, long enough to recognize it in a log."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
