"""docs/method.md, section 1: the network frame and its padding."""

import pytest

from service.structures.canvas import Canvas, fit


@pytest.mark.parametrize(
    ("frame_hw", "network_hw"),
    [
        pytest.param((480, 640), (384, 512), id="short-side-384"),
        pytest.param((640, 480), (512, 384), id="upright"),
        pytest.param((192, 192), (384, 384), id="enlarged"),
        pytest.param((200, 1000), (128, 640), id="long-side-640-at-most"),
        pytest.param((1000, 200), (640, 128), id="long-side-640-at-most-upright"),
        pytest.param((384, 640), (384, 640), id="both-just-fit"),
        pytest.param((383, 510), (384, 511), id="rounded"),
        pytest.param((1, 2000), (1, 640), id="a-pixel-at-least"),
    ],
)
def test_network_frame(frame_hw: tuple[int, int], network_hw: tuple[int, int]) -> None:
    assert fit(frame_hw, short_side=384, long_side=640) == Canvas(frame_hw, network_hw)


def test_padded_to_multiples_of_32() -> None:
    assert Canvas((1, 1), (384, 513)).padded_hw == (384, 544)


def test_boxes_are_scaled_by_width_and_height() -> None:
    assert Canvas((100, 200), (50, 300)).scale_xyxy.tolist() == [1.5, 0.5, 1.5, 0.5]
