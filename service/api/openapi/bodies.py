"""Request bodies of the two endpoints that read their body as a stream."""

from typing import Any

from service.api.openapi.refs import ref
from service.api.schemas import EXAMPLE_VIDEO, VIDEO_ID

BINARY = {"type": "string", "format": "binary"}
FORMS: dict[str, Any] = {
    "VideoForm": {
        "title": "VideoForm",
        "description": "A video as a form.",
        "type": "object",
        "required": ["file"],
        "properties": {"file": {**BINARY, "description": "The video."}},
        "additionalProperties": False,
    },
    # One object: of a union of two, openapi-python-client sends neither; `if` says what the union would.
    "JobForm": {
        "title": "JobForm",
        "description": "A job as a form: either `file` or `video_id`, and optionally `parameters` and `detections`.",
        "type": "object",
        "properties": {
            "parameters": ref("JobParameters"),
            "detections": {
                **BINARY,
                "description": "A JSON file of detections that replace the detector's: "
                "COCO results, with the index of the frame as `image_id`.",
            },
            "video_id": {"type": "string", "pattern": VIDEO_ID, "description": "The id of an uploaded video."},
            "file": {**BINARY, "description": "The video."},
        },
        "if": {"required": ["file"]},
        "then": {"not": {"required": ["video_id"]}},
        "else": {"required": ["video_id"]},
        "additionalProperties": False,
    },
}
"""Components that no pydantic model describes: the routes read these forms part by part."""

VIDEO_BODY = {
    "requestBody": {
        "required": True,
        "description": "The video: as the part `file` of a form, or as a raw body. "
        "A raw body may also have any `video/*` content type, `application/mp4` or `application/ogg`.",
        "content": {
            "multipart/form-data": {"schema": ref("VideoForm")},
            "application/octet-stream": {"schema": BINARY},
        },
    }
}
JOB_BODY = {
    "requestBody": {
        "required": True,
        "description": "JSON for an uploaded video. A form can include the video or detections.",
        "content": {
            "application/json": {
                "schema": ref("JobRequest"),
                "examples": {
                    "defaults": {"value": {"video_id": EXAMPLE_VIDEO}},
                    "thresholds": {
                        "summary": "own thresholds, no overlay video",
                        "value": {
                            "video_id": EXAMPLE_VIDEO,
                            "parameters": {"th_det": 0.3, "th_seq": 0.4, "overlay": False},
                        },
                    },
                },
            },
            "multipart/form-data": {
                "schema": ref("JobForm"),
                "encoding": {"parameters": {"contentType": "application/json"}},
            },
        },
    }
}
ARTIFACT_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": ref("ArtifactRequest")}},
    }
}
