"""What DeepSORT compares two detections by."""

import asyncio
from typing import Any, cast

import numpy as np

from evaluation.baselines.appearance import appearance
from evaluation.data.remembered import Remembered
from service.pipeline.features.by_frame import FeatureCache, FrameFeatures
from service.pipeline.run import Run
from service.structures.arrays import F32
from service.structures.canvas import fit
from service.structures.detections import Detections
from tests.unit.builders import HW, frame

RAW = frame(0, (0, [0.6, 0.8, 0.0]), (20, [0.0, 0.6, 0.8]), (30, [0.1, 0.0, 0.0]))


class AsItIs:
    """A run of a video at the networks' size."""

    canvas = fit(HW, short_side=HW[0], long_side=HW[1])


class LeftAndRight:
    """Features of a frame whose left half is unlike its right half."""

    async def get(self, _: int) -> FrameFeatures:
        """Two channels: one is on at the left, one at the right."""
        height, width = (side // 4 for side in AsItIs.canvas.padded_hw)
        f4 = np.zeros((1, 2, height, width), np.float32)
        f4[0, 0, :, : HW[1] // 8] = f4[0, 1, :, HW[1] // 8 :] = 1
        return FrameFeatures(f4, np.zeros((1, 1, 1, 1), np.float32))


def appearances(kind: Any, detections: Detections) -> F32:
    """Of the candidates of a frame on `LeftAndRight`."""
    kept = Remembered(cast("FeatureCache", LeftAndRight()))
    return asyncio.run(appearance(kind, detections, RAW, cast("Run", AsItIs()), kept))


def test_the_box_head_s_vector_is_the_one_before_calibration() -> None:
    calibrated = Detections(0, RAW.boxes[:2], RAW.probs[:2] * np.float32([1, 0.1, 0.1]), RAW.masks[:2])
    np.testing.assert_allclose(appearances("box_head", calibrated), [[0.6, 0.8, 0], [0, 0.6, 0.8]], atol=1e-6)


def test_both_side_by_side() -> None:
    found = appearances("both", RAW)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    f4, box_head = appearances("f4", RAW), appearances("box_head", RAW)
    np.testing.assert_allclose(found @ found.T, (f4 @ f4.T + box_head @ box_head.T) / 2, atol=1e-6)
    assert f4[0] @ f4[2] < 0.1


def test_a_frame_without_candidates() -> None:
    assert appearances("both", frame(0)).shape == (0, 5)
