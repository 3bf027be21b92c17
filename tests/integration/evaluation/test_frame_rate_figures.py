"""`python -m evaluation.studies.frame_rate`: figures on clips whose objects are known, with the fake networks."""

import asyncio
from pathlib import Path

import pytest

from evaluation.data.dataset import load_dataset
from evaluation.runs.given import truths_of
from evaluation.runs.session import open_run
from evaluation.studies.frame_rate import agreement, rates_of_clip, rates_of_video
from service.inference.fake.detector import PALETTE
from service.pipeline.parameters.job_parameters import JobParameters
from tests.support.annotated import context, write_dataset
from tests.support.scenes import Rectangle
from tests.unit.builders import labeled, tube

RED = Rectangle(PALETTE[0], 20, 20, 40, 60, step_xy=(6, 2))


def test_filling_differs_from_copying(tmp_path: Path) -> None:
    dataset = load_dataset(write_dataset(tmp_path, {"a": [RED]}))
    [video] = dataset.videos

    async def measure() -> list[dict[str, float]]:
        async with open_run(video, context(tmp_path / "scratch"), JobParameters(track_fps=0)) as run:
            return await rates_of_clip(run, video.name, truths_of(video, dataset.annotations_of(video)), [10, 5])

    [row] = asyncio.run(measure())
    assert (row["clip"], row["rate"]) == ("a", 5)
    assert row["J_every"] > 0.85
    assert row["J_filled"] > 0.8
    # 6 of 40 px further on, 2 of 60 down
    assert row["J_copied"] == pytest.approx(34 * 58 / (2 * 40 * 60 - 34 * 58), abs=0.08)
    assert row["J_filled"] > row["J_copied"] + 0.05
    assert row["agree"] > 0.8


def test_whole_pipeline_is_compared_with_every_frame(tmp_path: Path) -> None:
    video = write_dataset(tmp_path, {"a": [RED]}) / "videos" / "a.mp4"
    every, half = asyncio.run(rates_of_video(video, context(tmp_path / "scratch"), [5]))
    assert (every["rate"], every["iou"], every["cpu_share"], every["tubelets"]) == (0, 1, 1, 1)
    assert half["iou"] > 0.75
    assert half["cpu_s"] > 0


def test_tubelets_that_are_missing_count_as_zero() -> None:
    first, second = labeled(tube(range(8), x=0), 0.9), labeled(tube(range(8), x=40), 0.3)
    assert agreement([first, second], [first, second]) == 1
    assert agreement([first], [first, second]) == pytest.approx(0.75)
    assert agreement([], []) == 1
