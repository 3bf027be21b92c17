"""What the lines between worker and engine look like, and which are refused."""

import json
import re

import pytest

from dualtrack.protocol import (
    FORMAT,
    KINDS,
    Cached,
    Cancel,
    Do,
    Done,
    Failed,
    Message,
    ProtocolError,
    Ready,
    Start,
    Step,
    decode,
    encode,
)

LINES = [
    pytest.param(
        Start({"scratch": "s"}), '{"message": "start", "settings": {"scratch": "s"}, "format": 3}', id="start"
    ),
    pytest.param(Do(3, {"video": "v"}), '{"message": "do", "run": 3, "job": {"video": "v"}}', id="do"),
    pytest.param(Cancel(3), '{"message": "cancel", "run": 3}', id="cancel"),
    pytest.param(
        Ready(silent_s=0.5), '{"message": "ready", "format": 3, "silent_s": 0.5, "deadline_s": 0.0}', id="ready"
    ),
    pytest.param(
        Step(3, "track", 1, 9),
        '{"message": "step", "run": 3, "stage": "track", "done": 1, "total": 9}',
        id="step",
    ),
    pytest.param(
        Cached(3, "v/clip-1", 7),
        '{"message": "cached", "run": 3, "key": "v/clip-1", "size_bytes": 7, "checkpoint": false}',
        id="cached",
    ),
    pytest.param(
        Cached(3, "v/checkpoint-1", 7, checkpoint=True),
        '{"message": "cached", "run": 3, "key": "v/checkpoint-1", "size_bytes": 7, "checkpoint": true}',
        id="checkpoint",
    ),
    pytest.param(
        Cached(3, "v/clip-1", None),
        '{"message": "cached", "run": 3, "key": "v/clip-1", "size_bytes": null, "checkpoint": false}',
        id="gone",
    ),
    pytest.param(Done(3), '{"message": "done", "run": 3}', id="done"),
    pytest.param(
        Failed(3, "malformed", "two\nlines", True),
        r'{"message": "failed", "run": 3, "code": "malformed", "detail": "two\nlines", "final": true}',
        id="failed",
    ),
]


@pytest.mark.parametrize(("message", "line"), LINES)
def test_the_shape_of_a_message_is_that_of_its_format(message: Message, line: str) -> None:
    assert FORMAT == 3, "another format: write its lines here"
    assert encode(message) == line + "\n"
    assert decode(line) == decode(line.encode()) == message


def test_every_kind_of_message_has_a_line_above() -> None:
    assert {type(case.values[0]) for case in LINES} == set(KINDS.values())


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("", "expected a line of JSON, got ''", id="nothing"),
        pytest.param("Warning: slow", "expected a line of JSON, got 'Warning: slow'", id="no JSON"),
        pytest.param('{"message": "done", "ru', "expected a line of JSON", id="half a line"),
        pytest.param(b"\xff\xfe{}", "expected a line of JSON", id="bytes that are no text"),
        pytest.param("[" * 100_000, "expected a line of JSON", id="nested too deeply"),
        pytest.param('["done"]', "expected a JSON object", id="a list"),
        pytest.param('{"done": true}', "unknown message None", id="no name"),
        pytest.param('{"message": "pause", "run": 3}', "unknown message 'pause', expected one of start", id="unknown"),
        pytest.param('{"message": ["done"]}', r"unknown message \['done'\]", id="a name that is no text"),
        pytest.param('{"message": "done"}', "done: expected the fields run, got ''", id="a field is missing"),
        pytest.param('{"message": "done", "run": 3, "at": 1}', "got 'run, at'", id="a field too many"),
        pytest.param('{"message": "done", "run": "3"}', "done.run must be int, got '3'", id="a number as text"),
        pytest.param(
            '{"message": "done", "run": true}', "done.run must be int, got True", id="true in place of a number"
        ),
        pytest.param(
            '{"message": "do", "run": 3, "job": "v"}', "do.job must be dict, got 'v'", id="a job that is none"
        ),
    ],
)
def test_other_lines_are_refused(line: str | bytes, expected: str) -> None:
    with pytest.raises(ProtocolError, match=f"^engine protocol: .*{expected}"):
        decode(line)


@pytest.mark.parametrize(
    ("line", "number"),
    [
        pytest.param('{"message": "ready", "format": 4}', "4", id="newer engine"),
        pytest.param('{"message": "ready", "format": 4, "models": []}', "4", id="newer engine with a further field"),
        pytest.param('{"message": "start", "format": 4, "settings": {}}', "4", id="newer worker"),
        pytest.param('{"message": "ready"}', "0", id="engine without a number"),
        pytest.param('{"message": "start", "settings": {}}', "0", id="worker without a number"),
        pytest.param('{"message": "ready", "format": "1"}', "'1'", id="a number as text"),
        pytest.param('{"message": "start", "format": 1, "settings": {}}', "1", id="older worker"),
    ],
)
def test_a_first_message_of_another_format_is_refused_with_both_numbers(line: str, number: str) -> None:
    expected = f"the other side uses format {number}, this side format 3"
    with pytest.raises(ProtocolError, match=f"^engine protocol: {re.escape(expected)}$"):
        decode(line)


def test_what_a_refusal_quotes_is_cut() -> None:
    with pytest.raises(ProtocolError) as caught:
        decode(json.dumps({"message": "x" * 100_000}))
    assert len(str(caught.value)) < 400
