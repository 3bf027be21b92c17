"""Train the mask head alone: `python -m training.mask_head --data DIR --weights IN --out DIR --minutes N`.

Trunk, neck and dense head are frozen, so a step costs a third of one of `training.detector`, and boxes, classes and
the trackers' features do not change. All images are used, also those without class labels, since the head is
class-agnostic. The result is the exponential moving average of the weights.
"""

import argparse
import copy
import random
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from export.models.lite_detector import LiteMaskRcnn
from training.data.crop_batch import CropBatch, join
from training.data.samples import Crop, Picture, cache_frames, clip_pictures, coco_pictures, pasted, read_crop
from training.detector import depthwise_in_float32, normalized
from training.loop.loop import train_loop
from training.loop.moving_average import moving_average
from training.loop.precision import autocast
from training.losses.detector import mask_loss

BATCH = 3
RENDERED_SHARE, PASTED_SHARE = 0.3, 0.4
SCALES = (0.5, 1.5)
RATE, FRESH_RATE = 3e-4, 6e-4
FRESH = ("edges", "context", "detail", "coarse", "refine")
"""Layers that weights from before 0.2 lack."""


def load_pictures(data: Path, cache: Path) -> tuple[list[Picture], list[Picture]]:
    """Photographs and rendered frames."""
    photographs = [
        *coco_pictures(data / "coco_small" / "instances_train.json") * 2,
        *coco_pictures(data / "more_images" / "instances.json"),
        *coco_pictures(data / "more_images" / "instances_other_objects.json"),
        *coco_pictures(data / "pennfudan" / "instances.json", person_only=True),
    ]
    return photographs, cache_frames(clip_pictures(data / "scenes3d" / "train", every=4), cache)


def batches(photographs: list[Picture], rendered: list[Picture], seed: int) -> Iterator[CropBatch]:
    """Endless random crops; some have objects of another crop pasted over them."""
    rng = random.Random(seed)

    def draw() -> Crop:
        pool = rendered if rendered and rng.random() < RENDERED_SHARE else photographs
        return read_crop(rng.choice(pool), rng, SCALES)

    while True:
        yield join([pasted(draw(), draw(), rng) if rng.random() < PASTED_SHARE else draw() for _ in range(BATCH)])


def start_from(model: LiteMaskRcnn, path: Path) -> None:
    """Load the detector from a weights file; missing layers of the mask head start without an effect."""
    missing, unexpected = model.load_state_dict(load_file(path), strict=False)
    assert not unexpected, f"{path}: unexpected {unexpected}"
    if missing:
        head = model.mask_head
        for last in (head.edges, head.context, head.refine[-1]):
            torch.nn.init.zeros_(last.weight)
            torch.nn.init.zeros_(last.bias)
        print(f"new: {', '.join(missing)}", flush=True)


def loss_of(model: LiteMaskRcnn, batch: CropBatch) -> Tensor:
    """Mask loss of a batch; no gradient reaches the trunk."""
    image = normalized(model, batch)
    with autocast(image.device):
        with torch.no_grad():
            taps, levels = model.features(image)
        return mask_loss(model, taps, levels, batch)


def train(
    model: LiteMaskRcnn, photographs: list[Picture], rendered: list[Picture], out: Path, minutes: float, seed: int
) -> None:
    """Train until the budget is spent; resumes if `out` has a saved state."""
    depthwise_in_float32(model)
    model.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    head = model.mask_head.requires_grad_(True)
    # the most expensive gradient on a CPU, for 2,400 weights that are already trained
    head.fine_spatial.requires_grad_(False)
    groups = [
        {"params": [parameter], "base": FRESH_RATE if name.startswith(FRESH) else RATE}
        for name, parameter in head.named_parameters()
        if parameter.requires_grad
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=1e-4)
    average = moving_average(head)

    def averaged() -> LiteMaskRcnn:
        whole = copy.deepcopy(model)
        whole.mask_head.load_state_dict(average.module.state_dict())
        return whole

    train_loop(
        model,
        optimizer,
        lambda first: batches(photographs, rendered, first),
        lambda batch: {"mask": loss_of(model, batch)},
        out=out,
        minutes=minutes,
        seed=seed,
        averaged=averaged,
        after_step=lambda: average.update_parameters(head),
    )


def main() -> None:
    """Entry point of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True, help="A trained detector.")
    parser.add_argument("--out", type=Path, default=Path("runs/mask-head"))
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)
    model = LiteMaskRcnn()
    start_from(model, given.weights)
    photographs, rendered = load_pictures(given.data, given.out.parent / "frames")
    print(f"{len(photographs)} photographs, {len(rendered)} rendered frames", flush=True)
    train(model, photographs, rendered, given.out, given.minutes, given.seed)


if __name__ == "__main__":
    main()
