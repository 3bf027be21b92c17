"""The worked example of docs/method.md, section 3: persons, a skateboard, two spurious horses in ten frames."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from service.calibration.class_calibration import calibrate, class_averages, reliable_classes
from service.calibration.params import CalibrationParams, Estimator
from service.structures.detections import Detections
from tests.unit.builders import frame

PERSON, SKATEBOARD, HORSE = 0, 1, 2


def example(persons: int = 3) -> list[Detections]:
    frames = []
    for t in range(10):
        found = [(i, [0.9, 0.02, 0.0]) for i in range(persons)]
        found.append((20, [0.0, 0.6, 0.0]))
        if t in (2, 5):
            found.append((30, [0.30, 0.0, 0.35]))
        frames.append(frame(t, *found))
    return frames


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        pytest.param("all_candidates", [0.66, 0.16, 0.02], id="A1"),
        pytest.param("predicted_only", [0.90, 0.60, 0.35], id="A2"),
        pytest.param("top1_over_all", [0.64, 0.14, 0.017], id="A3"),
        pytest.param("frame_max", [0.90, 0.60, 0.07], id="A4"),
        pytest.param("topk_frames", [0.90, 0.60, 0.23], id="A5"),
        pytest.param("best_window", [0.90, 0.60, 0.07], id="A6"),
    ],
)
def test_averages_of_the_worked_example(estimator: Estimator, expected: list[float]) -> None:
    averages = class_averages(example(), CalibrationParams(estimator=estimator))
    assert averages == pytest.approx(np.array(expected), abs=0.006)


def test_a1_depends_on_other_objects_and_a4_does_not() -> None:
    a1 = class_averages(example(10), CalibrationParams(estimator="all_candidates"))
    a4 = class_averages(example(10), CalibrationParams(estimator="frame_max"))
    assert a1[SKATEBOARD] == pytest.approx(0.07, abs=0.006)
    assert a4[SKATEBOARD] == pytest.approx(0.60)


def test_unreliable_class_loses_and_the_label_is_chosen_again() -> None:
    calibrated = calibrate(example(), CalibrationParams())
    spurious = calibrated[2].candidate(4)
    assert spurious.label == PERSON
    assert spurious.probs == pytest.approx([0.30, 0.0, 0.035])


def test_relabel_off_keeps_the_label() -> None:
    calibrated = calibrate(example(), CalibrationParams(relabel=False))
    assert calibrated[2].candidate(4).label == HORSE


def test_calibrated_vectors_are_float32() -> None:
    assert {each.probs.dtype for each in calibrate(example(), CalibrationParams(beta=0.3))} == {np.dtype(np.float32)}


def test_beta_one_changes_nothing() -> None:
    for before, after in zip(example(), calibrate(example(), CalibrationParams(beta=1)), strict=True):
        np.testing.assert_array_equal(before.probs, after.probs)


def test_no_reliable_class_falls_back_to_the_best() -> None:
    params = CalibrationParams(th_cc=0.99)
    assert reliable_classes(class_averages(example(), params), params).tolist() == [True, False, False]


def test_an_average_at_the_threshold_is_not_reliable() -> None:
    params = CalibrationParams(th_cc=0.25)
    averages = np.array([0.25, np.nextafter(np.float32(0.25), np.float32(1)), 0.5], np.float32)
    assert reliable_classes(averages, params).tolist() == [False, True, True]


@pytest.mark.parametrize(("th_key", "kept"), [(0.25, 1), (float(np.nextafter(np.float32(0.25), np.float32(1))), 0)])
def test_a_score_at_the_key_threshold_is_kept(th_key: float, kept: int) -> None:
    frames = [frame(t, (0, [0.25, 0, 0])) for t in range(3)]
    calibrated = calibrate(frames, CalibrationParams(th_key=th_key))
    assert [len(each) for each in calibrated] == [kept] * 3


def test_low_scores_are_dropped() -> None:
    params = replace(CalibrationParams(), th_key=0.2)
    kept = calibrate([frame(t, (0, [0.9, 0, 0]), (20, [0, 0.1, 0])) for t in range(4)], params)
    assert [len(each) for each in kept] == [1, 1, 1, 1]


@pytest.mark.parametrize("estimator", get_args(Estimator))
def test_averages_are_float32_and_a_class_that_is_never_best_has_one(estimator: Estimator) -> None:
    averages = class_averages([frame(0, (0, [0.5, 0.25, 0])), frame(1)], CalibrationParams(estimator=estimator))
    assert averages.dtype == np.float32
    assert averages[HORSE] == 0


def test_without_relabel_the_raw_best_class_is_just_above_the_others() -> None:
    """Horse is unreliable, so its 0.35 becomes 0.035; person, which was below it, may not stay at 0.30."""
    (weighted,) = calibrate(example(), CalibrationParams(relabel=False))[2].probs[4:]
    assert weighted[HORSE] == pytest.approx(0.035)
    assert weighted[PERSON] < weighted[HORSE]
    assert weighted[PERSON] == pytest.approx(0.035)


@pytest.mark.parametrize("frames", [[], [frame(0)], [frame(t) for t in range(5)]], ids=["none", "one", "empty"])
def test_nothing_to_calibrate(frames: list[Detections]) -> None:
    assert calibrate(frames, CalibrationParams()) == frames


def test_short_video_is_left_alone() -> None:
    frames = [frame(t, (0, [0.3, 0.2, 0.1])) for t in range(2)]
    assert calibrate(frames, CalibrationParams()) == frames
