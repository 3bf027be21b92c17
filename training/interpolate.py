"""Go back part of the way: `python -m training.interpolate --start-weights FILE --weights IN --out OUT --share 0.5`.

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
from training.schedule import save_weights


def interpolate(start: dict[str, Tensor], tuned: dict[str, Tensor], share: float, classes: int) -> dict[str, Tensor]:
    """Tensors of a detector, `share` of the way from the tuned ones back to the start weights."""
    mixed = {}
    for name, value in tuned.items():
        mixed[name] = value.clone()
        if name.startswith("mask_head."):
            continue
        mixed[name] = share * start[name] + (1 - share) * value
        if name.startswith("head.outputs."):
            mixed[name][NUM_CLASSES:classes] = value[NUM_CLASSES:classes]
    return mixed


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--start-weights", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True, help="A detector tuned from them.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--share", type=float, default=0.5, help="0: the tuned weights, 1: the start weights.")
    given = parser.parse_args()
    model = LiteMaskRcnn()
    start = start_model(given.start_weights).state_dict()
    model.load_state_dict(interpolate(start, load_file(given.weights), given.share, model.classes))
    save_weights(given.out, model)


if __name__ == "__main__":
    main()
