"""`dualtrack tune` with the fake networks: a grid of which one combination is known to be the best."""

import asyncio
import json
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

from dualtrack.errors import InvalidParameter
from evaluation.commands.tune import tune
from evaluation.data.dataset import load_dataset
from evaluation.runs.grid import combinations, make_grid
from evaluation.runs.parameters import EvaluationParameters, parse_evaluation
from evaluation.runs.tuning import best_trial, run_trials
from evaluation.runs.videos import Request, evaluate_videos
from service.inference.fake.detector import PALETTE
from service.pipeline.store.cache import FolderCache
from tests.support.annotated import context, write_dataset
from tests.support.scenes import Rectangle

PERSON = Rectangle(PALETTE[0], 20, 20, 40, 60, step_xy=(5, 2))
MOTORBIKE = Rectangle(PALETTE[1], 170, 60, 32, 40, step_xy=(-2, 1))

AXES = ("estimator/th_cc=frame_max/0.15", "th_iou=0.5", "lost_enter/lost_leave=0.5/0.7", "th_seq=0.5,0.3", "score=seed")


def test_a_combination_that_finds_nothing_loses(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "data", {"a": [PERSON, MOTORBIKE], "b": [PERSON]})
    grid = [{}, *combinations(make_grid(["th_key=0.99,0.03", "th_seq=0.5,0.3"], default=[]))]
    pairs = [(values, parse_evaluation([f"{name}={value}" for name, value in values.items()])) for values in grid]
    dataset = load_dataset(folder)
    opened = context(tmp_path / "scratch", FolderCache(tmp_path / "cache", max_bytes=1 << 28))
    trials = asyncio.run(run_trials(dataset, dataset.videos, pairs, "ipdt", opened))
    assert [trial.figure("AP50") for trial in trials] == pytest.approx([1, 0, 0, 1, 1])
    assert best_trial(trials[1:], "AP").values == {"th_key": "0.03", "th_seq": "0.5"}
    # the same as evaluate says, which shares nothing between the combinations
    alone = asyncio.run(
        evaluate_videos(Request(folder, parameters=EvaluationParameters()), context(tmp_path / "scratch"))
    )
    assert trials[0].figure("AP") == alone.document()["AP"]
    # one bundle per clip: neither another calibration nor another th_seq tracks a seed again
    assert len(list((tmp_path / "cache").rglob("tubelets-*"))) == 2


def test_the_baseline_has_parameters_of_its_own(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "data", {"a": [PERSON]})
    axes = ["deepsort_min_score=1,0.2"]
    grid = [{}, *combinations(make_grid(axes, default=[]))]
    pairs = [(values, parse_evaluation([f"{name}={value}" for name, value in values.items()])) for values in grid]
    dataset = load_dataset(folder)
    trials = asyncio.run(run_trials(dataset, dataset.videos, pairs, "deepsort", context(tmp_path / "scratch")))
    assert [trial.figure("AP50") for trial in trials] == pytest.approx([1, 0, 1])


def test_command_writes_a_file_that_evaluate_reads(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path, {"a": [PERSON], "b": [MOTORBIKE]}, frames=2)
    app, out, table = Typer(), tmp_path / "parameters.json", tmp_path / "table.json"
    app.command()(tune)
    grid = [argument for axis in AXES for argument in ("--grid", axis)]
    answer = CliRunner().invoke(
        app,
        [str(folder), *grid, "-p", "margin=1.2", "--out", str(out), "--json", str(table)],
        env={"DUALTRACK_DATA_DIR": str(tmp_path / "home"), "DUALTRACK_THREADS": "1"},
    )
    assert answer.exit_code == 0, answer.output
    assert "the defaults" in answer.output
    found = parse_evaluation(None, out)
    assert (found.margin, found.overlay) == (1.2, True)
    document = json.loads(table.read_text())
    assert [trial["values"] for trial in document["trials"][:2]] == [{}, document["trials"][1]["values"]]
    assert len(document["trials"]) == 1 + 2
    assert len(document["across_halves"]) == 2


@pytest.mark.parametrize("argument", ["--metric=mAP", "--method=sort", "--grid=th_seq=2", "--grid=th_seq"])
def test_wrong_arguments_are_refused_before_the_work(argument: str, tmp_path: Path) -> None:
    app = Typer()
    app.command()(tune)
    assert isinstance(CliRunner().invoke(app, [str(tmp_path), argument]).exception, InvalidParameter)
