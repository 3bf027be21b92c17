"""Stage `track`: seeds → tubelets, in two sweeps over time, with all active tracks of a sweep in one batch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from service.inference.client import Tensors
from service.inference.specs import BANK
from service.pipeline.features.by_frame import FeatureCache, FrameFeatures
from service.pipeline.networks import Networks
from service.pipeline.tracks.round import Round, beginning
from service.structures.arrays import F32, I64
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
    box_alone,
    extent,
    mean_embedding,
    redetected,
    seed_window,
)
from service.tracking.forecast import Forecast, Untracked, Watch
from service.tracking.params import TrackerParams
from service.tracking.recognition import Appearance, appearance_in, recognized
from service.tracking.second_look import TILES, joined, large, tiles
from service.tracking.siamese_ranking import rank
from service.tracking.windows import crop_mask, pixel_windows, search_windows

MOST_WINDOWS = 64
"""Maximum number of search windows per call of the Siamese RPN; each needs about 2 MB inside the graph."""


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """Reference of a seed for comparison with other frames: template, banks, initial state and appearance."""

    template: F32
    bank: tuple[F32, ...]
    start: TrackState
    appearance: Appearance


class Tracker:
    """Tracks seeds of one video.

    Args:
        networks: the graphs.
        canvas: sizes.
        params: of the tracker.
        features: f4 and f8 by frame.
        detections: candidates by frame, at which lost targets can be found again.
        forecast: which tracks are stopped early; None: none.
    """

    def __init__(
        self,
        networks: Networks,
        canvas: Canvas,
        params: TrackerParams,
        features: FeatureCache,
        detections: Sequence[Detections],
        forecast: Forecast | None = None,
    ) -> None:
        self._forecast = forecast
        self._networks, self._canvas, self._params = networks, canvas, params
        self._features, self._detections = features, detections

    async def track(self, seeds: Sequence[Candidate], report: Callable[[int, int], None]) -> list[Tubelet | Untracked]:
        """Track every seed forward and backward; per seed, in order, its tubelet, or why it was stopped."""
        return await self.resume(seeds, beginning(seeds), report, lambda _: None)

    async def resume(
        self,
        seeds: Sequence[Candidate],
        begun: Round,
        report: Callable[[int, int], None],
        keep: Callable[[Round], None],
    ) -> list[Tubelet | Untracked]:
        """Continue a round of these seeds; per seed, in order, its tubelet, or why it was stopped.

        Args:
            seeds: of the round.
            begun: state of the round.
            report: called after every step with the number of steps done and the total.
            keep: called with the state of the round after every step.
        """
        length, total = len(self._detections), self.steps
        references = [await self._reference(number, seed) for number, seed in enumerate(seeds)]
        live, outcomes = dict(begun.live), [dict(found) for found in begun.outcomes]
        for seed, reference, found in zip(seeds, references, outcomes, strict=True):
            found[seed.frame] = replace(found[seed.frame], look=reference.appearance.look)
        watch = Watch(self._forecast, seeds)
        for done in range(1, begun.done + 1):
            watch.step(*self._place(done), _masks(outcomes, self._place(done)[1]))
        for done in range(begun.done + 1, total + 1):
            sweep, t = self._place(done)
            if (done - 1) % length == 0:
                live = {}
            live = await self._step(t, live, references, outcomes)
            watch.step(sweep, t, _masks(outcomes, t))
            for number, seed in enumerate(seeds):
                if seed.frame == t:
                    live[number] = references[number].start
            live = {number: state for number, state in live.items() if number not in watch.stopped}
            report(done, total)
            keep(Round(done, live, outcomes))
        tubelets = [_tubelet(seed, found, length) for seed, found in zip(seeds, outcomes, strict=True)]
        return [watch.stopped.get(number, tubelet) for number, tubelet in enumerate(tubelets)]

    @property
    def steps(self) -> int:
        """Number of steps of a round: frames of the forward and the backward sweep."""
        return len(self._detections) * (2 if self._params.fusion.bidirectional else 1)

    def _place(self, step: int) -> tuple[int, int]:
        """Sweep and frame of a step, counted from 1."""
        length = len(self._detections)
        sweep, t = divmod(step - 1, length)
        return sweep, length - 1 - t if sweep else t

    async def _reference(self, number: int, seed: Candidate) -> Reference:
        features = await self._features.get(seed.frame)
        box, window = seed_window(seed, self._canvas, self._params.fusion)
        side = self._networks.manifest.dims.window
        mask = crop_mask(decode(seed.mask), window / self._canvas.scale_xyxy, side)
        index = np.zeros(1, np.int64)
        template = await self._networks.run(
            "siamese_rpn_template", {"f8": features.f8, "frame_index": index, "boxes": box[None]}
        )
        reference = await self._networks.run(
            "pixel_embedding_reference",
            {"f4": features.f4, "frame_index": index, "windows": window[None], "masks": mask[None]},
        )
        start = TrackState(number, box, window, mask, reference["embedding"][0])
        appearance = Appearance(mean_embedding(start.embedding, mask, self._params.fusion), seed.raw)
        return Reference(template["templates"][0], tuple(reference[name][0] for name in BANK), start, appearance)

    async def _step(
        self,
        t: int,
        live: dict[int, TrackState],
        references: Sequence[Reference],
        outcomes: Sequence[dict[int, Outcome]],
    ) -> dict[int, TrackState]:
        """Process one frame of a sweep for all active tracks; returns those that have not stopped."""
        if not live:
            return live
        features = await self._features.get(t)
        states = await self._find_boxes(t, list(live.values()), references, features)
        visible = [state for state in states if not state.lost]
        moved = await self._find_masks(t, visible, live, references, features)
        for state in states:
            outcomes[state.seed][t] = absent()
        after = {state.seed: state for state in states}
        for state, outcome in moved:
            if self._is_another(t, live[state.seed], state, outcome, references):
                del after[state.seed]
                continue
            after[state.seed] = state
            outcomes[state.seed][t] = outcome
        return {n: state for n, state in after.items() if not state.stopped(self._params.siamese.lost)}

    def _is_another(
        self, t: int, before: TrackState, state: TrackState, outcome: Outcome, references: Sequence[Reference]
    ) -> bool:
        """Whether a lost track has found an object that its seed's appearance does not agree with."""
        lost = self._params.siamese.lost
        if not before.lost or lost.agree == 0 or outcome.mask is None:
            return False
        found = appearance_in(outcome.mask, outcome.look, self._detections[t])
        return not recognized(references[state.seed].appearance, found, before, state.box, lost)

    async def _find_boxes(
        self, t: int, states: list[TrackState], references: Sequence[Reference], features: FrameFeatures
    ) -> list[TrackState]:
        """Instance level: the Siamese RPN around every track's last box; lost targets are searched at candidates."""
        if self._params.fusion.kind == "none":
            return [after_siamese(state, state.box, 1.0, self._params) for state in states]
        boxes = np.stack([state.box for state in states])
        templates = np.stack([references[state.seed].template for state in states])
        found, scores = await self._siamese(boxes, boxes, templates, features)
        answered = [
            after_siamese(state, box, float(score), self._params)
            for state, box, score in zip(states, found, scores, strict=True)
        ]
        lost = [state for state in answered if state.lost]
        found_again = {state.seed: state for state in await self._redetect(t, lost, references, features)}
        return [found_again.get(state.seed, state) for state in answered]

    async def _redetect(
        self, t: int, lost: list[TrackState], references: Sequence[Reference], features: FrameFeatures
    ) -> list[TrackState]:
        """Compare every lost target with every candidate of the frame, all in one call."""
        if not lost:
            return lost
        candidates = self._detections[t].boxes * self._canvas.scale_xyxy
        if not len(candidates):
            return lost
        count = len(candidates)
        templates = np.repeat(np.stack([references[state.seed].template for state in lost]), count, axis=0)
        # each candidate is its own previous box, so that there is no penalty for the motion
        centers = np.tile(candidates, (len(lost), 1))
        boxes, scores = await self._siamese(centers, centers, templates, features)
        params = self._params.siamese.lost
        return [
            redetected(state, boxes[i * count : (i + 1) * count], scores[i * count : (i + 1) * count], params)
            for i, state in enumerate(lost)
        ]

    async def _siamese(self, previous: F32, centers: F32, templates: F32, features: FrameFeatures) -> tuple[F32, F32]:
        """Boxes (N, 4) and scores (N,) of N windows around `centers`, in several calls if there are many."""
        windows, siamese = search_windows(centers), self._params.siamese
        found: list[tuple[F32, F32]] = []
        for first in range(0, len(windows), MOST_WINDOWS):
            part = slice(first, first + MOST_WINDOWS)
            outputs = await self._networks.run(
                "siamese_rpn",
                {
                    "f8": features.f8,
                    "frame_index": _zeros(len(windows[part])),
                    "templates": templates[part],
                    "windows": windows[part],
                },
            )
            scores, deltas = outputs["scores"], outputs["deltas"]
            found.append(rank(previous[part], windows[part], scores, deltas, siamese, self._canvas.network_hw))
        boxes, best = zip(*found, strict=True)
        return np.concatenate(boxes), np.concatenate(best)

    async def _find_masks(
        self,
        t: int,
        states: list[TrackState],
        before: Mapping[int, TrackState],
        references: Sequence[Reference],
        features: FrameFeatures,
    ) -> list[tuple[TrackState, Outcome]]:
        """Pixel level: the mask in every visible track's window; `before` has the states before this step, by seed."""
        if not states:
            return []
        fusion = self._params.fusion
        if fusion.kind == "instance":
            return [(state, box_alone(state, self._canvas)) for state in states]
        extents = np.stack([extent(state, before[state.seed], fusion) for state in states])
        windows = pixel_windows(extents, fusion.window_context)
        outputs = await self._pixel(states, windows, references, features)
        first = list(zip(windows, outputs["probability"], outputs["embedding"], strict=True))
        finer = await self._second_look(states, first, references, features)
        moved = []
        for i, state in enumerate(states):
            others = distractors(state.box, windows[i], self._detections[t], self._canvas, fusion)
            moved.append(after_pixel(state, PixelStep(*first[i], finer.get(i), others), self._canvas, self._params))
        return moved

    async def _second_look(
        self,
        states: list[TrackState],
        first: Sequence[tuple[F32, F32, F32]],
        references: Sequence[Reference],
        features: FrameFeatures,
    ) -> dict[int, F32]:
        """Finer probabilities in the windows of large objects, by position in `states`.

        `first` has window, probability and embedding of the first look, used as previous frame.
        """
        side = self._networks.manifest.dims.window
        again = large(np.stack([state.box for state in states]), side, self._params.fusion)
        if not len(again):
            return {}
        seen = []
        for i in again:
            window, probability, embedding = first[i]
            seen += [replace(states[i], window=window, probability=probability, embedding=embedding)] * TILES
        windows = np.concatenate([tiles(first[i][0], side) for i in again])
        outputs = await self._pixel(seen, windows, references, features)
        grids = outputs["probability"].reshape(len(again), TILES, side, side)
        return {int(i): joined(grid) for i, grid in zip(again, grids, strict=True)}

    async def _pixel(
        self, states: list[TrackState], windows: F32, references: Sequence[Reference], features: FrameFeatures
    ) -> Tensors:
        banks = {name: np.stack([references[state.seed].bank[i] for state in states]) for i, name in enumerate(BANK)}
        previous = {
            "previous_windows": np.stack([state.window for state in states]),
            "previous_embedding": np.stack([state.embedding for state in states]),
            "previous_probability": np.stack([state.probability for state in states]),
        }
        here: Tensors = {"f4": features.f4, "frame_index": _zeros(len(states)), "windows": windows}
        return await self._networks.run("pixel_embedding", {**here, **banks, **previous})


def _masks(outcomes: Sequence[Mapping[int, Outcome]], t: int) -> list[Rle | None]:
    """The mask of every track in a frame; None where it has none or was not tracked."""
    return [found[t].mask if t in found else None for found in outcomes]


def _zeros(count: int) -> I64:
    """Frame indices of tracks, all of which are in the single frame of the call."""
    return np.zeros(count, np.int64)


def _tubelet(seed: Candidate, found: dict[int, Outcome], length: int) -> Tubelet:
    masks: list[Rle | None] = [None] * length
    boxes, scores = np.zeros((length, 4), np.float32), np.zeros(length, np.float32)
    looks = np.zeros((length, max(len(outcome.look) for outcome in found.values())), np.float16)
    for t, outcome in found.items():
        masks[t], boxes[t], scores[t] = outcome.mask, outcome.box, outcome.score
        if len(outcome.look):
            looks[t] = outcome.look
    return Tubelet(seed, tuple(masks), boxes, scores, looks=looks)
