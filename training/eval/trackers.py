"""Measure trained trackers: `python -m training.eval.trackers --clips DIR --weights FILE`.

Every object is tracked forward from its first ground-truth box and mask, and compared with the ground truth in each
frame. There is no detector, re-detection or lost state. `--clips` is a folder in YouTube-VIS layout. `--windows frame`
is for a pixel embedding trained on whole frames (`training.trackers --windows frame`).
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from export.models.trackers import Trackers
from service.structures.arrays import F32, Bool
from service.structures.boxes import iou_matrix
from service.structures.canvas import Canvas, fit
from service.tracking.fusion import cut_at_box
from service.tracking.params import FusionParams, SiameseParams, TrackerParams
from service.tracking.siamese_ranking import rank
from service.tracking.windows import crop_mask, paste_probability, pixel_windows, search_windows
from training.data.sequences import RenderedClip, load_clips, mask_of
from training.data.windows import Windows, dims_of, frame_windows

SHORT_SIDE, LONG_SIDE = 384, 640
MEAN_RGB = (124, 116, 104)


@dataclass(frozen=True)
class Score:
    """Results of one object after its first frame.

    Attributes:
        box: mean box IoU of the Siamese tracker with the ground truth, where visible.
        held: the same for the static first box, as a baseline.
        mask: mean mask IoU (J) of pixel tracker × box.
        uncut: the same without the box.
        confidence: mean score of the best proposals.
        frames: number of frames compared.
        pixel_ms: median CPU time of the pixel tracker per frame.
    """

    box: float
    held: float
    mask: float
    uncut: float
    confidence: float
    frames: int
    pixel_ms: float


@dataclass
class Track:
    """The state of one object's track, network px."""

    template: Tensor
    bank: tuple[Tensor, ...]
    box: F32
    previous: tuple[Tensor, ...]


@dataclass(frozen=True)
class FrameAnswer:
    """Result of a track in a frame: mask probabilities on the network frame, score and CPU time."""

    mask: F32
    uncut: F32
    confidence: float
    pixel_ms: float


@dataclass(frozen=True)
class TrackerNetworks:
    """The trackers, and the kind of windows of the pixel embedding."""

    trackers: Trackers
    windows: Windows = "object"


class Runner:
    """The trackers on one clip's canvas."""

    def __init__(self, networks: TrackerNetworks, canvas: Canvas, params: TrackerParams) -> None:
        self.trackers, self.windows = networks.trackers, networks.windows
        self.canvas, self.params = canvas, params
        self.zero = torch.zeros(1, dtype=torch.long)

    def features(self, path: Path) -> tuple[Tensor, Tensor]:
        """f4 and f8 of an image file."""
        height, width = self.canvas.network_hw
        frame = np.empty((*self.canvas.padded_hw, 3), np.uint8)
        frame[:] = MEAN_RGB
        image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        frame[:height, :width] = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        f4, f8 = self.trackers.features(torch.from_numpy(frame)[None])
        return f4, f8

    def start(self, f4: Tensor, f8: Tensor, box: F32, mask: F32) -> Track:
        """Start a track from a ground-truth box and mask."""
        windows = self._window(box)
        inside = crop_mask(mask > 0, windows[0], self.trackers.pixel.dims.window)
        given = torch.from_numpy(inside)[None]
        *bank, embedding = self.trackers.reference(f4, self.zero, torch.from_numpy(windows), given)
        template = self.trackers.template(f8, self.zero, torch.from_numpy(box[None]))
        return Track(template, tuple(bank), box, (torch.from_numpy(windows), embedding, given))

    def step(self, track: Track, f4: Tensor, f8: Tensor) -> FrameAnswer:
        """Advance the track by one frame."""
        search = search_windows(track.box[None])
        scores, deltas = self.trackers.siamese(f8, self.zero, track.template, torch.from_numpy(search))
        boxes, best = rank(
            track.box[None], search, scores.numpy(), deltas.numpy(), self.params.siamese, self.canvas.network_hw
        )
        track.box = boxes[0]
        windows = self._window(track.box)
        current = torch.from_numpy(windows)
        begin = time.process_time()
        probability, embedding = self.trackers.pixel(f4, self.zero, current, *track.bank, *track.previous)
        track.previous = (current, embedding, probability)
        pasted = paste_probability(probability[0].numpy(), windows[0], self.canvas.network_hw)
        spent = 1000 * (time.process_time() - begin)
        return FrameAnswer(cut_at_box(pasted, track.box, self.params.fusion), pasted, float(best[0]), spent)

    def _window(self, box: F32) -> F32:
        if self.windows == "frame":
            return frame_windows(1, self.canvas.padded_hw).numpy()
        return pixel_windows(box[None], self.params.fusion.window_context)


def tight_box(mask: F32) -> F32:
    """The tight box of a non-empty mask."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)


@torch.no_grad()
def score_clip(networks: TrackerNetworks, clip: RenderedClip, params: TrackerParams) -> Iterator[Score]:
    """Track every object of a clip forward from its first visible frame."""
    canvas = fit(clip.hw, short_side=SHORT_SIDE, long_side=LONG_SIDE)
    runner = Runner(networks, canvas, params)
    truth = [[_truth(mask, clip.hw, canvas.network_hw) for mask in masks] for masks in clip.objects]
    tracks: dict[int, Track] = {}
    rows: dict[int, list[tuple[float, ...]]] = {i: [] for i in range(len(truth))}
    first: dict[int, F32] = {}
    for index, path in enumerate(clip.files):
        f4, f8 = runner.features(path)
        for i, masks in enumerate(truth):
            wanted = masks[index]
            if i in tracks:
                look = runner.step(tracks[i], f4, f8)
                if wanted is not None:
                    rows[i].append(_compare(wanted, look, tracks[i].box, first[i]))
            elif wanted is not None:
                first[i] = tight_box(wanted)
                tracks[i] = runner.start(f4, f8, first[i], wanted)
    for found in rows.values():
        if found:
            *means, _ = np.mean(found, 0).tolist()
            yield Score(*means, len(found), float(np.median(found, 0)[-1]))


def _compare(wanted: F32, look: FrameAnswer, box: F32, held: F32) -> tuple[float, ...]:
    truth = tight_box(wanted)[None]
    tracked, still = iou_matrix(np.stack([box, held]), truth)[:, 0]
    mask, uncut = (_iou(probability > 0.5, wanted > 0) for probability in (look.mask, look.uncut))
    return float(tracked), float(still), mask, uncut, look.confidence, look.pixel_ms


def _iou(found: Bool, there: Bool) -> float:
    return float((found & there).sum() / (found | there).sum())


def _truth(segmentation: object, hw: tuple[int, int], network_hw: tuple[int, int]) -> F32 | None:
    if segmentation is None:
        return None
    mask = cv2.resize(mask_of(segmentation, hw), network_hw[::-1], interpolation=cv2.INTER_NEAREST)
    return mask.astype(np.float32) if mask.any() else None


def load_networks(weights: Path, windows: Windows = "object") -> TrackerNetworks:
    """Load trackers from a weights file."""
    trackers = Trackers(dims_of(windows, (SHORT_SIDE, LONG_SIDE)))
    trackers.load_state_dict(load_file(weights))
    return TrackerNetworks(trackers.eval(), windows)


def main() -> None:
    """Entry point of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, required=True, help="Folder with instances.json and videos/.")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--windows", choices=("object", "frame"), default="object")
    parser.add_argument("--most", type=int, default=14, help="Clips to measure.")
    parser.add_argument("--window-influence", type=float, default=SiameseParams().window_influence)
    given = parser.parse_args()
    torch.set_num_threads(1)
    networks = load_networks(given.weights, given.windows)
    params = TrackerParams(SiameseParams(window_influence=given.window_influence), FusionParams())
    scores: list[Score] = []
    with tempfile.TemporaryDirectory() as cache:
        for clip in load_clips(given.clips, Path(cache), most=given.most):
            for score in score_clip(networks, clip, params):
                scores.append(score)
                print(f"{clip.name} {score}", flush=True)
    for name in ("box", "held", "mask", "uncut", "confidence"):
        print(f"mean {name} {np.mean([getattr(score, name) for score in scores]):.3f} over {len(scores)} objects")
    print(f"median pixel_ms {np.median([score.pixel_ms for score in scores]):.1f} of CPU per object and frame")


if __name__ == "__main__":
    main()
