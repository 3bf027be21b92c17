"""Settings: read once from the environment (`DUALTRACK_…`), immutable, passed to whatever needs them."""

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.media.limits import VideoLimits

if TYPE_CHECKING:
    from service.pipeline.context import EngineSettings

Secret = Annotated[SecretStr | None, BeforeValidator(lambda value: value or None)]
"""A secret. An empty string counts as unset: that is what compose files pass for a variable that is not set."""
SECRETS = Path("/run/secrets")
"""Where containers mount secrets: the file `dualtrack_api_key` sets `api_key`. Environment variables win."""


def bundled(name: str) -> Path:
    """A file or directory that the wheel brings along (`hatch_build.py`); a checkout has it at the top level."""
    package = Path(__file__).resolve().parent
    carried = package / "bundled" / name
    return carried if carried.exists() else package.parent / name


class Settings(BaseSettings):
    """All settings; `dualtrack config` prints their current values."""

    model_config = SettingsConfigDict(
        env_prefix="DUALTRACK_",
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        nested_model_default_partial_update=True,
        secrets_dir=SECRETS if SECRETS.is_dir() else None,
    )

    data_dir: Path = Field(
        Path.home() / ".local/share/dualtrack",
        description="Directory for videos, results, caches and the embedded Valkey's state.",
    )
    model_repository: Path = Field(
        bundled("model_repository"),
        description="Model repository in Triton's layout, with a manifest.json.",
    )
    detector: Path | None = Field(
        None, description="TOML file describing an external ONNX detector; unset uses the bundled one."
    )
    redis_url: Secret = Field(
        None, description="URL of the Redis or Valkey server; unset makes `serve` start an embedded Valkey."
    )
    triton_url: str | None = Field(
        None, description="host:port of Triton's gRPC endpoint; unset runs the models in-process with ONNX Runtime."
    )
    host: str = Field("127.0.0.1", description="Address the API listens on; 0.0.0.0 accepts connections from anywhere.")
    port: int = Field(8080, ge=0, le=65535, description="Port the API listens on.")
    api_key: Secret = Field(None, description="Bearer token required on API requests; unset disables authentication.")
    max_body_bytes: int = Field(2 << 30, gt=0, description="Maximum size of an uploaded video, in bytes.")
    max_detections_bytes: int = Field(
        32 << 20, gt=0, description="Maximum size of an uploaded detections file, in bytes."
    )
    min_free_bytes: int = Field(
        256 << 20, ge=0, description="Free disk space, in bytes, below which uploads are rejected."
    )
    max_queue: int = Field(64, gt=0, description="Maximum number of queued jobs; further ones are rejected with 429.")
    max_attempts: int = Field(
        3, gt=0, description="Attempts without a new checkpoint after which a job fails permanently."
    )
    lease_s: float = Field(
        15.0, gt=0, description="Seconds without a heartbeat after which a worker's job is handed to another worker."
    )
    drain_s: float = Field(
        10.0,
        ge=0,
        description="Seconds a worker that is shutting down may spend on its current job before requeuing it.",
    )
    engine_silent_s: float = Field(
        120.0,
        gt=0,
        description="Seconds without a message and without CPU time, its children's included, after which a job's "
        "engine process is considered frozen and killed; twice `inference_deadline_s` if that is longer.",
    )
    job_deadline_s: float = Field(
        6 * 3600.0,
        ge=0,
        description="Maximum duration of one attempt at a job, in seconds, after which the job fails permanently; "
        "0 disables the limit.",
    )
    result_ttl_s: int = Field(
        7 * 24 * 3600, gt=0, description="Seconds for which jobs, videos, results and cached data are kept."
    )
    limits: VideoLimits = Field(default_factory=VideoLimits, description="Limits on videos.")
    cache_max_bytes: int = Field(
        2 << 30, ge=0, description="Disk budget for cached detections, tubelets and checkpoints, in bytes."
    )
    feature_cache_bytes: int = Field(
        64 << 20, ge=0, description="Memory budget for the features of the video being processed, in bytes."
    )
    feature_spill_bytes: int = Field(
        4 << 30, ge=0, description="Disk budget for features that exceed the memory budget, in bytes."
    )
    liveness_file: Path | None = Field(
        None, description="File that a worker touches every 2 s, for a liveness probe; unset disables it."
    )
    checkpoint_frames: int = Field(
        64, ge=0, description="Frames between checkpoints (work lost on a crash); 0 disables checkpoints."
    )
    providers: tuple[str, ...] = Field(
        ("CPUExecutionProvider",), description="ONNX Runtime execution providers, in order of preference (JSON list)."
    )
    threads: int = Field(2, gt=0, description="Threads per ONNX Runtime session.")
    inference_deadline_s: float = Field(30.0, gt=0, description="Timeout of one call to Triton, in seconds.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Minimum severity of messages that are logged."
    )
    log_json: bool = Field(False, description="Log one JSON object per line instead of text.")

    @property
    def cache_dir(self) -> Path:
        """Directory of cached detections and tubelets."""
        return self.data_dir / "cache"

    def engine_settings(self) -> "EngineSettings":
        """The subset needed to run the pipeline, in this process or in an engine."""
        # imported here because it pulls in numpy and OpenCV, which most commands don't need
        from service.pipeline.context import EngineSettings  # noqa: PLC0415

        return EngineSettings(**{field.name: getattr(self, field.name) for field in fields(EngineSettings)})

    def masked(self) -> dict[str, Any]:
        """All settings for display, with secrets replaced by asterisks."""
        return self.model_dump(mode="json")
