"""Evaluation of the trackers without the detector: every annotated instance is tracked from its first frame.

The instance's first annotated frame is the seed; from there the pipeline's tracker runs forward and backward over the
clip, without candidates. A lost track could not be found again then, so tracks are never lost unless the caller sets
`lost_enter`; a frame without a mask or box counts as 0.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from dualtrack.errors import InvalidDataset
from evaluation.data.dataset import AnnotatedVideo, Dataset, Document
from evaluation.metrics.crossings import count_switches
from evaluation.metrics.davis import boundary_accuracy, region_similarity
from evaluation.metrics.figures import COUNTS
from evaluation.runs.session import open_run
from service.pipeline.context import PipelineContext
from service.pipeline.features.by_frame import FeatureCache
from service.pipeline.parameters.job_parameters import JobParameters
from service.pipeline.run import Run
from service.pipeline.tracks.tracker import Tracker
from service.structures.arrays import F32
from service.structures.boxes import iou_matrix
from service.structures.detections import Candidate, Detections
from service.structures.masks import Rle, area, bounding_box, decode, from_json
from service.structures.tubelets import Tubelet
from service.tracking.params import TrackerParams

Given = Literal["first-box", "first-mask"]
Figures = dict[str, float | None]
SUCCESS = 0.5
"""Box IoU above which a frame is a success."""


@dataclass(frozen=True)
class Truth:
    """One annotated instance.

    Attributes:
        id: of the annotation.
        masks: its mask in every annotated frame of the video, None where it is not visible.
        frames: indices of these frames in the video's file.
    """

    id: int
    masks: tuple[Rle | None, ...]
    frames: tuple[int, ...]

    @property
    def first(self) -> int:
        """Position in `masks` of the first frame that shows it."""
        return next(i for i, mask in enumerate(self.masks) if mask is not None)


async def given_clips(
    dataset: Dataset,
    videos: Sequence[AnnotatedVideo],
    given: Given,
    parameters: JobParameters,
    context: PipelineContext,
    notify: Callable[[str], None] = lambda _: None,
) -> list[Document]:
    """One record per video: `video_id, name, tracks` and `crossings, switches, unanswered_crossings`.

    A track is the annotation's `id` and `figures_of_track`; for the counts see `metrics.crossings`.

    Args:
        dataset: the annotations.
        videos: to evaluate.
        given: start from the first box or the first mask.
        parameters: of the request.
        context: networks and folders.
        notify: called with a line after every video.
    """
    clips: list[Document] = []
    for number, video in enumerate(videos, start=1):
        start = time.perf_counter()
        truths = truths_of(video, dataset.annotations_of(video))
        async with open_run(video, context, parameters) as run:
            boxes, dual = await follow(run, truths, given, parameters)
            speed = (time.perf_counter() - start) / len(run.clip)
        tracks = [
            {"id": truth.id, **figures_of_track(truth, box, both, given)}
            for truth, box, both in zip(truths, boxes, dual, strict=True)
        ]
        clips.append({"video_id": video.id, "name": video.name, "tracks": tracks, **_switches(truths, boxes)})
        notify(f"{number}/{len(videos)} {video.name}: {speed:.2f} s/frame")
    return clips


async def follow(
    run: Run, truths: Sequence[Truth], given: Given, parameters: JobParameters
) -> tuple[list[Tubelet], list[Tubelet]]:
    """For every instance, the track whose boxes are scored and the track of the dual tracker; in order."""
    params = tracker_params(parameters)
    alone = replace(params, fusion=replace(params.fusion, kind="instance"))
    features = FeatureCache(run.clip, run.canvas, run.networks, max_bytes=run.feature_bytes, spill=run.spill)
    seeds = [seed_of(truth, truth.first, run) for truth in truths]
    dual = await track_seeds(run, seeds, params, features)
    return (await track_seeds(run, seeds, alone, features) if given == "first-box" else dual), dual


def tracker_params(parameters: JobParameters) -> TrackerParams:
    """The request's parameters; tracks are only lost if the request sets `lost_enter`, see above."""
    params = parameters.pipeline_params().tracker
    if parameters.lost_enter is not None:
        return params
    lost = replace(params.siamese.lost, enter=0.0)
    return replace(params, siamese=replace(params.siamese, lost=lost))


def truths_of(video: AnnotatedVideo, annotations: Sequence[Document]) -> list[Truth]:
    """The instances of a video that are visible in some frame, without crowds."""
    truths = []
    for item in annotations:
        masks = tuple(_visible(rle) for rle in item["segmentations"])
        if len(masks) != len(video.frames):
            raise InvalidDataset(
                f"annotation {item['id']} of video {video.name}: expected {len(video.frames)} segmentations, "
                f"got {len(masks)}"
            )
        if any(mask is not None for mask in masks) and not item.get("iscrowd"):
            truths.append(Truth(item["id"], masks, video.frames))
    return truths


def _visible(rle: dict[str, object] | None) -> Rle | None:
    mask = from_json(rle) if rle else None
    return mask if mask is not None and area(mask) > 0 else None


def seed_of(truth: Truth, position: int, run: Run) -> Candidate:
    """The instance's annotated mask at `position` as a seed without a class.

    Raises:
        InvalidDataset: the masks and the video differ in size.
    """
    mask = truth.masks[position]
    assert mask is not None
    if mask.size_hw != run.clip.frame_hw:
        raise InvalidDataset(
            f"annotation {truth.id}: expected masks of {run.clip.frame_hw} (height, width), got {mask.size_hw}"
        )
    probs = np.zeros(run.networks.manifest.dims.classes, np.float32)
    return Candidate(truth.frames[position], bounding_box(mask), probs, mask)


async def track_seeds(
    run: Run, seeds: Sequence[Candidate], params: TrackerParams, features: FeatureCache
) -> list[Tubelet]:
    """Tubelets of seeds, tracked without candidates."""
    classes = run.networks.manifest.dims.classes
    nothing = [
        Detections(t, np.zeros((0, 4), np.float32), np.zeros((0, classes), np.float32), ())
        for t in range(len(run.clip))
    ]
    tracker = Tracker(run.networks, run.canvas, params, features, nothing)
    return await tracker.track(seeds, lambda *_: None)


def figures_of_track(truth: Truth, boxes: Tubelet, dual: Tubelet, given: Given) -> Figures:
    """Metrics of one instance, over its annotated frames except the first.

    Keys: `mean_box_iou`, `success50` and `absent` (fraction of frames without a box) over the frames where it is
    visible, None if there are none; `J`, `F` over all frames; for `first-box` also `dual_box_iou` and `dual_success50`.

    Args:
        truth: the instance.
        boxes: track whose boxes are scored: of the Siamese RPN for `first-box`, else of the dual tracker.
        dual: track of the dual tracker, whose masks are scored.
        given: what the tracks started from.
    """
    later = [i for i in range(len(truth.masks)) if i != truth.first]
    overlaps = _overlaps(truth, boxes, later)
    figures = {
        "mean_box_iou": _mean(overlaps),
        "success50": _mean(overlaps > SUCCESS),
        "absent": _mean(np.array([boxes.masks[truth.frames[i]] is None for i in later if truth.masks[i] is not None])),
    }
    if given == "first-box":
        also = _overlaps(truth, dual, later)
        figures |= {"dual_box_iou": _mean(also), "dual_success50": _mean(also > SUCCESS)}
    masks = np.array([_mask_figures(truth.masks[i], dual.masks[truth.frames[i]]) for i in later]).reshape(-1, 2)
    return {**figures, "J": _mean(masks[:, 0]), "F": _mean(masks[:, 1])}


def _switches(truths: Sequence[Truth], tracks: Sequence[Tubelet]) -> Document:
    """Crossings and switches of one clip."""
    instances = [[None if mask is None else bounding_box(mask) for mask in truth.masks] for truth in truths]
    boxes = [
        [None if track.masks[t] is None else track.boxes[t] for t in truth.frames]
        for truth, track in zip(truths, tracks, strict=True)
    ]
    found = count_switches(instances, boxes)
    return dict(zip(COUNTS, (found.crossings, found.switched, found.unanswered), strict=True))


def _overlaps(truth: Truth, tubelet: Tubelet, positions: Sequence[int]) -> F32:
    """Box IoU in the given frames that show the instance; 0 where the track has no box."""
    rows = [
        iou_matrix(bounding_box(mask)[None], tubelet.boxes[truth.frames[i]][None])[0, 0]
        for i in positions
        if (mask := truth.masks[i]) is not None
    ]
    return np.array(rows, np.float32)


def _mask_figures(wanted: Rle | None, found: Rle | None) -> tuple[float, float]:
    """J and F of one frame."""
    if wanted is None and found is None:
        return 1.0, 1.0
    size = next(mask.size_hw for mask in (wanted, found) if mask is not None)
    truth, answer = (np.zeros(size, np.bool_) if mask is None else decode(mask) for mask in (wanted, found))
    return region_similarity(truth, answer), boundary_accuracy(truth, answer)


def _mean(values: np.ndarray[Any, Any]) -> float | None:
    return float(values.mean()) if len(values) else None
