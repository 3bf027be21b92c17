"""The spine: one video, from frames to labelled tubelets. Read this first.

A long video is cut into chunks, each of them goes through all stages, and its tubelets are stitched to those of the
chunk before. So neither memory nor the calibration's average depends on the length of the video.

IPDT, the Instance-Pixel Dual-Tracker (Feng et al., ICCV-W 2019), stage by stage. Nothing that is called here
calls back up.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from dualtrack.result.model import Category
from service.calibration.class_calibration import calibrate
from service.calibration.params import ProposalParams
from service.calibration.seeds import greedy, group_leaders, left_over, unexplained
from service.media.frame_source import FrameSource, FrameSubset
from service.media.shots import ShotChanges
from service.pipeline.categories.vocabulary import Vocabulary
from service.pipeline.detection.bundled import BundledDetector
from service.pipeline.detection.detector import Detector
from service.pipeline.features.by_frame import FeatureCache
from service.pipeline.features.kept import FeatureSpill
from service.pipeline.networks import Networks
from service.pipeline.params import PipelineParams
from service.pipeline.store.cache import StageCache, recall
from service.pipeline.store.checkpoints import Checkpoints, Pieces
from service.pipeline.store.codec import pack_detections, unpack_detections
from service.pipeline.store.keys import checkpoint_key, detections_key, shots_key, tubelets_key
from service.pipeline.tracks.caching import CachingTracker, SeedTracker
from service.pipeline.tracks.tracker import Tracker
from service.structures.canvas import Canvas, fit
from service.structures.detections import Candidate, Detections
from service.structures.tubelets import LabelledTubelet, Tubelet
from service.tracking.chunks import Chunk, cut
from service.tracking.labels import label_tubelet
from service.tracking.params import TubeletParams
from service.tracking.stitching import Chain, ChunkTubelet, chunk_tubelet, ended, packed, stitch
from service.tracking.tubelet_nms import suppress

STAGES = ("decode", "detect", "calibrate", "track", "merge", "render")
"""In the order in which a job reports them."""


@dataclass(frozen=True, slots=True)
class StageProgress:
    """`done` of `total` steps of a stage; a step is a frame, in `track` one frame of one sweep.

    In a video of several chunks steps are frames of the whole video, and each chunk goes through the stages
    anew: `begun` is the share of the video before it, `share` its own.
    """

    stage: str
    done: int
    total: int
    begun: float = 0.0
    share: float = 1.0


Report = Callable[[StageProgress], None]


@dataclass(frozen=True)
class Run:
    """One video under way: what every stage is given.

    Attributes:
        clip: the frames, re-readable in any order.
        video: name of the video's content for the cache: its sha256, or `sha256:variant`.
        networks: the graphs.
        params: parameters of all stages.
        cache: detections and tubelets of earlier runs.
        feature_bytes: budget of the features kept in memory.
        report: told of every step; what it raises ends the run.
        given: where candidates come from instead of the bundled detector.
        vocabulary: categories of the result instead of the detector's own.
        checkpoint_frames: steps from one checkpoint to the next; 0 = none.
        scratch: folder for the features that memory has no room for.
        spill_bytes: budget of these.
    """

    clip: FrameSource
    video: str
    networks: Networks
    params: PipelineParams
    cache: StageCache
    feature_bytes: int
    report: Report
    given: Detector | None = None
    vocabulary: Vocabulary | None = None
    checkpoint_frames: int = 0
    scratch: Path | None = None
    spill_bytes: int = 0

    @property
    def spill(self) -> FeatureSpill | None:
        """A new place for features on disk, if there is a folder for it."""
        return None if self.scratch is None else FeatureSpill(self.scratch, self.spill_bytes)

    @property
    def detector(self) -> Detector:
        """Where candidates come from."""
        return self.given or BundledDetector(self.networks.manifest)

    @property
    def categories(self) -> tuple[Category, ...]:
        """What the labels of the result mean."""
        return self.vocabulary.categories if self.vocabulary is not None else self.detector.vector.categories

    @property
    def source(self) -> str:
        """What candidates depend on besides video and parameters; the bundled weights make masks of given boxes."""
        version = self.networks.manifest.identity
        return version if self.given is None else f"{version}+{self.given.vector.source}"

    @property
    def checkpoints(self) -> Checkpoints:
        """What is done so far of the stages under way."""
        key = partial(checkpoint_key, self.video, self.source, self.params)
        return Checkpoints(self.cache, key, self.checkpoint_frames)

    @property
    def canvas(self) -> Canvas:
        """Sizes of the video's frames."""
        detector = self.params.detector
        return fit(self.clip.frame_hw, short_side=detector.short_side, long_side=detector.long_side)

    def part(self, chunk: Chunk) -> "Run":
        """The run of one chunk, frames counted from its first one."""
        length = len(self.clip)
        if len(chunk.frames) == length:
            return self
        begun, share = chunk.own.start / length, len(chunk.own) / length

        def report(step: StageProgress) -> None:
            done = round((begun + share * step.done / max(step.total, 1)) * length)
            self.report(StageProgress(step.stage, done, length, begun, share))

        name = f"{self.video}:{chunk.first}-{chunk.end}"
        return replace(self, clip=FrameSubset(self.clip, chunk.frames), video=name, report=report)


@dataclass(frozen=True, slots=True)
class ChunkNote:
    """What is told of a chunk: where it lies, how many seeds were tracked, and whether `max_seeds` left some out."""

    chunk: Chunk
    seeds: int
    capped: bool


@dataclass(frozen=True, slots=True)
class VideoResult:
    """What a video came to: its tubelets, best first, and its chunks in order."""

    tubelets: list[LabelledTubelet] = field(default_factory=list)
    chunks: list[ChunkNote] = field(default_factory=list)


async def process_video(run: Run) -> VideoResult:
    """Cut into chunks → each of them: all stages → stitch its tubelets to those of the one before."""
    params, result, shots = run.params, VideoResult(), shot_changes(run)
    if shots.looked:
        await run.clip.ready()
    chains: list[Chain] = []
    for chunk in cut(len(run.clip), params.chunks, shots.next_change):
        parts, note = await process_chunk(run.part(chunk), chunk)
        chains, over = stitch(chains, parts, chunk, params.chunks.stitch_iou)
        result.tubelets.extend(packed(ended(chain, params.tubelets)) for chain in over)
        result.chunks.append(note)
    result.tubelets.extend(packed(ended(chain, params.tubelets)) for chain in chains)
    result.tubelets.sort(key=lambda item: (-item.score, item.tubelet.seed.frame))
    if shots.looked:
        run.cache.put(shots_key(run.video, params), json.dumps(shots.found).encode())
    return result


def shot_changes(run: Run) -> ShotChanges:
    """Where shots begin, from the cache if this video was looked through before; nowhere if the run is not to look."""
    if not run.params.chunks.shots:
        return ShotChanges(run.clip, known=())
    return ShotChanges(run.clip, recall(run.cache, shots_key(run.video, run.params), json.loads))


async def process_chunk(run: Run, chunk: Chunk) -> tuple[list[ChunkTubelet], ChunkNote]:
    """Detect → calibrate → select and track → label → suppress."""
    features = FeatureCache(run.clip, run.canvas, run.networks, max_bytes=run.feature_bytes, spill=run.spill)
    detections = await detect_all(run, features)
    named = detections
    if run.vocabulary is not None:
        named = [run.vocabulary.project(frame, run.params.detector.th_det) for frame in detections]

    calibrated = calibrate(named, run.params.calibration)
    run.report(StageProgress("calibrate", 1, 1))

    tubelets = await track_all(run, calibrated, seed_tracker(run, detections, features))

    labelled = finish(tubelets, calibrated, run.params.tubelets)
    run.report(StageProgress("merge", 1, 1))
    parts = [chunk_tubelet(item.tubelet, calibrated, chunk, run.params.tubelets) for item in labelled]
    return parts, ChunkNote(chunk, len(tubelets), left_over(calibrated, tubelets, run.params.proposals))


async def detect_all(run: Run, features: FeatureCache) -> list[Detections]:
    """Candidates of every frame, from the cache if this video has been through the detector before."""
    total = len(run.clip)
    key = detections_key(run.video, run.source, run.params)
    if (kept := recall(run.cache, key, unpack_detections)) is not None:
        run.report(StageProgress("detect", total, total))
        return kept
    # the frames of one call stay together, also in an attempt that goes on after some
    pieces = Pieces(run.checkpoints, "detect", pack_detections, unpack_detections, batch=run.params.detector.batch)
    await run.clip.ready()
    detections = [replace(frame, frame=t) for t, frame in enumerate(pieces.kept())]
    first = len(detections)
    rest = (
        FrameSubset(run.clip, range(first, total)),
        run.canvas,
        run.networks,
        run.params.detector,
        features.later(first),
    )
    async for found in run.detector.detect(*rest):
        detections.append(replace(found, frame=first + found.frame))
        run.report(StageProgress("detect", len(detections), total))
        pieces.keep(detections, total)
    run.cache.put(key, pack_detections(detections))
    pieces.end(total)
    return detections


def seed_tracker(run: Run, detections: Sequence[Detections], features: FeatureCache) -> SeedTracker:
    """Tracks seeds of the video, those of earlier runs from the cache.

    Args:
        run: the video.
        detections: as the detector found them: where lost tracks look for their object, whatever its class.
        features: f4 and f8 by frame.
    """
    tracker = Tracker(run.networks, run.canvas, run.params.tracker, features, detections)
    return CachingTracker(tracker, run.cache, tubelets_key(run.video, run.source, run.params), run.checkpoints)


async def track_all(run: Run, calibrated: Sequence[Detections], tracker: SeedTracker) -> list[Tubelet]:
    """Tubelets of all seeds, round by round: what the tubelets explain is no seed of the next round."""
    proposals = run.params.proposals
    tubelets: list[Tubelet] = []
    pool = list(calibrated)
    for _ in range(1 if proposals.strategy == "greedy" else proposals.max_rounds):
        seeds = next_seeds(pool, proposals, room=proposals.max_seeds - len(tubelets))
        if not seeds:
            break
        tubelets += await tracker.track(
            seeds, report=lambda done, total: run.report(StageProgress("track", done, total))
        )
        pool = unexplained(pool, tubelets, proposals)
    return tubelets


def next_seeds(pool: Sequence[Detections], params: ProposalParams, *, room: int) -> list[Candidate]:
    """The seeds of one round, best first, at most `room`."""
    choose = greedy if params.strategy == "greedy" else group_leaders
    return choose(pool, params)[: max(room, 0)]


def finish(
    tubelets: Sequence[Tubelet], calibrated: Sequence[Detections], params: TubeletParams
) -> list[LabelledTubelet]:
    """Label and score the tubelets, then drop duplicates: best first. Tubelets without a mask are left out."""
    labelled = [label_tubelet(tubelet, calibrated, params) for tubelet in tubelets if tubelet.frames]
    return suppress(labelled, params)
