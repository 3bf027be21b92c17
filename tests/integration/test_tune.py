"""`dualtrack tune` with the fake networks: a grid of which one combination is known to be the best."""

import asyncio
from pathlib import Path

import pytest

from evaluation.dataset import load_dataset
from evaluation.grid import combinations, make_grid
from evaluation.tuning import best_trial, run_trials
from evaluation.videos import Request, evaluate_videos
from service.cli.parameters import parse_parameters
from service.inference.fake_detector import PALETTE
from service.pipeline.cache import FolderCache
from service.pipeline.parameters import JobParameters
from tests.annotated import context, write_dataset
from tests.scenes import Rectangle

PERSON = Rectangle(PALETTE[0], 20, 20, 40, 60, step_xy=(5, 2))
MOTORBIKE = Rectangle(PALETTE[1], 170, 60, 32, 40, step_xy=(-2, 1))


def test_a_combination_that_finds_nothing_loses(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "data", {"a": [PERSON, MOTORBIKE], "b": [PERSON]})
    grid = [{}, *combinations(make_grid(["th_key=0.99,0.03", "th_seq=0.5,0.3"], default=[]))]
    pairs = [(values, parse_parameters([f"{name}={value}" for name, value in values.items()])) for values in grid]
    dataset = load_dataset(folder)
    opened = context(tmp_path / "scratch", FolderCache(tmp_path / "cache", max_bytes=1 << 28))
    trials = asyncio.run(run_trials(dataset, dataset.videos, pairs, "ipdt", opened))
    assert [trial.figure("AP50") for trial in trials] == pytest.approx([1, 0, 0, 1, 1])
    assert best_trial(trials[1:], "AP").values == {"th_key": "0.03", "th_seq": "0.5"}
    # the same as evaluate says, which shares nothing between the combinations
    alone = asyncio.run(evaluate_videos(Request(folder, parameters=JobParameters()), context(tmp_path / "scratch")))
    assert trials[0].figure("AP") == alone.document()["AP"]
    # two calibrations of two clips, and th_seq re-uses the tubelets
    assert len(list((tmp_path / "cache").rglob("tubelets-*"))) == 4
