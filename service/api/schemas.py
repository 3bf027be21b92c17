"""What goes over the wire, as pydantic models: OpenAPI is written from them."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from service.inference.repository.manifest import Manifest, ModelClass
from service.pipeline.parameters.job_parameters import JobParameters
from service.state.cache_index import CachedStage
from service.state.job import Job, JobState
from service.state.videos import Video

VIDEO_ID = r"^[0-9a-f]{64}$"
EXAMPLE_VIDEO = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
EXAMPLE_JOB = "0b0f9c3e5d5f4a6f8f1f7a0e2c1d9b7a"


class ProblemDetails(BaseModel):
    """An error (RFC 9457, `application/problem+json`)."""

    model_config = ConfigDict(
        title="Problem",
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:dualtrack:problem:unknown-job",
                    "title": "Unknown job",
                    "status": 404,
                    "detail": "job: no job has the id 42",
                    "instance": "/v1/jobs/42",
                    "code": "unknown-job",
                    "request_id": "3f0c8f0e6b6d4f0f",
                }
            ]
        },
    )

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str = Field(description="Stable name of the problem, the last part of `type`.")
    request_id: str
    errors: list[dict[str, str]] | None = Field(
        None, description="Each wrong parameter: JSON `pointer` into the body, or name of the `parameter`."
    )


class VideoInfoOut(BaseModel):
    """What the probe found in the file; width and height are those shown, after rotation."""

    model_config = ConfigDict(extra="allow")

    container: str
    codec: str
    width: int
    height: int
    frames: int
    duration_s: float
    fps: float
    rotation: int
    variable_frame_rate: bool
    stream: int = Field(0, description="Of several video streams, the index of the one that is taken.")
    time_base: str | None = Field(None, description="Unit of the stream's own time stamps, seconds as a fraction.")


class CachedStageOut(BaseModel):
    """What an earlier job left: another one with the same parameters up to this stage takes it over."""

    stage: str = Field(description="clip, shots, detections, tubelets or checkpoint.", examples=["detections"])
    size_bytes: int
    used_at: datetime


class VideoOut(BaseModel):
    """A stored video."""

    id: str = Field(description="SHA-256 of the file.", examples=[EXAMPLE_VIDEO])
    size_bytes: int
    filename: str | None
    info: VideoInfoOut
    created_at: datetime
    cached: list[CachedStageOut] = Field(description="Stage results that further jobs can take over.")

    @classmethod
    def of(cls, video: Video, cached: Sequence[CachedStage]) -> "VideoOut":
        """The wire form of `video`."""
        return cls.model_validate({**asdict(video), "cached": [asdict(entry) for entry in cached]})


class JobRequest(BaseModel):
    """What `POST /v1/jobs` takes as JSON."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"video_id": EXAMPLE_VIDEO},
                {"video_id": EXAMPLE_VIDEO, "parameters": {"th_det": 0.3, "overlay": False}},
            ]
        },
    )

    video_id: Annotated[str, Field(pattern=VIDEO_ID, description="Id of an uploaded video.")]
    detections: Annotated[
        str | None,
        Field(pattern=VIDEO_ID, description="SHA-256 of a stored file: `detections` of the job that brought it."),
    ] = None
    parameters: JobParameters = Field(default_factory=lambda: JobParameters.model_validate({}))


class ProgressOut(BaseModel):
    """How far a job is."""

    stage: str = Field(description="decode, detect, calibrate, track, merge, fill or render.", examples=["track"])
    done: int = Field(description="Frames of the video that are through this stage.")
    total: int = Field(description="Frames of the video.")
    fraction: float = Field(description="Of the whole job, 0 to 1.")
    rate: float | None = Field(description="Frames per second in this stage.")
    eta_s: float | None = Field(description="Seconds until the whole job is done, as estimated now.")


class JobErrorOut(BaseModel):
    """Why a job failed."""

    model_config = ConfigDict(extra="allow")

    code: str
    detail: str


class JobLinks(BaseModel):
    """Where to go from here."""

    self: str
    result: str
    video: str


class JobOut(BaseModel):
    """A job and how far it is."""

    id: str = Field(examples=[EXAMPLE_JOB])
    video_id: str
    parameters: dict[str, Any]
    detections: str | None = Field(description="SHA-256 of the detections that take the detector's place.")
    state: JobState
    attempt: int = Field(description="1 for the first try; a worker that dies is followed by another try.")
    progress: ProgressOut | None
    error: JobErrorOut | None
    cancel_requested: bool
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    version: int = Field(description="Grows with every change; give it back as `?version=` to wait for one.")
    links: JobLinks

    @classmethod
    def of(cls, job: Job) -> "JobOut":
        """The wire form of `job`."""
        names = set(cls.model_fields) - {"progress", "links"}
        links = {
            "self": f"/v1/jobs/{job.id}",
            "result": f"/v1/jobs/{job.id}/result",
            "video": f"/v1/videos/{job.video_id}",
        }
        values = {name: getattr(job, name) for name in names}
        return cls.model_validate({**values, "progress": progress_of(job), "links": links})


class ClassOut(BaseModel):
    """One class of the detector."""

    name: str
    vocabulary: str


class ModelsOut(BaseModel):
    """The networks in use."""

    architecture: str = Field(description="Of the networks, such as `lite`.")
    release: str = Field(description="Name of this set of weights, such as `lite-3`.")
    classes: list[ClassOut]
    graphs: dict[str, str] = Field(description="SHA-256 of each graph's file.")

    @classmethod
    def of(cls, manifest: Manifest, classes: Sequence[ModelClass]) -> "ModelsOut":
        """The wire form of `manifest`, with the classes of the detector in use."""
        return cls(
            architecture=manifest.architecture,
            release=manifest.release,
            classes=[ClassOut(name=each.name, vocabulary=each.vocabulary) for each in classes],
            graphs=dict(manifest.graphs),
        )


class HealthOut(BaseModel):
    """What `/readyz` looked at; `true` or a short text each."""

    ready: bool
    checks: dict[str, str | bool]


def progress_of(job: Job) -> dict[str, Any] | None:
    """The progress of `job` as JSON, or None before it starts."""
    progress = job.progress
    if progress is None:
        return None
    return {name: getattr(progress, name) for name in ProgressOut.model_fields}
