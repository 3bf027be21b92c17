"""Processes one video file to a folder of results: decoding, `run.process_video`, writing.

A video that was processed before is not probed, and only decoded if a stage needs its frames. The overlay is drawn
afterwards, from what this has written (`artifacts/overlay`).
"""

from functools import partial
from pathlib import Path

from dualtrack.result.file import ResultFile
from service.media.decode import decode
from service.media.frames.clip import Clip
from service.media.probe import probe
from service.media.video_info import VideoInfo
from service.pipeline.categories.choice import choose
from service.pipeline.context import PipelineContext
from service.pipeline.detection.detector import Detector
from service.pipeline.detection.given import open_detections
from service.pipeline.parameters.job_parameters import JobParameters, effective_parameters
from service.pipeline.progress import Report, StageProgress
from service.pipeline.result import write_results
from service.pipeline.run import Run, process_video
from service.pipeline.store.cache import recall
from service.pipeline.store.keys import clip_key
from service.pipeline.store.known_clip import ClipFacts, KnownClip, facts_of
from service.structures.canvas import Canvas, fit


async def segment(
    video: Path,
    out: Path,
    *,
    sha256: str,
    context: PipelineContext,
    parameters: JobParameters,
    report: Report,
    detections: Path | None = None,
) -> ResultFile:
    """Write the result of `video` to the folder `out`: the files of `dualtrack.formats.table` without the overlay.

    Args:
        video: the file.
        out: folder, created if missing.
        sha256: of the file, hex; identifies its cache entries (`dualtrack.digest`).
        context: networks, limits, scratch folder, cache.
        parameters: of the job.
        report: called at every step; an exception in it ends the job and removes its scratch files.
        detections: a detections file, which replaces the stage `detect`.

    Returns:
        The result as it was written.

    Raises:
        InvalidVideo: the file can't be used; `code` says why.
        InvalidDetections: the detections file can't be used.
        InvalidParameter: no category matches a class of the detector.
        InferenceError: a graph failed.
        Unavailable: a decoder was killed or got no processor time, or its disk is full.
        OSError: the disk is full or refuses; no part of a result stays.
    """
    key = clip_key(sha256, context.limits)
    facts = recall(context.cache, key, ClipFacts.unpack)
    info = await probe(video, context.limits) if facts is None else facts.probed
    given = await _given(detections, sha256, info, context)
    vocabulary = choose(context.vector if given is None else given.vector, parameters.categories)
    open_now = partial(open_clip, video, info, context, parameters, report)
    clip = await open_now() if facts is None else KnownClip(facts, _canvas(info, parameters).network_hw, open_now)
    try:
        run = Run(
            clip=clip,
            cache_name=sha256,
            networks=context.networks,
            params=parameters.pipeline_params(),
            cache=context.cache,
            feature_bytes=context.feature_bytes,
            report=report,
            detector_override=given,
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
    return write_results(out, result, run, effective_parameters(parameters))


async def open_clip(
    video: Path, info: VideoInfo, context: PipelineContext, parameters: JobParameters, report: Report
) -> Clip:
    """Decode all frames once, at the networks' frame size."""
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


async def _given(detections: Path | None, sha256: str, info: VideoInfo, context: PipelineContext) -> Detector | None:
    """The detector that replaces the bundled one, if any."""
    if detections is None:
        return context.detector
    return await open_detections(
        detections,
        info,
        context.vector,
        video=sha256,
        cache=context.cache,
        scratch=context.scratch,
        limits=context.limits,
    )
