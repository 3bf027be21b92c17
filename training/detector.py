"""Train the `lite` detector: `python -m training.detector --data DIR --start-weights FILE --out DIR --minutes N`.

The recipe: the mask head is new; trunk, neck and dense head are tuned lightly by its loss while the dense outputs
are held by distillation from the frozen start weights on photographs; rendered frames teach the classes that COCO
lacks. `--data` holds coco_small, more_images, pennfudan and scenes3d/train.
"""

import argparse
import copy
import functools
import random
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from export.models.lite_detector import LiteMaskRcnn, extend_classes
from export.models.nanodet import NUM_CLASSES, LevelOutput, NanoDetPlus
from training.detector_loss import class_loss, distillation_loss, mask_loss
from training.loop import train_loop
from training.precision import autocast
from training.samples import Crop, Picture, cache_frames, clip_pictures, coco_pictures, read_crop
from training.schedule import rms_groups

BATCH = 3
FRESH = ("mask_head.",)
FRESH_RATE = 6e-4
TUNE_FACTOR = 5e-4
RENDERED_SHARE = 0.3


def start_model(start_weights: Path) -> LiteMaskRcnn:
    """The detector with the start weights' trunk, neck and dense head."""
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
    rendered = cache_frames(clip_pictures(data / "scenes3d" / "train", every=9), cache)
    return photographs, rendered


def batches(photographs: list[Picture], rendered: list[Picture], seed: int) -> Iterator[list[Crop]]:
    """Random crops for ever; `seed` fixes them."""
    rng = random.Random(seed)
    while True:
        pools = [rendered if rendered and rng.random() < RENDERED_SHARE else photographs for _ in range(BATCH)]
        yield [read_crop(rng.choice(pool), rng) for pool in pools]


def depthwise_in_float32(model: LiteMaskRcnn) -> None:
    """Take depthwise convolutions out of autocast: their bfloat16 backward pass is slower on the CPU."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.groups > 1:
            module.forward = functools.partial(_float32_convolution, module)  # type: ignore[method-assign]


def _float32_convolution(module: nn.Conv2d, x: Tensor) -> Tensor:
    with torch.autocast("cpu", enabled=False):
        return F.conv2d(
            x.float(), module.weight, module.bias, module.stride, module.padding, module.dilation, module.groups
        )


def losses(model: LiteMaskRcnn, teacher: LiteMaskRcnn, crops: list[Crop]) -> dict[str, Tensor]:
    """Mask, distillation and class loss of a batch."""
    image = normalised(model, crops)
    with autocast():
        taps, levels = model.features(image)
        outputs = model.dense_outputs(levels)
    taps32 = type(taps)(*(tap.float() for tap in taps))
    levels32 = tuple(level.float() for level in levels)
    return {"mask": mask_loss(model, taps32, levels32, crops), **dense_losses(outputs, teacher, image, crops)}


def normalised(model: LiteMaskRcnn, crops: list[Crop]) -> Tensor:
    """Crops -> the trunk's input."""
    frames = torch.stack([torch.from_numpy(crop.image) for crop in crops])
    return model.normalise(frames).contiguous(memory_format=torch.channels_last)


def dense_losses(
    outputs: list[LevelOutput], teacher: LiteMaskRcnn, image: Tensor, crops: list[Crop]
) -> dict[str, Tensor]:
    """The dense head held by the teacher on photographs, taught on rendered frames."""
    photograph = torch.tensor([0.0 if crop.labelled_ytvis else 1.0 for crop in crops])
    with torch.no_grad(), autocast():
        reference = teacher.dense_outputs(teacher.features(image)[1])
    old = [LevelOutput(r.class_logits[:, :NUM_CLASSES], r.bin_logits) for r in reference]
    return {"distil": distillation_loss(outputs, old, photograph), "class": class_loss(outputs, crops)}


def train(
    model: LiteMaskRcnn, photographs: list[Picture], rendered: list[Picture], out: Path, minutes: float, seed: int
) -> None:
    """Train until the budget is spent; goes on from `out` if it holds a state."""
    teacher = copy.deepcopy(model).eval().requires_grad_(False)
    depthwise_in_float32(model)
    depthwise_in_float32(teacher)
    model.to(memory_format=torch.channels_last)
    train_loop(
        model,
        torch.optim.AdamW(rms_groups(model, TUNE_FACTOR, FRESH, FRESH_RATE), weight_decay=0),
        lambda first: batches(photographs, rendered, first),
        lambda crops: losses(model, teacher, crops),
        out=out,
        minutes=minutes,
        seed=seed,
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--start-weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/detector"))
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)
    photographs, rendered = load_pictures(given.data, given.out / "frames")
    print(f"{len(photographs)} photographs, {len(rendered)} rendered frames", flush=True)
    train(start_model(given.start_weights), photographs, rendered, given.out, given.minutes, given.seed)


if __name__ == "__main__":
    main()
