"""A cut is content that stays different."""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from service.media.frames.frame_source import FrameSubset
from service.media.shots import MOST_ODD, ShotChanges
from tests.support.clips import stored

HW = (96, 160)
Spoil = Callable[[np.ndarray], np.ndarray]


def shot(seed: int, frames: int = 16, speed: int = 3) -> np.ndarray:
    """A blurred scene that a camera moves over, `speed` pixels a frame."""
    random = np.random.default_rng(seed)
    width = HW[1] + max(8 * frames, speed * (frames + 1))
    wide = cv2.GaussianBlur(random.integers(0, 256, (HW[0], width, 3)).astype(np.float32), (0, 0), 12)
    wide = (wide - wide.min()) / (wide.max() - wide.min())
    tint = random.uniform(0.2, 1, 3)
    scene = (255 * wide * tint).astype(np.uint8)
    return np.stack([scene[:, speed * t : speed * t + HW[1]] for t in range(frames)])


def flash(image: np.ndarray) -> np.ndarray:
    return np.clip(image.astype(int) + 150, 0, 255).astype(np.uint8)


def half_green(image: np.ndarray) -> np.ndarray:
    return np.concatenate([image[:48], np.full_like(image[48:], (0, 135, 0))])


def noise(image: np.ndarray) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, image.shape, np.uint8)


SPOILED = [
    pytest.param(flash, id="flash"),
    pytest.param(np.zeros_like, id="black"),
    pytest.param(lambda image: np.full_like(image, 255), id="white"),
    pytest.param(half_green, id="half-green"),
    pytest.param(noise, id="noise"),
]


def spoiled(images: np.ndarray, frames: Sequence[int], spoil: Spoil) -> np.ndarray:
    out = images.copy()
    for frame in frames:
        out[frame] = spoil(out[frame])
    return out


def changes(images: np.ndarray, folder: Path, *, step: int | None = None) -> list[int]:
    """All of a clip, looked for at once or a few frames at a time."""
    clip = stored(folder, images)
    try:
        shots, after, found = ShotChanges(clip), 0, []
        for upto in range(step or len(clip), len(clip) + (step or 1), step or len(clip)):
            while (change := shots.next_change(after, min(upto, len(clip)))) is not None:
                found.append(change)
                after = change
        assert found == list(shots.found)
        return found
    finally:
        clip.close()


@pytest.mark.parametrize("spoil", SPOILED)
@pytest.mark.parametrize(
    "frames",
    [
        *(pytest.param(range(8, 8 + odd), id=f"{odd}-in-a-row") for odd in range(1, MOST_ODD + 1)),
        pytest.param([6, 8, 10], id="every-other"),
        pytest.param([1], id="at-the-start"),
        pytest.param([14], id="at-the-end"),
    ],
)
def test_odd_frames_are_no_cut(spoil: Spoil, frames: Sequence[int], tmp_path: Path) -> None:
    assert changes(spoiled(shot(1), frames, spoil), tmp_path / "clip") == []


@pytest.mark.parametrize("spoil", SPOILED)
@pytest.mark.parametrize(
    ("frames", "found"),
    [
        pytest.param([], [16, 32], id="none"),
        pytest.param([8, 24, 40], [16, 32], id="in-every-shot"),
        pytest.param([12, 20, 28, 36], [16, 32], id="near-cuts"),
    ],
)
def test_cuts_between_odd_frames_are_found(
    spoil: Spoil, frames: Sequence[int], found: list[int], tmp_path: Path
) -> None:
    images = spoiled(np.concatenate([shot(seed) for seed in (1, 2, 3)]), frames, spoil)
    assert changes(images, tmp_path / "clip") == found
    assert changes(images, tmp_path / "again", step=5) == found


@pytest.mark.parametrize("spoil", SPOILED)
@pytest.mark.parametrize("frame", [15, 16], ids=["before", "after"])
def test_an_odd_frame_right_at_a_cut_is_one_cut(spoil: Spoil, frame: int, tmp_path: Path) -> None:
    found = changes(spoiled(np.concatenate([shot(1), shot(2)]), [frame], spoil), tmp_path / "clip")
    assert len(found) == 1
    assert set(found) <= {15, 16, 17}


def test_a_short_shot_is_a_shot(tmp_path: Path) -> None:
    there, other = shot(1, 24), shot(2, MOST_ODD + 3)
    images = np.concatenate([there[:12], other, there[12:]])
    assert changes(images, tmp_path / "clip") == [12, 12 + len(other)]


@pytest.mark.parametrize(
    ("speed", "seeds", "found"),
    [
        pytest.param(10, (5, 6), [16], id="sure"),
        pytest.param(10, (7, 8), [16], id="possible-and-apart"),
        pytest.param(12, (1, 2), [], id="possible"),
        pytest.param(16, (1, 2), [], id="fast"),
    ],
)
def test_cuts_amid_motion(speed: int, seeds: Sequence[int], found: list[int], tmp_path: Path) -> None:
    """Ratios of 4.9, 2.9, 2.8 and 1.8; the shots are 1.7 and 1.3 times apart where that counts."""
    assert changes(np.concatenate([shot(seed, speed=speed) for seed in seeds]), tmp_path / "clip") == found


def test_no_frame_is_read_beyond_what_the_answer_needs(tmp_path: Path) -> None:
    clip = stored(tmp_path / "clip", shot(1, 30))

    class Watched(FrameSubset):
        seen = -1

        def frame(self, index: int) -> np.ndarray:
            assert index == self.seen + 1
            self.seen = index
            return super().frame(index)

    watched = Watched(clip, range(30))
    shots = ShotChanges(watched)
    assert shots.next_change(0, 10) is None
    assert watched.seen == 10 + 2 + MOST_ODD
    clip.close()
