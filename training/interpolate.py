"""Go back part of the way: `python -m training.interpolate --start-weights FILE --weights IN --out OUT --share 0.5`.

`--start-weights` is NanoDet's file, or `--earlier` a detector of before a training step (`training.dense_head`).

Tuning on few pictures costs the detector some of what it knew of COCO. Between the start weights and the tuned ones lie
weights that keep most of both (weight-space ensembles, Wortsman et al. 2022). Trunk, neck and the dense head's old
outputs are mixed; what the start weights lack (new classes, mask head) is taken from the tuned ones.
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
    """Tensors of a detector, `share` of the way from the tuned ones back to earlier ones."""
    return {name: share * earlier[name] + (1 - share) * value for name, value in tuned.items()}


def towards_start(start: Tensors, tuned: Tensors, share: float, classes: int) -> Tensors:
    """The same towards the start weights, which know neither the new classes nor masks: these stay as tuned."""
    mixed = interpolate(start, tuned, share)
    for name, value in tuned.items():
        if name.startswith("mask_head."):
            mixed[name] = value
        elif name.startswith("head.outputs."):
            mixed[name][NUM_CLASSES:classes] = value[NUM_CLASSES:classes]
    return mixed


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    given_from = parser.add_mutually_exclusive_group(required=True)
    given_from.add_argument("--start-weights", type=Path)
    given_from.add_argument("--earlier", type=Path)
    parser.add_argument("--weights", type=Path, required=True, help="A detector tuned from there.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--share", type=float, default=0.5, help="0: the tuned weights, 1: the earlier ones.")
    given = parser.parse_args()
    model = LiteMaskRcnn()
    tuned = load_file(given.weights)
    if given.earlier:
        mixed = interpolate(load_file(given.earlier), tuned, given.share)
    else:
        start = start_model(given.start_weights).state_dict()
        mixed = towards_start(start, tuned, given.share, model.classes)
    model.load_state_dict(mixed)
    save_weights(given.out, model)


if __name__ == "__main__":
    main()
