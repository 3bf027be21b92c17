"""A parameter swept over several clips: `python examples/researcher.py clips/*.mp4 --out runs`."""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import dualtrack

VALUES = (0.05, 0.15, 0.3)
"""Of `th_cc`, the average score above which class calibration trusts a class."""


def label_map(result: dualtrack.Result) -> NDArray[np.uint16]:
    """The tubelet's id of every pixel, (frames, height, width); 0 is background, the best tubelet is on top."""
    video = result.video
    labels = np.zeros((video.frames, video.height, video.width), np.uint16)
    for tubelet in reversed(result.tubelets):
        for frame in tubelet.frames:
            labels[frame][tubelet.mask(frame)] = tubelet.id
    return labels


def main() -> None:
    """One engine for all clips and values: the models are loaded once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, default=Path("runs"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with dualtrack.Engine() as engine:
        for clip in given.clips:
            for value in VALUES:
                result = engine.segment(clip, th_cc=value)
                names = [tubelet.category for tubelet in result.tubelets]
                scores = [tubelet.score for tubelet in result.tubelets]
                file = given.out / f"{clip.stem}-th_cc-{value}.npz"
                np.savez_compressed(file, labels=label_map(result), categories=names, scores=scores)
                best = f"best {names[0]} {scores[0]:.2f}" if names else "nothing found"
                print(f"{clip.name} th_cc={value}: {len(names)} tubelets, {best}")


if __name__ == "__main__":
    main()
