"""What a finished tubelet becomes in a result."""

from dataclasses import replace

import numpy as np

from dualtrack.result.model import Category
from service.pipeline.result import entries_of, tubelet_head
from service.structures.masks import encode
from tests.unit.builders import labeled, tube


def test_confidence_is_written_per_frame_and_as_spans() -> None:
    sure = np.array([1, 1, 1, 0.25, 0.123456, 0.9, 0.49, 0], np.float32)
    tubelet = replace(tube([2, 3, 4, 5, 6]), confidence=sure)
    head = tubelet_head(labeled(tubelet, 0.5), (Category(1, "person"),))
    assert head.uncertain == ((3, 4), (6, 6))
    assert [entry and entry.confidence for entry in entries_of(tubelet, head.span)] == [1, 0.25, 0.1235, 0.9, 0.49]


def test_boxes_are_the_tight_boxes_of_the_masks_whatever_the_tracked_boxes_are() -> None:
    random = np.random.default_rng(0)
    pictures = [random.random((30, 40)) < share for share in (0.001, 0.002, 0.01, 0.5)]
    pictures = [picture for picture in pictures if picture.any()]
    tubelet = tube(range(len(pictures)), length=len(pictures))
    tubelet = replace(tubelet, masks=tuple(encode(picture) for picture in pictures))
    found = [entry and entry.box for entry in entries_of(tubelet, range(len(pictures)))]
    wanted = []
    for picture in pictures:
        rows, columns = np.nonzero(picture)
        wanted.append((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
    assert len(wanted) > 2
    assert found == wanted
