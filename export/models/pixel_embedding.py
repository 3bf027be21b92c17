"""Pixel level: FEELVOS/CFBI-like matching in an object-centered window (docs/method.md, section 5.3).

Differences from CFBI (Yang et al. 2020): it works on a square window around the object (S samples per side) instead of
the full frame; it is binary (object or rest); local matching is at half the window's resolution with three radii; the
head is light, of depth-wise blocks, with a single gate of instance attention.
"""

from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import roi_align

from export.models.roi_align import axis_weights, weighted
from service.inference.specs import ModelDims

STRIDE = 4
RADII = (2, 4, 6)
"""Radii of the local windows, in samples of the half-resolution grid, in increasing order."""
LABELS = 2
"""Of the previous frame's pixels: object and rest."""
TILE_ROWS, TILE = 4, 8
"""Rows and columns of a tile of the local matching, in samples of the same grid."""
QUERIES_AT_ONCE = 512
"""Of the global matching: with 512 entries in the banks, a part's products are 1 MiB per track."""
FAR = 1e4
"""Added to a squared distance to exclude a pixel from matching; small enough for float16."""


def align(f4: Tensor, frame_index: Tensor, windows: Tensor, side: int) -> Tensor:
    """Window features (N, C, S, S); samples outside the frame are 0."""
    rois = torch.cat([frame_index.to(windows.dtype)[:, None], windows], 1)
    return roi_align(f4, rois, (side, side), 1 / STRIDE, 1, aligned=True)


def distance(squared: Tensor, bias: Tensor | float = 0.0) -> Tensor:
    """FEELVOS's d = 2 sigmoid(‖p - q‖² + b) - 1; b is CFBI's learned bias."""
    return 2 * torch.sigmoid(squared + bias) - 1


def global_match(queries: Tensor, bank: Tensor, valid: Tensor) -> Tensor:
    """Smallest squared distance of each query to each bank; at least 1e4 if the bank is empty.

    ‖p - q‖² = ‖q‖² - (2 p · q - ‖p‖²): the norm and the validity of p are one more channel, so that a matrix product
    gives all that depends on p, and only its maximum has to be taken.

    Args:
        queries: (N, E, P).
        bank: B banks, (N, B, K, E).
        valid: 1 for entries that count, 0 for others, (N, B, K).

    Returns:
        (N, B, P).
    """
    banks, size, embedding = bank.shape[1:]
    bias = (bank * bank).sum(3) + (1 - valid) * FAR
    keys = torch.cat([2 * bank, -bias[..., None]], 3).reshape(-1, banks * size, embedding + 1).transpose(1, 2)
    points = torch.cat([queries, torch.ones_like(queries[:, :1])], 1).transpose(1, 2)
    # in parts: the products of all queries exceed a CPU's cache
    nearest = [
        torch.bmm(part, keys).reshape(-1, part.shape[1], banks, size).amax(3)
        for part in points.split(QUERIES_AT_ONCE, 1)
    ]
    norm = (queries * queries).sum(1, keepdim=True)
    return (norm - torch.cat(nearest, 1).transpose(1, 2)).clamp(min=0)


class LocalMatch(nn.Module):
    """Smallest squared distance within a window of the previous frame, for every radius and both labels at once.

    The map is split into tiles. The pixels in reach of a tile are gathered by constant indices, in rings: first those
    within the smallest radius of the tile, then those that the next radius adds. Per ring, a matrix product gives the
    distances for every label, and constant bands select those within each radius; a ring is only compared for the
    radii that reach it. As in `global_match`, norms and labels are channels of the product.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side, self.reach = side, max(RADII)
        self.grid = (side // TILE_ROWS, side // TILE)
        padded = side + 2 * self.reach
        tops, lefts = (torch.arange(count) * step for count, step in zip(self.grid, (TILE_ROWS, TILE), strict=True))
        origin = ((tops[:, None] + self.reach) * padded + lefts + self.reach).reshape(-1)
        own = _positions(torch.arange(TILE_ROWS), torch.arange(TILE))
        seen = _positions(
            torch.arange(-self.reach, TILE_ROWS + self.reach), torch.arange(-self.reach, TILE + self.reach)
        )
        offset = (seen[:, None] - own).abs().amax(2)
        nearest = offset.amin(1)
        for ring, (inner, outer) in enumerate(zip((-1, *RADII), RADII, strict=False)):
            member = (nearest > inner) & (nearest <= outer)
            y, x = seen[member].unbind(1)
            self.register_buffer(f"gather_{ring}", (origin[:, None] + y * padded + x).reshape(-1), persistent=False)
            bands = [torch.where(offset[member] <= radius, 0.0, -FAR) for radius in RADII[ring:]]
            self.register_buffer(f"bands_{ring}", torch.stack(bands).repeat(1, 1, LABELS), persistent=False)

    def forward(self, queries: Tensor, keys: Tensor, labels: Tensor) -> Tensor:
        """(N, E, s, s), (N, E, s, s), labels (N, 2, s, s) in {0, 1} -> (N, 2 * radii, s, s)."""
        seen, own = self._seen(keys, labels), self._own(queries)
        tiles = own.shape[1]
        nearest: list[list[Tensor]] = [[] for _ in RADII]
        for ring in range(len(RADII)):
            gathered = torch.index_select(seen, 1, self.get_buffer(f"gather_{ring}"))
            product = torch.matmul(gathered.reshape(-1, tiles, gathered.shape[1] // tiles, seen.shape[2]), own)
            for radius, band in enumerate(self.get_buffer(f"bands_{ring}"), start=ring):
                nearest[radius].append((product + band).amax(2))
        best = torch.stack([reduce(torch.maximum, found) for found in nearest], 2)
        rows, columns = self.grid
        best = best.reshape(-1, rows, columns, len(RADII), LABELS, TILE_ROWS, TILE).permute(0, 4, 3, 1, 5, 2, 6)
        norm = (queries * queries).sum(1, keepdim=True)
        return (norm - best.reshape(-1, LABELS * len(RADII), self.side, self.side)).clamp(min=0)

    def _seen(self, keys: Tensor, labels: Tensor) -> Tensor:
        """Keys as rows with margins, (N, padded², E + 3): 2 k, -‖k‖², and for each label 0, or -1e4 without it."""
        norm = (keys * keys).sum(1, keepdim=True)
        margin = (self.reach,) * 4
        known = (F.pad(labels, margin) - 1) * FAR
        # gathering rows of channels is faster than gathering single values of every channel
        return torch.cat([F.pad(torch.cat([2 * keys, -norm], 1), margin), known], 1).flatten(2).transpose(1, 2)

    def _own(self, queries: Tensor) -> Tensor:
        """Queries of each tile as columns for every label, (N, tiles, E + 3, 2 * TILE_ROWS * TILE)."""
        embedding, (rows, columns) = queries.shape[1], self.grid
        own = queries.reshape(-1, embedding, rows, TILE_ROWS, columns, TILE).permute(0, 2, 4, 1, 3, 5)
        own = own.reshape(-1, rows * columns, embedding, TILE_ROWS * TILE)
        one = torch.ones_like(own[:, :, :1])
        zero = torch.zeros_like(one)
        foreground, background = (torch.cat([own, one, *flags], 2) for flags in ((one, zero), (zero, one)))
        return torch.cat([foreground, background], 3)


def _positions(rows: Tensor, columns: Tensor) -> Tensor:
    """All pairs of a row and a column, (R * C, 2)."""
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2)


class PixelReference(nn.Module):
    """Graph `pixel_embedding_reference`: the seed's window -> reference banks and its embedding.

    Args:
        embed: f4 -> embedding, shared with `PixelEmbedding`.
        dims: sizes.
    """

    def __init__(self, embed: nn.Conv2d, dims: ModelDims) -> None:
        super().__init__()
        self.embed, self.dims = embed, dims
        # order in which pixels of a large region enter its bank: pseudo-random, but the same in every run
        order = torch.randperm(dims.window**2, generator=torch.Generator().manual_seed(0)).float()
        self.register_buffer("priority", 1 + order, persistent=False)

    def forward(self, f4: Tensor, frame_index: Tensor, windows: Tensor, masks: Tensor) -> tuple[Tensor, ...]:
        """Masks (N, S, S) in the windows -> foreground bank, valid, background bank, valid, embedding."""
        embedding = self.embed(align(f4, frame_index, windows, self.dims.window))
        flat = embedding.reshape(-1, self.dims.embedding, self.dims.window**2).transpose(1, 2)
        inside = masks.reshape(-1, self.dims.window**2)
        # a tiny object keeps at least its best pixel
        threshold = inside.amax(1, keepdim=True).clamp(max=0.5)
        foreground = ((inside >= threshold) & (inside > 0)).to(flat.dtype)
        return (*self._bank(flat, foreground), *self._bank(flat, 1 - foreground), embedding)

    def _bank(self, flat: Tensor, member: Tensor) -> tuple[Tensor, Tensor]:
        value, index = torch.topk(member * self.priority, self.dims.bank, dim=1)
        valid = (value > 0).to(flat.dtype)
        bank = torch.gather(flat, 1, index[..., None].expand(-1, -1, self.dims.embedding))
        return bank * valid[..., None], valid


class Block(nn.Module):
    """Depth-wise 7×7 and point-wise convolution with a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.spatial = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.project = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, S, S) -> same shape."""
        return x + self.project(F.relu(self.spatial(x)))


class InstanceAttention(nn.Module):
    """A factor per channel of the head, from the overall appearance of the object and its surroundings.

    It conveys what distance maps can't: for example, that both are brown, so that brown is not informative here. It is
    CFBI's instance-level attention with one gate at the start of the head, instead of one per block, and centered on
    1, not 0.5.

    Args:
        embedding: channels of the embedding.
        channels: of the map that is scaled.
    """

    def __init__(self, embedding: int, channels: int) -> None:
        super().__init__()
        self.gate = nn.Linear(4 * embedding, channels)
        # initially has no effect
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)

    def forward(self, x: Tensor, bank: tuple[Tensor, ...], means: Tensor) -> Tensor:
        """Map (N, C, S, S), banks, and the last frame's `means` of object and rest (N, 2, E) -> map."""
        vectors = [torch.bmm(valid[:, None], vectors)[:, 0] / _total(valid) for vectors, valid in (bank[:2], bank[2:])]
        factor = 1 + torch.tanh(self.gate(torch.cat([*vectors, means.flatten(1)], 1)))
        return x * factor[:, :, None, None]


def _total(weights: Tensor) -> Tensor:
    """Divisor of a weighted mean: sum of the weights over the last axis, at least 1, with that axis kept."""
    return weights.sum(-1, keepdim=True).clamp(min=1)


class Previous:
    """The previous frame's embedding and probability as seen in the current windows.

    Resampling is RoIAlign with one sample per bin (`roi_align`), so it is linear. The resampled embedding is only
    needed at half resolution and in weighted sums over the window. Pairs of rows and of columns are therefore averaged
    in the weights of the samples, and sums use weights that are carried back to the previous window.

    Args:
        windows: of the current frame (N, 4).
        before: of the previous frame (N, 4).
        embedding: of the previous window (N, E, S, S).
        probability: of the previous window (N, S, S).

    Attributes:
        probability: at the current window's samples (N, 1, S, S); 0 where it is unknown.
        known: 1 at samples inside the previous window, 0 at others, (N, 1, S, S).
    """

    def __init__(self, windows: Tensor, before: Tensor, embedding: Tensor, probability: Tensor) -> None:
        side = embedding.shape[-1]
        origin, size = before[:, :2].repeat(1, 2), (before[:, 2:] - before[:, :2]).repeat(1, 2)
        left, top, right, bottom = ((windows - origin) / size.clamp(min=1e-3) * side).unbind(1)
        self._rows, known_rows = axis_weights(top, bottom, side, side)
        self._columns, known_columns = axis_weights(left, right, side, side)
        self._embedding = embedding
        self.known = (known_rows[:, :, None] * known_columns[:, None])[:, None]
        self.probability = weighted(probability[:, None], self._rows, self._columns)

    def half_embedding(self) -> Tensor:
        """The resampled embedding, averaged over 2×2 samples, (N, E, S/2, S/2)."""
        rows, columns = (
            weights.unflatten(1, (weights.shape[1] // 2, 2)).mean(2) for weights in (self._rows, self._columns)
        )
        return weighted(self._embedding, rows, columns)

    def means(self) -> Tensor:
        """Means of the resampled embedding weighted by probability and by its complement, (N, 2, E); 0 if all are 0."""
        weights = torch.cat([self.probability, 1 - self.probability], 1)
        carried = weighted(weights, self._rows.transpose(1, 2), self._columns.transpose(1, 2))
        sums = torch.bmm(carried.flatten(2), self._embedding.flatten(2).transpose(1, 2))
        return sums / _total(weights.flatten(2))


class PixelEmbedding(nn.Module):
    """Graph `pixel_embedding`: the object's probability in its window of the current frame.

    Args:
        dims: sizes.
        width: channels of the head.
    """

    def __init__(self, dims: ModelDims, width: int = 48) -> None:
        super().__init__()
        self.dims = dims
        self.embed = nn.Conv2d(dims.f4_channels, dims.embedding, 1)
        self.local = LocalMatch(dims.window // 2)
        self.bias = nn.Parameter(torch.zeros(2))
        maps = 2 + 2 * len(RADII) + 2
        self.enter = nn.Conv2d(dims.f4_channels + maps, width, 1)
        self.attention = InstanceAttention(dims.embedding, width)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(4)))
        self.predict = nn.Conv2d(width, 1, 1)

    def logits(
        self,
        f4: Tensor,
        frame_index: Tensor,
        windows: Tensor,
        bank: tuple[Tensor, ...],
        previous: tuple[Tensor, ...],
    ) -> tuple[Tensor, Tensor]:
        """Logits (N, S, S) and window embedding (N, E, S, S).

        Args:
            f4: features of the frames.
            frame_index: each track's frame.
            windows: each track's window in it.
            bank: foreground bank (N, K, E), valid (N, K), background bank, valid.
            previous: windows (N, 4), embedding (N, E, S, S), probability (N, S, S) of the previous frame.
        """
        side = self.dims.window
        features = align(f4, frame_index, windows, side)
        embedding = self.embed(features)
        queries = embedding.reshape(-1, self.dims.embedding, side * side)
        banks, valid = torch.stack([bank[0], bank[2]], 1), torch.stack([bank[1], bank[3]], 1)
        seen = global_match(queries, banks, valid).reshape(-1, 2, side, side)
        before = Previous(windows, *previous)
        local = self._local(embedding, before)
        maps = torch.cat([distance(seen, self.bias.view(1, 2, 1, 1)), local, before.probability, before.known], 1)
        x = self.attention(self.enter(torch.cat([features, maps], 1)), bank, before.means())
        return self.predict(F.relu(self.blocks(x)))[:, 0], embedding

    def forward(  # noqa: PLR0913, PLR0917 (the graph's inputs, in the order of the spec)
        self,
        f4: Tensor,
        frame_index: Tensor,
        windows: Tensor,
        foreground_bank: Tensor,
        foreground_valid: Tensor,
        background_bank: Tensor,
        background_valid: Tensor,
        previous_windows: Tensor,
        previous_embedding: Tensor,
        previous_probability: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Probability (N, S, S) and window embedding (N, E, S, S)."""
        bank = (foreground_bank, foreground_valid, background_bank, background_valid)
        previous = (previous_windows, previous_embedding, previous_probability)
        logits, embedding = self.logits(f4, frame_index, windows, bank, previous)
        return logits.sigmoid(), embedding

    def _local(self, embedding: Tensor, before: Previous) -> Tensor:
        queries, keys = F.avg_pool2d(embedding, 2), before.half_embedding()
        there = F.avg_pool2d(before.known, 2) > 0.5
        object_there = F.avg_pool2d(before.probability, 2) > 0.5
        labels = torch.cat([(there & object_there), (there & ~object_there)], 1).to(queries.dtype)
        squared = self.local(queries, keys, labels)
        bias = self.bias.repeat_interleave(len(RADII)).view(1, -1, 1, 1)
        return F.interpolate(distance(squared, bias), scale_factor=2.0, mode="bilinear", align_corners=False)
