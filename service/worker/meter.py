"""Progress of a job: how much is done, how fast it goes, and when it should end.

What a stage is expected to take is learned from done jobs (`service/state/counters.py`), per unit of work: a frame of
the size that the networks take, or a million pixels of the original where a stage reads or writes those.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from service.media.video_info import VideoInfo
from service.pipeline.parameters.job_parameters import JobParameters
from service.pipeline.progress import StageProgress
from service.state.counters import Work
from service.state.job import JobProgress
from service.tracking.gap_filling import tracked_step

SECONDS_PER_UNIT = {
    "decode": 0.04,
    "detect": 0.45,
    "calibrate": 0.002,
    "track": 0.6,
    "merge": 0.002,
    "fill": 0.015,
    "render": 0.12,
}
"""On one core, until this service has measured its own."""
CACHEABLE = ("detect", "track")
"""Stages whose result may be cached from an earlier run."""
LEAST_SHARE = 0.02
"""Share of the expected time: with less done, the time left can't be estimated."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long a job is expected to take, by stage; stages that it does not have are absent.

    Attributes:
        units: of work; empty if the video is not known.
        seconds: expected.
        step: every `step`-th frame is tracked.
    """

    units: Mapping[str, float]
    seconds: Mapping[str, float]
    step: int = 1


def plan_of(info: VideoInfo, parameters: JobParameters, measured: Mapping[str, Work]) -> Plan:
    """The plan of a job.

    Args:
        info: of the video.
        parameters: of the job.
        measured: in done jobs, by stage.

    Returns:
        The plan; `UNKNOWN` for a video without frames, of which there is nothing to expect.
    """
    if not info.frames:
        return UNKNOWN
    step = tracked_step(info.fps, parameters.pipeline_params().track_fps)
    tracked, megapixels = len(range(0, info.frames, step)), info.frames * info.width * info.height / 1e6
    units = {
        "decode": megapixels,
        **dict.fromkeys(("detect", "calibrate", "track", "merge"), float(tracked)),
        "fill": float(info.frames - tracked),
        "render": megapixels if parameters.overlay else 0.0,
    }
    units = {stage: amount for stage, amount in units.items() if amount}
    return Plan(units, {stage: amount * _seconds_per_unit(stage, measured) for stage, amount in units.items()}, step)


def _seconds_per_unit(stage: str, measured: Mapping[str, Work]) -> float:
    work = measured.get(stage)
    if work is None or work.seconds <= 0 or work.units <= 0:
        return SECONDS_PER_UNIT[stage]
    return work.seconds / work.units


UNKNOWN = Plan({}, {stage: seconds for stage, seconds in SECONDS_PER_UNIT.items() if stage != "fill"})
"""For a video about which nothing is known: one of a megapixel, with an overlay."""


@dataclass(slots=True)
class StageMeter:
    """One stage of a job.

    Attributes:
        begun: frames that were done before this job began with it.
        done: frames that are done.
        total: of the video.
        seconds: what it took so far.
        reports: how many steps were reported.
    """

    begun: int
    done: int = 0
    total: int = 0
    seconds: float = 0.0
    reports: int = 0

    @property
    def share(self) -> float:
        """What is done of it."""
        return self.done / self.total if self.total else 1.0

    @property
    def own_share(self) -> float:
        """What this job did of it."""
        return (self.done - self.begun) / self.total if self.total else 1.0


@dataclass
class ProgressMeter:
    """Turns steps into progress: share of the whole job, rate, time left.

    Attributes:
        started: when the job began, in seconds of any steady clock.
        plan: what it is expected to take.
        latest: progress after the last step; None before the first.
    """

    started: float
    plan: Plan = UNKNOWN
    latest: JobProgress | None = None
    _stages: dict[str, StageMeter] = field(default_factory=dict)
    _last: float = 0.0
    _pace: tuple[str, float, int] = ("", 0.0, 0)
    """The stage of the last steps, when the first of them was, and what was done then."""

    def __post_init__(self) -> None:
        self._last = self.started

    @property
    def seconds(self) -> dict[str, float]:
        """What each stage has taken so far.

        The time before a step belongs to the step's stage, so that they add up to the time from the start to the
        last step.
        """
        return {name: stage.seconds for name, stage in self._stages.items()}

    @property
    def work(self) -> dict[str, Work]:
        """What this job has measured: without the stages that it found in the cache."""
        return {
            name: Work(stage.seconds, self.plan.units[name] * stage.own_share)
            for name, stage in self._stages.items()
            if name in self.plan.units and self._computed(name)
        }

    def step(self, progress: StageProgress, now: float) -> None:
        """Take in a step; `now` on the clock of `started`."""
        self._note(progress, now)
        if progress.stage != self._pace[0]:
            self._pace = (progress.stage, now, progress.done)
        _, since, before = self._pace
        rate = (progress.done - before) / (now - since) if now - since > 0.2 else None
        eta = self._eta()
        self.latest = JobProgress(
            stage=progress.stage,
            done=progress.done,
            total=progress.total,
            fraction=round(self._done() / sum(self.plan.seconds.values()), 4),
            rate=None if rate is None else round(rate, 2),
            eta_s=None if eta is None else round(eta, 1),
        )

    def end(self) -> None:
        """The job is done, whatever its last step was."""
        if self.latest is not None:
            self.latest = replace(self.latest, done=self.latest.total, fraction=1.0, eta_s=0.0)

    def _note(self, progress: StageProgress, now: float) -> None:
        name = progress.stage
        if name not in self._stages:
            known = progress.done - self.plan.step if name in CACHEABLE else 0
            self._stages[name] = StageMeter(max(known, 0))
        stage = self._stages[name]
        stage.done, stage.total, stage.reports = progress.done, progress.total, stage.reports + 1
        stage.seconds += now - self._last
        self._last = now

    def _computed(self, name: str) -> bool:
        """Not found in the cache: a computed stage reports each frame, a cached one many frames in a few reports."""
        stage = self._stages[name]
        often = 2 * stage.reports * self.plan.step >= stage.done - stage.begun
        return name not in CACHEABLE or (stage.reports > 1 and often)

    def _done(self) -> float:
        """Expected seconds of what is done."""
        return sum(self.plan.seconds.get(name, 0.0) * stage.share for name, stage in self._stages.items())

    def _eta(self) -> float | None:
        """Expected seconds of what is left, times what the job has taken so far over what was expected of that."""
        own = {name: stage for name, stage in self._stages.items() if self._computed(name)}
        expected = sum(self.plan.seconds.get(name, 0.0) * stage.own_share for name, stage in own.items())
        whole = sum(self.plan.seconds.values())
        if expected <= LEAST_SHARE * whole:
            return None
        return (whole - self._done()) * sum(stage.seconds for stage in own.values()) / expected
