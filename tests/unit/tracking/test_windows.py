import numpy as np
import pytest

from service.tracking.windows import crop_mask, paste_probability, pixel_windows, search_windows


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


def test_window_across_the_border() -> None:
    pasted = paste_probability(np.ones((8, 8), np.float32), np.array([-16, -16, 16, 16], np.float32), (40, 40))
    assert pasted[:16, :16].min() == 1
    assert pasted[16:].max() == pasted[:, 16:].max() == 0
    assert crop_mask(np.ones((40, 40), np.bool_), np.array([-16, -16, 16, 16], np.float32), 8)[0, 0] == 0


def test_window_outside_the_frame_gives_nothing() -> None:
    assert paste_probability(np.ones((4, 4), np.float32), np.array([50, 50, 60, 60], np.float32), (40, 40)).max() == 0
