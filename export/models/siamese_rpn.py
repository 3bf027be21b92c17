"""Instance level: a Siamese RPN on shared features (SiamRPN++'s depth-wise head, IPDT section 3.3).

The template is a RoI feature of the seed, the search region a RoI feature of the current frame: one trunk pass per
frame serves all tracks. All anchors come out; ranking is host code (`service/tracking/siamese_ranking.py`).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import roi_align

from service.inference.specs import TEMPLATE_SIDE
from service.tracking.anchors import ANCHORS, ANCHORS_PER_CELL

CONTEXT = 0.5
EXEMPLAR_GRID, SEARCH_GRID = 15, 31
STRIDE = 8


def template_windows(boxes: Tensor) -> Tensor:
    """Boxes (N, 4) -> squares of side sqrt((w + p)(h + p)), p = (w + h) / 2, around their centres (N, 4)."""
    centre, size = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).clamp(min=1)
    pad = CONTEXT * size.sum(1, keepdim=True)
    half = ((size + pad)[:, :1] * (size + pad)[:, 1:]).sqrt() / 2
    return torch.cat([centre - half, centre + half], 1)


def align(f8: Tensor, frame_index: Tensor, windows: Tensor, grid: int) -> Tensor:
    """RoI features (N, C, grid, grid); samples outside the frame are 0."""
    rois = torch.cat([frame_index.to(windows.dtype)[:, None], windows], 1)
    return roi_align(f8, rois, (grid, grid), 1 / STRIDE, 2, aligned=True)


class SiameseTemplate(nn.Module):
    """Graph `siamese_rpn_template`: (F, C, h, w), (N,), boxes (N, 4) -> templates (N, C, 7, 7). No weights."""

    def forward(self, f8: Tensor, frame_index: Tensor, boxes: Tensor) -> Tensor:
        """RoIAlign 15×15 of the exemplar window, of which the central 7×7 is kept (SiamRPN++)."""
        grid = align(f8, frame_index, template_windows(boxes), EXEMPLAR_GRID)
        margin = (EXEMPLAR_GRID - TEMPLATE_SIDE) // 2
        return grid[:, :, margin : margin + TEMPLATE_SIDE, margin : margin + TEMPLATE_SIDE]


def cross_correlate(search: Tensor, kernel: Tensor) -> Tensor:
    """Depth-wise correlation (N, C, S, S) with (N, C, K, K) -> (N, C, S-K+1, S-K+1), mean over the kernel.

    Written as shifted products: a grouped convolution would need the number of tracks as an attribute of the graph.
    """
    side = kernel.shape[-1]
    out = search.shape[-1] - side + 1
    total = search[:, :, :out, :out] * kernel[:, :, :1, :1]
    for row in range(side):
        for column in range(side):
            if row or column:
                patch = search[:, :, row : row + out, column : column + out]
                total = total + patch * kernel[:, :, row : row + 1, column : column + 1]
    return total / side**2


class Branch(nn.Module):
    """Own embedding of template and search region, correlation, output layer."""

    def __init__(self, channels: int, width: int, outputs: int) -> None:
        super().__init__()
        self.template = nn.Conv2d(channels, width, 3)
        self.search = nn.Conv2d(channels, width, 3)
        self.mix = nn.Conv2d(width, width, 1)
        self.predict = nn.Conv2d(width, outputs, 1)

    def forward(self, template: Tensor, search: Tensor) -> Tensor:
        """(N, C, 7, 7), (N, C, 31, 31) -> (N, outputs, 25, 25)."""
        correlated = cross_correlate(F.relu(self.search(search)), F.relu(self.template(template)))
        return self.predict(F.relu(self.mix(4 * correlated)))


class SiameseRpn(nn.Module):
    """Graph `siamese_rpn`: `discriminator` says which anchor is the object, `correlator` refines it.

    Args:
        channels: of f8 and the templates.
        width: of the branches.
    """

    def __init__(self, channels: int, width: int = 64) -> None:
        super().__init__()
        self.discriminator = Branch(channels, width, ANCHORS_PER_CELL)
        self.correlator = Branch(channels, width, 4 * ANCHORS_PER_CELL)

    def logits(self, f8: Tensor, frame_index: Tensor, templates: Tensor, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Class logits (N, 3125) and deltas dx, dy, dw, dh (N, 3125, 4), anchor (row * 25 + column) * 5 + a."""
        search = align(f8, frame_index, windows, SEARCH_GRID)
        scores = self.discriminator(templates, search).permute(0, 2, 3, 1).reshape(-1, ANCHORS)
        deltas = self.correlator(templates, search).permute(0, 2, 3, 1).reshape(-1, ANCHORS, 4)
        return scores, deltas

    def forward(self, f8: Tensor, frame_index: Tensor, templates: Tensor, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (N, 3125) in [0, 1] and deltas (N, 3125, 4)."""
        scores, deltas = self.logits(f8, frame_index, templates, windows)
        return scores.sigmoid(), deltas
