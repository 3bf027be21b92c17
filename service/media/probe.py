"""Guarded probing of a video file."""

from dataclasses import asdict
from pathlib import Path

from dualtrack.errors import InvalidVideo
from service.media.children.guard import run_child
from service.media.limits import VideoLimits
from service.media.video_info import VideoInfo

PROBE_MEMORY = 1 << 30
CPU_S = 15


async def probe(path: Path, limits: VideoLimits) -> VideoInfo:
    """Probe `path` in a child process.

    Raises:
        InvalidVideo: `code` says why: empty-file, unsupported-container, unsupported-codec, no-video, no-frames,
            malformed, too-large, too-small, too-many-frames, too-long, file-too-large, timeout, decode-failed.
        Unavailable: the machine's fault, see `run_child`.
    """
    size = path.stat().st_size
    if size > limits.max_bytes:
        raise InvalidVideo(f"video: {size} bytes, the limit max_bytes is {limits.max_bytes}", code="file-too-large")
    job = {"path": str(path), "limits": asdict(limits), "memory_bytes": PROBE_MEMORY, "cpu_s": CPU_S}
    return VideoInfo.from_json(await run_child("service.media.children.probe", job, wall_s=limits.wall_s))
