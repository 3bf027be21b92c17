"""What the OpenAPI document can't say of a request: that a file is a video, or a file of detections.

schemathesis loads this module where `SCHEMATHESIS_HOOKS` names it; `tests/integration/api/test_schema.py` imports it.
"""

import functools
import hashlib
import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import schemathesis
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response
from schemathesis.openapi.checks import UseAfterFree
from schemathesis.transport import SerializationContext, register_serializer
from schemathesis.transport.requests import REQUESTS_TRANSPORT
from schemathesis.transport.serialization import Binary

from service.pipeline.parameters.request_names import PRESETS
from tests.integration.api.api_service import clip

CONTENT = "the content of a file"
"""Stands for a file until the request is written: schemathesis 4.32 fails on bytes in a schema with `if`."""
FORM, RAW = "multipart/form-data", "application/octet-stream"
MOST_WAIT_S = 60
CUT_SHORT_S = 0.02
CLASS = "person"
"""A class that the models have."""
DEFAULTS = PRESETS["default"]

schemathesis.openapi.format("binary", st.just(CONTENT))
_write = {kind: REQUESTS_TRANSPORT.get_first_matching_media_type(kind)[1] for kind in (FORM, RAW)}


@functools.cache
def video() -> bytes:
    """A tiny real video."""
    with tempfile.TemporaryDirectory() as folder:
        return clip(Path(folder) / "clip.mp4").read_bytes()


def write_form(context: SerializationContext, value: Any) -> Any:
    """A form with real files in it."""
    if isinstance(value, dict):
        files = {"file": video(), "detections": b"[]"}
        real = {name: Binary(files.get(name, b"")) for name, part in value.items() if part == CONTENT}
        value = {**value, **real}
    return _write[FORM](context, value)


def write_raw(context: SerializationContext, value: Any) -> Any:
    """A real video as the body."""
    return _write[RAW](context, Binary(video()) if value == CONTENT else value)


# the public `schemathesis.serializer` takes only the finished bytes
register_serializer(write_form, FORM)
register_serializer(write_raw, RAW)


@schemathesis.hook
def before_call(context: Any, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    """Make a valid request one that can be accepted, and don't wait for jobs that nobody runs."""
    wait = case.query.get("wait") if isinstance(case.query, dict) else None
    if isinstance(wait, int | float) and CUT_SHORT_S < wait <= MOST_WAIT_S:
        case.query["wait"] = CUT_SHORT_S
    if not (case.meta and case.meta.generation.mode.is_positive):
        return
    if isinstance(case.body, dict) and isinstance(parameters := case.body.get("parameters"), dict):
        case.body = {**case.body, "parameters": {**parameters, **fitted(parameters)}}
    if "Idempotency-Key" in (case.headers or {}):
        # a key goes with one request
        case.headers["Idempotency-Key"] = hashlib.sha256(repr(case.body).encode()).hexdigest()


def fitted(parameters: dict[str, Any]) -> dict[str, Any]:
    """New values for parameters that are valid each, but not together or not with these models."""
    values = DEFAULTS | {name: value for name, value in parameters.items() if value is not None}
    new: dict[str, Any] = {}
    if "chunk_overlap" in parameters and values["chunk_overlap"] > values["chunk_frames"] // 2:
        new["chunk_overlap"] = values["chunk_frames"] // 2
    if values["lost_enter"] > values["lost_leave"]:
        new |= {"lost_enter": values["lost_leave"], "lost_leave": values["lost_enter"]}
    categories = parameters.get("categories")
    if isinstance(categories, list) and categories:
        own = isinstance(categories[0], dict)
        new["categories"] = [{**categories[0], "of": [CLASS]}] if own else [CLASS]
    return new


@schemathesis.hook
def filter_failure(context: Any, failure: Failure, case: schemathesis.Case, response: Response) -> bool:
    """Whether a failure counts. All do but one: `use_after_free` of a job that was canceled.

    The check wants 404 for what a `DELETE` with a 2xx status named. `DELETE /v1/jobs/{job_id}` returns 202: "the
    action will likely succeed but has not yet been enacted" (RFC 9110, 9.3.5), and what it enacts is a cancellation.
    The job remains, in the state `canceled`, for whoever waits for its end. A video's `DELETE` returns 204, "the action
    has been enacted": of videos, and of all below them, the check counts.
    """
    return not (isinstance(failure, UseAfterFree) and failure.free.startswith("DELETE /v1/jobs/"))
