"""Seeds that are given up: whole jobs with the fake networks and given detections, so what is worth tracking is known."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dualtrack.digest import sha256_of
from service.inference.fake.client import FakeClient
from service.inference.fake.detector import PALETTE
from service.pipeline.context import PipelineContext
from service.pipeline.networks import Networks
from service.pipeline.parameters.job_parameters import JobParameters
from service.pipeline.progress import StageProgress
from service.pipeline.store.cache import StageCache
from service.pipeline.video_file import segment
from tests.support.annotated import context, write_scored_scene
from tests.support.recording import MemoryCache, RecordingClient, stage_of
from tests.support.results import document_in
from tests.support.scenes import Rectangle

FRAMES = 24
OBJECTS = (
    (Rectangle(PALETTE[0], 20, 20, 40, 60), dict.fromkeys(range(FRAMES), 0.9)),
    (Rectangle(PALETTE[2], 190, 90, 30, 40), {10: 0.5}),
    (Rectangle(PALETTE[4], 130, 20, 30, 30), {5: 0.04, 6: 0.04}),
    (Rectangle(PALETTE[5], 10, 100, 30, 30), {3: 0.2, 20: 0.19}),
    (Rectangle(PALETTE[1], 100, 100, 30, 30, hidden=range(6)), {23: 0.9, 22: 0.9, 21: 0.9}),
)
"""With the scores of their detections by frame: one that is found everywhere; one whose track is stopped; one that is
not tracked; one in two groups; one that is found at the end only, but often enough."""
ALL_CLASSES = {"th_det": 0.01, "th_cc": 0, "beta": 1, "stop_share": 0.7}
STOPPED = 8
"""Visible frames after which the track of the second one is stopped: 0.5 / 8 is below 0.07."""
Scene = tuple[Path, Path]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return write_scored_scene(tmp_path_factory.mktemp("scene"), OBJECTS, FRAMES)


class Jobs:
    """Runs jobs on a scene, and notes their calls.

    Attributes:
        client: of the latest job.
    """

    def __init__(self, scene: Scene, folder: Path) -> None:
        self._scene, self._folder, self._number = scene, folder, 0
        self.client: RecordingClient

    def run(
        self, cache: StageCache, report: Any = lambda _: None, checkpoint_frames: int = 0, **values: Any
    ) -> dict[str, bytes]:
        """The result's files by name."""
        video, detections = self._scene
        self._number += 1
        out = self._folder / f"{self._number}"
        given: PipelineContext = context(out / "scratch", cache)
        self.client = RecordingClient(FakeClient(given.networks.manifest.dims))
        given = replace(given, networks=Networks(self.client, given.networks.manifest))
        work = segment(
            video,
            out,
            sha256=sha256_of(video),
            context=replace(given, checkpoint_frames=checkpoint_frames),
            parameters=JobParameters(**{"overlay": False, **ALL_CLASSES, **values}),
            report=report,
            detections=detections,
        )
        asyncio.run(work)
        self.document = document_in(out)
        return {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}

    @property
    def rows(self) -> int:
        """Objects times frames that the latest job tracked."""
        return sum(call.rows for call in self.client.of("pixel_embedding"))


@pytest.fixture
def jobs(scene: Scene, tmp_path: Path) -> Jobs:
    return Jobs(scene, tmp_path)


def test_what_is_given_up_is_left_out_as_it_would_have_been(jobs: Jobs) -> None:
    everything = jobs.run(MemoryCache(), min_score=0)
    whole, rows = jobs.document, jobs.rows
    assert [item["category"] for item in whole["tubelets"]] == [f"object {n}" for n in (1, 5, 2, 4, 3)]
    kept = [item for item in whole["tubelets"] if item["score"] >= 0.1]
    assert [item["category"] for item in kept] == ["object 1", "object 5"]
    found = jobs.run(MemoryCache())
    assert found.keys() == everything.keys()
    # both detections of the fourth one count: whether they are one object is known only once they are tracked
    assert (jobs.document["tubelets"], jobs.document["left_out"], whole["left_out"]) == (kept, 4, 0)
    assert jobs.document["chunks"] == whole["chunks"]
    # three objects, of which at most this much is tracked
    assert rows - jobs.rows >= 3 * (FRAMES - STOPPED)


def test_results_do_not_depend_on_what_was_tracked_before(jobs: Jobs) -> None:
    default, everything = MemoryCache(), MemoryCache()
    first = [jobs.run(default), jobs.run(default, min_score=0)]
    second = [jobs.run(everything, min_score=0), jobs.run(everything)]
    assert first == second[::-1]
    for cache, least in ((default, 0.1), (everything, 0.1), (default, 0), (everything, 0)):
        assert jobs.run(cache, min_score=least) == first[least == 0]
        assert jobs.rows == 0


def test_a_run_that_keeps_everything_tracks_only_what_was_given_up(jobs: Jobs) -> None:
    cache = MemoryCache()
    jobs.run(cache)
    tracked = jobs.rows
    jobs.run(cache, min_score=0)
    together = jobs.rows
    jobs.run(MemoryCache(), min_score=0)
    # two groups of one object: the second is explained by the first's tubelet, unless that was given up
    assert tracked < jobs.rows
    assert together < jobs.rows
    assert [stage_of(key) for key in cache.written].count("stops") >= 1


@pytest.mark.parametrize("change", [{"th_cc": 0.3}, {"categories": ["object 1", "object 2"]}, {"th_seq": 0.9}])
def test_calibration_and_categories_repeat_no_track(jobs: Jobs, change: dict[str, Any]) -> None:
    cache = MemoryCache()
    jobs.run(cache)
    jobs.run(cache, **change)
    assert jobs.rows == 0


@pytest.mark.parametrize("change", [{"min_score": 0.2}, {"stop_share": 0.5}, {"match_iou": 0.5}])
def test_another_rule_decides_anew(jobs: Jobs, change: dict[str, Any]) -> None:
    cache = MemoryCache()
    jobs.run(cache)
    again = jobs.run(cache, **change)
    assert again == jobs.run(MemoryCache(), **change)


@pytest.mark.parametrize("step", [2, 9, 25, 37])
@pytest.mark.parametrize("after", [0.1, 0])
def test_a_killed_run_goes_on_by_its_own_rule(jobs: Jobs, step: int, after: float) -> None:
    cache, steps = MemoryCache(), list[StageProgress]()

    def stop(progress: StageProgress) -> None:
        steps.extend([progress] if progress.stage == "track" else [])
        if len(steps) == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        jobs.run(cache, stop, checkpoint_frames=1)
    assert jobs.run(cache, checkpoint_frames=1, min_score=after) == jobs.run(MemoryCache(), min_score=after)


def test_an_object_of_several_chunks_is_never_given_up_in_one(jobs: Jobs) -> None:
    """The second object is found in frame 10 only, which two chunks share."""
    jobs.run(MemoryCache(), chunk_frames=16, chunk_overlap=8)
    assert [chunk["first_frame"] for chunk in jobs.document["chunks"]] == [0, 8]
    tracked = jobs.rows
    jobs.run(MemoryCache(), chunk_frames=16, chunk_overlap=2)
    assert jobs.rows < tracked
