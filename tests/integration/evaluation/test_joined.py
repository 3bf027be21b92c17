"""Chunks (docs/method.md, section 8): clips joined end to end and cut give the AP of the clips alone."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from dualtrack.errors import InvalidDataset
from evaluation.data.dataset import load_dataset
from evaluation.metrics.figures import figures_of
from evaluation.runs.parameters import EvaluationParameters
from evaluation.runs.session import open_context
from evaluation.studies.joined import Comparison, compare_joined
from service.inference.fake.detector import PALETTE
from service.settings import Settings
from tests.support.annotated import context, write_dataset
from tests.support.clips import cut
from tests.support.pipelines import REPOSITORY
from tests.support.scenes import Rectangle

RENDERED = Path(__file__).parent.parent.parent / "data" / "rendered"
PERSON = Rectangle(PALETTE[0], 20, 20, 40, 60, step_xy=(2, 1))
MOTORBIKE = Rectangle(PALETTE[1], 190, 60, 32, 40, step_xy=(-2, 1))


def aps(found: Comparison) -> tuple[float, float]:
    return figures_of([found.alone])["AP"], figures_of([found.joined])["AP"]


def test_a_long_clip_loses_nothing(tmp_path: Path) -> None:
    dataset = load_dataset(write_dataset(tmp_path, {"a": [PERSON, MOTORBIKE]}, frames=17))
    parameters = EvaluationParameters(chunk_frames=8, chunk_overlap=4)
    found = asyncio.run(compare_joined(dataset, dataset.videos, context(tmp_path / "scratch"), parameters))
    assert len(found.chunks) == 4
    alone, joined = aps(found)
    assert alone > 0.5
    assert joined == pytest.approx(alone, abs=0.01)


def test_clips_of_different_sizes_are_refused(tmp_path: Path) -> None:
    dataset = load_dataset(write_dataset(tmp_path, {"a": [PERSON], "b": [PERSON]}, frames=3))
    cut(tmp_path / "videos" / "b.mp4", 3)
    opened = context(tmp_path / "scratch")
    with pytest.raises(
        InvalidDataset, match=r"joined: expected clips of the same size, got \[\(144, 240\), \(288, 384\)\]"
    ):
        asyncio.run(compare_joined(dataset, dataset.videos, opened, EvaluationParameters()))


def shorter(folder: Path, names: Sequence[str], frames: int) -> Path:
    """The first frames of some rendered clips, as a data set."""
    document = json.loads((RENDERED / "instances.json").read_text())
    videos = [video for video in document["videos"] if video["file_names"][0].split("/")[0] in names]
    (folder / "videos").mkdir(parents=True)
    for video in videos:
        video["file_names"] = video["file_names"][:frames]
        name = video["file_names"][0].split("/")[0]
        cut(folder / "videos" / f"{name}.mp4", frames, hw=(360, 640), source=RENDERED / "videos" / f"{name}.mp4")
    kept = [item for item in document["annotations"] if item["video_id"] in {video["id"] for video in videos}]
    for item in kept:
        item["segmentations"] = item["segmentations"][:frames]
    seen = [item for item in kept if any(item["segmentations"])]
    (folder / "instances.json").write_text(json.dumps({**document, "videos": videos, "annotations": seen}))
    return folder


@pytest.mark.parametrize(
    ("values", "chunks"),
    [
        pytest.param({}, 2, id="at-the-shot-change"),
        pytest.param({"chunk_frames": 10, "chunk_overlap": 4}, 4, id="in-the-middle-of-clips-too"),
    ],
)
def test_rendered_clips_with_the_bundled_models(values: dict[str, int], chunks: int, tmp_path: Path) -> None:
    dataset = load_dataset(shorter(tmp_path, ["dev_0014", "dev_0024"], 14))
    settings = Settings(data_dir=tmp_path / "data", model_repository=REPOSITORY, threads=1)

    async def compare() -> Comparison:
        async with open_context(settings) as opened:
            parameters = EvaluationParameters(max_seeds=6, **values)
            return await compare_joined(dataset, dataset.videos, opened, parameters)

    found = asyncio.run(compare())
    assert len(found.chunks) == chunks
    alone, joined = aps(found)
    assert alone > 0.15
    assert joined > alone - 0.01, "nothing is lost"
    if chunks == len(dataset.videos):
        # cut at the shot change alone, every clip is tracked as if alone. A cut in a clip may change a class or a mask's
        # IoU for the better, too, and with so few objects that is 0.03 of AP
        assert joined == pytest.approx(alone, abs=0.01)
