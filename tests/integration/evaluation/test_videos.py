"""Annotated videos through the methods, with the fake networks: what comes out is known."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from dualtrack.errors import InvalidParameter
from evaluation.runs.videos import Evaluation, Request, evaluate_videos
from service.inference.fake.detector import PALETTE
from tests.support.annotated import context, write_dataset
from tests.support.scenes import Rectangle

PERSON = Rectangle(PALETTE[0], 20, 20, 40, 60, step_xy=(5, 2))
BICYCLE = Rectangle(PALETTE[1], 170, 60, 32, 40, step_xy=(-2, 1))


def evaluated(folder: Path, **request: Any) -> Evaluation:
    write_dataset(folder, {"a": [PERSON, BICYCLE], "b": [PERSON]}, stratum=["two", "one"])
    return asyncio.run(evaluate_videos(Request(folder, **request), context(folder / "scratch")))


@pytest.mark.parametrize("method", ["ipdt", "pixel", "deepsort"])
def test_every_method_finds_the_rectangles(method: str, tmp_path: Path) -> None:
    document = evaluated(tmp_path, method=method, by="stratum").document()
    assert document["AP50"] == pytest.approx(1)
    assert (document["videos"], document["instances"]) == (2, 3)
    assert {name: figures["AP50"] for name, figures in document["strata"].items()} == pytest.approx(
        {"one": 1, "two": 1}
    )
    assert [clip["name"] for clip in document["clips"]] == ["a", "b"]


def test_strata_of_the_trackers_alone(tmp_path: Path) -> None:
    document = evaluated(tmp_path, given="first-box", by="stratum", limit=1).document()
    assert list(document["strata"]) == ["two"]
    assert document["strata"]["two"]["mean_box_iou"] == document["mean_box_iou"]


def test_a_field_that_is_not_there_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="stratum"):
        evaluated(tmp_path, by="weather")
