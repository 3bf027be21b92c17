"""The set tests/data/brief is what its script writes."""

import json

import av
import numpy as np
import pytest

from evaluation.data.dataset import load_dataset
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
