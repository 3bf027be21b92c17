"""Child: read a file of detections, check it, and store its records for the engine."""

from pathlib import Path

from dualtrack.errors import InvalidDetections
from service.media.children.child_main import Document, child_main, send
from service.pipeline.detection.records import vector_from_json, vector_to_json
from service.pipeline.detection.records_file import read_records
from service.pipeline.store.cache import FolderCache


def check(job: Document) -> Document:
    """Job `path`, `frames`, `size_hw`, `known`, and `out` or `cache` -> what the class vectors mean."""
    height, width = job["size_hw"]
    known = vector_from_json(job["known"])
    records, vector = read_records(
        Path(job["path"]), job["frames"], (height, width), known, lambda done: send({"progress": done})
    )
    data = records.pack(vector)
    if "out" in job:
        Path(job["out"]).write_bytes(data)
    else:
        FolderCache(Path(job["cache"]["root"]), max_bytes=job["cache"]["max_bytes"]).put(job["cache"]["key"], data)
    return vector_to_json(vector)


if __name__ == "__main__":
    child_main(check, InvalidDetections("detections: reading the file needs more memory than allowed"))
