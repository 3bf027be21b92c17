"""Scenes of rectangles with their true candidates, and the tracker on them with the fake networks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np

from service.inference.fake.client import FakeClient
from service.inference.repository.manifest import load_manifest
from service.pipeline.features.by_frame import FeatureCache
from service.pipeline.networks import Networks
from service.pipeline.tracks.tracker import Tracker
from service.structures.canvas import Canvas
from service.structures.detections import Candidate, Detections
from service.structures.masks import filled
from service.structures.tubelets import Tubelet
from service.tracking.params import TrackerParams
from tests.support.clips import stored
from tests.support.pipelines import REPOSITORY
from tests.support.recording import Call, RecordingClient
from tests.support.scenes import Rectangle, draw

HW = (144, 240)
CANVAS = Canvas(HW, HW)
SPARE = (2, 132, 10, 142)
"""Where further candidates lie: in the lower left corner, where nothing is."""


class Scene:
    """A clip of rectangles; candidates are the rectangles themselves, in their order, and are there when they are."""

    def __init__(self, path: Path, rectangles: Sequence[Rectangle], frames: int, *, spare: int = 0) -> None:
        self.rectangles, self.spare = rectangles, spare
        self.clip = stored(path, np.stack([draw(list(rectangles), t, HW) for t in range(frames)]))
        self.detections = [self._found(t) for t in range(frames)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clip.close()

    def _found(self, t: int) -> Detections:
        seen = [(k, r.box(t)) for k, r in enumerate(self.rectangles) if t not in r.hidden]
        rows = [*seen, *[(0, SPARE)] * self.spare]
        boxes = np.array([box for _, box in rows], np.float32).reshape(len(rows), 4)
        probs = np.zeros((len(rows), max(len(self.rectangles), 2)), np.float32)
        for row, (number, _) in enumerate(rows):
            probs[row, number] = 0.9
        return Detections(t, boxes, probs, tuple(filled(box, HW) for box in boxes))

    def seeds(self, t: int) -> list[Candidate]:
        """The candidates of a frame that shows all rectangles, without the spare ones."""
        return [self.detections[t].candidate(i) for i in range(len(self.rectangles))]

    def tracked(self, params: TrackerParams) -> "Tracked":
        """The tracker on this scene."""
        return Tracked(self, params)


class Tracked:
    """A tracker, and what it asks of the networks."""

    def __init__(self, scene: Scene, params: TrackerParams) -> None:
        manifest = load_manifest(REPOSITORY)
        self.client, self.detections = RecordingClient(FakeClient(manifest.dims)), scene.detections
        networks = Networks(self.client, manifest)
        self._features = FeatureCache(scene.clip, CANVAS, networks, max_bytes=1 << 28)
        self._tracker = Tracker(networks, CANVAS, params, self._features, scene.detections)
        self._frames: dict[bytes, int] = {}

    async def track(self, seeds: Sequence[Candidate]) -> list[Tubelet]:
        """One tubelet per seed."""
        return await self._tracker.track(seeds, lambda *_: None)

    async def know_frames(self) -> None:
        """Look at all frames, which must differ, so that `frame_of` knows them; asks for nothing that counts."""
        for t in range(len(self.detections)):
            features = await self._features.get(t)
            self._frames |= {features.f4.tobytes(): t, features.f8.tobytes(): t}
        assert len(self._frames) == 2 * len(self.detections)
        self.client.calls.clear()

    def frame_of(self, call: Call) -> int:
        """The frame whose features the call was given."""
        features = call.inputs["f4"] if "f4" in call.inputs else call.inputs["f8"]
        return self._frames[features.tobytes()]
