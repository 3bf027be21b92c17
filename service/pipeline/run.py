"""One video, from its frames to its labeled tubelets. Read this first.

In a clip with a high frame rate, every k-th frame is tracked. A long video is cut into chunks; each chunk goes through
all stages, its tubelets are stitched to those of the previous chunk, and the frames between the tracked ones are filled
in as far as they are settled. Neither memory nor the calibration's average thus depends on the length of the video.

The method is IPDT, the Instance-Pixel Dual-Tracker (Feng et al., ICCV-W 2019); docs/method.md defines every step.
Functions called here do not call back, except `Run.report`: it is called at every step, and an exception in it ends the
run, which is how jobs are canceled.

A killed run resumes by running again: finished detections and tubelets are in the cache, unfinished ones in checkpoints
(`store/checkpoints`). Decoding, the cheap stages and the steps since the last checkpoint run again.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path

from dualtrack.result.model import Category
from service.calibration.class_calibration import calibrate
from service.calibration.seeds import group_scores
from service.media.frames.frame_source import FrameSource, FrameSubset
from service.media.shots import ShotChanges
from service.pipeline.categories.vocabulary import Vocabulary
from service.pipeline.detection.bundled import BundledDetector
from service.pipeline.detection.detector import Detector
from service.pipeline.features.by_frame import FeatureCache
from service.pipeline.features.kept import FeatureSpill
from service.pipeline.fill import FillStage, spread
from service.pipeline.networks import Networks
from service.pipeline.parameters.params import PipelineParams
from service.pipeline.progress import Report, StageProgress
from service.pipeline.store.cache import StageCache, recall
from service.pipeline.store.checkpoints import Checkpoints, PiecewiseCheckpoints
from service.pipeline.store.codec import pack_detections, pack_shots, unpack_detections, unpack_shots
from service.pipeline.store.keys import checkpoint_key, detections_key, shots_key, stops_key, tubelets_key
from service.pipeline.tracks.caching import CachingTracker, SeedTracker, Stops
from service.pipeline.tracks.rounds import track_all
from service.pipeline.tracks.tracker import Tracker
from service.structures.canvas import Canvas, fit
from service.structures.detections import Detections
from service.structures.tubelets import LabeledTubelet, Tubelet
from service.tracking.chunks import Chunk, cut, shared_frames
from service.tracking.confidence import with_confidence
from service.tracking.forecast import Forecast, Untracked, forecast_rule
from service.tracking.gap_filling import tracked_step
from service.tracking.params import TubeletParams
from service.tracking.score_threshold import at_least
from service.tracking.stitching import Chain, ChunkTubelet, chunk_tubelet, finish_chain, label_in_chunk, pack, stitch
from service.tracking.tubelet_nms import suppress


@dataclass(frozen=True)
class Run:
    """Processing of one video: the inputs of all stages.

    Attributes:
        clip: the frames, re-readable in any order.
        cache_name: identifies the video's content in the cache: its sha256, or `sha256:variant`.
        networks: the graphs.
        params: parameters of all stages.
        cache: detections and tubelets of earlier runs.
        feature_bytes: budget for features in memory.
        report: called at every step; an exception in it ends the run.
        detector_override: source of candidates instead of the bundled detector.
        vocabulary: categories of the result instead of the detector's own.
        checkpoint_frames: steps between checkpoints; 0 disables checkpoints.
        scratch: folder for features that exceed the memory budget.
        spill_bytes: budget for these.
    """

    clip: FrameSource
    cache_name: str
    networks: Networks
    params: PipelineParams
    cache: StageCache
    feature_bytes: int
    report: Report
    detector_override: Detector | None = None
    vocabulary: Vocabulary | None = None
    checkpoint_frames: int = 0
    scratch: Path | None = None
    spill_bytes: int = 0

    @property
    def spill(self) -> FeatureSpill | None:
        """New disk storage for features, if there is a scratch folder."""
        return None if self.scratch is None else FeatureSpill(self.scratch, self.spill_bytes)

    @property
    def detector(self) -> Detector:
        """The source of candidates."""
        return self.detector_override or BundledDetector(self.networks.manifest)

    @property
    def categories(self) -> tuple[Category, ...]:
        """The categories that labels of the result index."""
        return self.vocabulary.categories if self.vocabulary is not None else self.detector.vector.categories

    @property
    def source(self) -> str:
        """What candidates and tubelets depend on besides video and parameters: weights, and what runs them.

        That is also true of detections that were given: the bundled networks make masks of boxes, and the tubelets.
        """
        own = self.networks.source
        return own if self.detector_override is None else f"{own}+{self.detector_override.source}"

    @property
    def checkpoints(self) -> Checkpoints:
        """Checkpoints of the stages of this run."""
        key = partial(checkpoint_key, self.cache_name, self.source, self.params)
        return Checkpoints(self.cache, key, self.checkpoint_frames)

    @property
    def tubelet_params(self) -> TubeletParams:
        """Parameters of labels, scores and NMS; the scale of scores is that of the bundled detector."""
        return replace(self.params.tubelets, rescale=self.params.tubelets.rescale and self.detector_override is None)

    @property
    def canvas(self) -> Canvas:
        """Sizes of the video's frames."""
        detector = self.params.detector
        return fit(self.clip.frame_hw, short_side=detector.short_side, long_side=detector.long_side)

    def report_done(self, stage: str, done: int) -> None:
        """Report that a stage has processed `done` of the clip's frames."""
        self.report(StageProgress(stage, done, len(self.clip)))

    def report_share(self, share: float) -> None:
        """Report a share of the tracking, in [0, 1], as frames."""
        self.report_done("track", int(share * len(self.clip)))

    def part(self, chunk: Chunk) -> "Run":
        """The run over one chunk, with frame indices relative to it."""
        length = len(self.clip)
        if len(chunk.frames) == length:
            return self
        name = f"{self.cache_name}:{chunk.first}-{chunk.end}"
        report = scaled(self.report, chunk.own, length)
        return replace(self, clip=FrameSubset(self.clip, chunk.frames), cache_name=name, report=report)


def scaled(report: Report, own: range, length: int) -> Report:
    """Convert reports on a part of a video to reports on all its `length` frames; the part adds the frames `own`."""

    def report_scaled(step: StageProgress) -> None:
        report(StageProgress(step.stage, own.start + len(own) * step.done // max(step.total, 1), length))

    return report_scaled


@dataclass(frozen=True, slots=True)
class ChunkNote:
    """A chunk in the result.

    Attributes:
        chunk: its frames.
        seeds: number of key detections, those given up included.
        capped: whether `max_seeds` excluded some.
        given_up: numbers of those, from 1, whose tubelets could not reach `min_score`.
    """

    chunk: Chunk
    seeds: int
    capped: bool
    given_up: tuple[int, ...]


@dataclass(slots=True)
class VideoResult:
    """The outcome of a video.

    Attributes:
        tubelets: those with a score of at least `min_score`, best first.
        chunks: in order.
        left_out: number of tubelets below `min_score`, and of seeds that were given up because theirs would be.
    """

    tubelets: list[LabeledTubelet] = field(default_factory=list)
    chunks: list[ChunkNote] = field(default_factory=list)
    left_out: int = 0


async def process_video(whole: Run) -> VideoResult:
    """Thin → cut into chunks → for each: all stages up to suppress → stitch → finish → fill; then sort."""
    run, step, length = thinned(whole), step_of(whole), len(whole.clip)
    params, result, shots = run.params, VideoResult(), shot_changes(run)
    fill = FillStage(whole.clip, step, whole.canvas, params.tracker.fusion, partial(whole.report_done, "fill"))
    chains, ids = list[Chain](), count(1)
    if shots.needs_frames:
        await run.clip.ready()
    for chunk in cut(len(run.clip), params.chunks, shots.next_change):
        found, note = await process_chunk(run.part(chunk), chunk, len(run.clip))
        chains, ended_chains = stitch(chains, found, chunk, params.chunks.stitch_iou, ids, note.given_up)
        run.report_done("merge", chunk.end)
        finished, left_out = finish_all(ended_chains, run.tubelet_params)
        result.left_out += left_out + len(note.given_up)
        result.tubelets.extend(await fill.fill_settled(chains, finished))
        result.chunks.append(replace(note, chunk=spread(chunk, step, length)))
    finished, left_out = finish_all(chains, run.tubelet_params)
    result.left_out += left_out
    result.tubelets.extend(await fill.fill_settled([], finished))
    result.tubelets.sort(key=lambda item: (-item.score, item.tubelet.seed.frame))
    if shots.needs_frames:
        run.cache.put(shots_key(run.cache_name, params), pack_shots(shots.found))
    return result


def finish_all(chains: Sequence[Chain], params: TubeletParams) -> tuple[list[LabeledTubelet], int]:
    """The tubelets of chains that have ended, over the tracked frames, and the number of those below `min_score`.

    An object's final score is known here, and nothing is filled in for one that the result leaves out.
    """
    finished = [finish_chain(chain, params) for chain in chains]
    kept = at_least(finished, params.min_score)
    return [pack(item) for item in kept], len(finished) - len(kept)


def thinned(run: Run) -> Run:
    """The run over the tracked frames; the run itself if all frames are tracked.

    They are evenly spaced, as the trackers expect, so the last frame of the clip may not be among them.
    """
    step, length = step_of(run), len(run.clip)
    if step == 1:
        return run
    clip = FrameSubset(run.clip, range(0, length, step))
    params, report = replace(run.params, track_fps=0.0), scaled(run.report, range(length), length)
    return replace(run, clip=clip, cache_name=f"{run.cache_name}:every{step}", params=params, report=report)


def step_of(run: Run) -> int:
    """The interval of tracked frames in the run's clip."""
    return tracked_step(run.clip.info.fps, run.params.track_fps)


def shot_changes(run: Run) -> ShotChanges:
    """Shot changes, from the cache if this video was searched before; none if the parameters disable them."""
    if not run.params.chunks.shots:
        return ShotChanges(run.clip, known=())
    return ShotChanges(run.clip, recall(run.cache, shots_key(run.cache_name, run.params), unpack_shots))


async def process_chunk(run: Run, chunk: Chunk, length: int) -> tuple[list[ChunkTubelet], ChunkNote]:
    """Detect → calibrate → select and track → label → compare → suppress; `length` is that of the whole clip."""
    features = FeatureCache(run.clip, run.canvas, run.networks, max_bytes=run.feature_bytes, spill=run.spill)
    detections = await detect_all(run, features)
    named = detections
    if run.vocabulary is not None:
        named = [run.vocabulary.project(frame, run.params.detector.th_det) for frame in detections]
    calibrated = calibrate(named, run.params.calibration)
    run.report_done("calibrate", len(run.clip))
    forecast = forecast_of(run, detections, shared_frames(chunk, length, run.params.chunks))
    tracker = seed_tracker(run, detections, features, forecast)
    tracked = await track_all(calibrated, run.params.proposals, tracker, forecast, run.report_share)

    params = run.tubelet_params
    parts = {
        number: chunk_tubelet(number, item, calibrated, chunk, params)
        for number, item in enumerate(tracked.seeds, start=1)
        if isinstance(item, Tubelet) and item.frames
    }
    labeled = with_confidence([label_in_chunk(part, params) for part in parts.values()])
    kept = suppress(labeled, params)
    given_up = tuple(number for number, item in enumerate(tracked.seeds, start=1) if isinstance(item, Untracked))
    note = ChunkNote(chunk, len(tracked.seeds), tracked.capped, given_up)
    return [replace(parts[item.id], tubelet=item.tubelet) for item in kept], note


async def detect_all(run: Run, features: FeatureCache) -> list[Detections]:
    """Candidates of every frame, from the cache if the detector has processed this video before."""
    total = len(run.clip)
    key = detections_key(run.cache_name, run.source, run.params)
    if (kept := recall(run.cache, key, unpack_detections)) is not None:
        run.report_done("detect", total)
        return kept
    # frames of one call stay together, also when an attempt resumes
    batch = run.params.detector.batch
    pieces = PiecewiseCheckpoints(run.checkpoints, "detect", pack_detections, unpack_detections, batch=batch)
    await run.clip.ready()
    detections = [replace(frame, frame=t) for t, frame in enumerate(pieces.kept())]
    first = len(detections)
    clip = FrameSubset(run.clip, range(first, total))
    rest = (clip, run.canvas, run.networks, run.params.detector, features.later(first))
    async for found in run.detector.detect(*rest):
        detections.append(replace(found, frame=first + found.frame))
        run.report_done("detect", len(detections))
        pieces.keep(detections, total)
    run.cache.put(key, pack_detections(detections))
    pieces.end(total)
    return detections


def forecast_of(run: Run, detections: Sequence[Detections], shared: Sequence[int] = ()) -> Forecast | None:
    """Which seeds are given up because their tubelets can't reach `min_score`; None: none of them.

    Args:
        run: the chunk.
        detections: of the detector, uncalibrated.
        shared: frames that another chunk has as well.
    """
    # `greedy` knows no groups
    if run.params.proposals.strategy == "greedy":
        return None
    rule = forecast_rule(run.params.forecast, run.tubelet_params, shared)
    return None if rule is None else Forecast(rule, detections, group_scores(detections, run.params.proposals))


def seed_tracker(
    run: Run, detections: Sequence[Detections], features: FeatureCache, forecast: Forecast | None = None
) -> SeedTracker:
    """Tracker of seeds, with tubelets of earlier runs from the cache.

    Args:
        run: the video.
        detections: of the detector, of any class, at which lost targets can be found again.
        features: f4 and f8 by frame.
        forecast: which tracks are stopped early; None: none.
    """
    tracker = Tracker(run.networks, run.canvas, run.params.tracker, features, detections, forecast)
    key = tubelets_key(run.cache_name, run.source, run.params)
    stops = None
    if forecast is not None:
        rule = {**asdict(forecast.rule), "th_iou": run.params.proposals.th_iou}
        own = stops_key(run.cache_name, run.source, run.params, rule)
        stops = Stops(forecast, 2 if run.params.tracker.fusion.bidirectional else 1, own)
    return CachingTracker(tracker, run.cache, key, run.checkpoints, stops)
