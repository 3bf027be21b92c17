"""What the overlay shows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dualtrack.result.file import ResultFile, write_result
from dualtrack.result.model import Box, Entry, Head, TubeletHead, Video
from service.artifacts.overlay import drawings
from service.pipeline.parameters.job_parameters import JobParameters
from service.structures.masks import encode

MASK = encode(np.ones((4, 6), np.bool_))
TIGHT, TRACKED = (0.0, 0.0, 6.0, 4.0), (1.0, 1.0, 9.0, 9.0)


def result(folder: Path, *scores: float, box: Box | None = TIGHT) -> ResultFile:
    """Tubelets of one frame each; the ids are not the ranks."""
    heads = tuple(TubeletHead(9 - i, 1, "person", score, i, i, 1, i) for i, score in enumerate(scores))
    head = Head(Video(6, 4, len(heads)), {}, None, {}, (), 1, (), heads)
    entry = Entry(MASK.counts.decode(), TIGHT, TRACKED, 0.5)
    path = folder / "result.jsonl"
    write_result(path, head, lambda place, frames: [replace(entry, box=box) for _ in frames])
    return ResultFile.open(path)


def test_all_of_the_result_is_shown_and_numbers_are_the_ids(tmp_path: Path) -> None:
    shown = list(drawings(result(tmp_path, 0.6, 0.0, 0.1), JobParameters().overlay_threshold))
    assert [(drawing.id, drawing.score, drawing.start) for drawing in shown] == [(9, 0.6, 0), (8, 0.0, 1), (7, 0.1, 2)]
    assert [mask for drawing in shown for mask in drawing.masks] == [MASK] * 3


def test_a_threshold_of_the_overlay_alone(tmp_path: Path) -> None:
    found = result(tmp_path, 0.6, 0.01, 0.1)
    assert [drawing.id for drawing in drawings(found, JobParameters(overlay_min_score=0.1).overlay_threshold)] == [9, 7]


@pytest.mark.parametrize(
    ("box", "drawn"), [pytest.param(TIGHT, TIGHT, id="tight"), pytest.param(None, TRACKED, id="from-before-schema-1")]
)
def test_the_box_that_is_drawn(tmp_path: Path, box: Box | None, drawn: Box) -> None:
    (drawing,) = drawings(result(tmp_path, 0.5, box=box), 0)
    np.testing.assert_array_equal(drawing.boxes, [drawn])
