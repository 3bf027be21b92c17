"""`dualtrack table2`: rows and oracles with the fake networks, whose outcome is known, and the command as typed."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

from dualtrack.errors import InvalidParameter
from evaluation.commands.table2 import table2
from evaluation.data.dataset import load_dataset
from evaluation.runs.oracles import with_true_classes
from evaluation.runs.parameters import parse_evaluation
from evaluation.runs.rows import ROWS, RowResult, run_rows
from service.inference.fake.detector import PALETTE
from service.pipeline.store.cache import FolderCache
from tests.support.annotated import context, write_dataset
from tests.support.scenes import Rectangle
from tests.unit.builders import mask

PERSON = Rectangle(PALETTE[0], 20, 20, 40, 60, step_xy=(5, 2))
MOTORBIKE = Rectangle(PALETTE[1], 170, 60, 32, 40, step_xy=(-2, 1))
UNSEEN = Rectangle((90, 140, 90), 170, 60, 32, 40, step_xy=(-2, 1))
"""Of a color that the fake detector does not know."""


def rows(folder: Path, *names: str) -> dict[str, RowResult]:
    dataset = load_dataset(folder)
    chosen = [row for row in ROWS if row.name in names]
    pairs = [(row, parse_evaluation([f"{name}={value}" for name, value in row.values.items()])) for row in chosen]
    opened = context(folder / "scratch", FolderCache(folder / "cache", max_bytes=1 << 28))
    return {result.row.name: result for result in asyncio.run(run_rows(dataset, dataset.videos, pairs, opened))}


def test_rows_share_what_is_the_same_and_say_so(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path, {"a": [PERSON, MOTORBIKE]})
    found = rows(folder, "deepsort", "pixel", "ipdt", "uncalibrated", "oracle-class")
    documents = {name: result.document() for name, result in found.items()}
    assert {name: document["AP50"] for name, document in documents.items()} == pytest.approx(dict.fromkeys(found, 1.0))
    shared = [name for name, document in documents.items() if document["taken_over"]]
    assert shared == ["uncalibrated", "oracle-class"]
    assert all(result.seconds > 0 and result.frames == 8 for result in found.values())
    assert all(document["taken_over"] for document in (rows(folder, "deepsort")["deepsort"].document(),))


def test_oracle_seeds_reach_what_the_detector_misses(tmp_path: Path) -> None:
    found = rows(write_dataset(tmp_path, {"a": [PERSON, UNSEEN]}), "ipdt", "oracle-seeds")
    assert found["ipdt"].document()["AR10"] <= 0.5
    seeded = found["oracle-seeds"].clips[0]["classes"]
    assert [seeded[name]["scores"] for name in ("1", "21")] == [[1.0], [1.0]]


def test_oracle_detections_link_what_the_detector_finds(tmp_path: Path) -> None:
    gone = replace(PERSON, hidden=frozenset({3, 4}))
    found = rows(write_dataset(tmp_path, {"a": [gone, UNSEEN]}), "oracle-detections")
    linked = found["oracle-detections"].clips[0]["classes"]
    assert linked["1"]["scores"] == [1.0]
    assert [row[0] for row in linked["1"]["hits"][:6]] == [1] * 6
    assert linked["21"] == {"scores": [], "hits": [[]] * 10, "truths": 1}


@pytest.mark.parametrize(
    ("x", "iscrowd", "category"),
    [
        pytest.param(1, 0, 21, id="over-the-object"),
        pytest.param(8, 0, 1, id="too-far"),
        pytest.param(0, 1, 1, id="over-a-crowd"),
    ],
)
def test_true_classes(x: int, iscrowd: int, category: int) -> None:
    record = {"category_id": 1, "score": 0.5, "segmentations": [mask(0).json(), None]}
    truth = {"category_id": 21, "iscrowd": iscrowd, "segmentations": [mask(x).json(), None]}
    assert with_true_classes([record], [truth]) == [{**record, "category_id": category}]


def test_command_writes_figures_intervals_and_markdown(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path, {"a": [PERSON]}, frames=2)
    app, figures, page = Typer(), tmp_path / "rows.json", tmp_path / "rows.md"
    app.command()(table2)
    answer = CliRunner().invoke(
        app,
        [str(folder), "--rows", "ipdt,pixel", "--samples=3", "--json", str(figures), "--markdown", str(page)],
        env={"DUALTRACK_DATA_DIR": str(tmp_path / "home"), "DUALTRACK_THREADS": "1"},
    )
    assert answer.exit_code == 0, answer.output
    document = json.loads(figures.read_text())
    assert list(document["rows"]) == ["ipdt", "pixel"]
    assert document["rows"]["ipdt"]["clips"][0]["name"] == "a"
    assert set(document["differences"]) == {"ipdt - pixel"}
    assert [line.split(" |")[0] for line in page.read_text().splitlines()[2:4]] == ["| `ipdt`", "| `pixel`"]
    assert "ipdt - pixel: AP " in page.read_text()


def test_an_unknown_row_is_refused_before_the_work(tmp_path: Path) -> None:
    app = Typer()
    app.command()(table2)
    answer = CliRunner().invoke(app, [str(tmp_path), "--rows", "ipdt,sort"])
    assert isinstance(answer.exception, InvalidParameter)
