"""Progress of a job: share that is done, rate, and estimated time left.

The expected time of a stage is learned from finished jobs (`service/state/counters.py`) per unit of work: a frame at
the size of the networks' input, or a megapixel of the original video for stages that read or write it.
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
}
"""Measured on one core; used until this service has its own measurements."""
CACHEABLE = ("detect", "track")
"""Stages whose result may be cached by an earlier run."""
LEAST_SHARE = 0.02
"""Share of the expected work, by time, that must be done before the time left is estimated."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Expected work and time of a job by stage; stages that the job does not have are absent.

    Attributes:
        units: units of work; empty if the video is unknown.
        seconds: expected time in seconds.
        step: every `step`-th frame is tracked.
    """

    units: Mapping[str, float]
    seconds: Mapping[str, float]
    step: int = 1


def plan_of(info: VideoInfo, parameters: JobParameters, measured: Mapping[str, Work]) -> Plan:
    """The plan of a job.

    Args:
        info: properties of the video.
        parameters: parameters of the job.
        measured: work and time in finished jobs, by stage.

    Returns:
        The plan; `UNKNOWN` if the video has no frames.
    """
    if not info.frames:
        return UNKNOWN
    step = tracked_step(info.fps, parameters.pipeline_params().track_fps)
    tracked, megapixels = len(range(0, info.frames, step)), info.frames * info.width * info.height / 1e6
    units = {
        "decode": megapixels,
        **dict.fromkeys(("detect", "calibrate", "track", "merge"), float(tracked)),
        "fill": float(info.frames - tracked),
    }
    units = {stage: amount for stage, amount in units.items() if amount}
    return Plan(units, {stage: amount * _seconds_per_unit(stage, measured) for stage, amount in units.items()}, step)


def _seconds_per_unit(stage: str, measured: Mapping[str, Work]) -> float:
    work = measured.get(stage)
    if work is None or work.seconds <= 0 or work.units <= 0:
        return SECONDS_PER_UNIT[stage]
    return work.seconds / work.units


UNKNOWN = Plan({}, {stage: seconds for stage, seconds in SECONDS_PER_UNIT.items() if stage != "fill"})
"""Plan for an unknown video: the proportions of a video of one megapixel."""


@dataclass(slots=True)
class StageMeter:
    """Progress of one stage of a job.

    Attributes:
        begun: frames that were already done when this job began the stage.
        done: frames that are done.
        total: frames of the video.
        seconds: time spent so far.
        reports: number of steps that were reported.
    """

    begun: int
    done: int = 0
    total: int = 0
    seconds: float = 0.0
    reports: int = 0

    @property
    def share(self) -> float:
        """Share of the stage that is done."""
        return self.done / self.total if self.total else 1.0

    @property
    def own_share(self) -> float:
        """Share of the stage that this job has done itself."""
        return (self.done - self.begun) / self.total if self.total else 1.0


@dataclass
class ProgressMeter:
    """Converts steps into progress: share of the whole job, rate and estimated time left.

    Attributes:
        started: start of the job, in seconds of a monotonic clock.
        plan: expected work and time.
        latest: progress after the last step; None before the first.
    """

    started: float
    plan: Plan = UNKNOWN
    latest: JobProgress | None = None
    _stages: dict[str, StageMeter] = field(default_factory=dict)
    _last: float = 0.0
    _pace: tuple[str, float, int] = ("", 0.0, 0)
    """Stage of the latest steps, and time and number of done frames at the first of them."""

    def __post_init__(self) -> None:
        self._last = self.started

    @property
    def seconds(self) -> dict[str, float]:
        """Time spent in each stage so far.

        The time before a step counts for the step's stage, so the times add up to the time from start to last step.
        """
        return {name: stage.seconds for name, stage in self._stages.items()}

    @property
    def work(self) -> dict[str, Work]:
        """Work and time that this job has measured, without the stages that were cached."""
        return {
            name: Work(stage.seconds, self.plan.units[name] * stage.own_share)
            for name, stage in self._stages.items()
            if name in self.plan.units and self._computed(name)
        }

    def step(self, progress: StageProgress, now: float) -> None:
        """Update the progress with a step; `now` is a time of the same clock as `started`."""
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
        """Set the progress to done, whatever the last step was."""
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
        """Whether a stage was computed: a computed stage reports every frame, a cached one many frames at once."""
        stage = self._stages[name]
        often = 2 * stage.reports * self.plan.step >= stage.done - stage.begun
        return name not in CACHEABLE or (stage.reports > 1 and often)

    def _done(self) -> float:
        """Expected time, in seconds, of the work that is done."""
        return sum(self.plan.seconds.get(name, 0.0) * stage.share for name, stage in self._stages.items())

    def _eta(self) -> float | None:
        """Expected time of the remaining work, scaled by the ratio of actual to expected time so far."""
        own = {name: stage for name, stage in self._stages.items() if self._computed(name)}
        expected = sum(self.plan.seconds.get(name, 0.0) * stage.own_share for name, stage in own.items())
        whole = sum(self.plan.seconds.values())
        if expected <= LEAST_SHARE * whole:
            return None
        return (whole - self._done()) * sum(stage.seconds for stage in own.values()) / expected
