"""What one run can take over from an earlier run of the same video: a byte-budgeted cache on disk.

Keys are hashes of everything that the stage's outcome depends on: the video's content, the model's version and
parameters; for tubelets those of the detector and the tracker (`caching_tracker`). So another `th_seq` finds all
tubelets, another `th_cc` the detections and the tubelets of the same seeds. What belongs to one video lies in one
folder, so that it can go with the video. A full or unwritable cache never makes a run fail.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from service.media.limits import VideoLimits
from service.pipeline.params import PipelineParams

T = TypeVar("T")
CHECKPOINT = "checkpoint"
"""Stage of the keys of what is no stage's result yet."""
FRAMES = 2
"""Counts up when the networks see other frames of the same video: what was made of the old ones is not used then."""


class StageCache(Protocol):
    """Bytes by key."""

    def get(self, key: str) -> bytes | None:
        """The bytes kept under `key`, or None."""
        ...

    def put(self, key: str, data: bytes) -> None:
        """Keep `data`, if there is room."""
        ...

    def drop(self, key: str) -> None:
        """Keep it no longer, if it is there."""
        ...


def recall(cache: StageCache, key: str, unpack: Callable[[bytes], T]) -> T | None:
    """What is kept under `key`; None if nothing is, or nothing that `unpack` can read."""
    data = cache.get(key)
    try:
        return None if data is None else unpack(data)
    except ValueError:
        return None


class NoCache:
    """Keeps nothing."""

    def get(self, key: str) -> bytes | None:  # noqa: ARG002 (the protocol's signature)
        """Nothing is ever found."""
        return None

    def put(self, key: str, data: bytes) -> None:
        """Drop it."""

    def drop(self, key: str) -> None:
        """There is nothing."""


@dataclass(frozen=True, slots=True)
class CacheNote:
    """The file under `key` was written or read; without a size: it was removed."""

    key: str
    size_bytes: int | None

    @property
    def checkpoint(self) -> bool:
        """A checkpoint was written, or found by the attempt that goes on from it."""
        return self.size_bytes is not None and self.key.partition("/")[2].startswith(f"{CHECKPOINT}-")


class FolderCache:
    """One file per key; the least recently used ones go first.

    Args:
        root: folder, made when needed.
        max_bytes: budget of all files together.
        note: told of every file that is used or removed.
    """

    def __init__(self, root: Path, *, max_bytes: int, note: Callable[[CacheNote], None] = lambda _: None) -> None:
        self._root, self._max_bytes, self._note = root, max_bytes, note

    def get(self, key: str) -> bytes | None:
        """The bytes kept under `key`, or None."""
        path = self._root / key
        try:
            data = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        self._note(CacheNote(key, len(data)))
        return data

    def put(self, key: str, data: bytes) -> None:
        """Keep `data` unless it alone is over the budget or the disk refuses."""
        if len(data) > self._max_bytes:
            return
        path = self._root / key
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(data)
            partial.replace(path)
            self._note(CacheNote(key, len(data)))
            self._evict()

    def drop(self, key: str) -> None:
        """Keep it no longer, if it is there."""
        path = self._root / key
        with contextlib.suppress(OSError):
            path.unlink()
            self._gone(path)

    def _evict(self) -> None:
        total = 0
        for _, size, path in sorted(self._files(), reverse=True):
            total += size
            if total > self._max_bytes:
                path.unlink(missing_ok=True)
                self._gone(path)

    def _gone(self, path: Path) -> None:
        self._note(CacheNote(str(path.relative_to(self._root)), None))
        with contextlib.suppress(OSError):  # the video has other files here
            path.parent.rmdir()

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """Last use, size and path of every file; another process may remove some meanwhile."""
        for folder, _, names in os.walk(self._root):
            for path in (Path(folder, name) for name in names):
                with contextlib.suppress(OSError):
                    stat = path.stat()
                    yield stat.st_mtime, stat.st_size, path


def clip_key(video: str, limits: VideoLimits) -> str:
    """Key of the facts of a clip; a video that is known was within the limits. See `detections_key`."""
    return _key("clip", video, "", {"limits": asdict(limits)})


def detections_key(video: str, version: str, params: PipelineParams) -> str:
    """Key of the candidates of a video.

    Args:
        video: sha256 of its content; `sha256:variant` keeps what else was made of it apart, in the same folder.
        version: of the models.
        params: of all stages.
    """
    return _key("detections", video, version, {"detector": asdict(params.detector)})


def tubelets_key(video: str, version: str, params: PipelineParams) -> str:
    """Key of the tubelets of a video's seeds, whatever chose them. See `detections_key`."""
    stages: dict[str, object] = {name: asdict(getattr(params, name)) for name in ("detector", "tracker")}
    return _key("tubelets", video, version, stages)


def checkpoint_key(video: str, version: str, params: PipelineParams, name: str) -> str:
    """Key of a checkpoint; `name` tells those of one run apart. See `detections_key`."""
    stages: dict[str, object] = {part: asdict(getattr(params, part)) for part in ("detector", "tracker")}
    return _key(CHECKPOINT, video, version, {**stages, "name": name})


def shots_key(video: str, params: PipelineParams) -> str:
    """Key of the video's shot changes: looked for at the size that the networks take. See `detections_key`."""
    sides = {"short_side": params.detector.short_side, "long_side": params.detector.long_side}
    return _key("shots", video, "", {"detector": sides})


def _key(stage: str, video: str, version: str, parameters: dict[str, object]) -> str:
    text = json.dumps([FRAMES, stage, video, version, parameters], sort_keys=True)
    folder, _, _ = video.partition(":")
    return f"{folder}/{stage}-{hashlib.sha256(text.encode()).hexdigest()}"
