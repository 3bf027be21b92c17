"""What can be requested next with an id that a response has: OpenAPI's links."""

from typing import Any

Links = dict[str, dict[str, Any]]

ID = "$response.body#/id"
FROM_VIDEO: Links = {
    "video": {"operationId": "get_video", "parameters": {"video_id": ID}},
    "job": {"operationId": "create_job", "requestBody": {"video_id": ID}},
    "deletion": {"operationId": "delete_video", "parameters": {"video_id": ID}},
}
FROM_JOB: Links = {
    "job": {"operationId": "get_job", "parameters": {"job_id": ID}},
    "result": {"operationId": "get_result", "parameters": {"job_id": ID}},
    "artifact": {
        "operationId": "create_artifact",
        "parameters": {"job_id": ID},
        "requestBody": {"kind": "overlay"},
    },
    "cancellation": {"operationId": "cancel_job", "parameters": {"job_id": ID}},
    "video": {"operationId": "get_video", "parameters": {"video_id": "$response.body#/video_id"}},
}
