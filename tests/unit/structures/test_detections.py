import re
from dataclasses import replace

import numpy as np
import pytest

from service.structures.detections import Candidate, Detections
from tests.unit.builders import box, frame, mask

FOUND = frame(7, (0, [0.2, 0.7, 0.1]), (20, [0.9, 0.0, 0.3]))


def test_labels_and_scores_are_those_of_the_best_class() -> None:
    assert (FOUND.labels.tolist(), FOUND.labels.dtype) == ([1, 0], np.int64)
    assert (FOUND.scores.tolist(), FOUND.scores.dtype) == (pytest.approx([0.7, 0.9]), np.float32)
    empty = frame(7)
    assert (len(empty), empty.labels.shape, empty.labels.dtype) == (0, (0,), np.int64)
    assert (empty.scores.shape, empty.scores.dtype) == ((0,), np.float32)


def test_a_single_candidate() -> None:
    found = FOUND.candidate(1)
    assert (found.frame, found.box.tolist(), found.mask) == (7, box(20).tolist(), mask(20))
    assert (found.label, found.score) == (0, pytest.approx(0.9))


def test_selected_in_the_order_of_the_indices() -> None:
    found = FOUND.select(np.array([1, 0]))
    assert (found.frame, found.masks) == (7, (mask(20), mask(0)))
    assert found.boxes.tolist() == [box(20).tolist(), box(0).tolist()]
    assert found.probs.tolist() == FOUND.probs[::-1].tolist()
    nothing = FOUND.select(np.zeros(0, np.int64))
    assert (nothing.frame, nothing.boxes.shape, nothing.probs.shape, nothing.masks) == (7, (0, 4), (0, 3), ())


def test_the_detectors_own_vectors_go_along() -> None:
    raw = np.array([[0.1, 0.9], [0.8, 0.2]], np.float32)
    found = replace(FOUND, raw=raw)
    assert found.candidate(1).raw.tolist() == raw[1].tolist()
    assert found.select(np.array([1])).raw.tolist() == raw[1:].tolist()
    assert FOUND.raw is FOUND.probs, "by default those are the vectors"
    candidate = Candidate(0, box(0), np.ones(1, np.float32), mask(0))
    assert (candidate.raw.shape, candidate.raw.dtype) == ((0,), np.float32)
    with pytest.raises(ValueError, match=r"^detections.raw: expected \(2, K'\), got \(1, 2\)$"):
        replace(FOUND, raw=raw[:1])


@pytest.mark.parametrize(
    ("boxes", "probs", "message"),
    [
        pytest.param((1, 4), (2, 3), "detections.boxes: expected (2, 4), got (1, 4)", id="too-few-boxes"),
        pytest.param((2, 5), (2, 3), "detections.boxes: expected (2, 4), got (2, 5)", id="boxes-of-five"),
        pytest.param((2, 4), (3, 3), "detections.probs: expected (2, K), got (3, 3)", id="too-many-vectors"),
        pytest.param((2, 4), (2,), "detections.probs: expected (2, K), got (2,)", id="scores-in-place-of-vectors"),
    ],
)
def test_shapes_that_do_not_fit(boxes: tuple[int, ...], probs: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Detections(0, np.zeros(boxes, np.float32), np.zeros(probs, np.float32), (mask(0), mask(20)))
