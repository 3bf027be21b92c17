"""RoIAlign as two matrix products against torchvision's operator, and what the pixel level makes of its weights."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import roi_align

from export.models.pixel_embedding import Previous
from export.models.roi_align import axis_weights, separable_roi_align

pytestmark = pytest.mark.models
HEIGHT, WIDTH, STRIDE = 12, 17, 8
WINDOWS = {
    "inside": (21.5, 13.25, 90.0, 71.0),
    "over the top left corner": (-30.0, -22.0, 41.0, 39.0),
    "over the bottom right corner": (100.0, 60.0, 190.0, 130.0),
    "over all borders": (-50.0, -40.0, 200.0, 150.0),
    "beyond the left border": (-90.0, 10.0, -20.0, 60.0),
    "beyond the bottom border": (20.0, 140.0, 80.0, 200.0),
    "along the border": (0.0, 0.0, 136.0, 96.0),
    "tiny": (60.3, 44.1, 60.8, 44.4),
    "empty": (64.0, 48.0, 64.0, 48.0),
    "huge": (-4000.0, -3000.0, 5000.0, 2500.0),
    "samples at the limits of what counts": (-8.0, -8.0, 152.0, 112.0),
}


def theirs(maps: Tensor, index: Tensor, windows: Tensor, bins: int, ratio: int) -> Tensor:
    rois = torch.cat([index.to(windows.dtype)[:, None], windows], 1)
    return roi_align(maps, rois, (bins, bins), 1 / STRIDE, ratio, aligned=True)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.mark.parametrize("bins", [1, 7, 20])
@pytest.mark.parametrize("ratio", [1, 2])
@pytest.mark.parametrize("frames", [1, 3])
def test_every_region_is_that_of_torchvision(frames: int, ratio: int, bins: int):
    maps = torch.randn(frames, 5, HEIGHT, WIDTH)
    windows = torch.tensor(list(WINDOWS.values())).repeat(frames, 1)
    index = torch.arange(frames).repeat_interleave(len(WINDOWS))
    found = separable_roi_align(maps, index, windows, bins, 1 / STRIDE, ratio)
    expected = theirs(maps, index, windows, bins, ratio)
    for number, name in enumerate(list(WINDOWS) * frames):
        torch.testing.assert_close(found[number], expected[number], rtol=1e-4, atol=1e-4, msg=name)
    regions = dict(zip(WINDOWS, found, strict=False))
    assert all((regions[f"beyond the {side} border"] == 0).all() for side in ("left", "bottom"))
    assert all(regions[name].all() for name in ("inside", "along the border", "tiny", "empty"))


def test_a_sample_counts_up_to_one_cell_before_the_first_center_and_half_a_cell_beyond_the_edge():
    low, high = torch.tensor([-0.5, -0.51, 16.5, 17.5]), torch.tensor([-0.5, -0.51, 16.5, 17.51])
    weights, valid = axis_weights(low, high, 1, WIDTH)
    assert valid[:, 0].tolist() == [1, 0, 1, 0]
    assert weights[0, 0, 0] == weights[2, 0, -1] == 1
    assert (weights.sum(2) == valid).all()


def test_no_regions_of_some_maps():
    found = separable_roi_align(
        torch.randn(2, 5, 6, 7), torch.zeros(0, dtype=torch.long), torch.zeros(0, 4), 4, 0.25, 2
    )
    assert found.shape == (0, 5, 4, 4)


def test_gradients_of_the_maps_are_those_of_torchvision():
    maps = torch.randn(2, 3, HEIGHT, WIDTH)
    windows, index = torch.tensor(list(WINDOWS.values())), torch.arange(len(WINDOWS)) % 2
    weight = torch.randn(len(WINDOWS), 3, 7, 7)
    gradients = []
    for result in (
        lambda x: separable_roi_align(x, index, windows, 7, 1 / STRIDE, 2),
        lambda x: theirs(x, index, windows, 7, 2),
    ):
        leaf = maps.clone().requires_grad_()
        (result(leaf) * weight).sum().backward()
        gradients.append(leaf.grad)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-4)


def resampled(windows: Tensor, before: Tensor, values: Tensor) -> Tensor:
    """Values (N, C, S, S) of the previous windows at the samples of the current ones, by torchvision."""
    side = values.shape[-1]
    inside = (windows - before[:, :2].repeat(1, 2)) / (before[:, 2:] - before[:, :2]).repeat(1, 2) * side
    index = torch.arange(len(windows), dtype=windows.dtype)[:, None]
    return roi_align(values, torch.cat([index, inside], 1), (side, side), 1.0, 1, aligned=True)


def test_the_previous_frame_is_resampled_as_by_torchvision():
    side, embedding = 16, torch.randn(5, 6, 16, 16)
    probability = torch.rand(5, side, side)
    before = torch.tensor([[10.0, 20.0, 74.0, 84.0]]).repeat(5, 1)
    shift = torch.tensor([[0.0, 0.0], [5.3, -7.1], [40.0, 40.0], [-500.0, 0.0], [8.0, 8.0]])
    windows = before + shift.repeat(1, 2)
    windows[4, 2:] += 37
    previous = Previous(windows, before, embedding, probability)
    all_of_it = resampled(windows, before, embedding)
    torch.testing.assert_close(previous.half_embedding(), F.avg_pool2d(all_of_it, 2), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(previous.probability, resampled(windows, before, probability[:, None]))
    known = resampled(windows, before, torch.ones(5, 1, side, side))
    torch.testing.assert_close(previous.known, known)
    assert set(previous.known.unique().tolist()) == {0, 1}
    assert [bool(value.all()) for value in previous.known] == [True, False, False, False, False]
    assert not previous.known[3].any()

    weights = torch.cat([previous.probability, 1 - previous.probability], 1).flatten(2)
    means = torch.bmm(weights, all_of_it.flatten(2).transpose(1, 2)) / weights.sum(2, keepdim=True).clamp(min=1)
    torch.testing.assert_close(previous.means(), means, rtol=1e-4, atol=1e-5)
    assert (previous.means()[3] == 0).all()
