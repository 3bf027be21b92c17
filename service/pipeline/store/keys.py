"""Cache keys of a run's results: a hash of everything a result depends on.

That is the video's content, the models' release, what runs them, the program and the parameters; for tubelets, the
parameters of detector and tracker (`CachingTracker`). With another `th_seq` all tubelets are found, with another
`th_cc` the detections and the tubelets of the same seeds. A key is `video/stage-hash`: all entries of a video are in
one folder, removed with it.
"""

import hashlib
import json
from dataclasses import asdict
from importlib.metadata import version

import dualtrack
from service.media.limits import VideoLimits
from service.media.video_info import VideoInfo
from service.pipeline.parameters.params import PipelineParams

FRAMES = 2
"""Increment when the networks get different frames of the same video, to invalidate results of the old frames.

It is part of every key. The encoding of the bytes has a separate format number (`cache.FORMAT`).
"""
CLIP = 2
"""Counts up when a probe or a decoder says something else of the same video: times, rate, damage."""
SHOTS = 2
"""Counts up when other shot changes are found in the same frames."""
PROGRAM = {"dualtrack": dualtrack.__version__, "av": version("av")}
"""What decodes and computes, part of every key: two versions that share a cache never use each other's results."""


def clip_key(video: str, limits: VideoLimits) -> str:
    """Key of the facts of a clip, which was within the limits. See `detections_key`."""
    return _key("clip", video, "", {"limits": asdict(limits), "facts": CLIP})


def given_key(video: str, digest: str, info: VideoInfo, known: dict[str, object]) -> str:
    """Key of the checked records of a file of detections.

    Args:
        video: see `detections_key`.
        digest: sha256 of the file.
        info: what the file was checked against.
        known: the detector's classes, which a bare list means.
    """
    sizes = {"frames": info.frames, "height": info.height, "width": info.width}
    return _key("given", video, digest, {"video": sizes, "known": known})


def detections_key(video: str, source: str, params: PipelineParams) -> str:
    """Key of the candidates of a video.

    Args:
        video: sha256 of its content, or `sha256:variant` to separate other derived data in the same folder.
        source: what candidates depend on in addition to the video: weights and what runs them (`Run.source`).
        params: of all stages.
    """
    return _key("detections", video, source, {"detector": asdict(params.detector)})


def tubelets_key(video: str, source: str, params: PipelineParams) -> str:
    """Key of the tubelets of a video's seeds, however those are selected. See `detections_key`."""
    stages: dict[str, object] = {name: asdict(getattr(params, name)) for name in ("detector", "tracker")}
    return _key("tubelets", video, source, stages)


def stops_key(video: str, source: str, params: PipelineParams, rule: dict[str, object]) -> str:
    """Key of the tracks that were stopped early; `rule` is what stops them. See `detections_key`."""
    return _key("stops", video, source, {"tubelets": tubelets_key(video, source, params), "rule": rule})


def checkpoint_key(video: str, source: str, params: PipelineParams, name: str) -> str:
    """Key of a checkpoint; `name` distinguishes checkpoints of the same run. See `detections_key`."""
    stages: dict[str, object] = {part: asdict(getattr(params, part)) for part in ("detector", "tracker")}
    return _key("checkpoint", video, source, {**stages, "name": name})


def shots_key(video: str, params: PipelineParams) -> str:
    """Key of the video's shot changes, which are searched at the networks' frame size. See `detections_key`."""
    sides = {"short_side": params.detector.short_side, "long_side": params.detector.long_side}
    return _key("shots", video, "", {"detector": sides, "changes": SHOTS})


def _key(stage: str, video: str, source: str, parameters: dict[str, object]) -> str:
    text = json.dumps([FRAMES, PROGRAM, stage, video, source, parameters], sort_keys=True)
    folder, _, _ = video.partition(":")
    return f"{folder}/{stage}-{hashlib.sha256(text.encode()).hexdigest()}"
