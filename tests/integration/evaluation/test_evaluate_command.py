"""`dualtrack evaluate` as it is typed, with the bundled networks on a clip of two frames."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer import Typer
from typer.testing import CliRunner, Result

from dualtrack.errors import InvalidParameter
from evaluation.commands.evaluate import evaluate
from tests.support.annotated import write_dataset
from tests.support.scenes import Rectangle

BOX = Rectangle((220, 40, 40), 60, 40, 60, 60, step_xy=(2, 0))


def typed(path: Path, *arguments: str, data: Path | None = None) -> Result:
    app = Typer()
    app.command()(evaluate)
    environment = {"DUALTRACK_DATA_DIR": str(data or path / "data"), "DUALTRACK_THREADS": "1"}
    return CliRunner().invoke(app, [str(path), *arguments], env=environment)


def test_figures_of_the_trackers_alone(tmp_path: Path) -> None:
    write_dataset(tmp_path, {"a": [BOX]}, frames=2, stratum=["easy"])
    out = tmp_path / "out.json"
    answer = typed(tmp_path, "--given", "first-box", "--by", "stratum", "--json", str(out))
    assert answer.exit_code == 0, answer.output
    document = json.loads(out.read_text())
    assert list(document)[:4] == ["mean_box_iou", "success50", "absent", "dual_box_iou"]
    assert document["mean_box_iou"] > 0.5
    assert (document["tracks"], list(document["strata"])) == (1, ["easy"])


def test_page_of_a_method(tmp_path: Path) -> None:
    write_dataset(tmp_path, {"a": [BOX]}, frames=2)
    results, figures = tmp_path / "results.json", tmp_path / "figures.json"
    page = str(tmp_path / "page")
    answer = typed(tmp_path, "--report", page, "--results", str(results), "--json", str(figures))
    assert answer.exit_code == 0, answer.output
    document = json.loads(figures.read_text())
    assert document["errors"]["objects"] == 1
    assert document["tubelets"] == document["clips"][0]["identity"]["tubelets"] == len(json.loads(results.read_text()))
    assert (document["crossings"], document["tubelet_switches"]) == (0, 0)
    assert "AP50_agnostic" in (tmp_path / "page" / "index.html").read_text()
    assert isinstance(json.loads(results.read_text()), list)


def test_the_detector_on_images_and_their_subsets(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    entries = [
        {"id": i, "file_name": f"{i}.png", "height": 96, "width": 128, "split": name} for i, name in enumerate("ab")
    ]
    for entry in entries:
        cv2.imwrite(str(tmp_path / "images" / entry["file_name"]), np.full((96, 128, 3), 90, np.uint8))
    square = {"bbox": [10, 10, 40, 40], "segmentation": [[10, 10, 50, 10, 50, 50, 10, 50]], "area": 1600, "iscrowd": 0}
    document = {
        "images": entries,
        "categories": [{"id": 18, "name": "dog"}],
        "annotations": [{"id": 1, "image_id": 0, "category_id": 18, **square}],
    }
    file, figures = tmp_path / "instances.json", tmp_path / "figures.json"
    file.write_text(json.dumps(document))
    answer = typed(file, "--by", "split", "--json", str(figures), data=tmp_path / "data")
    assert answer.exit_code == 0, answer.output
    found = json.loads(figures.read_text())
    assert {"mask_AP75", "box_AP_medium", "ECE", "reliability"} <= found.keys()
    assert [stratum["images"] for stratum in found["strata"].values()] == [1, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--given", "first-frame"), "first-box, first-mask"),
        (("--method", "sort"), "ipdt, pixel, deepsort"),
        (("--given", "first-box", "--report", "page"), "no tubelets"),
    ],
)
def test_what_is_refused(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match=message):
        raise typed(tmp_path, *arguments).exception or AssertionError
