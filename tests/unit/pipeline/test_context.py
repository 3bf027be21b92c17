"""The classes that a bare list of detections means, and when an engine counts as frozen."""

from dataclasses import replace
from pathlib import Path

import pytest

from service.media.limits import VideoLimits
from service.settings import Settings
from tests.support.annotated import context


def test_before_schema_1_the_bundled_classes_were_counted(tmp_path: Path) -> None:
    now = context(tmp_path)
    ids = [category.id for category in now.vector.categories]
    counted = replace(now, counted_ids=True).vector
    assert [category.id for category in counted.categories] == list(range(1, len(ids) + 1)) != ids
    assert (counted.classes, counted.source) == (now.vector.classes, now.vector.source)


@pytest.mark.parametrize(
    ("silent", "call", "child", "expected"),
    [
        pytest.param(50, 20, 10, 50, id="as set"),
        pytest.param(50, 30, 10, 60, id="a call of Triton may take longer"),
        pytest.param(50, 20, 30, 90, id="a frozen child is noticed later"),
    ],
)
def test_an_engine_that_waits_is_not_frozen(silent: float, call: float, child: float, expected: float) -> None:
    settings = Settings(engine_silent_s=silent, inference_deadline_s=call, limits=VideoLimits(wall_s=child))
    assert settings.engine_settings().silence_s == expected
