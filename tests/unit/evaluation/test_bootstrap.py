"""Bootstrap over clips: known intervals, the same seed the same numbers, and files that do not belong together."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer import Typer
from typer.testing import CliRunner

from dualtrack.errors import InvalidDataset
from evaluation.commands.compare import compare, same_clips
from evaluation.metrics.bootstrap import differences

Clip = dict[str, Any]


def tracks(values: list[float], key: str = "J") -> list[Clip]:
    return [{"name": f"c{i}", "tracks": [{"id": i, key: value}]} for i, value in enumerate(values)]


def tubelets(hits: list[int]) -> list[Clip]:
    """Clips of one object and one tubelet, which is right or not."""
    found = [{"scores": [0.5], "hits": [[hit]] * 10, "truths": 1} for hit in hits]
    return [{"name": f"c{i}", "classes": {"1": item, "any": item}} for i, item in enumerate(found)]


def test_the_same_difference_in_every_clip_is_sure() -> None:
    found = differences(tracks([0.1, 0.5, 0.7]), tracks([0.2, 0.6, 0.8]), samples=50, seed=1)["J"]
    assert (found.b - found.a, found.low, found.high) == pytest.approx((0.1, 0.1, 0.1))
    assert found.above == 1


def test_interval_is_that_of_a_mean() -> None:
    change = np.random.default_rng(3).normal(0.02, 0.1, 100)
    found = differences(tracks([0.5] * 100), tracks(list(0.5 + change)), samples=2000, seed=0)["J"]
    error = 1.96 * change.std() / 10
    assert (found.low, found.high) == pytest.approx((change.mean() - error, change.mean() + error), abs=0.003)


def test_seed() -> None:
    a, b = tubelets([1, 0, 1, 0, 1]), tubelets([1, 1, 1, 0, 0])
    assert differences(a, b, samples=40, seed=5) == differences(a, b, samples=40, seed=5)
    assert differences(a, b, samples=40, seed=5) != differences(a, b, samples=40, seed=6)


def test_tubelets() -> None:
    found = differences(tubelets([0, 0, 0, 0]), tubelets([1, 1, 1, 0]), samples=100, seed=0)["AP50"]
    assert found.a == 0
    assert found.low <= found.b - found.a <= found.high
    assert found.above > 0.9


def written(folder: Path, name: str, clips: list[Clip]) -> Path:
    path = folder / name
    path.write_text(json.dumps({"clips": clips}))
    return path


def test_order_of_the_clips_does_not_matter(tmp_path: Path) -> None:
    first = written(tmp_path, "a.json", tracks([0.1, 0.2]))
    second = written(tmp_path, "b.json", tracks([0.3, 0.4])[::-1])
    a, b = same_clips(first, second)
    assert [clip["name"] for clip in a] == [clip["name"] for clip in b]


@pytest.mark.parametrize(
    ("clips", "message"),
    [
        pytest.param(tracks([0.1]), "in only one of them", id="fewer-clips"),
        pytest.param(tubelets([1, 0]), "the same kind", id="another-evaluation"),
        pytest.param([], "no clips", id="none"),
    ],
)
def test_files_that_do_not_belong_together(clips: list[Clip], message: str, tmp_path: Path) -> None:
    first, second = written(tmp_path, "a.json", tracks([0.1, 0.2])), written(tmp_path, "b.json", clips)
    with pytest.raises(InvalidDataset, match=message):
        same_clips(first, second)


@pytest.mark.parametrize("content", ["", "[]", '{"AP": 1}'])
def test_no_file_of_evaluate(content: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(InvalidDataset, match=r"a\.json"):
        same_clips(path, path)


def test_command(tmp_path: Path) -> None:
    app = Typer()
    app.command()(compare)
    first, second = written(tmp_path, "a.json", tubelets([0, 1])), written(tmp_path, "b.json", tubelets([1, 1]))
    out = tmp_path / "out.json"
    answer = CliRunner().invoke(app, [str(first), str(second), "--samples", "20", "--json", str(out)])
    assert answer.exit_code == 0, answer.output
    assert "AP50" in answer.output
    assert json.loads(out.read_text())["AP50"]["a"] == pytest.approx(51 / 202)
