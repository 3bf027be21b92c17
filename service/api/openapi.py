"""The parts of the OpenAPI document that FastAPI can't read off the code."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from dualtrack.result.schema import result_schema
from service.api import problems
from service.api.schemas import EXAMPLE_VIDEO, VIDEO_ID, JobRequest, ProblemDetails

REF = "#/components/schemas/{model}"
Responses = dict[int | str, dict[str, Any]]

DESCRIPTIONS = {
    304: "Not changed since the given `ETag`.",
    400: "The body can't be read as what it claims to be.",
    401: "The API key is missing or wrong.",
    404: "No such thing.",
    408: "The client stopped sending.",
    409: "Right request, wrong moment; `progress` says how far the job is.",
    410: "It was here and is not any more.",
    413: "The body is over the limit.",
    415: "Content type, container or codec that is not taken.",
    416: "The range lies outside the file.",
    422: "A parameter or the video can't be used; `errors` or `code` says why.",
    429: "Too much at once: try again after `Retry-After` seconds.",
    500: "A fault of the service.",
    503: "A part of the service can't be reached now: try again after `Retry-After` seconds.",
    507: "The disk is full.",
}
RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}

ALWAYS = (401, 422, 500, 503)
"""What every endpoint under /v1 may answer."""

VIDEO_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "additionalProperties": False,
                }
            },
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "video/mp4": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
JOB_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": REF.format(model="JobRequest")},
                "examples": {
                    "defaults": {"value": {"video_id": EXAMPLE_VIDEO}},
                    "own thresholds": {
                        "value": {
                            "video_id": EXAMPLE_VIDEO,
                            "parameters": {"th_det": 0.3, "th_seq": 0.4, "overlay": False},
                        }
                    },
                },
            },
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "oneOf": [{"required": ["file"]}, {"required": ["video_id"]}],
                    "properties": {
                        "parameters": {"$ref": REF.format(model="JobParameters")},
                        "detections": {
                            "type": "string",
                            "format": "binary",
                            "description": "JSON: COCO results, `image_id` the index of the frame.",
                        },
                        "video_id": {"type": "string", "pattern": VIDEO_ID},
                        "file": {"type": "string", "format": "binary"},
                    },
                    "additionalProperties": False,
                },
                "encoding": {"parameters": {"contentType": "application/json"}},
            },
        },
    }
}


def refusals(*statuses: int) -> Responses:
    """Problem responses of an endpoint, besides those that every endpoint has."""
    return {status: problem_response(status) for status in sorted({*statuses, *ALWAYS})}


def install(app: FastAPI) -> None:
    """Give `app` its OpenAPI document."""

    def build() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = build  # type: ignore[method-assign] # FastAPI's documented way to extend the document


def _document(app: FastAPI) -> dict[str, Any]:
    document: dict[str, Any] = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
    )
    _, definitions = models_json_schema([(JobRequest, "validation"), (ProblemDetails, "validation")], ref_template=REF)
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).update(definitions["$defs"] | {"Result": result_schema()})
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for path, item in document["paths"].items():
        for operation in item.values() if path.startswith("/v1/") else ():
            # Either none or the key: whether one is asked for is a setting.
            operation["security"] = [{}, {"key": []}]
    return document


def problem_response(status: int) -> dict[str, Any]:
    """The OpenAPI response object of a problem."""
    schema = {"$ref": REF.format(model=ProblemDetails.__name__)}
    answer: dict[str, Any] = {
        "description": DESCRIPTIONS[status],
        "content": {problems.MEDIA_TYPE: {"schema": schema}},
    }
    if status in {409, 429, 503}:
        answer["headers"] = RETRY_AFTER
    return answer
