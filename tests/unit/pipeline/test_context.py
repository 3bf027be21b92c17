"""The classes that a bare list of detections means."""

from dataclasses import replace
from pathlib import Path

from tests.support.annotated import context


def test_before_schema_1_the_bundled_classes_were_counted(tmp_path: Path) -> None:
    now = context(tmp_path)
    ids = [category.id for category in now.vector.categories]
    counted = replace(now, counted_ids=True).vector
    assert [category.id for category in counted.categories] == list(range(1, len(ids) + 1)) != ids
    assert (counted.classes, counted.source) == (now.vector.classes, now.vector.source)
