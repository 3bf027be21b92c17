"""The formats of a result: its JSON Schema as components, and the responses that carry them."""

from typing import Any

from dualtrack.result.schema import result_schema
from service.api.openapi.bodies import BINARY
from service.api.openapi.refs import PREFIX, ref, with_refs

YTVIS: dict[str, Any] = {
    "YtvisRecord": {
        "title": "YtvisRecord",
        "description": "A tubelet with one of its categories, as a record of YouTube-VIS `results.json`.",
        "type": "object",
        "required": ["video_id", "category_id", "score", "segmentations"],
        "properties": {
            "video_id": {"type": "integer", "description": "Always 1: a result is of one video."},
            "category_id": {
                "anyOf": [{"type": "integer"}, {"type": "null"}],
                "description": "As in the result; null in results written before categories had published ids.",
            },
            "score": {"type": "number", "minimum": 0, "maximum": 1},
            "offset": {
                "type": "integer",
                "minimum": 0,
                "description": "Only in results with very many tubelets: the frame of the first entry.",
            },
            "segmentations": {
                "type": "array",
                "items": {"anyOf": [ref("Mask"), {"type": "null"}]},
                "description": "Mask per frame; null where the object is not visible.",
            },
        },
    },
    "YtvisRecords": {
        "title": "YtvisRecords",
        "description": "A result as YouTube-VIS `results.json`: one record per tubelet and category that it may belong "
        "to, or per tubelet with `single_class`.",
        "type": "array",
        "items": ref("YtvisRecord"),
    },
}
ETAG = {"ETag": {"description": "Version of the result.", "schema": {"type": "string"}}}
OK = {
    "description": "The result. `coco-rle` is `Result`, `ytvis` is `YtvisRecords`, `overlay-mp4` is a video.",
    "headers": ETAG,
    "content": {
        "application/json": {"schema": {"anyOf": [ref("Result"), ref("YtvisRecords")]}},
        "video/mp4": {"schema": BINARY},
    },
}
PARTIAL = {
    "description": "The range of the file that the header `Range` requests; a range of JSON is not valid JSON.",
    "headers": ETAG,
    "content": {"application/json": {"schema": {}}, "video/mp4": {"schema": BINARY}},
}


def result_components() -> dict[str, Any]:
    """The components of all formats; the definitions of the published schema become components of their own."""
    schema = with_refs(result_schema(), lambda target: PREFIX + target.removeprefix("#/$defs/"))
    definitions: dict[str, Any] = schema.pop("$defs")
    del schema["$schema"]
    return {"Result": schema, **definitions, **YTVIS}
