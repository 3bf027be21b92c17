"""RoIAlign (He et al. 2017) with a fixed sampling ratio, as two matrix products per region.

A bin is the mean of bilinear samples on a regular grid of `ratio` x `ratio` points. A bilinear weight is the product
of a weight of the row and a weight of the column, and so is the rule at the border, so that per channel

    out = R F Cᵀ,    R[i, y] = mean over the samples s of bin i of valid(s) · max(0, 1 - |clamp(s, 0, h - 1) - y|)

with F (h, w) the map, R (g, h) the weights of the rows and C (g, w), likewise, those of the columns. Values are those
of torchvision's `roi_align` with `aligned=True`: the center of cell y is at y + 0.5; a sample before -1 or beyond h
counts 0, any other beyond the centers of the outermost cells has the value there.

The operator RoiAlign computes every sample of every channel by itself. On a CPU the two products are faster where bins
have several samples, or where a small grid is taken of a small map; one sample per bin of a large map is not.
"""

import torch
from torch import Tensor


def axis_weights(low: Tensor, high: Tensor, bins: int, cells: int | Tensor, ratio: int = 1) -> tuple[Tensor, Tensor]:
    """Weights of the cells of one axis in the bins of each region.

    Args:
        low: where regions begin, in cells (N,).
        high: where they end, in cells (N,).
        bins: g, number of bins per region.
        cells: size of the axis; a symbolic number in an export.
        ratio: samples per bin and axis.

    Returns:
        Weights (N, g, cells), and the share of each bin's samples that are valid, (N, g), which is exact.
    """
    step = ((high - low) / (bins * ratio))[:, None]
    at = low[:, None] - 0.5 + step * (torch.arange(bins * ratio, dtype=low.dtype, device=low.device) + 0.5)
    valid = ((at >= -1) & (at <= cells)).to(low.dtype)
    # counted as integers: not every version of TensorRT takes a range of floats with a computed end
    places = torch.arange(cells, device=low.device).to(low.dtype)
    weights = (1 - (at.clamp(0, cells - 1)[..., None] - places).abs()).clamp(min=0) * valid[..., None]
    if ratio == 1:
        return weights, valid
    return weights.reshape(-1, bins, ratio, cells).mean(2), valid.reshape(-1, bins, ratio).mean(2)


def weighted(maps: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Maps (N, C, h, w), weights of rows (N, g, h) and columns (N, k, w) -> (N, C, g, k)."""
    channels, height, width = maps.shape[1:]
    # columns first: the product needs no change of layout, neither of the map nor of the result
    across = torch.matmul(maps.reshape(-1, channels * height, width), columns.transpose(1, 2))
    return torch.matmul(rows[:, None], across.reshape(-1, channels, height, columns.shape[1]))


def separable_roi_align(
    maps: Tensor, frame_index: Tensor, windows: Tensor, bins: int, scale: float, ratio: int
) -> Tensor:
    """Regions of maps, equal to `roi_align(..., spatial_scale=scale, sampling_ratio=ratio, aligned=True)`.

    Args:
        maps: (F, C, h, w).
        frame_index: the map of each region (N,), int64.
        windows: regions (N, 4), x1 y1 x2 y2, in units of 1 / scale cells.
        bins: g, bins per side.
        scale: cells per unit of the windows.
        ratio: samples per bin and axis.

    Returns:
        Regions (N, C, g, g).
    """
    left, top, right, bottom = (windows * scale).unbind(1)
    rows, _ = axis_weights(top, bottom, bins, maps.shape[2], ratio)
    columns, _ = axis_weights(left, right, bins, maps.shape[3], ratio)
    return weighted(torch.index_select(maps, 0, frame_index), rows, columns)
