"""What goes over the wire, as pydantic models: OpenAPI is written from them."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from dualtrack.formats.table import ResultFormat
from service.inference.repository.manifest import Manifest, ModelClass
from service.pipeline.parameters.job_parameters import JobParameters
from service.state.artifact import Artifact, ArtifactState
from service.state.cache_index import CachedStage
from service.state.job import Job, JobState
from service.state.videos import Video

VIDEO_ID = r"^[0-9a-f]{64}$"
EXAMPLE_VIDEO = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
EXAMPLE_JOB = "0b0f9c3e5d5f4a6f8f1f7a0e2c1d9b7a"
FORMAT_OF_KIND = {"overlay": ResultFormat.OVERLAY_MP4}
"""Formats of a result that are artifacts, by kind; artifacts of other kinds are of a newer version, and not shown."""


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

    type: str = Field(description="URI of the kind of problem: `urn:dualtrack:problem:` and the `code`.")
    title: str = Field(description="The kind of problem in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What was expected and what was received.")
    instance: str = Field(description="The path of the request.")
    code: str = Field(description="Stable name of the kind of problem.")
    request_id: str = Field(description="Id of the request, as in `X-Request-ID` and in the log.")
    errors: list[dict[str, str]] | None = Field(
        None, description="One entry per invalid parameter: `detail`, and its JSON `pointer` in the body or its name."
    )
    state: JobState | None = Field(None, description="State of the job whose result was requested.")
    progress: "ProgressOut | None" = Field(None, description="Progress of that job.")
    job_error: "JobErrorOut | None" = Field(None, description="Why that job failed.")
    artifact: "ArtifactOut | None" = Field(None, description="The artifact of that job that is not ready or failed.")
    checks: dict[str, str | bool] | None = Field(None, description="What `/readyz` checked.")
    warnings: list[str] | None = Field(None, description="What `/readyz` warns of.")


class VideoInfoOut(BaseModel):
    """What the file contains."""

    model_config = ConfigDict(title="VideoInfo", extra="allow")

    container: str = Field(description="FFmpeg's name of the container.")
    codec: str = Field(description="FFmpeg's name of the codec.")
    width: int = Field(description="Pixels, after rotation.")
    height: int = Field(description="Pixels, after rotation.")
    frames: int = Field(description="Number of frames; until the video is decoded, the number of packets.")
    duration_s: float = Field(description="Seconds; 0 if unknown.")
    fps: float = Field(description="Frames per second, pauses left out; 0 if unknown.")
    rotation: int = Field(description="Degrees counterclockwise by which frames are rotated for display.")
    variable_frame_rate: bool = Field(description="Whether the time between frames varies.")
    size_bytes: int = Field(description="Of the file.")
    stream: int = Field(0, description="Index of the video stream that is used.")
    time_base: str | None = Field(
        None, description="Unit of the stream's own timestamps as a fraction of a second, such as 1/12800."
    )


class CachedStageOut(BaseModel):
    """The result of a stage, kept for further jobs on the video whose parameters are the same up to this stage."""

    model_config = ConfigDict(title="CachedStage")

    stage: str = Field(
        description="`clip`, `shots`, `given`, `detections`, `tubelets` or `checkpoint`.", examples=["detections"]
    )
    size_bytes: int = Field(description="On disk.")
    used_at: datetime = Field(description="When it was last used.")


class VideoOut(BaseModel):
    """A stored video."""

    model_config = ConfigDict(title="Video")

    id: str = Field(description="SHA-256 of the file.", examples=[EXAMPLE_VIDEO])
    size_bytes: int = Field(description="Of the file.")
    filename: str | None = Field(description="As the client sent it.")
    info: VideoInfoOut
    created_at: datetime = Field(description="When it was first uploaded.")
    cached: list[CachedStageOut] = Field(description="Results of stages that further jobs can reuse.")

    @classmethod
    def of(cls, video: Video, cached: Sequence[CachedStage]) -> "VideoOut":
        """The wire form of `video`."""
        return cls.model_validate({**asdict(video), "cached": [asdict(entry) for entry in cached]})


class JobRequest(BaseModel):
    """A job on an uploaded video."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"video_id": EXAMPLE_VIDEO},
                {"video_id": EXAMPLE_VIDEO, "parameters": {"th_det": 0.3, "overlay": False}},
            ]
        },
    )

    video_id: Annotated[str, Field(pattern=VIDEO_ID, description="The id of an uploaded video.")]
    detections: Annotated[
        str | None,
        Field(
            pattern=VIDEO_ID, description="Detections that were sent with an earlier job: the `detections` of that job."
        ),
    ] = None
    parameters: JobParameters = Field(default_factory=lambda: JobParameters.model_validate({}))


class ProgressOut(BaseModel):
    """Progress of a job or an artifact."""

    model_config = ConfigDict(title="Progress")

    stage: str = Field(
        description="`decode`, `detect`, `calibrate`, `track`, `merge` or `fill`; of an overlay `render`.",
        examples=["track"],
    )
    done: int = Field(description="Frames of the video that have passed this stage.")
    total: int = Field(description="Frames of the video.")
    fraction: float = Field(description="Share of the whole job or artifact that is done, 0 to 1.")
    rate: float | None = Field(description="Frames per second in this stage.")
    eta_s: float | None = Field(description="Estimated seconds until the job or artifact is done.")


class JobErrorOut(BaseModel):
    """Why a job or an artifact failed."""

    model_config = ConfigDict(title="JobError", extra="allow")

    code: str = Field(description="Stable name of the error.")
    detail: str = Field(description="What was expected and what was found.")


class JobSummaryOut(BaseModel):
    """What the result contains."""

    model_config = ConfigDict(title="JobSummary")

    tubelets: int = Field(description="Number of tubelets in the result.")
    left_out: int = Field(description="Number of tubelets that it does not contain: they score less than `min_score`.")
    max_seeds_reached: bool = Field(
        description="Whether the limit `max_seeds` was reached in some chunk, so objects may be missing."
    )


class ArtifactKind(StrEnum):
    """What can be made from a result."""

    OVERLAY = "overlay"


class ArtifactRequest(BaseModel):
    """A file to make from the result of a job."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"kind": "overlay"}]})

    kind: ArtifactKind = Field(description="`overlay`: the video with the objects of the result drawn on it.")


class ArtifactOut(BaseModel):
    """A file that is made from the result of a job. It does not change the state of the job, which is done."""

    model_config = ConfigDict(title="Artifact")

    kind: str = Field(description="`overlay`.", examples=["overlay"])
    state: ArtifactState = Field(description="A failed one is made again on request.")
    attempt: int = Field(
        description="Number of the current attempt; it grows when a worker dies and another takes over."
    )
    progress: ProgressOut | None = Field(description="Null unless it is being made.")
    error: JobErrorOut | None = Field(description="Null unless it failed.")
    size_bytes: int | None = Field(description="Of the file; null until it is done.")
    created_at: datetime = Field(description="When it was requested.")
    started_at: datetime | None = Field(description="When the current attempt started.")
    finished_at: datetime | None = Field(description="When it was done or failed.")
    link: str = Field(description="Path of the file; 409 until the artifact is done.")

    @classmethod
    def of(cls, artifact: Artifact, prefix: str = "") -> "ArtifactOut":
        """The wire form of an artifact of a job; its link is below the path `prefix`."""
        names = set(cls.model_fields) - {"progress", "link"}
        values = {name: getattr(artifact, name) for name in names}
        link = f"{prefix}/v1/jobs/{artifact.owner_id}/result?format={FORMAT_OF_KIND[artifact.kind]}"
        return cls.model_validate({**values, "progress": progress_of(artifact), "link": link})


class JobLinks(BaseModel):
    """Paths of the job, its result and its video."""

    self: str = Field(description="Path of the job.")
    result: str = Field(description="Path of its result; it answers 409 until the job is done.")
    video: str = Field(description="Path of its video.")


class JobOut(BaseModel):
    """A job and its progress."""

    model_config = ConfigDict(title="Job")

    id: str = Field(examples=[EXAMPLE_JOB])
    video_id: str = Field(description="SHA-256 of the video.")
    # not JobParameters: an earlier release may have stored names that this one no longer has
    parameters: dict[str, Any] = Field(
        title="Given parameters", description="The parameters that the request set; the preset has the others."
    )
    detections: str | None = Field(description="SHA-256 of the detections that replace the detector's.")
    state: JobState
    attempt: int = Field(
        description="Number of the current attempt; it grows when a worker dies and another takes over."
    )
    progress: ProgressOut | None = Field(description="Null unless the job is running.")
    error: JobErrorOut | None = Field(description="Null unless the job failed.")
    summary: JobSummaryOut | None = Field(description="Null until the job is done, and for jobs of earlier versions.")
    cancel_requested: bool = Field(description="Whether cancellation was requested.")
    created_at: datetime
    started_at: datetime | None = Field(description="When the current attempt started.")
    finished_at: datetime | None = Field(description="When the job ended.")
    artifacts: list[ArtifactOut] = Field(
        description="Files that are made from the result after the job is done: the overlay, if `overlay` is true."
    )
    version: int = Field(
        description="Grows with every change of the job and its artifacts; pass it as `version` to wait for the next "
        "change."
    )
    links: JobLinks

    @classmethod
    def of(cls, job: Job, artifacts: Sequence[Artifact] = (), prefix: str = "") -> "JobOut":
        """The wire form of `job`; its links are below the path `prefix`."""
        names = set(cls.model_fields) - {"artifacts", "progress", "summary", "links"}
        made = [ArtifactOut.of(each, prefix) for each in artifacts if each.kind in FORMAT_OF_KIND]
        links = {
            "self": f"{prefix}/v1/jobs/{job.id}",
            "result": f"{prefix}/v1/jobs/{job.id}/result",
            "video": f"{prefix}/v1/videos/{job.video_id}",
        }
        values = {name: getattr(job, name) for name in names}
        values |= {"artifacts": made, "progress": progress_of(job), "links": links}
        return cls.model_validate({**values, "summary": job.summary and asdict(job.summary)})


class ClassOut(BaseModel):
    """A class that the detector knows."""

    model_config = ConfigDict(title="DetectorClass")

    name: str
    vocabulary: str = Field(description="The data set that defines the class, such as `coco`.")


class ModelsOut(BaseModel):
    """The networks in use."""

    model_config = ConfigDict(title="Models")

    architecture: str = Field(description="Architecture of the networks, such as `lite`.")
    release: str = Field(description="Name of the set of weights, such as `lite-3`.")
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


class LivenessOut(BaseModel):
    """The API answers."""

    model_config = ConfigDict(title="Liveness")

    alive: bool


class ReadinessOut(BaseModel):
    """The service can run jobs."""

    model_config = ConfigDict(title="Readiness")

    ready: bool
    checks: dict[str, str | bool] = Field(description="Each component: `true`, or a text that says what is missing.")
    warnings: list[str] = Field(description="Why accepted jobs may vanish, such as a state server that evicts keys.")


def progress_of(made: Job | Artifact) -> dict[str, Any] | None:
    """The progress of a job or artifact as JSON, or None unless it is running."""
    progress = made.progress
    if progress is None:
        return None
    return {name: getattr(progress, name) for name in ProgressOut.model_fields}
