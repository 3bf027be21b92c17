"""Train the trackers: `python -m training.trackers --data DIR --start-weights FILE --out DIR --minutes N`.

Shared features, Siamese RPN and pixel embedding are trained together on a frozen trunk and neck: those of the start
weights, or of a trained detector (`--trunk-weights`). `--data` holds scenes3d/train, coco_small and more_images.
"""

import argparse
import random
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from export.models.lite_detector import LiteMaskRcnn
from export.models.trackers import Trackers
from training.detector import depthwise_in_float32, start_model
from training.samples import Picture, coco_pictures
from training.schedule import CHECKPOINT_EVERY_S, Clock, cosine, resume, save, save_weights, set_rate
from training.sequences import Clip, Sequence, clip_sequence, load_clips, pasted_sequence, still_sequence
from training.trackers_loss import Features, pixel_loss, siamese_loss

RATE = 1e-3
CLIP_SHARE, PASTED_SHARE = 0.4, 0.3
SIAMESE_WEIGHT = 1.5


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


def features_of(detector: LiteMaskRcnn, trackers: Trackers, sequence: Sequence) -> Features:
    """f4 and f8 of the sequence's frames; no gradient reaches the trunk."""
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        image = detector.normalise(torch.from_numpy(sequence.frames)).contiguous(memory_format=torch.channels_last)
        taps, _ = detector.features(image)
    f4, f8 = trackers.features(*(tap.float().contiguous() for tap in taps))
    return Features(f4, f8)


def train(
    detector: LiteMaskRcnn,
    trackers: Trackers,
    clips: list[Clip],
    pictures: list[Picture],
    out: Path,
    minutes: float,
    seed: int,
    rate: float = RATE,
) -> None:
    """Train until the budget is spent; goes on from `out` if it holds a state."""
    detector.eval().requires_grad_(False)
    groups = [{"params": list(part.parameters()), "base": rate} for part in trackers.children() if _has_weights(part)]
    optimizer = torch.optim.AdamW(groups, weight_decay=1e-4)
    clock = Clock(minutes * 60)
    start = step = resume(out, trackers, optimizer, clock)
    torch.manual_seed(seed + step)
    last_save, average = time.monotonic(), torch.zeros(2)
    for sequence in sequences(clips, pictures, seed + step):
        share = clock.tick()
        if share >= 1:
            break
        set_rate(optimizer, cosine(share, step))
        features = features_of(detector, trackers, sequence)
        parts = torch.stack([siamese_loss(trackers, features, sequence), pixel_loss(trackers, features, sequence)])
        optimizer.zero_grad()
        (parts * torch.tensor([SIAMESE_WEIGHT, 1.0])).sum().backward()
        norm = torch.nn.utils.clip_grad_norm_(trackers.parameters(), 5.0)
        if torch.isfinite(norm):
            optimizer.step()
        step += 1
        average = 0.98 * average + 0.02 * parts.detach()
        if step % 50 == 0:
            siamese, pixel = (average / (1 - 0.98 ** (step - start))).tolist()
            print(f"step {step} share {share:.3f} siamese {siamese:.4f} pixel {pixel:.4f}", flush=True)
        if time.monotonic() - last_save > CHECKPOINT_EVERY_S:
            save(out, trackers, optimizer, step, clock)
            last_save = time.monotonic()
    save(out, trackers, optimizer, step, clock)
    save_weights(out / "final.safetensors", trackers)


def _has_weights(part: nn.Module) -> bool:
    return any(True for _ in part.parameters())


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--start-weights", type=Path, required=True)
    parser.add_argument("--trunk-weights", type=Path, help="A trained detector, whose trunk and neck are used.")
    parser.add_argument("--init", type=Path, help="Trackers to start from (fine-tuning on another trunk).")
    parser.add_argument("--out", type=Path, default=Path("runs/trackers"))
    parser.add_argument("--minutes", type=float, default=30)
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
    trackers = Trackers()
    if given.init:
        trackers.load_state_dict(load_file(given.init))
    clips = load_clips(given.data / "scenes3d" / "train", given.out.parent / "clip-frames")
    pictures = coco_pictures(given.data / "coco_small" / "instances_train.json")
    pictures += coco_pictures(given.data / "more_images" / "instances.json")
    print(f"{len(clips)} clips, {len(pictures)} photographs", flush=True)
    train(detector, trackers, clips, pictures, given.out, given.minutes, given.seed, given.rate)


if __name__ == "__main__":
    main()
