"""Interpolate between earlier and fine-tuned weights.

    python -m training.interpolate --start-weights FILE --weights IN --out OUT --share 0.5

`--start-weights` is NanoDet's file; alternatively, `--earlier` is a detector from before a training step
(`training.dense_head`).

After fine-tuning on few images, the detector is worse on COCO. Interpolated weights keep most of both abilities
(weight-space ensembles, Wortsman et al. 2022). Trunk, neck and the dense head's old outputs are interpolated; parts
that the initial weights lack (new classes, mask head) are taken from the fine-tuned ones.
"""

import argparse
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from export.models.lite_detector import LiteMaskRcnn
from export.models.nanodet import NUM_CLASSES
from training.detector import start_model
from training.loop.schedule import save_weights

Tensors = dict[str, Tensor]


def interpolate(earlier: Tensors, tuned: Tensors, share: float) -> Tensors:
    """Tensors of a detector, interpolated by `share` from the fine-tuned ones to earlier ones."""
    return {name: share * earlier[name] + (1 - share) * value for name, value in tuned.items()}


def toward_start(start: Tensors, tuned: Tensors, share: float, classes: int) -> Tensors:
    """The same toward the initial weights; new classes and the mask head, which those lack, stay as tuned."""
    mixed = interpolate(start, tuned, share)
    for name, value in tuned.items():
        if name.startswith("mask_head."):
            mixed[name] = value
        elif name.startswith("head.outputs."):
            mixed[name][NUM_CLASSES:classes] = value[NUM_CLASSES:classes]
    return mixed


def main() -> None:
    """Entry point of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    given_from = parser.add_mutually_exclusive_group(required=True)
    given_from.add_argument("--start-weights", type=Path)
    given_from.add_argument("--earlier", type=Path)
    parser.add_argument("--weights", type=Path, required=True, help="Detector fine-tuned from these.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--share", type=float, default=0.5, help="0 gives the fine-tuned weights, 1 the earlier ones.")
    given = parser.parse_args()
    model = LiteMaskRcnn()
    tuned = load_file(given.weights)
    if given.earlier:
        mixed = interpolate(load_file(given.earlier), tuned, given.share)
    else:
        start = start_model(given.start_weights).state_dict()
        mixed = toward_start(start, tuned, given.share, model.classes)
    model.load_state_dict(mixed)
    save_weights(given.out, model)


if __name__ == "__main__":
    main()
