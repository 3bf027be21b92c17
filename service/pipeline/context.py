"""What every job of a process uses: networks, limits, folders, budgets. Opened only here."""

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
    """What a context is opened with; the service's settings of the same names say what each is.

    As JSON it goes to an engine process.
    """

    model_repository: Path
    detector: Path | None
    triton_url: str | None
    providers: tuple[str, ...]
    threads: int
    inference_deadline_s: float
    limits: VideoLimits
    cache_dir: Path
    cache_max_bytes: int
    feature_cache_bytes: int
    feature_spill_bytes: int
    checkpoint_frames: int

    def to_json(self) -> dict[str, Any]:
        """As values that JSON has."""
        document: dict[str, Any] = JSON.dump_python(self, mode="json")
        return document

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "EngineSettings":
        """The inverse of `to_json`; further fields are left out.

        Raises:
            ValueError: a field is missing, or is not what it should be.
        """
        return JSON.validate_python(document)


JSON = TypeAdapter(EngineSettings)


@dataclass(frozen=True)
class PipelineContext:
    """What an engine holds between jobs; a newly published release replaces the networks.

    Attributes:
        networks: the graphs.
        limits: what a video may be at most.
        scratch: folder for decoded frames and features; emptied after every job.
        cache: what stages of earlier runs left (`store/keys`).
        feature_bytes: budget of the features kept in memory.
        spill_bytes: budget of further ones in the scratch folder.
        checkpoint_frames: steps from one checkpoint of a job to the next; 0 = none.
        detector: in place of the bundled one.
        counted_ids: the bundled classes are counted from 1, as before schema 1; jobs of that time that bring detections
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
        """What the detector's class vectors mean."""
        if self.detector is not None:
            return self.detector.vector
        vector = bundled(self.networks.manifest)
        return counted(vector.source, vector.classes) if self.counted_ids else vector


@asynccontextmanager
async def open_context(
    settings: EngineSettings, scratch: Path, *, note: Callable[[CacheNote], None] = lambda _: None
) -> AsyncIterator[PipelineContext]:
    """The context of the settings for the length of the block.

    Args:
        settings: what to open.
        scratch: folder for the frames and features of the job under way, made when needed.
        note: called for every file of the cache that is used or removed.

    Raises:
        ConfigurationError: repository, detector, provider or server can't be used, or do not fit each other.
        Unavailable: the server can't be reached.
    """
    # only here: it brings onnxruntime, and the API and the worker read `EngineSettings`, too
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
    """The networks of a release, to be closed by the caller; raises as `open_context` does."""
    from service.inference.open import open_client  # noqa: PLC0415 (see `open_context`)

    client = await open_client(
        manifest,
        triton_url=settings.triton_url,
        providers=settings.providers,
        threads=settings.threads,
        deadline_s=settings.inference_deadline_s,
    )
    return Networks(client, manifest)
