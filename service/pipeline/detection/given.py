"""Candidates from a file instead of the detector: COCO results with the frame index as `image_id`."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from dualtrack.digest import sha256_of
from dualtrack.errors import InvalidDetections
from service.media.children.guard import DETECTIONS, run_child
from service.media.frames.frame_source import FrameSource
from service.media.limits import VideoLimits
from service.media.video_info import VideoInfo
from service.pipeline.categories.class_vector import ClassVector
from service.pipeline.detection.box_masks import masks_of_boxes
from service.pipeline.detection.bundled import strongest
from service.pipeline.detection.records import Records, unpack_records, vector_from_json, vector_to_json
from service.pipeline.features.by_frame import FeatureCache
from service.pipeline.networks import Networks
from service.pipeline.parameters.params import DetectorParams
from service.pipeline.store.cache import StageCache, recall
from service.pipeline.store.keys import given_key
from service.structures.canvas import Canvas
from service.structures.detections import Detections
from service.structures.masks import Rle

CHECK_MEMORY = 2 << 30
CHECK_CPU_S = 60
CHECKED_BYTES = 1 << 30


@dataclass(frozen=True, eq=False)
class GivenDetections:
    """The candidates of a file; see `Detector`.

    Attributes:
        vector: its classes; the source is the file's content.
        records: every frame's candidates, as the file has them.
    """

    vector: ClassVector
    records: Records

    @property
    def source(self) -> str:
        """See `Detector.source`."""
        return self.vector.source

    async def detect(
        self,
        clip: FrameSource,
        canvas: Canvas,
        networks: Networks,
        params: DetectorParams,
        features: FeatureCache,
    ) -> AsyncIterator[Detections]:
        """See `Detector.detect`; threshold and maximum number apply as for a detector."""
        for place, index in enumerate(clip.indices):
            # none where the decoder found more frames than the probe had counted packets
            records = self.records.of_frame(index)
            probs = self.records.probs(records)
            keep = strongest(probs, params)
            masks = [self.records.mask(records[int(i)]) for i in keep]
            boxes = np.zeros((len(keep), 4), np.float32)
            for row, (i, mask) in enumerate(zip(keep, masks, strict=True)):
                boxes[row] = self.records.box(records[int(i)], mask)
            missing = [row for row, mask in enumerate(masks) if mask is None]
            made: Iterator[Rle] = iter(())
            if missing:
                here = await features.get(place)
                made = iter(await masks_of_boxes(boxes[missing], here, canvas, networks))
            whole = tuple(next(made) if mask is None else mask for mask in masks)
            raw = np.where(self.records.whole(records)[keep, None], probs[keep], np.float32(0))
            yield Detections(place, boxes, probs[keep], whole, raw)


async def check_detections(
    path: Path, info: VideoInfo, known: ClassVector, limits: VideoLimits, target: dict[str, Any]
) -> ClassVector:
    """Check a file of detections in a process with limits, which stores its records for the engine.

    Args:
        path: see `records_file.read_records`.
        info: of the video that the detections are of.
        known: the detector's classes, which a bare list means.
        limits: how long the process may say nothing.
        target: where the records go: `out`, a file, or `cache` with `root`, `max_bytes` and `key`.

    Returns:
        What the class vectors mean.

    Raises:
        InvalidDetections: the file can't be used, or takes more time or memory than allowed.
        Unavailable: the disk is full, or see `run_child`.
    """
    job = {
        "path": str(path),
        "frames": info.frames,
        "size_hw": [info.height, info.width],
        "known": vector_to_json(known),
        "memory_bytes": CHECK_MEMORY,
        "cpu_s": CHECK_CPU_S,
        "file_bytes": CHECKED_BYTES,
        **target,
    }
    module = "service.pipeline.detection.check"
    return vector_from_json(await run_child(module, job, wall_s=limits.wall_s, subject=DETECTIONS))


async def open_detections(
    path: Path,
    info: VideoInfo,
    known: ClassVector,
    *,
    video: str,
    cache: StageCache,
    scratch: Path,
    limits: VideoLimits,
) -> GivenDetections:
    """The detections of a file: the records that were stored when it was checked, or else it is checked now.

    Args:
        path: the file.
        info: of the video that the detections are of.
        known: the detector's classes, which a bare list means.
        video: sha256 of the video.
        cache: has the records, or keeps them.
        scratch: folder for them on the way.
        limits: see `check_detections`.

    Raises:
        InvalidDetections, Unavailable: as `check_detections`.
    """
    try:
        digest = await asyncio.to_thread(sha256_of, path)
    except OSError as error:
        raise InvalidDetections(f"detections: expected a JSON file: {error}") from error
    key = given_key(video, digest, info, vector_to_json(known))
    kept = await asyncio.to_thread(recall, cache, key, unpack_records)
    if kept is None:
        scratch.mkdir(parents=True, exist_ok=True)
        out = scratch / f"{uuid4().hex}.records"
        try:
            await check_detections(path, info, known, limits, {"out": str(out)})
            data = out.read_bytes()
        finally:
            out.unlink(missing_ok=True)
        cache.put(key, data)
        kept = unpack_records(data)
    records, vector = kept
    return GivenDetections(vector, records)
