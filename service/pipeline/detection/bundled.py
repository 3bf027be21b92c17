"""Stage `detect` with the bundled detector: candidates of every frame, with full class vectors and masks."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import numpy as np

from service.inference.client import Tensors
from service.inference.repository.manifest import Manifest
from service.media.frames.frame_source import FrameSource
from service.pipeline.categories.class_vector import ClassVector, bundled
from service.pipeline.features.batches import detector_batch
from service.pipeline.features.by_frame import FeatureCache
from service.pipeline.networks import Networks
from service.pipeline.parameters.params import DetectorParams
from service.structures.arrays import F32, I64
from service.structures.boxes import clip as clip_boxes
from service.structures.canvas import Canvas
from service.structures.detections import Detections
from service.structures.masks import Rle, encode_part
from service.tracking.windows import paste_part

MASK_THRESH = 0.5
"""Threshold of Mask R-CNN's masks (He et al. 2017, section 3.1)."""


@dataclass(frozen=True)
class BundledDetector:
    """The repository's `mask_rcnn`; see `Detector`.

    Attributes:
        manifest: of the repository.
    """

    manifest: Manifest

    @property
    def vector(self) -> ClassVector:
        """The manifest's classes."""
        return bundled(self.manifest)

    @property
    def source(self) -> str:
        """See `Detector.source`."""
        return self.vector.source

    def detect(
        self, clip: FrameSource, canvas: Canvas, networks: Networks, params: DetectorParams, features: FeatureCache
    ) -> AsyncIterator[Detections]:
        """See `Detector.detect`."""
        return detect(clip, canvas, networks, params, features)


async def detect(
    clip: FrameSource, canvas: Canvas, networks: Networks, params: DetectorParams, features: FeatureCache
) -> AsyncIterator[Detections]:
    """Candidates of each frame in order; features computed with them are put into `features`."""
    for start in range(0, len(clip), params.batch):
        indices = range(start, min(start + params.batch, len(clip)))
        frames = [clip.frame(i) for i in indices]
        inputs = detector_batch(frames, canvas, th_det=params.th_det, max_per_frame=params.max_per_frame)
        outputs = await networks.run("mask_rcnn", inputs)
        for slot, index in enumerate(indices):
            if "f4" in outputs:
                features.put(index, outputs["f4"][slot], outputs["f8"][slot])
            yield candidates(index, _slot(outputs, slot), canvas, params)


def candidates(frame: int, outputs: Tensors, canvas: Canvas, params: DetectorParams) -> Detections:
    """One image's raw slots -> candidates in the original frame.

    Args:
        frame: index of the frame.
        outputs: `boxes` (D, 4) in network pixels, `scores` (D, K), `masks` (D, 28, 28), `count` (1,).
        canvas: sizes.
        params: threshold and maximum number.
    """
    count = int(outputs["count"][0])
    keep = strongest(outputs["scores"][:count], params)
    network_boxes: F32 = outputs["boxes"][keep]
    boxes = clip_boxes(network_boxes / canvas.scale_xyxy, canvas.frame_hw)
    masks = [_paste(outputs["masks"][i], box, canvas) for i, box in zip(keep, boxes, strict=True)]
    return Detections(frame, boxes.astype(np.float32), outputs["scores"][keep], tuple(masks))


def strongest(probs: F32, params: DetectorParams) -> I64:
    """Class vectors (N, K) -> indices of at most `max_per_frame` candidates above the threshold, best first."""
    best = probs.max(axis=1, initial=0)
    order = np.argsort(-best, kind="stable")[: params.max_per_frame]
    kept: I64 = order[best[order] >= params.th_det].astype(np.int64)
    return kept


def _slot(outputs: Tensors, slot: int) -> Tensors:
    return {name: outputs[name][slot] for name in ("boxes", "scores", "masks", "count")}


def _paste(probability: F32, box: F32, canvas: Canvas) -> Rle:
    """Mask head's grid (28, 28), stretched over `box` -> mask of the frame."""
    part, corner = paste_part(probability, box, canvas.frame_hw)
    return encode_part(part >= MASK_THRESH, corner, canvas.frame_hw)
