"""An external detector instead of the bundled one: any ONNX file with a description."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from dualtrack.errors import ConfigurationError
from service.inference.client import Tensors
from service.inference.onnx_runtime import OnnxFile
from service.media.frames.frame_source import FrameSource
from service.pipeline.categories.class_vector import ClassVector
from service.pipeline.detection.box_masks import masks_of_boxes
from service.pipeline.detection.bundled import MASK_THRESH, strongest
from service.pipeline.detection.description import Description, DetectorFile, load_detector_file
from service.pipeline.detection.output_tensors import boxes_of, check_count, check_units, grids_of, scores_of
from service.pipeline.detection.placement import Placement, input_of, place
from service.pipeline.features.by_frame import FeatureCache
from service.pipeline.networks import Networks
from service.pipeline.parameters.params import DetectorParams
from service.structures.arrays import F32, I64
from service.structures.boxes import clip as clip_boxes
from service.structures.canvas import Canvas
from service.structures.detections import Detections
from service.structures.masks import Rle, decode, encode, filled
from service.tracking.windows import paste_probability

MOST_BEFORE_NMS = 1000


@dataclass(frozen=True)
class OutsideDetector:
    """See `Detector`. Frames of the clip, at their stored size, are scaled to its input.

    Attributes:
        file: the parsed description.
        graph: runs in this process.
    """

    file: DetectorFile
    graph: OnnxFile

    @property
    def vector(self) -> ClassVector:
        """The description's classes."""
        return self.file.vector

    @property
    def source(self) -> str:
        """See `Detector.source`: description, graph, and what runs it, which need not be what runs the networks."""
        return f"{self.vector.source} {self.graph.runtime}"

    async def detect(
        self,
        clip: FrameSource,
        canvas: Canvas,
        networks: Networks,
        params: DetectorParams,
        features: FeatureCache,
    ) -> AsyncIterator[Detections]:
        """See `Detector.detect`; one frame per call, as most exports have a batch size of 1."""
        rule = self.file.description.input
        placement = place(canvas.network_hw, rule)
        for index in range(len(clip)):
            given = {rule.name: input_of(clip.frame(index), placement, rule)}
            outputs = await self.graph.run(tensors_of(self.file.description), given)
            frame = found(index, outputs, self.file, (placement, canvas.frame_hw), params)
            if self.file.description.masks is None and len(frame):
                here = await features.get(index)
                frame = replace(frame, masks=await masks_of_boxes(frame.boxes, here, canvas, networks))
            yield frame


def open_detector(path: Path | None, *, providers: Sequence[str], threads: int) -> OutsideDetector | None:
    """Read a description and open its graph; None without one.

    Raises:
        ConfigurationError: description or graph can't be used, or they do not match.
    """
    if path is None:
        return None
    file = load_detector_file(path)
    graph = OnnxFile(file.path, providers=providers, threads=threads)
    if graph.inputs != (file.description.input.name,):
        wanted = f"the one input {file.description.input.name!r}"
        raise ConfigurationError(f"detector {path}: expected {wanted}, the graph has {list(graph.inputs)}")
    if missing := [name for name in tensors_of(file.description) if name not in graph.outputs]:
        raise ConfigurationError(f"detector {path}: expected outputs {missing}, the graph has {list(graph.outputs)}")
    return OutsideDetector(file, graph)


def tensors_of(description: Description) -> list[str]:
    """Names of the outputs to request."""
    masks = description.masks
    names = [description.boxes.tensor, description.scores.tensor, description.scores.labels]
    names += [masks.tensor, masks.coefficients.tensor if masks.coefficients else None] if masks else []
    return list(dict.fromkeys(name for name in names if name is not None))


def found(
    index: int, outputs: Tensors, file: DetectorFile, where: tuple[Placement, tuple[int, int]], params: DetectorParams
) -> Detections:
    """One frame's tensors -> candidates in the original frame.

    Args:
        index: of the frame.
        outputs: of the graph.
        file: the parsed description.
        where: the frame's placement in the input, and its original height and width.
        params: threshold and maximum number.

    Raises:
        ContractViolation: a tensor does not match the description; the message names it.
    """
    placement, frame_hw = where
    description = file.description
    boxes = boxes_of(outputs, description.boxes, placement.input_hw)
    probs = np.clip(scores_of(outputs, file), 0, 1)
    check_count(description.scores.tensor, len(probs), len(boxes))
    check_units(outputs, description.boxes, np.flatnonzero(probs.max(axis=1, initial=0) >= params.th_det))
    in_frame = clip_boxes(placement.to_frame(boxes, frame_hw), frame_hw)
    # boxes in the padding are empty; NaN also fails the comparison
    there = np.flatnonzero(((in_frame[:, 2:] > in_frame[:, :2]).all(axis=1)) & np.isfinite(probs).all(axis=1))
    keep = _apart(in_frame, probs, there.astype(np.int64), description.nms_iou, params)
    masks = _masks(outputs, description, keep, in_frame[keep], where, count=len(boxes))
    return Detections(index, in_frame[keep], probs[keep], masks)


def _apart(boxes: F32, probs: F32, indices: I64, nms_iou: float | None, params: DetectorParams) -> I64:
    """The boxes of `indices` to keep, best first, after class-agnostic NMS: an object is one candidate."""
    best = probs[indices].max(axis=1, initial=0)
    if nms_iou is not None and len(indices):
        sides = np.concatenate([boxes[indices, :2], boxes[indices, 2:] - boxes[indices, :2]], axis=1)
        kept = cv2.dnn.NMSBoxes(sides.tolist(), best.tolist(), params.th_det, nms_iou, top_k=MOST_BEFORE_NMS)
        indices = indices[np.asarray(kept, np.int64).reshape(-1)]
    return indices[strongest(probs[indices], params)]


def _masks(
    outputs: Tensors,
    description: Description,
    keep: I64,
    boxes: F32,
    where: tuple[Placement, tuple[int, int]],
    *,
    count: int,
) -> tuple[Rle, ...]:
    """Masks of the kept boxes; the filled boxes if the graph has no masks."""
    placement, frame_hw = where
    rule = description.masks
    if rule is None:
        return tuple(filled(box, frame_hw) for box in boxes)
    grids = grids_of(outputs, rule, keep, boxes=count)
    if rule.space == "box" and rule.coefficients is None:
        return tuple(
            encode(paste_probability(grid, box, frame_hw) >= MASK_THRESH)
            for grid, box in zip(grids, boxes, strict=True)
        )
    height, width = placement.input_hw
    window = placement.to_frame(np.array([[0, 0, width, height]], np.float32), frame_hw)[0]
    return tuple(
        encode((paste_probability(grid, window, frame_hw) >= MASK_THRESH) & decode(filled(box, frame_hw)))
        for grid, box in zip(grids, boxes, strict=True)
    )
