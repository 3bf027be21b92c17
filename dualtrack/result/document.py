"""JSON documents of results, as the API returns and `dualtrack segment` writes them; `schema-1.json` describes them.

A document without `schema` is of format 0, from before schemas had numbers. It can be read as well; values that were
not recorded at that time are missing.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, TypeVar

from dualtrack.errors import InvalidResult, NewerFormat
from dualtrack.result.model import (
    SCHEMA,
    Box,
    Category,
    Chunk,
    ClassScore,
    Document,
    Entry,
    Head,
    Tubelet,
    TubeletHead,
    Video,
)

MOST_ENTRIES = 2_000_000
"""Maximum of the video's frames times tubelets for lists with one entry per frame of the video. Beyond it, a tubelet's
lists cover only its own span, from `offset` on: an hour with thousands of short tubelets would be gigabytes of null."""
SCORE_DIGITS = 6
T = TypeVar("T")


def pieces(head: Head, tubelets: Iterable[Tubelet]) -> Iterator[str]:
    """Yield the text of the document tubelet by tubelet."""
    yield f'{json.dumps(head_json(head))[:-1]}, "tubelets": ['
    length = list_length(head)
    for number, tubelet in enumerate(tubelets):
        yield (", " if number else "") + json.dumps(_tubelet_json(tubelet, head.video, length))
    yield "]}"


def head_json(head: Head) -> Document:
    """All members of the document except the tubelets."""
    return {
        "schema": SCHEMA,
        "video": asdict(head.video),
        "models": dict(head.models),
        "detector": head.detector,
        "parameters": dict(head.parameters),
        "categories": [asdict(category) for category in head.categories],
        "tracked_every": head.tracked_every,
        "chunks": [asdict(chunk) for chunk in head.chunks],
        "left_out": head.left_out,
    }


def list_length(head: Head) -> int | None:
    """Length of a tubelet's lists in a document: the number of frames, or None for the length of the tubelet's span."""
    frames = head.video.frames
    return frames if frames * len(head.tubelets) <= MOST_ENTRIES else None


def padded(values: Sequence[T | None], head: TubeletHead, length: int | None) -> list[T | None]:
    """Pad the values of a tubelet's span with None to one per frame of the video; unchanged if `length` is None."""
    if length is None:
        return list(values)
    return [*[None] * head.first_frame, *values, *[None] * (length - head.last_frame - 1)]


def segmentation(entry: Entry | None, video: Video) -> Document | None:
    """The mask as COCO RLE."""
    return None if entry is None else {"size": [video.height, video.width], "counts": entry.counts}


def parse(document: object) -> tuple[Head, tuple[Tubelet, ...]]:
    """Convert a document of schema 1 or format 0 to the head and tubelets of a result.

    Raises:
        NewerFormat: the document's schema is newer than this version reads.
        InvalidResult: the document is not a result, or a member is missing or wrong.
    """
    if not isinstance(document, dict):
        raise InvalidResult(f"result: expected a JSON object, got {type(document).__name__}")
    schema = check_schema(document)
    try:
        video = _of(Video, document.get("video", {"width": 0, "height": 0, "frames": 0}))
        own_ids = schema > 0 or (document.get("parameters") or {}).get("categories") is not None
        tubelets = tuple(_tubelet_of(item, video, schema, own_ids=own_ids) for item in document["tubelets"])
        return head_of(document, video, tuple(tubelet.head for tubelet in tubelets)), tubelets
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidResult(f"result: a member is missing or wrong: {error!r}") from error


def check_schema(document: Mapping[str, Any]) -> int:
    """The document's schema; 0 if it has none.

    Raises:
        NewerFormat: the schema is newer than this version reads.
        InvalidResult: the schema is not an integer.
    """
    schema = document.get("schema", 0)
    if not isinstance(schema, int):
        raise InvalidResult(f"result: schema: expected an integer, got {schema!r:.40}")
    if schema > SCHEMA:
        raise NewerFormat(f"result: schema {schema} is newer than {SCHEMA}, the newest that this version reads")
    return schema


def head_of(document: Mapping[str, Any], video: Video, tubelets: tuple[TubeletHead, ...]) -> Head:
    """Convert the members of a document to a head."""
    chunks = document.get("chunks", document.get("segments", []))
    model, parameters, schema = document.get("model", {}), document.get("parameters") or {}, document.get("schema", 0)
    models = document.get("models") or {
        name: model[old] for name, old in (("architecture", "preset"), ("release", "version")) if old in model
    }
    return Head(
        video=video,
        models=models,
        detector=document.get("detector"),
        # before schema 1, parameters that were not given were null
        parameters={name: value for name, value in parameters.items() if schema or value is not None},
        categories=tuple(_of(Category, item) for item in document.get("categories", [])),
        tracked_every=document.get("tracked_every", 1),
        chunks=tuple(_of(Chunk, item) for item in chunks),
        tubelets=tubelets,
        left_out=document.get("left_out", 0),
    )


def video_of(document: Mapping[str, Any]) -> Video:
    """The video in a document."""
    return _of(Video, document["video"])


def tubelet_head_of(item: Mapping[str, Any]) -> TubeletHead:
    """Convert the members of a tubelet to its head."""
    classes = tuple(_of(ClassScore, {"category_id": None, **each}) for each in item.get("classes", ()))
    spans = item.get("uncertain")
    uncertain = None if spans is None else tuple((first, last) for first, last in spans)
    return _of(TubeletHead, {"category_id": None, **item, "classes": classes, "uncertain": uncertain})


def box_of(value: Sequence[float] | None) -> Box | None:
    """Convert a sequence of four numbers to a box."""
    if value is None:
        return None
    x1, y1, x2, y2 = value
    return (x1, y1, x2, y2)


def _tubelet_json(tubelet: Tubelet, video: Video, length: int | None) -> Document:
    head, entries = tubelet.head, tubelet.entries
    lists: dict[str, list[Any]] = {
        "segmentations": [segmentation(entry, video) for entry in entries],
        "boxes": [entry and entry.box for entry in entries],
        "track_boxes": [entry and entry.track_box for entry in entries],
        "track_scores": [entry and entry.track_score for entry in entries],
    }
    if head.uncertain is not None:
        lists["confidences"] = [entry and entry.confidence for entry in entries]
    known = {**_known(asdict(head)), "classes": [_known(asdict(each)) for each in head.classes]}
    offset = {"offset": head.first_frame} if length is None else {}
    return {**known, **offset, **{name: padded(values, head, length) for name, values in lists.items()}}


def _known(values: Document) -> Document:
    """Without members whose value is unknown, and with a rounded score."""
    found = {name: value for name, value in values.items() if value is not None}
    return {**found, "score": round(found["score"], SCORE_DIGITS)}


def _tubelet_of(item: Mapping[str, Any], video: Video, schema: int, *, own_ids: bool) -> Tubelet:
    head = tubelet_head_of(item if own_ids else {**item, "category_id": None})
    first = head.first_frame - item.get("offset", 0)
    here = slice(first, first + len(head.span))
    # before schema 1, `boxes` were the tracker's boxes
    tracked = item["track_boxes" if schema else "boxes"][here]
    tight = item["boxes"][here] if schema else [None] * len(tracked)
    confidences = item["confidences"][here] if "confidences" in item else [None] * len(tracked)
    rows = zip(item["segmentations"][here], tight, tracked, item["track_scores"][here], confidences, strict=True)
    return Tubelet(head, tuple(_entry_of(*row) for row in rows), video)


def _entry_of(
    mask: Mapping[str, Any] | None,
    box: Sequence[float] | None,
    track_box: Sequence[float] | None,
    score: float | None,
    confidence: float | None,
) -> Entry | None:
    tracked = box_of(track_box)
    if mask is None or tracked is None or score is None:
        return None
    return Entry(mask["counts"], box_of(box), tracked, score, confidence)


def _of(kind: type[T], values: Mapping[str, Any]) -> T:
    """Create a `kind` (a dataclass) from the values of its fields; ignores others, converts lists to tuples."""
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    known = {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items() if name in names
    }
    return kind(**known)
