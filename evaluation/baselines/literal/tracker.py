"""Tracks one seed, one direction and one frame at a time, each from the pixels up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from evaluation.baselines.literal.graphs import LiteralGraphs
from evaluation.baselines.literal.matching import distance, nearest, nearest_before
from service.inference.client import Tensors
from service.media.frames.clip import Clip
from service.pipeline.features.batches import network_batch
from service.pipeline.networks import Networks
from service.structures.arrays import F32, Bool
from service.structures.canvas import Canvas
from service.structures.detections import Candidate, Detections
from service.structures.masks import Rle, decode
from service.structures.tubelets import Tubelet
from service.tracking.distractors import distractors
from service.tracking.dual_tracker import (
    Outcome,
    PixelStep,
    TrackState,
    absent,
    after_pixel,
    after_siamese,
    redetected,
)
from service.tracking.params import TrackerParams
from service.tracking.siamese_ranking import rank
from service.tracking.windows import crop_mask, search_windows

STRIDE = 4
RADII = (4, 8, 12)
"""In pixels of stride 4; the service's 2, 4, 6 are in pixels of half a window's resolution."""


@dataclass(frozen=True, slots=True, eq=False)
class FullFrame:
    """Features of one frame: f4 (C4, h, w), f8 (C8, H/8, W/8), embedding (E, h, w)."""

    f4: F32
    f8: F32
    embedding: F32


@dataclass(frozen=True, slots=True, eq=False)
class LiteralReference:
    """A seed in its own frame: embeddings of the object's pixels (R, E) and of all others, and the template."""

    inside: F32
    outside: F32
    template: F32


class LiteralTracker:
    """The method as in the papers' code; a `SeedTracker`. State machine and parameters are the service's.

    Differences to the service, and their effect on masks:

    * The trunk runs again for every object, direction and frame. Features are the same, but float32 throughout, while
      the service stores them as float16.
    * Pixels are matched over the whole frame at stride 4, while the service uses 64 x 64 samples of a window around
      the object. An object shorter than 170 px therefore has fewer samples here, a longer one more; the weights were
      trained on the service's sampling. This is the difference that is visible in the masks.
    * A reference is all pixels of the seed's frame, not up to 256 of the object and 256 of the rest of the window.
    * In CFBI's instance attention, the surroundings are the rest of the frame, not of the window.
    * Neighbors are searched at full resolution within 4, 8 and 12 pixels of stride 4, not at half the window's.
    * One object per graph call.

    Args:
        graphs: extracted from the repository.
        networks: with the Siamese graphs, which are used unchanged.
        clip: the frames.
        canvas: sizes.
        params: of the tracker.
        detections: candidates by frame, at which lost targets can be found again.
    """

    def __init__(
        self,
        graphs: LiteralGraphs,
        networks: Networks,
        clip: Clip,
        canvas: Canvas,
        params: TrackerParams,
        detections: Sequence[Detections],
    ) -> None:
        self._graphs, self._networks, self._clip, self._canvas = graphs, networks, clip, canvas
        self._params, self._detections = params, detections
        # the state machine needs square windows: the canvas, padded to a square
        self._side = max(canvas.padded_hw) // STRIDE
        self._window = np.array([0, 0, self._side, self._side], np.float32) * STRIDE

    async def track(self, seeds: Sequence[Candidate], report: Callable[[int, int], None]) -> list[Tubelet]:
        """One tubelet per seed, in order."""
        tubelets: list[Tubelet] = []
        for number, seed in enumerate(seeds):
            tubelets.append(await self._tubelet(number, seed))
            report(number + 1, len(seeds))
        return tubelets

    async def _tubelet(self, number: int, seed: Candidate) -> Tubelet:
        length = len(self._detections)
        reference, start = await self._reference(number, seed)
        outcomes = {seed.frame: Outcome(seed.mask, seed.box, 1.0)}
        ways = [range(seed.frame + 1, length)]
        if self._params.fusion.bidirectional:
            ways.append(range(seed.frame - 1, -1, -1))
        for way in ways:
            state = start
            for t in way:
                state, outcomes[t] = await self._step(t, state, reference)
                if state.stopped(self._params.siamese.lost):
                    break
        return _tubelet(seed, outcomes, length)

    def _look(self, t: int) -> FullFrame:
        """Compute all features of a frame."""
        frames = network_batch([self._clip.frame(t)], self._canvas)["frames"]
        f4, f8 = self._graphs.features(np.asarray(frames[0], np.uint8), self._canvas.network_hw)
        return FullFrame(f4, f8, self._graphs.embedding(f4))

    async def _reference(self, number: int, seed: Candidate) -> tuple[LiteralReference, TrackState]:
        frame = self._look(seed.frame)
        box = (seed.box * self._canvas.scale_xyxy).astype(np.float32)
        share = crop_mask(decode(seed.mask), self._window / self._canvas.scale_xyxy, self._side)
        height, width = frame.f4.shape[1:]
        # as in the service, a tiny object keeps at least its best pixel
        member = (share >= min(share.max(), 0.5)) & (share > 0)
        pixels = frame.embedding.transpose(1, 2, 0)
        template = await self._networks.run(
            "siamese_rpn_template", {"f8": frame.f8[None], "frame_index": np.zeros(1, np.int64), "boxes": box[None]}
        )
        inside = member[:height, :width]
        reference = LiteralReference(pixels[inside], pixels[~inside], template["templates"][0])
        return reference, TrackState(number, box, self._window, share, frame.embedding)

    async def _step(self, t: int, state: TrackState, reference: LiteralReference) -> tuple[TrackState, Outcome]:
        frame = self._look(t)
        box, score = await self._siamese(state.box[None], reference, frame)
        state = after_siamese(state, box[0], float(score[0]), self._params)
        candidates = (self._detections[t].boxes * self._canvas.scale_xyxy).astype(np.float32)
        if state.lost and len(candidates):
            boxes, scores = await self._siamese(candidates, reference, frame)
            state = redetected(state, boxes, scores, self._params.siamese.lost)
        if state.lost:
            return state, absent()
        probability = self._continued(self.answer(frame, reference, state.embedding, state.probability))
        embedding = self._continued(frame.embedding)
        others = distractors(state.box, self._window, self._detections[t], self._canvas, self._params.fusion)
        step = PixelStep(self._window, probability, embedding, others=others)
        return after_pixel(state, step, self._canvas, self._params)

    async def _siamese(self, boxes: F32, reference: LiteralReference, frame: FullFrame) -> tuple[F32, F32]:
        """Run the Siamese RPN around boxes (N, 4); returns boxes (N, 4) and scores (N,)."""
        windows, count = search_windows(boxes), len(boxes)
        inputs: Tensors = {
            "f8": frame.f8[None],
            "frame_index": np.zeros(count, np.int64),
            "templates": np.repeat(reference.template[None], count, axis=0),
            "windows": windows,
        }
        outputs = await self._networks.run("siamese_rpn", inputs)
        siamese, hw = self._params.siamese, self._canvas.network_hw
        return rank(boxes, windows, outputs["scores"], outputs["deltas"], siamese, hw)

    def answer(self, frame: FullFrame, reference: LiteralReference, before: F32, probability: F32) -> F32:
        """Probability (h, w) of the object, given embedding and probability of the previous frame."""
        height, width = frame.f4.shape[1:]
        seen, before = probability[:height, :width], before[:, :height, :width]
        maps = matching_maps(frame.embedding, reference, before, seen, self._graphs.bias)
        known = np.ones_like(seen)
        means = attended(reference, before, seen)
        return self._graphs.probability(frame.f4, np.concatenate([maps, seen[None], known[None]]), means)

    def _continued(self, values: F32) -> F32:
        """(…, h, w) -> the square of the state machine's window, 0 outside the frame."""
        *others, height, width = values.shape
        edges = [*((0, 0) for _ in others), (0, self._side - height), (0, self._side - width)]
        return np.pad(values, edges)


def matching_maps(
    embedding: F32, reference: LiteralReference, before: F32, probability: F32, bias: F32, *, halved: bool = False
) -> F32:
    """The eight distances of every pixel: to the reference's object and rest, and to neighbors in the previous frame.

    Args:
        embedding: (E, h, w) of this frame.
        reference: the seed's.
        before: (E, h, w) of the previous frame.
        probability: (h, w) of the previous frame.
        bias: of the distances to object and rest.
        halved: search neighbors at half the resolution and within half the radii, as the service does.
    """
    height, width = probability.shape
    queries = embedding.reshape(len(embedding), -1).T
    far = np.stack([nearest(queries, reference.inside), nearest(queries, reference.outside)])
    keys, seen = (_half(before), _half(probability[None])[0]) if halved else (before, probability)
    here = _half(embedding) if halved else embedding
    object_there: Bool = seen > 0.5
    radii = tuple(radius // 2 for radius in RADII) if halved else RADII
    near = nearest_before(
        here.transpose(1, 2, 0), keys.transpose(1, 2, 0), np.stack([object_there, ~object_there]), radii
    )
    close = distance(near, np.repeat(bias, len(radii))[:, None, None])
    if halved:
        close = np.stack([cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR) for part in close])
    return np.concatenate([distance(far.reshape(2, height, width), bias[:, None, None]), close]).astype(np.float32)


def attended(reference: LiteralReference, before: F32, probability: F32) -> F32:
    """Mean embeddings of object and rest in the seed's frame and, weighted by probability, the previous one, (4 E,)."""
    pixels = before.reshape(len(before), -1).T
    weights = probability.reshape(-1)
    return np.concatenate(
        [
            *(_mean(part, np.ones(len(part), np.float32)) for part in (reference.inside, reference.outside)),
            *(_mean(pixels, part) for part in (weights, 1 - weights)),
        ]
    )


def _mean(vectors: F32, weights: F32) -> F32:
    """Weighted mean of vectors (N, E), (E,); 0 if all weights are 0."""
    mean: F32 = (weights @ vectors / max(float(weights.sum()), 1.0)).astype(np.float32)
    return mean


def _half(values: F32) -> F32:
    """Means of 2 x 2 pixels, (C, h, w) -> (C, h / 2, w / 2)."""
    channels, height, width = values.shape
    halved: F32 = values.reshape(channels, height // 2, 2, width // 2, 2).mean(axis=(2, 4))
    return halved


def _tubelet(seed: Candidate, outcomes: dict[int, Outcome], length: int) -> Tubelet:
    masks: list[Rle | None] = [None] * length
    boxes, scores = np.zeros((length, 4), np.float32), np.zeros(length, np.float32)
    for t, outcome in outcomes.items():
        masks[t], boxes[t], scores[t] = outcome.mask, outcome.box, outcome.score
    return Tubelet(seed, tuple(masks), boxes, scores)
