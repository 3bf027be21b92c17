"""Train the `lite` detector: `python -m training.detector --data DIR --start-weights FILE --out DIR --minutes N`.

The recipe: the mask head is new; trunk, neck and dense head are lightly fine-tuned by its loss, while distillation
from the frozen initial weights on photographs constrains the dense outputs; rendered frames teach the classes not in
COCO. `--data` contains coco_small, more_images, pennfudan and scenes3d/train.
"""

import argparse
import functools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from export.models.lite_detector import LiteMaskRcnn, extend_classes
from export.models.nanodet import NUM_CLASSES, LevelOutput, NanoDetPlus
from training.data.crop_batch import CropBatch, join
from training.data.samples import Crop, Picture, cache_frames, clip_pictures, coco_pictures, pasted, read_crop
from training.loop.loop import train_loop
from training.loop.moving_average import moving_average
from training.loop.precision import autocast, best_device
from training.loop.schedule import rms_groups
from training.losses.detector import class_loss, distillation_loss, mask_loss

BATCH = 3
FRESH = ("mask_head.",)
FRESH_RATE = 6e-4
TUNE_FACTOR = 5e-4
RENDERED_SHARE, PASTED_SHARE = 0.3, 0.4
SCALES = (0.5, 1.5)
RENDERED_EVERY = 4
"""Every how many frames of a clip one is used."""


@dataclass(frozen=True)
class Budget:
    """Budget and resources: minutes, seed, crops per step, worker processes, device."""

    minutes: float
    seed: int = 0
    batch: int = BATCH
    workers: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))


def start_model(start_weights: Path) -> LiteMaskRcnn:
    """The detector with trunk, neck and dense head of the initial weights."""
    model = LiteMaskRcnn()
    net = NanoDetPlus("m-1.5x")
    net.load_state_dict(load_file(start_weights))
    extend_classes(net, model.classes)
    model.trunk, model.neck, model.head = net.trunk, net.neck, net.head
    return model


def load_pictures(data: Path, cache: Path) -> tuple[list[Picture], list[Picture]]:
    """Photographs and rendered frames."""
    photographs = [
        *coco_pictures(data / "coco_small" / "instances_train.json") * 2,
        *coco_pictures(data / "more_images" / "instances.json"),
        *coco_pictures(data / "pennfudan" / "instances.json", person_only=True),
    ]
    return photographs, cache_frames(clip_pictures(data / "scenes3d" / "train", RENDERED_EVERY), cache)


def by_class(pictures: list[Picture]) -> list[list[Picture]]:
    """For every class that occurs, the images that contain it."""
    found: dict[int, list[Picture]] = {}
    for picture in pictures:
        for label in {instance.label for instance in picture.instances}:
            found.setdefault(label, []).append(picture)
    return list(found.values())


def batches(photographs: list[Picture], rendered: list[Picture], size: int, seed: int) -> Iterator[CropBatch]:
    """Endless random crops, determined by `seed`; some have objects of another crop of their kind pasted over them.

    Rendered frames are sampled by class, since two clips contain a duck and seventy-nine a person.
    """
    rng = random.Random(seed)
    classes = by_class(rendered)

    def draw(is_rendered: bool) -> Crop:
        return read_crop(rng.choice(rng.choice(classes) if is_rendered else photographs), rng, SCALES)

    def crop() -> Crop:
        kind = bool(classes) and rng.random() < RENDERED_SHARE
        return pasted(draw(kind), draw(kind), rng) if rng.random() < PASTED_SHARE else draw(kind)

    while True:
        yield join([crop() for _ in range(size)])


def depthwise_in_float32(model: nn.Module) -> None:
    """Exclude depthwise convolutions from autocast: their bfloat16 backward pass is slower on a CPU."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.groups > 1:
            module.forward = functools.partial(_float32_convolution, module)  # type: ignore[method-assign]


def _float32_convolution(module: nn.Conv2d, x: Tensor) -> Tensor:
    with torch.autocast("cpu", enabled=False):
        return F.conv2d(
            x.float(), module.weight, module.bias, module.stride, module.padding, module.dilation, module.groups
        )


def losses(model: LiteMaskRcnn, teacher: LiteMaskRcnn, batch: CropBatch) -> dict[str, Tensor]:
    """Mask, distillation and class loss of a batch."""
    image = normalized(model, batch)
    with autocast(image.device):
        taps, levels = model.features(image)
        outputs = model.dense_outputs(levels)
    taps32 = type(taps)(*(tap.float() for tap in taps))
    levels32 = tuple(level.float() for level in levels)
    return {"mask": mask_loss(model, taps32, levels32, batch), **dense_losses(outputs, teacher, image, batch)}


def normalized(model: LiteMaskRcnn, batch: CropBatch) -> Tensor:
    """Crops -> the trunk's input."""
    image: Tensor = model.normalise(batch.images)
    return image.contiguous(memory_format=torch.channels_last)


def dense_losses(
    outputs: list[LevelOutput], teacher: LiteMaskRcnn, image: Tensor, batch: CropBatch
) -> dict[str, Tensor]:
    """Losses of the dense head: distillation on photographs, supervision on rendered frames."""
    with torch.no_grad(), autocast(image.device):
        reference = teacher.dense_outputs(teacher.features(image)[1])
    old = [LevelOutput(r.class_logits[:, :NUM_CLASSES], r.bin_logits) for r in reference]
    photograph = (~batch.labeled_ytvis).float()
    return {"distil": distillation_loss(outputs, old, photograph), "class": class_loss(outputs, batch)}


def train(
    model: LiteMaskRcnn,
    teacher: LiteMaskRcnn,
    pictures: tuple[list[Picture], list[Picture]],
    out: Path,
    budget: Budget,
) -> None:
    """Train until the budget is spent; resumes if `out` has a saved state. Writes the moving average."""
    for network in (model, teacher):
        if budget.device.type == "cpu":
            depthwise_in_float32(network)
        network.to(budget.device, memory_format=torch.channels_last)
    teacher.eval().requires_grad_(False)
    average = moving_average(model)
    train_loop(
        model,
        torch.optim.AdamW(rms_groups(model, TUNE_FACTOR, FRESH, FRESH_RATE), weight_decay=0),
        functools.partial(batches, *pictures, budget.batch),
        lambda batch: losses(model, teacher, batch.to(budget.device)),
        out=out,
        minutes=budget.minutes,
        seed=budget.seed,
        workers=budget.workers,
        averaged=lambda: average.module,
        after_step=lambda: average.update_parameters(model),
    )


def main() -> None:
    """Entry point of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--start-weights", type=Path, required=True, help="Initial weights, and the teacher on photographs."
    )
    parser.add_argument("--init", type=Path, help="Trained detector to continue from instead of the initial weights.")
    parser.add_argument("--out", type=Path, default=Path("runs/detector"))
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=BATCH, help="Crops per step.")
    parser.add_argument("--workers", type=int, default=0, help="Worker processes that prepare crops.")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)
    pictures = load_pictures(given.data, given.out.parent / "frames")
    model, teacher = start_model(given.start_weights), start_model(given.start_weights)
    if given.init:
        model.load_state_dict(load_file(given.init))
    device = best_device()
    print(f"{len(pictures[0])} photographs, {len(pictures[1])} rendered frames, on {device}", flush=True)
    train(model, teacher, pictures, given.out, Budget(given.minutes, given.seed, given.batch, given.workers, device))


if __name__ == "__main__":
    main()
