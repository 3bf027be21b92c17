"""docs/method.md, section 5.6: tracking forward on a reversed video is tracking backward on the original one."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from service.inference.onnx_runtime import OnnxRuntimeClient
from service.inference.repository.manifest import load_manifest
from service.media.frames.clip import Clip
from service.pipeline.detection.bundled import detect
from service.pipeline.features.by_frame import FeatureCache
from service.pipeline.networks import Networks
from service.pipeline.parameters.params import DetectorParams
from service.pipeline.tracks.tracker import Tracker
from service.structures.canvas import fit
from service.structures.detections import Candidate, Detections
from service.structures.tubelets import Tubelet
from service.tracking.params import FusionParams, TrackerParams
from tests.support.clips import PEDESTRIANS, stored
from tests.support.pipelines import REPOSITORY

HW, FRAMES, SEED = (256, 352), 8, 5
CANVAS = fit(HW, short_side=256, long_side=352)


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    with av.open(str(PEDESTRIANS)) as given:
        decoded = [frame for frame, _ in zip(given.decode(video=0), range(FRAMES), strict=False)]
    return np.stack([frame.reformat(width=HW[1], height=HW[0], format="rgb24").to_ndarray() for frame in decoded])


async def detections_of(clip: Clip, networks: Networks) -> list[Detections]:
    features = FeatureCache(clip, CANVAS, networks, max_bytes=1)
    return [found async for found in detect(clip, CANVAS, networks, DetectorParams(), features)]


async def tubelets(
    clip: Clip, networks: Networks, detections: Sequence[Detections], seeds: Sequence[Candidate], *, bidirectional: bool
) -> list[Tubelet]:
    features = FeatureCache(clip, CANVAS, networks, max_bytes=1 << 28)
    params = TrackerParams(fusion=FusionParams(bidirectional=bidirectional))
    tracker = Tracker(networks, CANVAS, params, features, detections)
    return await tracker.track(seeds, lambda *_: None)


def test_forward_on_the_reversed_video_is_backward_on_the_original(frames: np.ndarray, tmp_path: Path) -> None:
    last = FRAMES - 1

    async def main() -> tuple[list[Tubelet], list[Tubelet], list[Tubelet]]:
        manifest = load_manifest(REPOSITORY)
        networks = Networks(OnnxRuntimeClient(manifest, providers=["CPUExecutionProvider"], threads=1), manifest)
        original, backwards = stored(tmp_path / "a", frames), stored(tmp_path / "b", frames[::-1])
        found = await detections_of(original, networks)
        mirrored = [replace(detections, frame=last - detections.frame) for detections in reversed(found)]
        seeds = [found[SEED].candidate(index) for index in range(min(3, len(found[SEED])))]
        turned = [replace(seed, frame=last - SEED) for seed in seeds]
        forward = await tubelets(original, networks, found, seeds, bidirectional=False)
        both = await tubelets(original, networks, found, seeds, bidirectional=True)
        reversed_forward = await tubelets(backwards, networks, mirrored, turned, bidirectional=False)
        await networks.client.close()
        original.close()
        backwards.close()
        return forward, both, reversed_forward

    forward, both, reversed_forward = asyncio.run(main())
    assert len(both) == 3
    for ahead, whole, turned in zip(forward, both, reversed_forward, strict=True):
        assert any(mask is not None for mask in whole.masks[:SEED])
        assert all(mask is None for mask in ahead.masks[:SEED])
        assert whole.masks[: SEED + 1] == turned.masks[::-1][: SEED + 1]
        assert whole.masks[SEED:] == ahead.masks[SEED:]
        np.testing.assert_array_equal(whole.boxes[: SEED + 1], turned.boxes[::-1][: SEED + 1])
