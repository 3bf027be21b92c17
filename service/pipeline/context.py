"""Resources shared by all jobs of a process: networks, limits, folders, budgets."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from service.inference.repository.manifest import Manifest, load_manifest
from service.media.limits import VideoLimits
from service.pipeline.categories.class_vector import ClassVector, bundled, counted
from service.pipeline.detection.detector import Detector
from service.pipeline.networks import Networks
from service.pipeline.store.cache import CacheNote, FolderCache, StageCache


@dataclass(frozen=True)
class EngineSettings:
    """Settings of a context; see the service's settings of the same names.

    Sent to an engine process as JSON.
    """

    model_repository: Path
    detector: Path | None
    triton_url: str | None
    providers: tuple[str, ...]
    threads: int
    inference_deadline_s: float
    engine_silent_s: float
    job_deadline_s: float
    limits: VideoLimits
    cache_dir: Path
    cache_max_bytes: int
    feature_cache_bytes: int
    feature_spill_bytes: int
    checkpoint_frames: int

    @property
    def silence_s(self) -> float:
        """Seconds without a message and without CPU time after which an engine is frozen.

        An engine that waits for Triton is idle for as long as one call may take. One that waits for a frozen child
        notices that after twice `limits.wall_s` (`service.media.children.guard`), and must not be killed before.
        """
        return max(self.engine_silent_s, 2 * self.inference_deadline_s, 3 * self.limits.wall_s)

    def to_json(self) -> dict[str, Any]:
        """As JSON-serializable values."""
        document: dict[str, Any] = JSON.dump_python(self, mode="json")
        return document

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "EngineSettings":
        """The inverse of `to_json`; unknown fields are ignored.

        Raises:
            ValueError: a field is missing or invalid.
        """
        return JSON.validate_python(document)


JSON = TypeAdapter(EngineSettings)


@dataclass(frozen=True)
class PipelineContext:
    """Resources of an engine between jobs; a newly published release replaces the networks.

    Attributes:
        networks: the graphs.
        limits: limits on videos.
        scratch: folder for decoded frames and features; emptied after every job.
        cache: results of stages of earlier runs (`store/keys`).
        feature_bytes: budget for features in memory.
        spill_bytes: budget for further features in the scratch folder.
        checkpoint_frames: steps between checkpoints of a job; 0 disables checkpoints.
        detector: external detector, or None for the bundled one.
        counted_ids: number the bundled classes from 1, as before schema 1; for jobs of that time with detections, which
            use these ids.
    """

    networks: Networks
    limits: VideoLimits
    scratch: Path
    cache: StageCache
    feature_bytes: int = 64 << 20
    spill_bytes: int = 4 << 30
    checkpoint_frames: int = 0
    detector: Detector | None = None
    counted_ids: bool = False

    @property
    def vector(self) -> ClassVector:
        """The classes of the detector."""
        if self.detector is not None:
            return self.detector.vector
        vector = bundled(self.networks.manifest)
        return counted(vector.source, vector.classes) if self.counted_ids else vector


@asynccontextmanager
async def open_context(
    settings: EngineSettings, scratch: Path, *, note: Callable[[CacheNote], None] = lambda _: None
) -> AsyncIterator[PipelineContext]:
    """Open a context for the duration of the block.

    Args:
        settings: what to open.
        scratch: folder for frames and features of the running job, created when needed.
        note: called for every cache file that is used or removed.

    Raises:
        ConfigurationError: repository, detector, provider or server can't be used, or do not match.
        Unavailable: the server can't be reached.
    """
    # imported here because it needs onnxruntime, which API and worker do without
    from service.pipeline.detection.outside import open_detector  # noqa: PLC0415

    networks = await open_networks(settings, load_manifest(settings.model_repository))
    try:
        yield PipelineContext(
            networks=networks,
            limits=settings.limits,
            scratch=scratch,
            cache=FolderCache(settings.cache_dir, max_bytes=settings.cache_max_bytes, note=note),
            feature_bytes=settings.feature_cache_bytes,
            spill_bytes=settings.feature_spill_bytes,
            checkpoint_frames=settings.checkpoint_frames,
            detector=open_detector(settings.detector, providers=settings.providers, threads=settings.threads),
        )
    finally:
        await networks.client.close()


async def open_networks(settings: EngineSettings, manifest: Manifest) -> Networks:
    """Open the networks of a release, to be closed by the caller; raises like `open_context`."""
    from service.inference.open import open_client  # noqa: PLC0415 (see `open_context`)

    client = await open_client(
        manifest,
        triton_url=settings.triton_url,
        providers=settings.providers,
        threads=settings.threads,
        deadline_s=settings.inference_deadline_s,
    )
    return Networks(client, manifest)
