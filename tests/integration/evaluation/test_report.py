"""`evaluate --report`: a page that holds figures, errors and pictures of the clips that went wrong."""

import asyncio
from pathlib import Path

import cv2
import numpy as np
import pytest

from evaluation.output.report import shown_frames, write_report
from evaluation.runs.videos import Evaluation, Request, evaluate_videos
from service.inference.fake.detector import PALETTE
from tests.support.annotated import context, write_dataset
from tests.support.scenes import Rectangle

PERSON = Rectangle(PALETTE[0], 20, 20, 40, 60, step_xy=(5, 2))
# annotated as a motorbike, but of the person's color: the class is wrong in every answer
WRONG = Rectangle(PALETTE[0], 170, 60, 32, 40, step_xy=(-2, 1))


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    folder = tmp_path_factory.mktemp("data")
    write_dataset(folder, {"wrong": [PERSON, WRONG], "right": [PERSON]}, stratum=["two <b>", "one"])
    return asyncio.run(evaluate_videos(Request(folder, by="stratum"), context(folder / "scratch")))


def test_page_and_pictures(evaluation: Evaluation, tmp_path: Path) -> None:
    broken = write_report(tmp_path / "report", evaluation, "data, ipdt", "stratum")
    text = (tmp_path / "report" / "index.html").read_text()
    assert (broken.counts["class"], broken.objects) == (1, 3)
    assert "<td>class</td><td>1</td><td>+0.500</td>" in text
    assert "two &lt;b&gt;" in text
    assert "<h3>wrong</h3>" in text
    assert "<h3>right</h3>" not in text  # nothing is wrong with it
    assert 'src="clip-0000.jpg"' in text
    picture = cv2.imread(str(tmp_path / "report" / "clip-0000.jpg"))
    half = picture.shape[1] // 2
    assert picture.shape[1] == 2 * 480 + 6
    assert np.abs(picture[:, :half].astype(int) - picture[:, -half:]).max() > 60  # the sides differ: another class


def test_without_errors_there_are_no_pictures(evaluation: Evaluation, tmp_path: Path) -> None:
    right = Evaluation(evaluation.dataset, evaluation.videos[1:], evaluation.clips[1:], evaluation.found, {}, {})
    assert write_report(tmp_path, right, "x", None).ap50 == pytest.approx(1)
    assert "No clip has an error." in (tmp_path / "index.html").read_text()
    assert not list(tmp_path.glob("*.jpg"))


@pytest.mark.parametrize(("length", "expected"), [(1, [0]), (2, [0, 1]), (36, [6, 18, 30])])
def test_shown_frames(length: int, expected: list[int]) -> None:
    assert shown_frames(length) == expected
