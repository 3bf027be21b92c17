import re
from dataclasses import replace

import numpy as np
import pytest

from service.structures.packed_masks import PackedMasks
from service.structures.tubelets import Tubelet, joined
from tests.unit.builders import candidate, mask, tube

LATE = replace(tube([1, 2], x=5, length=4), start=10)
"""Frames 10 to 13 of a video, visible in 11 and 12."""


def test_frames_are_those_of_the_video() -> None:
    assert (LATE.frames, LATE.end) == ((11, 12), 14)


@pytest.mark.parametrize(
    ("frame", "there"),
    [
        pytest.param(9, False, id="before-the-first-entry"),
        pytest.param(10, False, id="no-mask"),
        pytest.param(11, True, id="a-mask"),
        pytest.param(13, False, id="the-last-entry"),
        pytest.param(14, False, id="after-the-last-entry"),
    ],
)
def test_mask_in_a_frame(frame: int, there: bool) -> None:
    assert LATE.mask_at(frame) == (mask(5) if there else None)


def test_a_tubelet_is_sure_of_its_object_unless_stated_otherwise() -> None:
    confidence = tube([1, 2], length=4).confidence
    assert (confidence.tolist(), confidence.dtype) == ([1, 1, 1, 1], np.float32)


def test_the_first_entry_is_one() -> None:
    assert tube([0], x=5, length=1).mask_at(0) == mask(5)


def test_a_part_is_between_two_frames() -> None:
    whole = replace(tube(range(6), length=6), start=10, scores=np.arange(6, dtype=np.float32) / 10)
    part = whole.part(12, 15)
    assert (part.start, part.end, part.seed) == (12, 15, whole.seed)
    assert part.scores.tolist() == pytest.approx([0.2, 0.3, 0.4])
    assert part.boxes.shape == (3, 4)


def test_parts_joined_are_the_whole() -> None:
    whole = replace(tube([1, 2, 4], length=6), start=10, scores=np.arange(6, dtype=np.float32) / 10)
    again = joined([whole.part(10, 12), whole.part(12, 13), whole.part(13, 16)])
    assert (list(again.masks), again.start, again.seed) == (list(whole.masks), 10, whole.seed)
    assert again.boxes.tobytes() == whole.boxes.tobytes()
    assert again.scores.tobytes() == whole.scores.tobytes()
    assert joined([whole]) is whole


@pytest.mark.parametrize(
    ("scores", "frame"),
    [
        pytest.param([0.5, 0.7, 0.6], 1, id="the-best"),
        pytest.param([0.5, 0.7, 0.7], 1, id="of-equal-ones-the-first"),
    ],
)
def test_seed_of_joined_parts(scores: list[float], frame: int) -> None:
    pieces = [
        replace(tube([0], length=1), seed=candidate(place, 0, [score, 0, 0]), start=place)
        for place, score in enumerate(scores)
    ]
    assert joined(pieces).seed.frame == frame


def test_looks_and_confidence_of_a_part() -> None:
    looks, sure = np.arange(8, dtype=np.float16).reshape(4, 2), np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    whole = replace(LATE, looks=looks, confidence=sure)
    part = whole.part(11, 13)
    assert (part.looks.tolist(), part.confidence.tolist()) == (looks[1:3].tolist(), sure[1:3].tolist())
    assert (LATE.looks.shape, LATE.looks.dtype) == ((4, 0), np.float16)
    assert (LATE.confidence.tolist(), LATE.confidence.dtype) == ([1] * 4, np.float32)
    again = joined([whole.part(10, 12), whole.part(12, 14)])
    assert (again.looks.shape, again.confidence.tolist()) == ((4, 0), sure.tolist())


@pytest.mark.parametrize(("looks", "confidence"), [((3, 2), (4,)), ((4, 2), (3,)), ((4, 2), (4, 1))])
def test_looks_and_confidence_that_do_not_fit(looks: tuple[int, int], confidence: tuple[int, ...]) -> None:
    message = f"tubelet: expected looks (4, E) and confidence (4,), got {looks} and {confidence}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        replace(LATE, looks=np.ones(looks, np.float16), confidence=np.ones(confidence, np.float32))


@pytest.mark.parametrize(
    ("boxes", "scores"),
    [
        pytest.param((3, 4), (2,), id="a-box-too-many"),
        pytest.param((2, 4), (1,), id="a-score-too-few"),
        pytest.param((2, 5), (2,), id="boxes-of-five"),
    ],
)
def test_shapes_that_do_not_fit(boxes: tuple[int, ...], scores: tuple[int, ...]) -> None:
    message = f"tubelet: expected boxes (2, 4) and scores (2,), got {boxes} and {scores}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Tubelet(LATE.seed, (None, None), np.zeros(boxes, np.float32), np.zeros(scores, np.float32))


def test_packed_masks_of_two_sizes_are_refused() -> None:
    other, third = replace(mask(0), size_hw=(3, 3)), replace(mask(0), size_hw=(2, 9))
    with pytest.raises(ValueError, match=r"^masks: expected all of size \(40, 60\), got \[\(2, 9\), \(3, 3\)\]$"):
        PackedMasks([None, mask(0), other, third])


def test_packed_masks_without_a_mask() -> None:
    assert list(PackedMasks([None, None])) == [None, None]
    assert PackedMasks([None, None])[0:0] == ()
