"""Annotated videos through the methods, with the fake networks: what comes out is known."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from dualtrack.errors import InvalidParameter
from evaluation.runs.videos import Evaluation, Request, evaluate_videos
from service.inference.fake.detector import PALETTE
from service.pipeline.categories.class_vector import ClassVector, bundled, numbered
from service.pipeline.detection.bundled import BundledDetector
from service.structures.detections import Detections
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


@dataclass(frozen=True)
class Reversed:
    """A detector from outside whose classes are the bundled ones in reverse order."""

    bundled: BundledDetector
    vector: ClassVector
    source: str = "outside"

    async def detect(self, *arguments: Any) -> AsyncIterator[Detections]:
        async for found in self.bundled.detect(*arguments):
            yield replace(found, probs=found.probs[:, ::-1].copy())


def test_classes_of_a_detector_from_outside_are_matched_by_its_own_list(tmp_path: Path) -> None:
    made = context(tmp_path / "scratch")
    vector = bundled(made.networks.manifest)
    detector = Reversed(BundledDetector(made.networks.manifest), numbered("outside", vector.classes[::-1]))
    write_dataset(tmp_path, {"a": [PERSON, BICYCLE]})
    found = asyncio.run(evaluate_videos(Request(tmp_path), replace(made, detector=detector)))
    assert found.document()["AP50"] == pytest.approx(1)


def test_strata_of_the_trackers_alone(tmp_path: Path) -> None:
    document = evaluated(tmp_path, given="first-box", by="stratum", limit=1).document()
    assert list(document["strata"]) == ["two"]
    assert document["strata"]["two"]["mean_box_iou"] == document["mean_box_iou"]


def test_a_field_that_is_not_there_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="stratum"):
        evaluated(tmp_path, by="weather")
