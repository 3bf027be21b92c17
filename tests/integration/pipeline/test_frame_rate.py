"""Real networks, every other frame tracked: every frame has its masks, close to those of tracking all."""

from pathlib import Path
from typing import Any

import av
import numpy as np

from service.structures.masks import from_json, iou_matrix
from tests.support.clips import cut
from tests.support.pipelines import run
from tests.support.results import tight_boxes

FRAMES = 6


def overlap(found: dict[str, Any], wanted: dict[str, Any]) -> float:
    """Mean IoU over the frames."""
    pairs = zip(found["segmentations"], wanted["segmentations"], strict=True)
    return float(np.mean([iou_matrix([from_json(a)], [from_json(b)])[0, 0] if a and b else a == b for a, b in pairs]))


def test_frames_between_have_masks_where_tracking_all_has_them(tmp_path: Path) -> None:
    clip = cut(tmp_path / "clip.mp4", FRAMES)
    every = run(clip, tmp_path / "every")
    found = run(clip, tmp_path / "half", track_fps=5, overlay=True)
    assert (every["tracked_every"], found["tracked_every"]) == (1, 2)
    for item in found["tubelets"][:3]:
        assert (item["frames"], len(item["boxes"])) == (FRAMES, FRAMES)
        assert max(overlap(item, other) for other in every["tubelets"]) > 0.75
        assert item["boxes"] == tight_boxes(item)
    with av.open(str(tmp_path / "half" / "overlay.mp4")) as overlay:
        assert sum(1 for _ in overlay.decode(video=0)) == FRAMES
