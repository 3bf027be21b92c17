"""Settings: read once from the environment (`DUALTRACK_…`), frozen, handed in where they are needed."""

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.media.limits import VideoLimits

if TYPE_CHECKING:
    from service.pipeline.context import EngineSettings

Secret = Annotated[SecretStr | None, BeforeValidator(lambda value: value or None)]
"""A secret; an empty one counts as not given, as compose files write it."""
SECRETS = Path("/run/secrets")
"""Where containers find secrets: a file `dualtrack_api_key` sets `api_key`; an environment variable goes before it."""


class Settings(BaseSettings):
    """Every setting; `dualtrack config` prints those in force."""

    model_config = SettingsConfigDict(
        env_prefix="DUALTRACK_",
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        nested_model_default_partial_update=True,
        secrets_dir=SECRETS if SECRETS.is_dir() else None,
    )

    data_dir: Path = Field(Path.home() / ".local/share/dualtrack", description="Videos, results, state, cache.")
    model_repository: Path = Field(
        Path(__file__).resolve().parent.parent / "model_repository",
        description="Triton repository with manifest.json.",
    )
    detector: Path | None = Field(None, description="TOML file of a detector in place of the bundled one.")
    redis_url: Secret = Field(None, description="Redis or Valkey; without it `serve` starts an embedded Valkey.")
    triton_url: str | None = Field(None, description="host:port of Triton's gRPC; without it onnxruntime in process.")
    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    api_key: Secret = Field(None, description="Bearer token that requests must bring.")
    max_body_bytes: int = Field(2 << 30, gt=0, description="Largest upload.")
    max_detections_bytes: int = Field(32 << 20, gt=0, description="Largest file of detections.")
    min_free_bytes: int = Field(256 << 20, ge=0, description="Uploads are refused when the disk has less left.")
    max_queue: int = Field(64, gt=0, description="Most waiting jobs; more are answered with 429.")
    max_attempts: int = Field(3, gt=0, description="Attempts at a job without a new checkpoint before it fails.")
    lease_s: float = Field(15.0, gt=0, description="A silent worker's job is given to another after about this time.")
    drain_s: float = Field(10.0, ge=0, description="A stopping worker's job may run on this long, then goes back.")
    result_ttl_s: int = Field(7 * 24 * 3600, gt=0, description="How long jobs, videos, results and cache are kept.")
    limits: VideoLimits = Field(default_factory=VideoLimits)
    cache_max_bytes: int = Field(2 << 30, ge=0, description="Budget on disk: detections, tubelets, checkpoints.")
    feature_cache_bytes: int = Field(64 << 20, ge=0, description="Budget of a video's features in memory.")
    feature_spill_bytes: int = Field(4 << 30, ge=0, description="Budget of further features in the scratch folder.")
    liveness_file: Path | None = Field(
        None, description="A worker touches it every 2 s: what a liveness probe looks at."
    )
    checkpoint_frames: int = Field(
        64,
        ge=0,
        description="Steps from one checkpoint of a job to the next; a killed job repeats at most this many. 0 = none.",
    )
    providers: tuple[str, ...] = Field(("CPUExecutionProvider",), description="onnxruntime's execution providers.")
    threads: int = Field(2, gt=0, description="Threads of one onnxruntime session.")
    inference_deadline_s: float = Field(30.0, gt=0, description="Seconds for one call to Triton.")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_json: bool = False

    @property
    def cache_dir(self) -> Path:
        """Folder of cached detections and tubelets."""
        return self.data_dir / "cache"

    def engine_settings(self) -> "EngineSettings":
        """What networks, cache and folders are opened with, in this process or in an engine."""
        # only here: it brings numpy and OpenCV, which most commands do without
        from service.pipeline.context import EngineSettings  # noqa: PLC0415

        return EngineSettings(**{field.name: getattr(self, field.name) for field in fields(EngineSettings)})

    def masked(self) -> dict[str, Any]:
        """All settings for printing; secrets as asterisks."""
        return self.model_dump(mode="json")
