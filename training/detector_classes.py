"""Fit some of the classes not in COCO: `python -m training.detector_classes --data DIR --weights IN --out OUT`.

The dense head learns these classes from rendered frames, and hardly adapts to the few photographs of them. The given
classes are therefore fitted afterwards: one logistic regression per level and class, on features of the frozen towers
on rendered frames and photographs. Each is regularized toward its current weights, or toward those of the COCO class it
belongs to (`PARENTS`). No other class changes, and no boxes, masks or features of the trackers.
"""

import argparse
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from export.models.lite_detector import LiteMaskRcnn, reference_points
from export.models.nanodet import LevelOutput, decode
from export.repository.classes import COCO_NAMES, YTVIS_NAMES, index_of_ytvis
from training.data.samples import Crop, Picture, read_crop
from training.detector import load_pictures
from training.loop.schedule import save_weights
from training.losses.detector import assign_cells

OLD = len(COCO_NAMES)
PARENTS = {"duck": "bird"}
"""Classes with too few examples to start from their own weights."""
DEFAULT = ("giant_panda", "duck", "tiger")
"""Two with photographs, and the one with the most false positives on photographs of other animals. Not `parrot`: the
fit memorizes its three photographs, and every other bird becomes one."""
ANIMALS = tuple(
    COCO_NAMES.index(name)
    for name in ("bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe")
)
BACKGROUND_CELLS = 60
"""Random cells per crop, in addition to those that resemble an object."""
LIKELY = 0.03
UNLABELED_WEIGHT = 0.3
"""Weight of cells without a labeled object as negatives: photographs may contain unlabeled objects."""
PHOTOGRAPH_WEIGHT = 8.0
"""Weight of the few cells of photographs with a labeled animal, relative to those of rendered frames."""
SPECIES_COPIES = 6
"""Number of crops of every photograph that contains one of the new classes."""
OTHER_PHOTOGRAPHS = 150


@dataclass(frozen=True)
class Cells:
    """Cells of one level: features (N, C), targets (N, K - 80), weights (N,)."""

    features: Tensor
    targets: Tensor
    weights: Tensor


@torch.no_grad()
def crop_cells(model: LiteMaskRcnn, crop: Crop) -> list[Cells]:
    """The cells of a crop to learn from, per level."""
    _, levels = model.features(model.normalise(torch.from_numpy(crop.image)[None]))
    towers = [tower(level) for tower, level in zip(model.head.towers, levels, strict=True)]
    raw = [output(x) for output, x in zip(model.head.outputs, towers, strict=True)]
    outputs = [LevelOutput(r[:, : model.classes], r[:, model.classes :]) for r in raw]
    scores, boxes = decode(outputs)
    quality, owner = assign_cells(boxes[0], reference_points(outputs), torch.from_numpy(crop.boxes))
    labels = torch.from_numpy(crop.labels)[owner] if len(crop.labels) else torch.full_like(owner, -1)
    labels = torch.where(quality > 0, labels, -1)
    targets = torch.zeros(len(quality), model.classes - OLD)
    fresh = labels >= OLD
    targets[fresh, labels[fresh] - OLD] = quality[fresh]
    likely = (quality > 0) | (scores[0].amax(1) > LIKELY)
    share = BACKGROUND_CELLS / len(likely)
    drawn = torch.rand(len(likely)) < share
    weights = torch.where(likely, 1.0, 1 / share) * _weights(labels, crop)
    kept = likely | drawn
    cells, first = [], 0
    for tower in towers:
        features = tower[0].flatten(1).T
        span = slice(first, first + len(features))
        chosen = kept[span]
        cells.append(Cells(features[chosen], targets[span][chosen], weights[span][chosen]))
        first += len(features)
    return cells


def _weights(labels: Tensor, crop: Crop) -> Tensor:
    """Weight of each cell by the label of its object (-1: none), (M,)."""
    if crop.labeled_ytvis:
        return torch.ones(len(labels))
    animal = (labels >= OLD) | torch.isin(labels, torch.tensor(ANIMALS))
    return torch.where(animal, PHOTOGRAPH_WEIGHT, torch.where(labels >= 0, 1.0, UNLABELED_WEIGHT))


def collect(model: LiteMaskRcnn, pictures: Sequence[Picture], rng: random.Random) -> list[Cells]:
    """Cells of one random crop of every image, combined per level."""
    rows = [crop_cells(model, read_crop(picture, rng)) for picture in pictures]
    return [
        Cells(*(torch.cat([getattr(cells, name) for cells in level]) for name in ("features", "targets", "weights")))
        for level in zip(*rows, strict=True)
    ]


def fit(cells: Cells, start: tuple[Tensor, Tensor], decay: float, steps: int = 200) -> tuple[Tensor, Tensor]:
    """Weighted logistic regression on soft targets, regularized toward `start`: weight (K, C) and bias (K,)."""
    mean, scale = cells.features.mean(0), cells.features.std(0) + 1e-4
    features = (cells.features - mean) / scale
    weight, bias = start[0] * scale, start[1] + start[0] @ mean
    moved = [torch.zeros_like(weight, requires_grad=True), torch.zeros_like(bias, requires_grad=True)]
    optimizer = torch.optim.Adam(moved, lr=0.05)
    total = cells.targets.sum() + 1
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 0.05 * (1 - step / steps) + 1e-4
        logits = F.linear(features, weight + moved[0], bias + moved[1])
        losses = F.binary_cross_entropy_with_logits(logits, cells.targets, reduction="none")
        loss = (losses.sum(1) * cells.weights).sum() / total + decay * moved[0].pow(2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        plain = (weight + moved[0]) / scale
        return plain, bias + moved[1] - plain @ mean


def fit_classes(
    model: LiteMaskRcnn, names: Sequence[str], pictures: Sequence[Picture], *, decay: float, seed: int
) -> None:
    """Replace the outputs of the classes `names`, in place, on every level where one of them occurs."""
    torch.manual_seed(seed)
    columns = torch.tensor([index_of_ytvis(name) for name in names])
    starts = torch.tensor(
        [COCO_NAMES.index(PARENTS[name]) if name in PARENTS else index_of_ytvis(name) for name in names]
    )
    for output, cells in zip(model.head.outputs, collect(model, pictures, random.Random(seed)), strict=True):
        targets = cells.targets[:, columns - OLD]
        start = output.weight.detach()[starts, :, 0, 0], output.bias.detach()[starts]
        weight, bias = fit(Cells(cells.features, targets, cells.weights), start, decay)
        seen = targets.sum(0) > 1
        with torch.no_grad():
            output.weight[columns[seen]] = weight[seen][..., None, None]
            output.bias[columns[seen]] = bias[seen]


def choose(photographs: Sequence[Picture], rendered: Sequence[Picture], seed: int) -> list[Picture]:
    """All rendered frames, all photographs of animals, repeated ones of new classes, and some others."""
    rng = random.Random(seed)
    kinds = [{instance.label for instance in picture.instances} for picture in photographs]
    fresh = [picture for picture, labels in zip(photographs, kinds, strict=True) if max(labels) >= OLD]
    animals = [picture for picture, labels in zip(photographs, kinds, strict=True) if labels & set(ANIMALS)]
    others = [
        picture
        for picture, labels in zip(photographs, kinds, strict=True)
        if max(labels) < OLD and not labels & set(ANIMALS)
    ]
    return [*rendered, *animals, *fresh * SPECIES_COPIES, *rng.sample(others, min(OTHER_PHOTOGRAPHS, len(others)))]


def main() -> None:
    """Entry point of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="weights file to write")
    parser.add_argument("--cache", type=Path, default=Path("runs/detector/frames"))
    parser.add_argument("--classes", nargs="+", choices=YTVIS_NAMES, default=DEFAULT, metavar="NAME")
    parser.add_argument(
        "--decay", type=float, default=0.05, help="strength of the regularization toward the initial weights"
    )
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    model = LiteMaskRcnn()
    model.load_state_dict(load_file(given.weights))
    pictures = choose(*load_pictures(given.data, given.cache), given.seed)
    fit_classes(model.eval(), given.classes, pictures, decay=given.decay, seed=given.seed)
    save_weights(given.out, model)


if __name__ == "__main__":
    main()
