"""Fit the classes that COCO lacks: `python -m training.detector_classes --data DIR --weights IN --out OUT`.

The gentle rates that keep the start weights whole are far too small for class outputs that start at zero. So these
are fitted afterwards, alone: features of the frozen towers on rendered frames and photographs, one logistic
regression per level. Nothing else changes, neither other classes nor boxes, masks or the features of the trackers.
"""

import argparse
import random
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from export.classes import COCO_NAMES
from export.models.lite_detector import NEW_CLASS_BIAS, LiteMaskRcnn, reference_points
from export.models.nanodet import LevelOutput, decode
from training.detector import load_pictures
from training.detector_loss import assign_cells
from training.samples import Crop, Picture, read_crop
from training.schedule import save_weights

OLD = len(COCO_NAMES)
BACKGROUND_CELLS = 60
"""Random cells kept per crop beside those that look like some object."""
LIKELY = 0.03
PHOTOGRAPH_WEIGHT = 0.3
"""Photographs may show unlabelled objects of the new classes, so their cells count less as negatives."""


@dataclass(frozen=True)
class Cells:
    """Cells of one level: features (N, C), targets (N, K - 80), weights (N,)."""

    features: Tensor
    targets: Tensor
    weights: Tensor


@torch.no_grad()
def crop_cells(model: LiteMaskRcnn, crop: Crop) -> list[Cells]:
    """The cells of a crop worth learning from, per level."""
    _, levels = model.features(model.normalise(torch.from_numpy(crop.image)[None]))
    towers = [tower(level) for tower, level in zip(model.head.towers, levels, strict=True)]
    raw = [output(x) for output, x in zip(model.head.outputs, towers, strict=True)]
    outputs = [LevelOutput(r[:, : model.classes], r[:, model.classes :]) for r in raw]
    scores, boxes = decode(outputs)
    quality, owner = assign_cells(boxes[0], reference_points(outputs), torch.from_numpy(crop.boxes))
    targets = torch.zeros(len(quality), model.classes - OLD)
    labels = torch.from_numpy(crop.labels)
    fresh = quality > 0
    if len(labels):
        fresh &= labels[owner] >= OLD
        targets[fresh, labels[owner[fresh]] - OLD] = quality[fresh]
    likely = fresh | (scores[0, :, :OLD].amax(1) > LIKELY)
    share = BACKGROUND_CELLS / len(likely)
    drawn = torch.rand(len(likely)) < share
    weights = torch.where(likely, 1.0, 1 / share) * (1.0 if crop.labelled_ytvis else PHOTOGRAPH_WEIGHT)
    kept = likely | drawn
    cells, first = [], 0
    for tower in towers:
        features = tower[0].flatten(1).T
        span = slice(first, first + len(features))
        chosen = kept[span]
        cells.append(Cells(features[chosen], targets[span][chosen], weights[span][chosen]))
        first += len(features)
    return cells


def collect(model: LiteMaskRcnn, pictures: list[Picture], rng: random.Random) -> list[Cells]:
    """Cells of one random crop of every picture, joined per level."""
    rows = [crop_cells(model, read_crop(picture, rng)) for picture in pictures]
    return [
        Cells(*(torch.cat([getattr(cells, name) for cells in level]) for name in ("features", "targets", "weights")))
        for level in zip(*rows, strict=True)
    ]


def fit(cells: Cells, steps: int = 150, decay: float = 1e-4) -> tuple[Tensor, Tensor]:
    """Weighted logistic regression on soft targets: weight (K - 80, C), bias (K - 80,)."""
    mean, scale = cells.features.mean(0), cells.features.std(0) + 1e-4
    features = (cells.features - mean) / scale
    weight = torch.zeros(cells.targets.shape[1], features.shape[1], requires_grad=True)
    bias = torch.full((cells.targets.shape[1],), NEW_CLASS_BIAS, requires_grad=True)
    optimizer = torch.optim.Adam([weight, bias], lr=0.05)
    total = cells.targets.sum() + 1
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 0.05 * (1 - step / steps) + 1e-4
        losses = F.binary_cross_entropy_with_logits(F.linear(features, weight, bias), cells.targets, reduction="none")
        loss = (losses.sum(1) * cells.weights).sum() / total + decay * weight.pow(2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        plain = weight / scale
        return plain, bias - plain @ mean


def fit_classes(model: LiteMaskRcnn, pictures: list[Picture], seed: int) -> None:
    """Replace the new classes' outputs of every level, in place; a class that no picture shows stays silent."""
    torch.manual_seed(seed)
    for output, cells in zip(model.head.outputs, collect(model, pictures, random.Random(seed)), strict=True):
        weight, bias = fit(cells)
        seen = cells.targets.sum(0) > 1
        with torch.no_grad():
            output.weight[OLD : model.classes] = torch.where(seen[:, None], weight, torch.zeros(()))[..., None, None]
            output.bias[OLD : model.classes] = torch.where(seen, bias, NEW_CLASS_BIAS)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="weights file to write")
    parser.add_argument("--cache", type=Path, default=Path("runs/detector/frames"))
    parser.add_argument("--photographs", type=int, default=250)
    parser.add_argument("--rendered", type=int, default=672, help="rendered frames to use")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    model = LiteMaskRcnn()
    model.load_state_dict(load_file(given.weights))
    photographs, rendered = load_pictures(given.data, given.cache)
    rng = random.Random(given.seed)
    drawn = [
        *rng.sample(rendered, min(given.rendered, len(rendered))),
        *rng.sample(photographs, min(given.photographs, len(photographs))),
    ]
    fit_classes(model.eval(), drawn, given.seed)
    save_weights(given.out, model)


if __name__ == "__main__":
    main()
