"""Pixel level: FEELVOS/CFBI-like matching in an object-centered window (docs/method.md, section 5.3).

Differences from CFBI (Yang et al. 2020): it works on a square window around the object (S samples per side) instead of
the full frame; it is binary (object or rest); local matching is at half the window's resolution with three radii; the
head is light, of depth-wise blocks, with a single gate of instance attention.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import roi_align

from service.inference.specs import ModelDims

STRIDE = 4
RADII = (2, 4, 6)
"""Radii of the local windows, in samples of the half-resolution grid."""
TILE = 8
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
    """Smallest squared distance of each query to a bank, (N, E, P), (N, K, E), (N, K) -> (N, P); none: 1e4."""
    norm = (queries * queries).sum(1)
    bias = (bank * bank).sum(2) + (1 - valid) * FAR
    nearest = (torch.bmm(2 * bank, queries) - bias[..., None]).amax(1)
    return (norm - nearest).clamp(min=0)


class LocalMatch(nn.Module):
    """Smallest squared distance within a window of the previous frame, for every radius and both labels at once.

    The map is split into tiles; the pixels in reach of a tile are gathered by constant indices, one matrix product
    gives all distances, and a constant band selects those within each radius.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side, self.reach = side, max(RADII)
        self.tiles = side // TILE
        seen = TILE + 2 * self.reach
        padded = side + 2 * self.reach
        local = torch.arange(seen)
        index = [
            ((y * TILE + local)[:, None] * padded + x * TILE + local[None]).reshape(-1)
            for y in range(self.tiles)
            for x in range(self.tiles)
        ]
        self.register_buffer("gather", torch.cat(index), persistent=False)
        tile = torch.arange(TILE)
        own = torch.stack(torch.meshgrid(tile, tile, indexing="ij"), -1).reshape(-1, 1, 2)
        other = torch.stack(torch.meshgrid(local, local, indexing="ij"), -1).reshape(1, -1, 2) - self.reach
        offset = (own - other).abs().amax(2)
        band = torch.stack([torch.where(offset <= radius, 0.0, FAR) for radius in RADII])
        self.register_buffer("band", band, persistent=False)
        self.seen = seen

    def forward(self, queries: Tensor, keys: Tensor, labels: Tensor) -> Tensor:
        """(N, E, s, s), (N, E, s, s), labels (N, L, s, s) in {0, 1} -> (N, L * radii, s, s)."""
        embedding = queries.shape[1]
        tiles, side = self.tiles, self.side
        own = queries.reshape(-1, embedding, tiles, TILE, tiles, TILE).permute(0, 2, 4, 3, 5, 1)
        own = own.reshape(-1, tiles * tiles, TILE * TILE, embedding)
        others = self._seen(keys)
        squared = (own * own).sum(3, keepdim=True) - 2 * torch.matmul(own, others)
        squared = squared + (others * others).sum(2, keepdim=True)
        found = []
        for label in range(labels.shape[1]):
            excluded = (1 - self._seen(labels[:, label : label + 1])) * FAR
            masked = squared + excluded
            found += [(masked + self.band[i]).amin(3) for i in range(len(RADII))]
        stacked = torch.stack(found, 1).reshape(-1, len(found), tiles, tiles, TILE, TILE)
        return stacked.permute(0, 1, 2, 4, 3, 5).reshape(-1, len(found), side, side).clamp(min=0)

    def _seen(self, values: Tensor) -> Tensor:
        """(N, C, s, s) -> the pixels in reach of each tile, (N, tiles², C, seen²); 0 outside the map."""
        channels = values.shape[1]
        padded = F.pad(values, (self.reach,) * 4).reshape(-1, channels, (self.side + 2 * self.reach) ** 2)
        gathered = torch.index_select(padded, 2, self.gather)
        return gathered.reshape(-1, channels, self.tiles * self.tiles, self.seen**2).permute(0, 2, 1, 3)


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

    def forward(self, x: Tensor, bank: tuple[Tensor, ...], embedding: Tensor, probability: Tensor) -> Tensor:
        """Map (N, C, S, S), banks, and the last frame's embedding (N, E, S, S) and probability (N, 1, S, S) -> map."""
        means = [_mean(bank[0], bank[1]), _mean(bank[2], bank[3])]
        pixels = embedding.flatten(2).transpose(1, 2)
        means += [_mean(pixels, weight.flatten(1)) for weight in (probability, 1 - probability)]
        factor = 1 + torch.tanh(self.gate(torch.cat(means, 1)))
        return x * factor[:, :, None, None]


def _mean(vectors: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean of vectors (N, K, E) with weights (N, K) -> (N, E); 0 if all weights are 0."""
    total = torch.bmm(weights[:, None], vectors)[:, 0]
    return total / weights.sum(1, keepdim=True).clamp(min=1)


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
        matches = [global_match(queries, bank[0], bank[1]), global_match(queries, bank[2], bank[3])]
        seen = torch.stack(matches, 1).reshape(-1, 2, side, side)
        before, probability, known = self._resample(windows, previous)
        local = self._local(embedding, before, probability, known)
        maps = torch.cat([distance(seen, self.bias.view(1, 2, 1, 1)), local, probability, known], 1)
        x = self.attention(self.enter(torch.cat([features, maps], 1)), bank, before, probability)
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

    def _resample(self, windows: Tensor, previous: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor]:
        """The previous embedding and probability resampled to the current window, and where they are defined."""
        before, embedding, probability = previous
        side = self.dims.window
        origin, size = before[:, :2].repeat(1, 2), (before[:, 2:] - before[:, :2]).repeat(1, 2)
        inside = (windows - origin) / size.clamp(min=1e-3) * side
        index = torch.arange(windows.shape[0], dtype=windows.dtype, device=windows.device)[:, None]
        known = torch.ones_like(probability)
        stacked = torch.cat([embedding, probability[:, None], known[:, None]], 1)
        moved = roi_align(stacked, torch.cat([index, inside], 1), (side, side), 1.0, 1, aligned=True)
        return moved[:, :-2], moved[:, -2:-1], moved[:, -1:]

    def _local(self, embedding: Tensor, before: Tensor, probability: Tensor, known: Tensor) -> Tensor:
        queries, keys = F.avg_pool2d(embedding, 2), F.avg_pool2d(before, 2)
        there = F.avg_pool2d(known, 2) > 0.5
        object_there = F.avg_pool2d(probability, 2) > 0.5
        labels = torch.cat([(there & object_there), (there & ~object_there)], 1).to(queries.dtype)
        squared = self.local(queries, keys, labels)
        bias = self.bias.repeat_interleave(len(RADII)).view(1, -1, 1, 1)
        return F.interpolate(distance(squared, bias), scale_factor=2.0, mode="bilinear", align_corners=False)
