from collections.abc import Callable

import numpy as np
import pytest

from service.tracking.windows import (
    crop_mask,
    crop_picture,
    paste_part,
    paste_probability,
    pixel_windows,
    search_windows,
    template_side,
)


def test_search_window_of_a_square() -> None:
    window = search_windows(np.array([[0, 0, 50, 50]], np.float32))[0]
    assert window[2] - window[0] == pytest.approx(100 * 255 / 127, rel=1e-5)  # s_z = 50 + 2 * 25


def test_pixel_window_is_square_and_not_too_small() -> None:
    windows = pixel_windows(np.array([[0, 0, 100, 20], [5, 5, 7, 9]], np.float32), 1.5)
    assert (windows[:, 2:] - windows[:, :2]).tolist() == [[150, 150], [32, 32]]


def test_crop_then_paste_gives_the_mask_back() -> None:
    mask = np.zeros((100, 120), np.bool_)
    mask[30:70, 40:80] = True
    window = np.array([28, 18, 92, 82], np.float32)
    pasted = paste_probability(crop_mask(mask, window, 64), window, (100, 120))
    np.testing.assert_array_equal(pasted >= 0.5, mask)


@pytest.mark.parametrize("step", [1, 2, 4, 16])
def test_cropped_samples_are_shares_of_their_pixels(step: int) -> None:
    """A sample that covers step x step whole pixels; 16 is beyond the resolution at which shares are sampled."""
    mask = np.random.default_rng(step).random((12 * step, 20 * step)) < 0.5
    corner = np.array([3 * step, 2 * step])
    found = crop_mask(mask, np.array([*corner, *(corner + 8 * step)], np.float32), 8)
    inside = mask[2 * step : 10 * step, 3 * step : 11 * step]
    assert found.tolist() == inside.reshape(8, step, 8, step).mean(axis=(1, 3)).tolist()
    assert found.dtype == np.float32


@pytest.mark.parametrize("at", [0.1, 0.25, 0.47])
def test_a_sample_between_two_pixels_has_its_share_of_both(at: float) -> None:
    mask = np.zeros((8, 16), np.bool_)
    mask[:, 8:] = True
    found = crop_mask(mask, np.array([at, 0, at + 8, 8], np.float32), 8)
    assert found[3] == pytest.approx([0, 0, 0, 0, 0, 0, 0, at], abs=1e-5)


def test_window_across_the_border() -> None:
    pasted = paste_probability(np.ones((8, 8), np.float32), np.array([-16, -16, 16, 16], np.float32), (40, 40))
    assert pasted[:16, :16].min() == 1
    assert pasted[16:].max() == pasted[:, 16:].max() == 0
    assert crop_mask(np.ones((40, 40), np.bool_), np.array([-16, -16, 16, 16], np.float32), 8)[0, 0] == 0


def test_pasted_is_the_same_function_of_the_place() -> None:
    """A plane, 10 x 8 samples of 3 x 2 px, at the centers of the pixels that lie between centers of samples."""
    window = np.array([7.5, 4, 31.5, 24], np.float32)
    x, y = 7.5 + (np.arange(8) + 0.5) * 3, 4 + (np.arange(10) + 0.5) * 2
    part, (left, top) = paste_part((x / 100 + y[:, None] / 200).astype(np.float32), window, (40, 60))
    assert (left, top, part.shape, part.dtype) == (7, 4, (20, 25), np.float32)
    column, row = np.arange(9, 30), np.arange(5, 23)
    expected = (column + 0.5) / 100 + (row + 0.5)[:, None] / 200
    assert part[1:-1, 2:-2] == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize(
    ("window", "corner", "shape"),
    [
        pytest.param([-8, -4, 8, 12], (0, 0), (12, 8), id="across-the-corner"),
        pytest.param([52, 30, 68, 46], (52, 30), (10, 8), id="across-the-other-corner"),
        pytest.param([-99, -99, 99, 99], (0, 0), (40, 60), id="around-the-frame"),
        pytest.param([60, 10, 70, 20], (0, 0), (0, 0), id="to-the-right"),
        pytest.param([-10, 10, 0, 20], (0, 0), (0, 0), id="to-the-left"),
        pytest.param([10, 40, 20, 50], (0, 0), (0, 0), id="below"),
        pytest.param([10, -10, 20, 0], (0, 0), (0, 0), id="above"),
        pytest.param([59, 39, 60, 40], (59, 39), (1, 1), id="the-last-pixel"),
    ],
)
def test_part_of_the_frame_that_a_window_covers(
    window: list[float], corner: tuple[int, int], shape: tuple[int, int]
) -> None:
    part, found = paste_part(np.ones((4, 4), np.float32), np.array(window, np.float32), (40, 60))
    assert (found, part.shape, part.dtype) == (corner, shape, np.float32)
    assert (part == 1).all()


@pytest.mark.parametrize(
    ("window", "sample"),
    [
        pytest.param([10, 20, 10.5, 28], 7, id="half-a-pixel-wide"),
        pytest.param([10, 20, 18, 20.5], 7, id="half-a-pixel-high"),
        pytest.param([10.5, 20, 10.5, 28], 0, id="without-width"),
        pytest.param([10, 20.5, 18, 20.5], 0, id="without-height"),
    ],
)
def test_window_narrower_than_a_pixel(window: list[float], sample: int) -> None:
    """The pixel's center is at the right or lower edge of the window, whose samples count from 0 in that direction."""
    across = np.tile(np.arange(8, dtype=np.float32), (8, 1))
    samples = across if window[2] - window[0] < 1 else np.ascontiguousarray(across.T)
    part, corner = paste_part(samples, np.array(window, np.float32), (40, 60))
    assert (corner, set(part.ravel().tolist())) == ((10, 20), {sample})


def test_context_of_a_search_window_is_half_of_both_sides() -> None:
    window = search_windows(np.array([[10, 20, 60, 40]], np.float32))[0]
    side = np.sqrt((50 + 35) * (20 + 35)) * 255 / 127
    assert window.tolist() == pytest.approx([35 - side / 2, 30 - side / 2, 35 + side / 2, 30 + side / 2], rel=1e-5)
    tiny = search_windows(np.array([[5, 5, 5, 5.5]], np.float32))[0]
    assert tiny[2] - tiny[0] == pytest.approx(2 * 255 / 127, rel=1e-5)


@pytest.mark.parametrize("windows", [search_windows, lambda boxes: pixel_windows(boxes, 1.5)], ids=["search", "pixel"])
def test_boxes_of_a_batch_do_not_influence_each_other(windows: Callable[[np.ndarray], np.ndarray]) -> None:
    boxes = np.array([[10, 20, 60, 40], [5, 5, 7, 9], [0, 0, 300, 500]], np.float32)
    assert windows(boxes).tolist() == [windows(box[None])[0].tolist() for box in boxes]


def test_windows_are_float32_and_none_for_no_boxes() -> None:
    boxes = np.array([[10, 20, 60, 40]], np.float32)
    for windows in (search_windows(boxes), pixel_windows(boxes, 1.5)):
        assert windows.dtype == np.float32
    for windows in (search_windows(boxes[:0]), pixel_windows(boxes[:0], 1.5)):
        assert windows.shape == (0, 4)
    assert template_side(boxes).dtype == np.float32


@pytest.mark.parametrize(("minimum", "side"), [(32, 32), (20, 20), (8, 15)])
def test_smallest_pixel_window(minimum: float, side: float) -> None:
    window = pixel_windows(np.array([[100, 50, 106, 60]], np.float32), 1.5, minimum)[0]
    assert window.tolist() == [103 - side / 2, 55 - side / 2, 103 + side / 2, 55 + side / 2]


@pytest.mark.parametrize("step", [1, 2, 5])
def test_picture_in_a_window_goes_on_at_the_border(step: int) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (60, 80), np.uint8)
    corner = np.array([-2 * step, 60 - 6 * step])
    found = crop_picture(picture, np.array([*corner, *(corner + 8 * step)], np.float32), 8)
    wide = np.pad(picture, 16, mode="edge").astype(np.float64)
    at_y, at_x = (np.arange(8) * step + 16 + start + (step - 1) / 2 for start in corner[::-1])
    near = [[np.floor(at).astype(int), np.ceil(at).astype(int)] for at in (at_y, at_x)]
    expected = np.mean([wide[np.ix_(rows, columns)] for rows in near[0] for columns in near[1]], axis=0)
    assert (found.shape, found.dtype) == ((8, 8), np.uint8)
    assert found == pytest.approx(expected, abs=1)


def test_window_outside_the_frame_gives_nothing() -> None:
    assert paste_probability(np.ones((4, 4), np.float32), np.array([50, 50, 60, 60], np.float32), (40, 40)).max() == 0


@pytest.mark.parametrize("hw", [(0, 0), (0, 5), (5, 0)])
def test_a_part_of_a_frame_without_a_pixel_covers_nothing(hw: tuple[int, int]) -> None:
    found = crop_mask(np.ones(hw, np.bool_), np.array([0, 0, 8, 8], np.float32), 8)
    assert (found.shape, found.dtype, found.any()) == ((8, 8), np.float32, False)
