"""The seam of the stage DETECT: where candidates come from."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from service.inference.repository import ModelClass, display_names
from service.media.clip import Clip
from service.pipeline.features import FeatureCache
from service.pipeline.params import DetectorParams
from service.structures.canvas import Canvas
from service.structures.categories import Category
from service.structures.detections import Detections


class Detector(Protocol):
    """Finds the candidates of every frame.

    Implementations: `detect.BundledDetector`, the graph `mask_rcnn`; `given_detections.GivenDetections`, a file.
    """

    @property
    def version(self) -> str:
        """Names what candidates depend on besides the parameters; part of the cache's keys."""
        ...

    @property
    def classes(self) -> tuple[ModelClass, ...]:
        """Classes of the class vector, in order."""
        ...

    @property
    def categories(self) -> tuple[Category, ...]:
        """Ids and names under which results tell the classes, in the same order."""
        ...

    def detect(
        self, clip: Clip, canvas: Canvas, params: DetectorParams, features: FeatureCache
    ) -> AsyncIterator[Detections]:
        """Candidates of each frame in order; features that come along go to `features`."""
        ...


def numbered(classes: Sequence[ModelClass]) -> tuple[Category, ...]:
    """Categories of classes that have no ids of their own: counted from 1."""
    return tuple(Category(number, name) for number, name in enumerate(display_names(classes), start=1))
