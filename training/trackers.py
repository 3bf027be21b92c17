"""Train the trackers: `python -m training.trackers --data DIR --start-weights FILE --out DIR --minutes N`.

The trunk and neck are frozen: those of the start weights, or of a trained detector (`--trunk-weights`). Features,
Siamese RPN and pixel embedding are trained together, or one tracker alone (`--train`): the Siamese steps cost a third
of the pixel ones. `pixel` goes on with f4, `head` leaves all features as they are. `--windows frame` trains a pixel
embedding that looks at whole frames (decision record 20). `--data` holds scenes3d/train, coco_small and more_images.
"""

import argparse
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from export.models.lite_detector import LiteMaskRcnn
from export.models.trackers import Trackers
from training.detector import depthwise_in_float32, start_model
from training.loop import train_loop
from training.pixel_loss import pixel_loss
from training.precision import autocast
from training.samples import Picture, coco_pictures
from training.sequences import FRAME_HW, Clip, Sequence, clip_sequence, load_clips, pasted_sequence, still_sequence
from training.siamese_loss import siamese_loss
from training.windows import Windows, dims_of

RATE = 1e-3
Parts = Literal["all", "siamese", "pixel", "head"]
CLIP_SHARE, PASTED_SHARE = 0.35, 0.45
SIAMESE_WEIGHT = 1.5


@dataclass(frozen=True)
class Recipe:
    """What is trained, for how many minutes (or steps), at which rate, and where the pixel embedding looks."""

    minutes: float
    parts: Parts = "all"
    rate: float = RATE
    seed: int = 0
    steps: int | None = None
    windows: Windows = "object"


def sequences(clips: list[Clip], pictures: list[Picture], seed: int) -> Iterator[Sequence]:
    """Random sequences for ever: rendered clips, photographs moved, objects pasted over another photograph."""
    rng = random.Random(seed)
    while True:
        sample = _draw(clips, pictures, rng)
        if sample is not None:
            yield sample


def _draw(clips: list[Clip], pictures: list[Picture], rng: random.Random) -> Sequence | None:
    kind = rng.random()
    if kind < CLIP_SHARE or not pictures:
        return clip_sequence(rng.choice(clips), rng)
    picture = rng.choice(pictures)
    if kind < CLIP_SHARE + PASTED_SHARE:
        return pasted_sequence(picture, rng.choice(pictures).path, rng)
    return still_sequence(picture, rng)


def features_of(detector: LiteMaskRcnn, trackers: Trackers, sequence: Sequence) -> tuple[Tensor, Tensor]:
    """f4 and f8 of the sequence's frames; no gradient reaches the trunk."""
    with torch.no_grad(), autocast():
        image = detector.normalise(torch.from_numpy(sequence.frames)).contiguous(memory_format=torch.channels_last)
        taps, _ = detector.features(image)
    f4, f8 = trackers.features(*(tap.float().contiguous() for tap in taps))
    return f4, f8


def losses(trackers: Trackers, f4: Tensor, f8: Tensor, sequence: Sequence, recipe: Recipe) -> dict[str, Tensor]:
    """Loss of each tracker that is trained."""
    found: dict[str, Tensor] = {}
    if recipe.parts in {"all", "siamese"}:
        with autocast():
            found["siamese"] = SIAMESE_WEIGHT * siamese_loss(trackers, f8, sequence)
    if recipe.parts != "siamese":
        found["pixel"] = pixel_loss(trackers, f4, sequence, recipe.windows)
    return found


def trained_modules(trackers: Trackers, parts: Parts) -> list[nn.Module]:
    """What gets gradients. f8 feeds f4 and both trackers, so one tracker alone leaves it as it is."""
    if parts == "siamese":
        return [trackers.siamese]
    if parts == "head":
        return [trackers.pixel]
    if parts == "pixel":
        return [trackers.pixel, trackers.features.down, trackers.features.fine, trackers.features.spatial]
    return [trackers.features, trackers.siamese, trackers.pixel]


def train(
    detector: LiteMaskRcnn,
    trackers: Trackers,
    clips: list[Clip],
    pictures: list[Picture],
    out: Path,
    recipe: Recipe,
) -> None:
    """Train until the budget is spent; goes on from `out` if it holds a state."""
    detector.eval().requires_grad_(False)
    trackers.requires_grad_(False)
    modules = [part.requires_grad_(True) for part in trained_modules(trackers, recipe.parts)]
    optimizer = torch.optim.AdamW(
        [{"params": list(part.parameters()), "base": recipe.rate} for part in modules], weight_decay=1e-4
    )
    train_loop(
        trackers,
        optimizer,
        lambda seed: sequences(clips, pictures, seed),
        lambda sequence: losses(trackers, *features_of(detector, trackers, sequence), sequence, recipe),
        out=out,
        minutes=recipe.minutes,
        seed=recipe.seed,
        steps=recipe.steps,
    )


def start_from(trackers: Trackers, path: Path) -> None:
    """Fill the trackers from a file of weights; tensors that it lacks or has in another shape stay as they are."""
    own = trackers.state_dict()
    given = {name: value for name, value in load_file(path).items() if name in own and own[name].shape == value.shape}
    trackers.load_state_dict(given, strict=False)
    print(f"{len(given)} of {len(own)} tensors from {path}", flush=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--start-weights", type=Path, required=True)
    parser.add_argument("--trunk-weights", type=Path, help="A trained detector, whose trunk and neck are used.")
    parser.add_argument("--init", type=Path, help="Trackers to start from; what has another shape starts anew.")
    parser.add_argument("--train", choices=("all", "siamese", "pixel", "head"), default="all")
    parser.add_argument("--windows", choices=("object", "frame"), default="object")
    parser.add_argument("--out", type=Path, default=Path("runs/trackers"))
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--steps", type=int, help="Budget in steps instead of minutes.")
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)
    detector = start_model(given.start_weights)
    if given.trunk_weights:
        detector.load_state_dict(load_file(given.trunk_weights))
    depthwise_in_float32(detector)
    trackers = Trackers(dims_of(given.windows, FRAME_HW))
    if given.init:
        start_from(trackers, given.init)
    clips = load_clips(given.data / "scenes3d" / "train", given.out.parent / "clip-frames")
    pictures = coco_pictures(given.data / "coco_small" / "instances_train.json")
    pictures += coco_pictures(given.data / "more_images" / "instances.json")
    pictures += coco_pictures(given.data / "more_images" / "instances_other_objects.json")
    print(f"{len(clips)} clips, {len(pictures)} photographs", flush=True)
    recipe = Recipe(given.minutes, given.train, given.rate, given.seed, given.steps, given.windows)
    train(detector, trackers, clips, pictures, given.out, recipe)


if __name__ == "__main__":
    main()
