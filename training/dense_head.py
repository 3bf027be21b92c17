"""Fine-tune the dense head: `python -m training.dense_head --data DIR --start-weights FILE --weights IN --out DIR`.

Trunk and neck are frozen, so masks and trackers do not change. On photographs the head is constrained by distillation
from the initial weights (with their own trunk); on rendered frames it learns boxes and classes. Runs after
`training.interpolate`.
"""

import argparse
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from export.models.lite_detector import LiteMaskRcnn
from training.data.crop_batch import CropBatch
from training.data.samples import Picture
from training.detector import (
    BATCH,
    batches,
    dense_losses,
    depthwise_in_float32,
    load_pictures,
    normalized,
    start_model,
)
from training.loop.loop import train_loop
from training.loop.precision import autocast
from training.loop.schedule import rms_groups

FACTOR = 1e-3
"""Learning rate relative to a tensor's RMS; higher than for a trunk on which other parts depend."""


def losses(model: LiteMaskRcnn, teacher: LiteMaskRcnn, batch: CropBatch) -> dict[str, Tensor]:
    """Distillation and class loss of a batch; no gradient reaches trunk and neck."""
    image = normalized(model, batch)
    with autocast(image.device):
        with torch.no_grad():
            _, levels = model.features(image)
        outputs = model.dense_outputs(levels)
    return dense_losses(outputs, teacher, image, batch)


def train(
    model: LiteMaskRcnn,
    teacher: LiteMaskRcnn,
    pictures: tuple[list[Picture], list[Picture]],
    out: Path,
    minutes: float,
    seed: int,
) -> None:
    """Train until the budget is spent; resumes if `out` has a saved state."""
    for network in (model, teacher):
        depthwise_in_float32(network)
        network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    head = model.head.requires_grad_(True)
    train_loop(
        model,
        torch.optim.AdamW(rms_groups(head, FACTOR, (), 0.0), weight_decay=0),
        lambda first: batches(*pictures, BATCH, first),
        lambda batch: losses(model, teacher, batch),
        out=out,
        minutes=minutes,
        seed=seed,
    )


def main() -> None:
    """Entry point of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--start-weights", type=Path, required=True, help="Weights of the teacher on photographs.")
    parser.add_argument("--weights", type=Path, required=True, help="A trained detector.")
    parser.add_argument("--out", type=Path, default=Path("runs/dense-head"))
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)
    model = LiteMaskRcnn()
    model.load_state_dict(load_file(given.weights))
    pictures = load_pictures(given.data, given.out.parent / "frames")
    print(f"{len(pictures[0])} photographs, {len(pictures[1])} rendered frames", flush=True)
    train(model, start_model(given.start_weights), pictures, given.out, given.minutes, given.seed)


if __name__ == "__main__":
    main()
