"""Upper bounds: trackers with perfect seeds, detections with perfect association, tubelets with perfect classes."""

from collections.abc import Sequence

import numpy as np

from evaluation.data.dataset import AnnotatedVideo, Document
from evaluation.metrics.faults import FOREGROUND
from evaluation.metrics.overlaps import overlaps
from evaluation.runs.given import Truth, seed_of, truths_of
from service.pipeline.run import Run
from service.pipeline.tracks.caching import SeedTracker
from service.structures.detections import Detections
from service.structures.masks import Rle, area, iou_matrix


async def seed_records(
    run: Run, tracker: SeedTracker, video: AnnotatedVideo, annotations: Sequence[Document]
) -> list[Document]:
    """Track every object from its annotated mask in the frame where it is largest, with true class and score 1."""
    truths = truths_of(video, annotations)
    seeds = [seed_of(truth, _largest(truth), run) for truth in truths]
    tubelets = await tracker.track(seeds, lambda *_: None)
    return _right(video, annotations, truths, [[tubelet.masks[t] for t in video.frames] for tubelet in tubelets])


def detection_records(
    detections: Sequence[Detections], video: AnnotatedVideo, annotations: Sequence[Document]
) -> list[Document]:
    """Link, for every object, the detection that overlaps it most in each frame, with true class and score 1.

    Args:
        detections: by frame of the file.
        video: the annotated video.
        annotations: of the video.
    """
    truths = truths_of(video, annotations)
    found = [
        [_closest(mask, detections[t]) for mask, t in zip(truth.masks, truth.frames, strict=True)] for truth in truths
    ]
    return [record for record in _right(video, annotations, truths, found) if any(record["segmentations"])]


def _right(
    video: AnnotatedVideo,
    annotations: Sequence[Document],
    truths: Sequence[Truth],
    masks: Sequence[Sequence[Rle | None]],
) -> list[Document]:
    """Records with these masks in every annotated frame, and the objects' true classes with score 1."""
    categories = {item["id"]: item["category_id"] for item in annotations}
    return [
        {
            "video_id": video.id,
            "category_id": categories[truth.id],
            "score": 1.0,
            "segmentations": [mask and mask.json() for mask in own],
        }
        for truth, own in zip(truths, masks, strict=True)
    ]


def _closest(wanted: Rle | None, found: Detections) -> Rle | None:
    """The detection with the highest mask IoU, if that is above 0."""
    if wanted is None or not len(found):
        return None
    overlap = iou_matrix([wanted], found.masks)[0]
    return found.masks[int(overlap.argmax())] if overlap.max() > 0 else None


def _largest(truth: Truth) -> int:
    """Position of the frame where the object is largest; the first of equal ones."""
    return int(np.argmax([0 if mask is None else area(mask) for mask in truth.masks]))


def with_true_classes(records: Sequence[Document], annotations: Sequence[Document]) -> list[Document]:
    """Give each tubelet the class of the object it overlaps most, if their tubelet IoU is above 0.5, and no other."""
    objects = [item for item in annotations if not item.get("iscrowd", 0)]
    if not objects:
        return list(records)
    records = [{name: value for name, value in record.items() if name != "classes"} for record in records]
    iou = overlaps([item["segmentations"] for item in records], [item["segmentations"] for item in objects]).clip
    return [
        {**record, "category_id": objects[int(row.argmax())]["category_id"]} if row.max() > FOREGROUND else dict(record)
        for record, row in zip(records, iou, strict=True)
    ]
