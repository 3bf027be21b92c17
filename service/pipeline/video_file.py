"""One video file in, a folder of results out: the spine with its decoder before and its writers behind.

A video that went through before is neither looked at nor decoded unless a stage wants frames of it.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from service.media.clip import Clip
from service.media.decode import decode
from service.media.limits import VideoLimits
from service.media.probe import probe
from service.media.render import Drawing, render_overlay
from service.media.video_info import VideoInfo
from service.pipeline.categories.choice import choose
from service.pipeline.categories.class_vector import ClassVector, bundled
from service.pipeline.detection.detector import Detector
from service.pipeline.detection.given import read_detections
from service.pipeline.job_parameters import JobParameters
from service.pipeline.networks import Networks
from service.pipeline.result import write_tubelets, write_ytvis
from service.pipeline.run import Report, Run, StageProgress, process_video
from service.pipeline.store.cache import StageCache, clip_key, recall
from service.pipeline.store.known_clip import ClipFacts, KnownClip, facts_of
from service.structures.canvas import Canvas, fit
from service.structures.categories import Category
from service.structures.tubelets import LabelledTubelet

TUBELETS, YTVIS, OVERLAY = "tubelets.json", "ytvis.json", "overlay.mp4"
"""Names of the files of a result."""


@dataclass(frozen=True)
class PipelineContext:
    """What does not change from job to job.

    Attributes:
        networks: the graphs.
        limits: what a video may be at most.
        scratch: folder for the decoded frames; emptied after every job.
        cache: detections and tubelets of earlier runs.
        feature_bytes: budget of the features kept in memory.
        spill_bytes: budget of further ones in the scratch folder.
        checkpoint_frames: steps from one checkpoint of a job to the next; 0 = none.
        detector: in place of the bundled one.
    """

    networks: Networks
    limits: VideoLimits
    scratch: Path
    cache: StageCache
    feature_bytes: int = 64 << 20
    spill_bytes: int = 4 << 30
    checkpoint_frames: int = 0
    detector: Detector | None = None

    @property
    def vector(self) -> ClassVector:
        """What the detector's class vectors mean."""
        return bundled(self.networks.manifest) if self.detector is None else self.detector.vector


async def segment(
    video: Path,
    out: Path,
    *,
    context: PipelineContext,
    parameters: JobParameters,
    report: Report,
    detections: Path | None = None,
) -> None:
    """Write the results of `video` into the folder `out`: tubelets.json, ytvis.json and, if asked, overlay.mp4.

    Args:
        video: the file.
        out: folder, made if need be.
        context: networks, limits, scratch folder, cache.
        parameters: of the job.
        report: told of every step; what it raises ends the job, and the scratch files with it.
        detections: a file that takes the place of the stage DETECT.

    Raises:
        InvalidVideo: the file can't be used; `code` says why.
        InvalidDetections: the file of detections can't be used.
        InvalidParameter: the categories are none of the detector's.
        InferenceError: a graph failed.
    """
    digest = content_hash(video)
    key = clip_key(digest, context.limits)
    facts = recall(context.cache, key, ClipFacts.unpack)
    info = await probe(video, context.limits) if facts is None else facts.probed
    given = await asyncio.to_thread(_given, detections, info, context)
    vocabulary = choose(context.vector if given is None else given.vector, parameters.categories)
    open_now = partial(open_clip, video, info, context, parameters, report)
    clip = await open_now() if facts is None else KnownClip(facts, _canvas(info, parameters).network_hw, open_now)
    try:
        run = Run(
            clip=clip,
            video=digest,
            networks=context.networks,
            params=parameters.pipeline_params(),
            cache=context.cache,
            feature_bytes=context.feature_bytes,
            report=report,
            given=given,
            vocabulary=vocabulary,
            checkpoint_frames=context.checkpoint_frames,
            scratch=context.scratch,
            spill_bytes=context.spill_bytes,
        )
        result = await process_video(run)
        if facts is None:
            context.cache.put(key, facts_of(clip, info).pack())
    finally:
        clip.close()
    out.mkdir(parents=True, exist_ok=True)
    write_tubelets(out / TUBELETS, result, run, parameters.model_dump())
    write_ytvis(out / YTVIS, result, run)
    if parameters.overlay:
        drawings = overlay_drawings(result.tubelets, run.categories, parameters.overlay_min_score)
        await render_overlay(
            video,
            info,
            context.limits,
            drawings,
            out / OVERLAY,
            lambda done: report(StageProgress("render", done, info.frames)),
        )


async def open_clip(
    video: Path, info: VideoInfo, context: PipelineContext, parameters: JobParameters, report: Report
) -> Clip:
    """Decode all frames once, at the size that the networks take."""
    return await decode(
        video,
        info,
        context.limits,
        network_hw=_canvas(info, parameters).network_hw,
        directory=context.scratch,
        on_frame=lambda done: report(StageProgress("decode", done, info.frames)),
    )


def _canvas(info: VideoInfo, parameters: JobParameters) -> Canvas:
    """Sizes of the video's frames."""
    detector = parameters.pipeline_params().detector
    return fit((info.height, info.width), short_side=detector.short_side, long_side=detector.long_side)


def _given(detections: Path | None, info: VideoInfo, context: PipelineContext) -> Detector | None:
    """What takes the bundled detector's place, if anything does."""
    return context.detector if detections is None else read_detections(detections, info, context.vector)


def overlay_drawings(
    labelled: Sequence[LabelledTubelet], categories: Sequence[Category], min_score: float
) -> list[Drawing]:
    """What the overlay shows of each tubelet; its number is that of the result."""
    return [
        Drawing(
            number, categories[item.label].name, item.score, item.tubelet.masks, item.tubelet.boxes, item.tubelet.start
        )
        for number, item in enumerate(labelled, start=1)
        if item.score >= min_score
    ]


def content_hash(path: Path) -> str:
    """sha256 of a file's bytes, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
