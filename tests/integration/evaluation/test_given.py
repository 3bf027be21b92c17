"""`evaluate --given`: the product's tracker on annotated clips whose figures are known, with the fake networks."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from dualtrack.errors import InvalidDataset
from evaluation.data.dataset import load_dataset
from evaluation.metrics.figures import mean_figures
from evaluation.runs.given import Given, given_clips, tracker_params
from service.inference.fake.detector import PALETTE
from service.pipeline.parameters.job_parameters import JobParameters
from tests.support.annotated import context, write_dataset, write_masks, write_video
from tests.support.scenes import Rectangle

RED = Rectangle(PALETTE[0], 20, 20, 40, 60, step_xy=(5, 2))
BLUE = Rectangle(PALETTE[2], 170, 60, 32, 40, step_xy=(-2, 1))


def measure(path: Path, scratch: Path, given: Given = "first-box", **parameters: Any) -> list[dict[str, Any]]:
    dataset = load_dataset(path)
    return asyncio.run(given_clips(dataset, dataset.videos, given, JobParameters(**parameters), context(scratch)))


@pytest.mark.parametrize("given", ["first-box", "first-mask"])
def test_rectangles_are_followed(given: Given, tmp_path: Path) -> None:
    clips = measure(write_dataset(tmp_path, {"a": [RED, BLUE], "b": [BLUE]}), tmp_path / "scratch", given)
    assert [[track["id"] for track in clip["tracks"]] for clip in clips] == [[1, 2], [3]]
    figures = mean_figures(clips)
    assert figures["mean_box_iou"] > 0.85
    assert figures["success50"] == 1
    assert figures["absent"] == 0
    assert figures["J"] > 0.8
    assert figures["F"] > 0.8
    assert ("dual_box_iou" in figures) == (given == "first-box")


def test_an_instance_that_enters_late_is_tracked_back_too(tmp_path: Path) -> None:
    late = Rectangle(PALETTE[0], 20, 20, 40, 60, step_xy=(5, 2), hidden=range(3))
    (clip,) = measure(write_dataset(tmp_path, {"a": [late]}), tmp_path / "scratch", "first-mask", lost_enter=0.5)
    (track,) = clip["tracks"]
    assert track["success50"] == 1
    assert track["J"] > 0.8  # the first three frames show nothing, and nothing is what the tracker says


def test_a_lost_track_counts_as_zero(tmp_path: Path) -> None:
    gone = Rectangle(PALETTE[0], 20, 20, 40, 60, step_xy=(5, 2), hidden=range(4, 6))
    folder = write_dataset(tmp_path, {"a": [gone]})
    (kept,) = measure(folder, tmp_path / "s")[0]["tracks"]
    (lost,) = measure(folder, tmp_path / "s", lost_enter=0.5, lost_leave=1)[0]["tracks"]
    # five of seven frames show it; no score is above 1, so the track never comes back for the last two of them
    assert lost["absent"] == pytest.approx(2 / 5)
    assert lost["success50"] == pytest.approx(3 / 5)
    assert kept["absent"] == 0
    assert kept["mean_box_iou"] > lost["mean_box_iou"]


def test_a_crossing_without_a_switch(tmp_path: Path) -> None:
    over = Rectangle(PALETTE[0], 10, 20, 40, 40, step_xy=(26, 0))
    under = Rectangle(PALETTE[2], 192, 50, 40, 40, step_xy=(-26, -5))
    clips = measure(write_dataset(tmp_path, {"a": [over, under], "b": [over]}), tmp_path / "scratch", "first-mask")
    assert [clip["crossings"] for clip in clips] == [1, 0]
    figures = mean_figures(clips)
    assert (figures["crossings"], figures["switches"], figures["switch_rate"]) == (1, 0, 0)


def test_a_file_of_masks(tmp_path: Path) -> None:
    (clip,) = measure(write_masks(tmp_path, {"a": [RED]}), tmp_path / "scratch", "first-mask")
    assert clip["name"] == "a"
    assert clip["tracks"][0]["J"] > 0.8


def test_one_frame_gives_no_figures(tmp_path: Path) -> None:
    (clip,) = measure(write_dataset(tmp_path, {"a": [RED]}, frames=1), tmp_path / "scratch")
    assert set(clip["tracks"][0].values()) == {1, None}
    assert mean_figures([clip])["mean_box_iou"] == 0


def test_too_few_frames_in_the_file(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path, {"a": [RED]})
    write_video(folder / "videos" / "a.mp4", [RED], 5)
    with pytest.raises(InvalidDataset, match="expected 8 or more frames"):
        measure(folder, tmp_path / "scratch")


def test_a_track_is_lost_only_if_the_caller_says_so() -> None:
    assert tracker_params(JobParameters()).siamese.lost.enter == 0
    assert tracker_params(JobParameters(lost_enter=0.4)).siamese.lost.enter == 0.4
