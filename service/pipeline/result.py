"""The result of a job as documents: dualtrack's own JSON and YouTube-VIS's."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from service.pipeline.run import ChunkNote, Run, VideoResult, step_of
from service.structures.categories import Category
from service.structures.tubelets import LabelledTubelet, Tubelet

Document = dict[str, Any]
MOST_ENTRIES = 2_000_000
"""Frames of the video times tubelets. With more, a tubelet's lists hold its own frames only, from `offset` on: an hour
with thousands of short tubelets would be many gigabytes of null."""


def write_tubelets(path: Path, result: VideoResult, run: Run, parameters: Document) -> None:
    """Write the result in dualtrack's own form, one tubelet after the other.

    Masks are COCO RLE, boxes x1 y1 x2 y2 in pixels of the frame after rotation.

    `segmentations`, `boxes` and `track_scores` have one entry per frame of the video, null where the object is
    not visible; see also `MOST_ENTRIES`. `timestamps` are the frames' times in seconds; `detector` names what took
    the bundled one's place; `chunks` tells where the video was cut and whether `max_seeds` was reached there.
    `tracked_every`: of so many frames one was tracked, the others are filled in (parameter `track_fps`).
    """
    length = _length(result.tubelets, len(run.clip))
    tubelets = (_tubelet(i, item, run.categories, length) for i, item in enumerate(result.tubelets, start=1))
    head = json.dumps(_head(result, run, parameters))
    with path.open("w") as file:
        file.write(f'{head[:-1]}, "tubelets": ')
        _write_list(file, tubelets)
        file.write("}")


def write_ytvis(path: Path, result: VideoResult, run: Run) -> None:
    """Write YouTube-VIS `results.json`, one record after the other; see `ytvis_records` and `MOST_ENTRIES`."""
    ids = [category.id for category in run.categories]
    length = _length(result.tubelets, len(run.clip))
    with path.open("w") as file:
        _write_list(file, (_record(item, 1, ids, length) for item in result.tubelets))


def _head(result: VideoResult, run: Run, parameters: Document) -> Document:
    clip, manifest, given = run.clip, run.networks.manifest, run.given
    return {
        "video": {
            **clip.info.to_json(),
            "timestamps": [round(float(t), 6) for t in clip.timestamps],
            "damage": clip.damage,
        },
        "model": {"preset": manifest.preset, "version": manifest.version},
        "detector": None if given is None else given.vector.source,
        "parameters": parameters,
        "tracked_every": step_of(run),
        "chunks": [_chunk(note) for note in result.chunks],
    }


def _chunk(note: ChunkNote) -> Document:
    chunk = note.chunk
    frames = {"first_frame": chunk.first, "last_frame": chunk.end - 1}
    return {**frames, "seeds": note.seeds, "max_seeds_reached": note.capped}


def ytvis_records(
    labelled: Sequence[LabelledTubelet], length: int, *, video_id: int, category_ids: Sequence[int]
) -> list[Document]:
    """One record per tubelet.

    Args:
        labelled: the tubelets.
        length: frames of the video.
        video_id: their video.
        category_ids: category id by class index.
    """
    return [_record(item, video_id, category_ids, length) for item in labelled]


def _record(item: LabelledTubelet, video_id: int, category_ids: Sequence[int], length: int | None) -> Document:
    masks = [None if mask is None else mask.json() for mask in item.tubelet.masks]
    return {
        "video_id": video_id,
        "category_id": category_ids[item.label],
        "score": item.score,
        **_offset(item.tubelet, length),
        "segmentations": _padded(masks, item.tubelet, length),
    }


def _tubelet(number: int, item: LabelledTubelet, categories: Sequence[Category], length: int | None) -> Document:
    tubelet, category = item.tubelet, categories[item.label]
    frames = tubelet.frames
    masks = [None if mask is None else mask.json() for mask in tubelet.masks]
    boxes = [
        None if mask is None else [round(float(x), 2) for x in box]
        for box, mask in zip(tubelet.boxes, masks, strict=True)
    ]
    scores = [
        None if mask is None else round(float(np.clip(score, 0, 1)), 4)
        for score, mask in zip(tubelet.scores, masks, strict=True)
    ]
    return {
        "id": number,
        "category_id": category.id,
        "category": category.name,
        "score": round(item.score, 6),
        "first_frame": frames[0] if frames else None,
        "last_frame": frames[-1] if frames else None,
        "frames": len(frames),
        "seed_frame": tubelet.seed.frame,
        **_offset(tubelet, length),
        "segmentations": _padded(masks, tubelet, length),
        "boxes": _padded(boxes, tubelet, length),
        "track_scores": _padded(scores, tubelet, length),
    }


def _length(labelled: Sequence[LabelledTubelet], frames: int) -> int | None:
    """How long a tubelet's lists are; None: as long as the tubelet."""
    return frames if frames * len(labelled) <= MOST_ENTRIES else None


def _offset(tubelet: Tubelet, length: int | None) -> Document:
    return {"offset": tubelet.start} if length is None else {}


def _padded(values: list[Any], tubelet: Tubelet, length: int | None) -> list[Any]:
    """Null before and after, so that there is an entry for every frame."""
    if length is None:
        return values
    return [*[None] * tubelet.start, *values, *[None] * (length - tubelet.start - len(values))]


def _write_list(file: TextIO, documents: Iterable[Document]) -> None:
    """A JSON list as `json.dumps` writes it, without the whole of it in memory."""
    file.write("[")
    file.writelines((", " if number else "") + json.dumps(document) for number, document in enumerate(documents))
    file.write("]")
