"""What one run can take over from an earlier run of the same video: a byte-budgeted cache on disk.

Keys are hashes of everything that the stage's outcome depends on: the video's content, the model's version and
the parameters of this stage and those before it. So another `th_seq` finds the tubelets, another `th_cc` the
detections. A full or unwritable cache never makes a run fail.
"""

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

from service.pipeline.params import PipelineParams


class StageCache(Protocol):
    """Bytes by key."""

    def get(self, key: str) -> bytes | None:
        """The bytes kept under `key`, or None."""
        ...

    def put(self, key: str, data: bytes) -> None:
        """Keep `data`, if there is room."""
        ...


class NoCache:
    """Keeps nothing."""

    def get(self, key: str) -> bytes | None:  # noqa: ARG002 (the protocol's signature)
        """Nothing is ever found."""
        return None

    def put(self, key: str, data: bytes) -> None:
        """Drop it."""


class FolderCache:
    """One file per key; the least recently used ones go first.

    Args:
        root: folder, made when needed.
        max_bytes: budget of all files together.
    """

    def __init__(self, root: Path, *, max_bytes: int) -> None:
        self._root, self._max_bytes = root, max_bytes

    def get(self, key: str) -> bytes | None:
        """The bytes kept under `key`, or None."""
        path = self._root / key
        try:
            data = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        return data

    def put(self, key: str, data: bytes) -> None:
        """Keep `data` unless it alone is over the budget or the disk refuses."""
        if len(data) > self._max_bytes:
            return
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            partial = self._root / f".{key}.{os.getpid()}"
            partial.write_bytes(data)
            partial.replace(self._root / key)
            self._evict()
        except OSError:
            return

    def _evict(self) -> None:
        files = sorted(
            ((entry.stat().st_mtime, entry.stat().st_size, entry.path) for entry in os.scandir(self._root)),
            reverse=True,
        )
        total = 0
        for _, size, path in files:
            total += size
            if total > self._max_bytes:
                Path(path).unlink(missing_ok=True)


def detections_key(video: str, version: str, params: PipelineParams) -> str:
    """Key of the candidates of a video (sha256 or any name of its content)."""
    return _key("detections", video, version, {"detector": asdict(params.detector)})


def tubelets_key(video: str, version: str, params: PipelineParams) -> str:
    """Key of the raw tubelets: all stages before merging count."""
    stages: dict[str, object] = {
        name: asdict(getattr(params, name)) for name in ("detector", "calibration", "proposals", "tracker")
    }
    return _key("tubelets", video, version, stages)


def _key(stage: str, video: str, version: str, parameters: dict[str, object]) -> str:
    text = json.dumps([stage, video, version, parameters], sort_keys=True)
    return f"{stage}-{hashlib.sha256(text.encode()).hexdigest()}"
