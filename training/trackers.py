"""Train the trackers: `python -m training.trackers --data DIR --trunk-weights FILE --out DIR --minutes N`.

Their trunk is initialized from a detector's (`--trunk-weights`), with a learning rate proportional to each tensor's
size. Features, Siamese RPN and pixel embedding are trained together, or a single tracker (`--train`); a step of the
Siamese RPN costs a third of one of the pixel embedding. `pixel` also trains f4, `head` freezes all features. `--windows
frame` trains a pixel embedding on whole frames (decision record 20). `--data` contains scenes3d/train, coco_small and
more_images. Uses a GPU if there is one; `--batch 32 --workers 8` saturated an H200.
"""

import argparse
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from export.models.trackers import Trackers
from training.data.samples import Picture, coco_pictures
from training.data.sequence_batch import SequenceBatch, join
from training.data.sequences import (
    FRAME_HW,
    RenderedClip,
    Sequence,
    clip_sequence,
    load_clips,
    pasted_sequence,
    still_sequence,
)
from training.data.windows import Windows, dims_of
from training.detector import depthwise_in_float32
from training.loop.loop import train_loop
from training.loop.moving_average import moving_average
from training.loop.precision import autocast, best_device
from training.loop.schedule import rms_groups
from training.losses.pixel import pixel_loss
from training.losses.siamese import siamese_loss

RATE = 1e-3
Parts = Literal["all", "siamese", "pixel", "head"]
TRUNK_FACTOR = 1e-3
"""Learning rate of a trunk's tensor relative to its RMS."""
LENGTHS = (3, 4, 5, 6, 8)
"""Lengths of sequences; errors are fed back from the third frame on."""
CLIP_SHARE, PASTED_SHARE = 0.45, 0.4
SIAMESE_WEIGHT = 1.5


@dataclass(frozen=True)
class Recipe:
    """Trained parts, minutes (or steps), learning rate, and the kind of windows of the pixel embedding.

    A step has `batch` sequences, prepared by `workers` processes (0: by this one).
    """

    minutes: float
    parts: Parts = "all"
    rate: float = RATE
    seed: int = 0
    steps: int | None = None
    windows: Windows = "object"
    batch: int = 1
    workers: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))


def batches(clips: list[RenderedClip], pictures: list[Picture], size: int, seed: int) -> Iterator[SequenceBatch]:
    """Endless random batches: rendered clips, moving photographs, objects pasted over another photograph."""
    rng = random.Random(seed)
    while True:
        length = rng.choice(LENGTHS)
        drawn: list[Sequence] = []
        while len(drawn) < size:
            sample = _draw(clips, pictures, length, rng)
            drawn += [] if sample is None else [sample]
        yield join(drawn)


def _draw(clips: list[RenderedClip], pictures: list[Picture], length: int, rng: random.Random) -> Sequence | None:
    kind = rng.random()
    if kind < CLIP_SHARE or not pictures:
        return clip_sequence(rng.choice(clips), length, rng)
    picture = rng.choice(pictures)
    if kind < CLIP_SHARE + PASTED_SHARE:
        return pasted_sequence(picture, rng.choice(pictures).path, length, rng)
    return still_sequence(picture, length, rng)


def features_of(trackers: Trackers, batch: SequenceBatch) -> tuple[Tensor, Tensor]:
    """f4 and f8 of all frames, float32: frame t of sequence b at b * L + t."""
    with autocast(batch.frames.device):
        f4, f8 = trackers.features(batch.frames.flatten(0, 1))
    return f4.float().contiguous(), f8.float().contiguous()


def losses(trackers: Trackers, batch: SequenceBatch, recipe: Recipe) -> dict[str, Tensor]:
    """Loss of each trained tracker."""
    f4, f8 = features_of(trackers, batch)
    found: dict[str, Tensor] = {}
    if recipe.parts in {"all", "siamese"}:
        with autocast(f8.device):
            found["siamese"] = SIAMESE_WEIGHT * siamese_loss(trackers, f8, batch)
    if recipe.parts != "siamese":
        found["pixel"] = pixel_loss(trackers, f4, batch, recipe.windows)
    return found


def trained_modules(trackers: Trackers, parts: Parts) -> list[nn.Module]:
    """Modules that get gradients. f8 feeds f4 and both trackers, so training a single tracker freezes it."""
    if parts == "siamese":
        return [trackers.siamese]
    if parts == "head":
        return [trackers.pixel]
    if parts == "pixel":
        return [trackers.pixel, trackers.features.down, trackers.features.fine, trackers.features.spatial]
    return [trackers.features, trackers.siamese, trackers.pixel]


def parameter_groups(modules: list[nn.Module], rate: float) -> list[dict[str, Any]]:
    """Groups of the optimizer: tensors of a trunk at a rate proportional to their size, all others at `rate`."""
    groups: list[dict[str, Any]] = []
    for module in modules:
        trunk = getattr(module, "trunk", None)
        held = set() if trunk is None else set(trunk.parameters())
        groups.append({"params": [p for p in module.parameters() if p not in held], "base": rate, "weight_decay": 1e-4})
        if trunk is not None:
            groups += [group | {"weight_decay": 0.0} for group in rms_groups(trunk, TRUNK_FACTOR, (), 0.0)]
    return groups


def train(trackers: Trackers, clips: list[RenderedClip], pictures: list[Picture], out: Path, recipe: Recipe) -> None:
    """Train until the budget is spent; resumes if `out` has a saved state. Writes the moving average."""
    trackers.requires_grad_(False).place(recipe.device)
    if recipe.device.type == "cpu":
        depthwise_in_float32(trackers)
    modules = [part.requires_grad_(True) for part in trained_modules(trackers, recipe.parts)]
    average = moving_average(trackers)
    train_loop(
        trackers,
        torch.optim.AdamW(parameter_groups(modules, recipe.rate)),
        partial(batches, clips, pictures, recipe.batch),
        lambda batch: losses(trackers, batch.to(recipe.device), recipe),
        out=out,
        minutes=recipe.minutes,
        seed=recipe.seed,
        steps=recipe.steps,
        workers=recipe.workers,
        averaged=lambda: average.module,
        after_step=lambda: average.update_parameters(trackers),
    )


def start_trunk(trackers: Trackers, path: Path) -> None:
    """Copy the trunk of a detector: the initial weights, or a trained one."""
    given = load_file(path)
    trunk = trackers.features.trunk
    trunk.load_state_dict({name: given[f"trunk.{name}"] for name in trunk.state_dict()})


def start_from(trackers: Trackers, path: Path) -> None:
    """Load the trackers from a weights file; tensors that are missing or differ in shape are left unchanged."""
    own = trackers.state_dict()
    given = {name: value for name, value in load_file(path).items() if name in own and own[name].shape == value.shape}
    trackers.load_state_dict(given, strict=False)
    print(f"{len(given)} of {len(own)} tensors from {path}", flush=True)


def main() -> None:
    """Entry point of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--trunk-weights", type=Path, required=True, help="Detector to initialize the trunk from.")
    parser.add_argument(
        "--init", type=Path, help="Trackers to start from; tensors of a different shape start from scratch."
    )
    parser.add_argument("--train", choices=("all", "siamese", "pixel", "head"), default="all")
    parser.add_argument("--windows", choices=("object", "frame"), default="object")
    parser.add_argument("--out", type=Path, default=Path("runs/trackers"))
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--steps", type=int, help="Budget in steps instead of minutes.")
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=1, help="Sequences per step.")
    parser.add_argument("--workers", type=int, default=0, help="Worker processes that prepare sequences.")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)
    trackers = Trackers(dims_of(given.windows, FRAME_HW))
    start_trunk(trackers, given.trunk_weights)
    if given.init:
        start_from(trackers, given.init)
    clips = load_clips(given.data / "scenes3d" / "train", given.out.parent / "clip-frames")
    pictures = coco_pictures(given.data / "coco_small" / "instances_train.json")
    pictures += coco_pictures(given.data / "more_images" / "instances.json")
    pictures += coco_pictures(given.data / "more_images" / "instances_other_objects.json")
    print(f"{len(clips)} clips, {len(pictures)} photographs, on {best_device()}", flush=True)
    recipe = Recipe(
        minutes=given.minutes,
        parts=given.train,
        rate=given.rate,
        seed=given.seed,
        steps=given.steps,
        windows=given.windows,
        batch=given.batch,
        workers=given.workers,
        device=best_device(),
    )
    train(trackers, clips, pictures, given.out, recipe)


if __name__ == "__main__":
    main()
