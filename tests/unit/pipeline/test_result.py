"""What a finished tubelet becomes in a result."""

from dataclasses import replace

import numpy as np

from dualtrack.result.model import Category
from service.pipeline.result import entries_of, tubelet_head
from tests.unit.builders import labeled, tube


def test_confidence_is_written_per_frame_and_as_spans() -> None:
    sure = np.array([1, 1, 1, 0.25, 0.123456, 0.9, 0.49, 0], np.float32)
    tubelet = replace(tube([2, 3, 4, 5, 6]), confidence=sure)
    head = tubelet_head(labeled(tubelet, 0.5), (Category(1, "person"),))
    assert head.uncertain == ((3, 4), (6, 6))
    assert [entry and entry.confidence for entry in entries_of(tubelet, head.span)] == [1, 0.25, 0.1235, 0.9, 0.49]
