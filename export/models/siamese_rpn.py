"""Instance level: a Siamese RPN on shared features (docs/method.md, section 5.1).

Template and search region are RoI features of the seed's and the current frame, so one trunk pass per frame serves all
tracks. The graph returns all anchors; ranking is host code (`service/tracking/siamese_ranking.py`).

Differences from SiamRPN++ (Li et al. 2019), decision record 7: correlation is computed per part of the template (7×7
maps) instead of per channel, and a small tower of dilated convolutions takes the maps and the search region together
before it splits into discriminator (scores) and correlator (deltas). Correlation alone gives the object's center; its
extent, after the object has grown or turned, can only be read from the search region.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.models.roi_align import separable_roi_align
from service.inference.specs import TEMPLATE_SIDE
from service.tracking.anchors import ANCHORS, ANCHORS_PER_CELL

CONTEXT = 0.5
EXEMPLAR_GRID, SEARCH_GRID = 15, 31
STRIDE = 8
DILATIONS = (1, 2, 4)
"""Of the tower. With the layers around it, a cell's receptive field is 11 cells each way; objects span about 8."""


def template_windows(boxes: Tensor) -> Tensor:
    """Boxes (N, 4) -> squares of side sqrt((w + p)(h + p)), p = (w + h) / 2, around their centers (N, 4)."""
    center, size = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).clamp(min=1)
    pad = CONTEXT * size.sum(1, keepdim=True)
    half = ((size + pad)[:, :1] * (size + pad)[:, 1:]).sqrt() / 2
    return torch.cat([center - half, center + half], 1)


def align(f8: Tensor, frame_index: Tensor, windows: Tensor, grid: int) -> Tensor:
    """RoI features (N, C, grid, grid); samples outside the frame are 0."""
    return separable_roi_align(f8, frame_index, windows, grid, 1 / STRIDE, 2)


class SiameseTemplate(nn.Module):
    """Graph `siamese_rpn_template`: (F, C, h, w), (N,), boxes (N, 4) -> templates (N, C, 7, 7). No weights."""

    def forward(self, f8: Tensor, frame_index: Tensor, boxes: Tensor) -> Tensor:
        """The central 7×7 of a 15×15 RoIAlign of the exemplar window (as in SiamRPN++)."""
        grid = align(f8, frame_index, template_windows(boxes), EXEMPLAR_GRID)
        margin = (EXEMPLAR_GRID - TEMPLATE_SIDE) // 2
        return grid[:, :, margin : margin + TEMPLATE_SIDE, margin : margin + TEMPLATE_SIDE]


def part_correlation(search: Tensor, template: Tensor) -> Tensor:
    """How well each part of the template matches at its place, if the object's center were at this cell.

    Args:
        search: (N, C, S, S).
        template: (N, C, K, K), at the same scale.

    Returns:
        (N, K², S-K+1, S-K+1): channel k at y, x is the dot product of part k and the search region at (y, x) + the
        part's offset, over sqrt(C). The sum over the channels is the cross-correlation.
    """
    channels, side = template.shape[1], template.shape[-1]
    out = search.shape[-1] - side + 1
    everywhere = torch.matmul(template.flatten(2).transpose(1, 2) / channels**0.5, search.flatten(2))
    return _shifted(everywhere, side, search.shape[-1]).reshape(-1, side * side, out, out)


def _shifted(everywhere: Tensor, side: int, search: int) -> Tensor:
    """(N, K², S²) -> (N, K², S-K+1, S-K+1): of part k the values at (y + row of k, x + column of k).

    In memory, the next row of parts begins S values further than a multiple of K · S², and the next part of a row one
    value further than S². Lines that are longer by as much therefore begin with the value of y = x = 0: copies of
    whole lines replace a gather of single values.
    """
    cells, out = search * search, search - side + 1
    flat = F.pad(everywhere.flatten(1), (0, side * search))
    rows = flat.reshape(-1, side, side * cells + search)[:, :, : side * (cells + 1)]
    parts = rows.reshape(-1, side * side, cells + 1)[:, :, : out * search]
    return parts.reshape(-1, side * side, out, search)[..., :out]


class Residual(nn.Module):
    """3×3 convolution with a shortcut."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, S, S) -> same shape."""
        return x + self.conv(F.relu(x))


class Branch(nn.Module):
    """A separate layer and the outputs for all anchors of a cell."""

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.own = Residual(width, 1)
        self.predict = nn.Conv2d(width, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, 25, 25) -> (N, outputs, 25, 25)."""
        return self.predict(F.relu(self.own(x)))


class SiameseRpn(nn.Module):
    """Graph `siamese_rpn`: `discriminator` scores the anchors, `correlator` refines them.

    Args:
        channels: of f8 and the templates.
        width: channels of the inner layers.
    """

    def __init__(self, channels: int, width: int = 64) -> None:
        super().__init__()
        self.embed_template = nn.Conv2d(channels, width, 1)
        self.embed_search = nn.Conv2d(channels, width, 1)
        self.parts = nn.Conv2d(TEMPLATE_SIDE**2, width, 1)
        # no padding, so that 31×31 becomes the response's 25×25
        self.look = nn.Conv2d(2 * width, width, 3, dilation=3)
        self.tower = nn.Sequential(*(Residual(width, dilation) for dilation in DILATIONS))
        self.discriminator = Branch(width, ANCHORS_PER_CELL)
        self.correlator = Branch(width, 4 * ANCHORS_PER_CELL)

    def logits(self, f8: Tensor, frame_index: Tensor, templates: Tensor, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Class logits (N, 3125) and deltas dx, dy, dw, dh (N, 3125, 4), anchor (row * 25 + column) * 5 + a."""
        search = self._search(f8, frame_index, windows)
        template = self.embed_template(templates)
        looked = self.look(torch.cat([search, search * template.mean((2, 3), keepdim=True)], 1))
        x = self.tower(self.parts(part_correlation(search, template)) + looked)
        scores = self.discriminator(x).permute(0, 2, 3, 1).reshape(-1, ANCHORS)
        deltas = self.correlator(x).permute(0, 2, 3, 1).reshape(-1, ANCHORS, 4)
        return scores, deltas

    def _search(self, f8: Tensor, frame_index: Tensor, windows: Tensor) -> Tensor:
        """`embed_search` of the RoI features of the windows, (N, width, 31, 31).

        Both are linear, so the embedding is computed first: once per frame, and RoIAlign has half as many channels. The
        bias is added last, since the embedding of what is outside the frame is the bias alone.
        """
        bias = self.embed_search(f8.new_zeros(1, f8.shape[1], 1, 1))
        return align(self.embed_search(f8) - bias, frame_index, windows, SEARCH_GRID) + bias

    def forward(self, f8: Tensor, frame_index: Tensor, templates: Tensor, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (N, 3125) in [0, 1] and deltas (N, 3125, 4)."""
        scores, deltas = self.logits(f8, frame_index, templates, windows)
        return scores.sigmoid(), deltas
