"""The set tests/data/brief is what its script writes, and objects that are seen briefly keep their scores."""

import json
from pathlib import Path

import av
import numpy as np
import pytest

from evaluation.data.dataset import load_dataset
from service.tracking.score_scale import rescaled
from tests.support import fake_runs
from tests.support.brief import CLIPS, FOLDER, annotations

CODING = 12
"""Most that a value of a pixel may lose in the stored file."""


def test_annotations_are_those_of_the_script() -> None:
    assert json.loads((FOLDER / "instances.json").read_text()) == annotations(list(CLIPS.values()))
    assert [video.name for video in load_dataset(FOLDER).videos] == list(CLIPS)


@pytest.mark.parametrize("name", CLIPS)
def test_videos_are_those_of_the_script(name: str) -> None:
    with av.open(str(FOLDER / "videos" / f"{name}.mp4")) as file:
        found = np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])
    wanted = CLIPS[name].images()
    assert found.shape == wanted.shape
    assert np.abs(found.astype(int) - wanted).mean() < CODING


def test_an_object_between_two_classes_has_both(tmp_path: Path) -> None:
    """The other car's color is between those of the fake's classes 2, 5 and 4; the person's is near that of 4."""
    found = fake_runs.process(CLIPS["look_alikes_cross"].images(), tmp_path / "clip").tubelets
    assert [[label for label, _ in item.classes] for item in found] == [[0, 4], [2, 5, 4], [2, 5, 4]]
    assert all(item.score > second > 0.05 for item in found for _, second in item.others)


@pytest.mark.parametrize("name", ["passes", "passes_at_a_border"])
def test_a_brief_object_scores_as_high_as_a_steady_one(name: str, tmp_path: Path) -> None:
    found = fake_runs.process(CLIPS[name].images(), tmp_path / "clip").tubelets
    assert sorted(item.label for item in found) == [0, 2]
    assert [item.score for item in found] == pytest.approx(rescaled(np.array([0.95, 0.95])), abs=0.01)
