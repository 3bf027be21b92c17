"""The reported progress of a job, and how well the time to its end is known after a few jobs."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from service.media.video_info import VideoInfo
from service.pipeline.parameters.job_parameters import JobParameters
from service.pipeline.progress import StageProgress
from service.state.counters import Work
from service.worker.meter import Plan, ProgressMeter, plan_of

FRAMES = 48
SMALL = VideoInfo("mp4", "h264", 640, 360, FRAMES, 4.0, 12.0, 0, False, 1)
LARGE = replace(SMALL, width=3840, height=2160)
FAST = replace(SMALL, fps=24.0)
LEARNED = {"decode": 0.4, "detect": 0.1, "calibrate": 0.001, "track": 0.15, "merge": 0.01, "fill": 0.01}
"""Seconds per unit of this service's machine, which is not what a new one starts with."""
Step = tuple[StageProgress, float]


def job(info: VideoInfo, seconds: dict[str, float], cached: tuple[str, ...] = ()) -> Iterator[Step]:
    """Steps of a job whose stages take these seconds, with the time of each; what is cached takes none."""
    now = 100.0
    for stage, taken in seconds.items():
        if stage in cached:
            yield StageProgress(stage, info.frames, info.frames), now
            continue
        for done in [info.frames] if stage in ("calibrate", "merge") else range(1, info.frames + 1):
            now += taken if stage in ("calibrate", "merge") else taken / info.frames
            yield StageProgress(stage, done, info.frames), now


def metered(plan: Plan, steps: Iterator[Step]) -> Iterator[tuple[float, ProgressMeter]]:
    meter = ProgressMeter(100.0, plan)
    for progress, now in steps:
        meter.step(progress, now)
        yield now, meter


def learned(*infos: VideoInfo) -> dict[str, Work]:
    """What jobs on these videos have measured together."""
    total: dict[str, Work] = {}
    for info in infos:
        plan = plan_of(info, JobParameters(), {})
        seconds = {stage: units * LEARNED[stage] for stage, units in plan.units.items()}
        *_, (_, meter) = metered(plan, job(info, seconds))
        for stage, work in meter.work.items():
            before = total.get(stage, Work(0.0, 0.0))
            total[stage] = Work(before.seconds + work.seconds, before.units + work.units)
    return total


def test_work_is_counted_in_units_of_the_stage() -> None:
    measured = learned(SMALL, FAST)
    megapixels, tracked = 2 * FRAMES * 0.2304, FRAMES + FRAMES / 2
    units = {stage: work.units for stage, work in measured.items()}
    assert units == pytest.approx(
        {"decode": megapixels, "fill": FRAMES / 2} | dict.fromkeys(("detect", "calibrate", "track", "merge"), tracked)
    )
    assert {stage: work.seconds / work.units for stage, work in measured.items()} == pytest.approx(LEARNED)


LARGE_JOB = {"decode": 120.0, "detect": 5.0, "calibrate": 0.05, "track": 8.0, "merge": 0.5}


def worst(plan: Plan, steps: list[Step]) -> float:
    """The largest factor between the reported and the actual remaining time."""
    end = steps[-1][1]
    factors = []
    for now, meter in metered(plan, iter(steps)):
        assert meter.latest is not None
        reported, true = meter.latest.eta_s, end - now
        if reported is not None and true > 0.5:
            factors.append(max(reported / true, true / max(reported, 0.1)))
    assert len(factors) > FRAMES
    return max(factors)


LARGE_FAST = replace(LARGE, fps=24.0)
FILLED = {"decode": 8.0, "detect": 2.8, "calibrate": 0.05, "track": 3.5, "merge": 0.2, "fill": 36.0}
"""Seconds of a job on `LARGE_FAST`: most of the time goes to the frames between tracked ones."""
MEASURED = {"decode": 0.02, "detect": 0.1, "calibrate": 0.001, "track": 0.15, "merge": 0.01, "fill": 1.5}
"""Seconds per unit in jobs on other videos."""


@pytest.mark.parametrize(
    "cached",
    [
        pytest.param((), id="nothing-cached"),
        pytest.param(("detect",), id="detections-cached"),
        pytest.param(("detect", "track"), id="tubelets-cached-too"),
    ],
)
def test_time_to_go_of_a_large_video_is_known_from_other_jobs(cached: tuple[str, ...]) -> None:
    measured = {stage: Work(seconds * 500, 500) for stage, seconds in MEASURED.items()}
    plan = plan_of(LARGE_FAST, JobParameters(), measured)
    assert worst(plan, list(job(LARGE_FAST, FILLED, cached))) < 1.5


def test_shares_that_are_the_same_for_every_video_would_be_far_off() -> None:
    """What the test above would show without weights of this video."""
    shares = {"decode": 0.04, "detect": 0.36, "track": 0.5, "fill": 0.1}
    assert worst(Plan(shares, shares), list(job(LARGE_FAST, FILLED))) > 5


def test_fractions_add_up_over_the_chunks_of_a_video() -> None:
    plan = plan_of(SMALL, JobParameters(), {})
    whole = list(job(SMALL, {"decode": 1.0}))
    for end in (16, 32, 48):
        for stage in ("detect", "calibrate", "track", "merge"):
            whole += [(StageProgress(stage, end - 8, 48), 0.0), (StageProgress(stage, end, 48), 0.0)]
    fractions = [meter.latest.fraction for _, meter in metered(plan, iter(whole)) if meter.latest is not None]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


@pytest.mark.parametrize(
    ("info", "steps", "counted"),
    [
        pytest.param(SMALL, [FRAMES], 0, id="one-step-from-the-cache"),
        pytest.param(SMALL, [16, 32, 48], 0, id="one-step-per-chunk-from-the-cache"),
        pytest.param(SMALL, range(1, 49), 48, id="computed"),
        pytest.param(SMALL, range(33, 49), 16, id="gone-on-with-from-a-checkpoint"),
        pytest.param(FAST, range(2, 49, 2), 24, id="every-second-frame-tracked"),
    ],
)
def test_what_was_not_computed_is_not_counted(info: VideoInfo, steps: list[int], counted: int) -> None:
    steps_of = [(StageProgress("detect", done, FRAMES), 100.0 + second) for second, done in enumerate(steps, start=1)]
    *_, (_, meter) = metered(plan_of(info, JobParameters(), {}), iter(steps_of))
    assert meter.work.get("detect", Work(0.0, 0.0)).units == pytest.approx(counted)


def test_of_an_unknown_video_nothing_is_counted() -> None:
    meter = ProgressMeter(0.0)
    for done in range(1, 5):
        meter.step(StageProgress("detect", done, 4), float(done))
    assert meter.work == {}
    assert meter.latest is not None
    assert 0 < meter.latest.fraction < 1


@pytest.mark.parametrize(
    ("info", "measured"),
    [
        pytest.param(replace(SMALL, frames=0), {}, id="no-frames"),
        pytest.param(SMALL, dict.fromkeys(LEARNED, Work(0.0, 9.0)), id="jobs-that-took-no-time"),
    ],
)
def test_a_job_that_is_expected_to_take_nothing_still_has_progress(info: VideoInfo, measured: dict[str, Work]) -> None:
    meter = ProgressMeter(100.0, plan_of(info, JobParameters(), measured))
    meter.step(StageProgress("decode", 1, 1), 101.0)
    assert meter.latest is not None
    assert 0 < meter.latest.fraction < 1


def test_rate_is_that_of_the_steps_of_the_stage() -> None:
    """The time before the first step of a stage is not the stage's alone."""
    meter = ProgressMeter(0.0)
    for stage, done, now in (("decode", 4, 1.0), ("detect", 1, 9.0), ("detect", 2, 9.5), ("detect", 3, 10.0)):
        meter.step(StageProgress(stage, done, 4), now)
    assert meter.latest is not None
    assert meter.latest.rate == 2.0


def test_the_time_before_a_step_belongs_to_its_stage() -> None:
    meter = ProgressMeter(started=10.0)
    for stage, now in (("decode", 11.0), ("detect", 14.0), ("detect", 15.0), ("calibrate", 15.0), ("detect", 17.0)):
        meter.step(StageProgress(stage, 1, 2), now)
    assert meter.seconds == {"decode": 1.0, "detect": 6.0, "calibrate": 0.0}


def test_a_job_that_is_done_is_done() -> None:
    meter = ProgressMeter(0.0)
    meter.step(StageProgress("track", 3, 8), 1.0)
    meter.end()
    assert meter.latest is not None
    assert (meter.latest.done, meter.latest.fraction, meter.latest.eta_s) == (8, 1.0, 0.0)
