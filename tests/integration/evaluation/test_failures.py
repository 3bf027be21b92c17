"""Strips for the model cards: what was found and what is annotated is drawn in them, with the fake networks."""

import asyncio
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from dualtrack.errors import InvalidParameter
from evaluation.data.dataset import load_dataset
from evaluation.output.pictures import GAP, WIDTH, write_strip
from evaluation.runs.given import Given
from evaluation.studies.failures import ANSWER, TRUTH, Panel, detection_panels, parse_panel, track_panels
from service.inference.fake.detector import PALETTE
from service.media.painter import OPACITY
from service.media.painter import PALETTE as COLORS
from tests.support.annotated import HW, context, write_dataset, write_video
from tests.support.scenes import GREY, Rectangle

RED = Rectangle(PALETTE[0], 20, 20, 40, 60, step_xy=(5, 2))
BLUE = Rectangle(PALETTE[2], 170, 60, 32, 40, step_xy=(-2, 1))
NEAR = 12
"""Coding changes colors."""


def looks(image: Any, at_xy: tuple[int, int], color: Any) -> bool:
    return bool(np.abs(image[at_xy[1], at_xy[0]].astype(float) - color).max() < NEAR)


def center(rectangle: Rectangle, frame: int) -> tuple[int, int]:
    x1, y1, x2, y2 = rectangle.box(frame)
    return (x1 + x2) // 2, (y1 + y2) // 2


def tinted(rectangle: Rectangle, number: int) -> Any:
    return (1 - OPACITY) * np.array(rectangle.color) + OPACITY * np.array(COLORS[number])


def tracks(folder: Path, panels: list[Panel], given: Given) -> list[Any]:
    return asyncio.run(track_panels(load_dataset(folder), panels, given, context(folder / "scratch")))


def test_candidates_are_drawn_in_the_frame_that_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, [RED, BLUE], 8)
    panels = [Panel(str(path), 6), Panel(str(path), 0), Panel(str(path), 0, (120, 40, 100, 80))]
    late, early, cut = asyncio.run(detection_panels(panels, 0.2, context(tmp_path / "scratch")))
    assert late.shape == early.shape == (*HW, 3)
    for image, frame in ((late, 6), (early, 0)):
        assert looks(image, center(RED, frame), tinted(RED, 0))
        assert looks(image, center(BLUE, frame), tinted(BLUE, 1))
    np.testing.assert_array_equal(cut, early[40:120, 120:220])
    (nothing,) = asyncio.run(detection_panels(panels[:1], 0.99, context(tmp_path / "scratch")))
    assert looks(nothing, center(RED, 6), RED.color)


def test_a_track_is_drawn_with_its_annotation(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path, {"a": [RED], "b": [RED, BLUE]})
    masks = tracks(folder, [Panel("3", 5), Panel("1", 0)], "first-mask")
    assert looks(masks[0], center(BLUE, 5), tinted(BLUE, ANSWER))
    assert looks(masks[0], center(RED, 5), RED.color)
    assert looks(masks[1], center(RED, 0), tinted(RED, ANSWER))
    (boxes,) = tracks(folder, [Panel("3", 5)], "first-box")
    assert looks(boxes, center(BLUE, 5), BLUE.color)
    assert (boxes == COLORS[ANSWER]).all(axis=2).any()
    assert (boxes == COLORS[TRUTH]).all(axis=2).any()


def test_where_the_object_is_hidden_nothing_is_annotated(tmp_path: Path) -> None:
    hidden = Rectangle(PALETTE[0], 20, 20, 40, 60, hidden=range(4, 6))
    (image,) = tracks(write_dataset(tmp_path, {"a": [hidden]}), [Panel("1", 4)], "first-box")
    assert not (image == COLORS[TRUTH]).all(axis=2).any()


def test_a_strip_has_all_panels_at_one_width(tmp_path: Path) -> None:
    wide, high = (np.full((*hw, 3), GREY, np.uint8) for hw in ((90, 240), (180, 240)))
    write_strip(tmp_path / "strip.jpg", [wide, high])
    assert cv2.imread(str(tmp_path / "strip.jpg")).shape == (360, 2 * WIDTH + GAP, 3)


@pytest.mark.parametrize(
    ("text", "panel"),
    [
        ("a.mp4:12", Panel("a.mp4", 12)),
        ("7:0:10,20,300,200", Panel("7", 0, (10, 20, 300, 200))),
        ("a:1/b.mp4:3", Panel("a:1/b.mp4", 3)),
    ],
)
def test_panels_are_read(text: str, panel: Panel) -> None:
    assert parse_panel(text) == panel


@pytest.mark.parametrize("text", ["a.mp4", "a.mp4:", ":3", "a.mp4:3:1,2,3"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="SUBJECT:FRAME"):
        parse_panel(text)


@pytest.mark.parametrize(
    ("panel", "words"),
    [
        (Panel("9", 0), "ids of annotations with a visible instance, got 9"),
        (Panel("1", 8), "expected an annotated frame of a, 0 to 7"),
        (Panel("1", 0, (900, 0, 10, 10)), r"expected a crop inside \(240, 144\)"),
    ],
)
def test_panels_that_are_not_there(panel: Panel, words: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match=words):
        tracks(write_dataset(tmp_path, {"a": [RED]}), [panel], "first-mask")
