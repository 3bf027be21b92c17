"""The interface of the stage `detect`: sources of candidates."""

from collections.abc import AsyncIterator
from typing import Protocol

from service.media.frames.frame_source import FrameSource
from service.pipeline.categories.class_vector import ClassVector
from service.pipeline.features.by_frame import FeatureCache
from service.pipeline.networks import Networks
from service.pipeline.parameters.params import DetectorParams
from service.structures.canvas import Canvas
from service.structures.detections import Detections


class Detector(Protocol):
    """Finds the candidates of every frame.

    Implementations: `bundled.BundledDetector`, the graph `mask_rcnn`; `outside.OutsideDetector`, any ONNX
    file with a description; `given.GivenDetections`, a file of detections.
    """

    @property
    def vector(self) -> ClassVector:
        """The classes of the detector."""
        ...

    @property
    def source(self) -> str:
        """Names what candidates depend on besides video, parameters and bundled networks; part of the cache keys."""
        ...

    def detect(
        self, clip: FrameSource, canvas: Canvas, networks: Networks, params: DetectorParams, features: FeatureCache
    ) -> AsyncIterator[Detections]:
        """Candidates of each frame in order.

        Args:
            clip: the frames.
            canvas: their sizes.
            networks: the bundled graphs; the pixel embedding computes masks for boxes without one.
            params: threshold and maximum number.
            features: f4 and f8 by frame; features computed with the candidates are added.
        """
        ...
