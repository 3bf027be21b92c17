"""The programs in examples/ on a clip of a few frames."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO

import dualtrack
from evaluation.data.dataset import load_dataset
from tests.integration.docs.conftest import FRAMES
from tests.unit.docs.pages import ROOT


def example(name: str, *words: object) -> list[str]:
    command = [sys.executable, str(ROOT / "examples" / name), *map(str, words)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_annotator(folder: Path) -> None:
    (line,) = example("annotator.py", "clip.mp4", "--out", "annotations", "--categories", "person,dog")
    assert line.endswith(f"objects in {FRAMES} frames, written to annotations/")
    images = COCO(str(folder / "annotations" / "coco.json"))
    assert [images.imgs[frame]["file_name"] for frame in (0, 7)] == ["frame_000000.jpg", "frame_000007.jpg"]
    first = images.loadAnns(images.getAnnIds(imgIds=[0]))[0]
    assert images.annToMask(first).shape == (576, 768)
    assert images.annToMask(first).sum() == first["area"]
    videos = load_dataset(folder / "annotations")
    assert videos.videos[0].frames == tuple(range(FRAMES))
    assert {each["id"] for each in videos.annotations} == {
        each["attributes"]["track_id"] for each in images.anns.values()
    }


def test_researcher(folder: Path) -> None:
    lines = example("researcher.py", "clip.mp4", "--out", "runs")
    assert [line.split(":")[0] for line in lines] == [f"clip.mp4 th_cc={value}" for value in (0.05, 0.15, 0.3)]
    with np.load(folder / "runs" / "clip-th_cc-0.15.npz") as run:
        assert run["labels"].shape == (FRAMES, 576, 768)
        assert 0 < len(np.unique(run["labels"])) - 1 <= len(run["categories"]) == len(run["scores"])


def test_backend_engineer(folder: Path, service: str) -> None:
    (folder / "text.mp4").write_text("no video")
    runs = [
        example("backend_engineer.py", "clip.mp4", "text.mp4", "--url", service, "--out", "results") for _ in range(2)
    ]
    assert sorted(runs[0]) == sorted(runs[1])
    done, refused = sorted(runs[0])
    assert done.startswith("clip.mp4: job ")
    assert refused == "text.mp4: not usable, do not send it again: unsupported-container"
    assert len(dualtrack.load(folder / "results" / "clip.json").tubelets) > 0
    assert json.loads((folder / "results" / "clip.json").read_text())["schema"] == 1
