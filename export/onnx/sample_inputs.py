"""Inputs for tracing and comparing graphs: random with a fixed seed, with boxes across the border."""

from pathlib import Path

import torch
from torch import Tensor

from service.inference.specs import ModelDims
from service.media.stream import open_known

Inputs = dict[str, Tensor]


def frames(batch: int, height: int, width: int, seed: int = 0) -> Inputs:
    """Inputs of `mask_rcnn`: smooth random images; the last one is not padded and has fewer masks."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(batch, 3, height // 16, width // 16, generator=generator)
    fine = torch.rand(batch, 3, height // 4, width // 4, generator=generator)
    size = (height, width)
    picture = 0.6 * torch.nn.functional.interpolate(coarse, size, mode="bilinear")
    picture += 0.4 * torch.nn.functional.interpolate(fine, size, mode="nearest")
    hw = torch.tensor([[height - 7, width - 13]] * batch, dtype=torch.int32)
    hw[-1] = torch.tensor([height, width], dtype=torch.int32)
    return {"frames": (picture * 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous(), "hw": hw, **_wanted(batch)}


def clip_frames(path: Path, number: int) -> Inputs:
    """Inputs of `mask_rcnn` from the first frames of a video, at most 512 px wide, cropped to a canvas."""
    with open_known(path) as container:
        stream = container.streams.video[0]
        scale = min(1.0, 512 / stream.width)
        width, height = (int(side * scale) // 32 * 32 for side in (stream.width, stream.height))
        pictures = []
        for frame in container.decode(stream):
            pictures.append(torch.from_numpy(frame.reformat(width, height, "rgb24").to_ndarray()))
            if len(pictures) == number:
                break
    hw = torch.tensor([[height, width]] * len(pictures), dtype=torch.int32)
    return {"frames": torch.stack(pictures), "hw": hw, **_wanted(len(pictures))}


def _wanted(batch: int) -> Inputs:
    """All masks, except for the last of several images: only its best ones, at most three."""
    th_det, most = torch.zeros(batch, 1), torch.full((batch, 1), 50, dtype=torch.int32)
    if batch > 1:
        th_det[-1], most[-1] = 0.1, 3
    return {"th_det": th_det, "max_per_frame": most}


def tracks(graph: str, dims: ModelDims, tracks: int, frames: int, hw: tuple[int, int], seed: int = 0) -> Inputs:
    """Inputs of a track graph: N tracks spread over F frames of `hw` pixels; boxes extend beyond the frame."""
    generator = torch.Generator().manual_seed(seed)
    height, width = hw

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    center = uniform(tracks, 2) * torch.tensor([float(width), float(height)])
    half = 15 + 60 * uniform(tracks, 2)
    boxes = torch.cat([center - half, center + half], 1)
    square = torch.cat([center - half[:, :1], center + half[:, :1]], 1)
    side, embedding, bank = dims.window, dims.embedding, dims.bank
    everything = {
        "f8": normal(frames, dims.f8_channels, height // 8, width // 8),
        "f4": normal(frames, dims.f4_channels, height // 4, width // 4),
        "frame_index": torch.randint(0, frames, (tracks,), generator=generator),
        "boxes": boxes,
        "templates": normal(tracks, dims.template_channels, 7, 7),
        "windows": square,
        "masks": uniform(tracks, side, side),
        "foreground_bank": 0.3 * normal(tracks, bank, embedding),
        "foreground_valid": (uniform(tracks, bank) > 0.3).float(),
        "background_bank": 0.3 * normal(tracks, bank, embedding),
        "background_valid": (uniform(tracks, bank) > 0.3).float(),
        "previous_windows": square + 5 * normal(tracks, 1),
        "previous_embedding": 0.3 * normal(tracks, embedding, side, side),
        "previous_probability": uniform(tracks, side, side),
    }
    names = {
        "siamese_rpn_template": ("f8", "frame_index", "boxes"),
        "siamese_rpn": ("f8", "frame_index", "templates", "windows"),
        "pixel_embedding_reference": ("f4", "frame_index", "windows", "masks"),
        "pixel_embedding": (
            "f4", "frame_index", "windows", "foreground_bank", "foreground_valid", "background_bank",
            "background_valid", "previous_windows", "previous_embedding", "previous_probability",
        ),
    }  # fmt: skip
    return {name: everything[name] for name in names[graph]}
