"""The fake's trackers: they search for the object's color in the features, which are downscaled images.

They are stateless: `previous_*` inputs of the pixel graph are checked but not used.
"""

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from service.inference.client import Tensors
from service.inference.specs import TEMPLATE_SIDE, ModelDims
from service.structures.arrays import F32, Bool
from service.tracking.anchors import ANCHORS, SEARCH, anchor_grid, encode

Inputs = Mapping[str, NDArray[Any]]

FOUND, ABSENT = 0.95, 0.02
"""Scores of a window with and without the template's color."""
COLOR_WIDTH = 0.25
"""RGB distance, in [0, 1], from which two colors differ."""
SHARPNESS = 12.0
"""Slope of the pixel graph's probability as a function of the difference of two color distances."""


def siamese_rpn_template(dims: ModelDims, inputs: Inputs) -> Tensors:
    """Templates filled with the mean color at the center of every box."""
    templates = np.zeros((len(inputs["boxes"]), dims.template_channels, TEMPLATE_SIDE, TEMPLATE_SIDE), np.float32)
    for track, (frame, box) in enumerate(zip(inputs["frame_index"], inputs["boxes"], strict=True)):
        quarter = (box[2:] - box[:2]) / 4
        middle = np.concatenate([box[:2] + quarter, box[2:] - quarter])
        color = _sample(inputs["f8"][frame, :3], middle, 8, side=TEMPLATE_SIDE).mean(axis=(1, 2))
        templates[track, :3] = color[:, None, None]
    return {"templates": templates}


def siamese_rpn(_: ModelDims, inputs: Inputs) -> Tensors:
    """All anchors of a window propose the same box: the patch of the template's color closest to its center."""
    tracks = len(inputs["windows"])
    scores, deltas = np.full((tracks, ANCHORS), ABSENT, np.float32), np.zeros((tracks, ANCHORS, 4), np.float32)
    for track in range(tracks):
        window = inputs["windows"][track]
        box = _find(inputs["f8"][inputs["frame_index"][track], :3], inputs["templates"][track, :3, 0, 0], window)
        if box is not None:
            scores[track], deltas[track] = FOUND, _deltas(box, window)
    return {"scores": scores, "deltas": deltas}


def pixel_embedding_reference(dims: ModelDims, inputs: Inputs) -> Tensors:
    """Colors of evenly chosen samples inside and outside the mask."""
    embedding = _embed(dims, inputs)
    banks = {
        f"{kind}_{part}": np.zeros((len(embedding), dims.bank, *size), np.float32)
        for kind in ("foreground", "background")
        for part, size in (("bank", (dims.embedding,)), ("valid", ()))
    }
    for track, mask in enumerate(inputs["masks"]):
        inside = mask >= 0.5
        for kind, part in (("foreground", inside), ("background", ~inside)):
            chosen = _evenly(embedding[track][:, part].T, dims.bank)
            banks[f"{kind}_bank"][track, : len(chosen)] = chosen
            banks[f"{kind}_valid"][track, : len(chosen)] = 1
    return {**banks, "embedding": embedding}


def pixel_embedding(dims: ModelDims, inputs: Inputs) -> Tensors:
    """Classify every sample by the bank with the more similar color."""
    embedding = _embed(dims, inputs)
    probability = np.zeros((len(embedding), dims.window, dims.window), np.float32)
    for track, here in enumerate(embedding):
        inside, outside = (
            _nearest(here, inputs[f"{kind}_bank"][track], inputs[f"{kind}_valid"][track] > 0.5)
            for kind in ("foreground", "background")
        )
        probability[track] = 1 / (1 + np.exp(-SHARPNESS * (outside - inside) / COLOR_WIDTH))
    return {"probability": probability, "embedding": embedding}


def _find(picture: F32, color: F32, window: F32) -> F32 | None:
    """Box (4,) in network px of the patch of `color` closest to the window's center, or None."""
    share = _share(picture, color)
    count, labels = cv2.connectedComponents((share >= 0.5).astype(np.uint8), connectivity=4)
    rows, columns = np.indices(labels.shape) * 8 + 4
    visible = (columns >= window[0]) & (columns < window[2]) & (rows >= window[1]) & (rows < window[3])
    candidates = [number for number in range(1, count) if visible[labels == number].any()]
    if not candidates:
        return None
    boxes = np.stack([_patch_box(share, labels == number) for number in candidates])
    away = (boxes[:, :2] + boxes[:, 2:] - window[:2] - window[2:]) / 2
    nearest: F32 = boxes[np.linalg.norm(away, axis=1).argmin()]
    return nearest


def _share(picture: F32, color: F32) -> F32:
    """Fraction of every cell (3, h, w) with the color, assuming background for the rest: (h, w) in [0, 1]."""
    background = np.median(picture.reshape(3, -1), axis=1)
    contrast = color - background
    power = float(contrast @ contrast)
    if power < COLOR_WIDTH**2 / 4:  # the template has the background's color
        return np.zeros(picture.shape[1:], np.float32)
    offset = picture - background[:, None, None]
    share = np.tensordot(contrast, offset, axes=1) / power
    stray = np.linalg.norm(offset - share * contrast[:, None, None], axis=0)
    return np.where(stray < COLOR_WIDTH, np.clip(share, 0, 1), 0).astype(np.float32)


def _patch_box(share: F32, patch: Bool) -> F32:
    """Tight box; a partly covered cell moves the edge proportionally."""
    near = share * cv2.dilate(patch.astype(np.uint8), np.ones((3, 3), np.uint8))
    low, high = zip(*(_extent(near.max(axis=axis)) for axis in (0, 1)), strict=True)
    return np.array([*low, *high], np.float32)


def _extent(profile: F32) -> tuple[float, float]:
    cells = np.flatnonzero(profile > 0.1)
    return float(cells[0] + 1 - profile[cells[0]]) * 8, float(cells[-1] + profile[cells[-1]]) * 8


def _deltas(box: F32, window: F32) -> F32:
    """The deltas with which every anchor proposes `box`, (3125, 4)."""
    scale = SEARCH / (window[2] - window[0])
    center = ((box[:2] + box[2:]) / 2 - (window[:2] + window[2:]) / 2) * scale
    wanted = np.concatenate([center, np.maximum(box[2:] - box[:2], 1) * scale])
    return encode(anchor_grid(), np.tile(wanted, (ANCHORS, 1)).astype(np.float32))


def _embed(dims: ModelDims, inputs: Inputs) -> F32:
    """Colors of the windows' samples in channels 0 to 2, (N, E, S, S)."""
    embedding = np.zeros((len(inputs["windows"]), dims.embedding, dims.window, dims.window), np.float32)
    for track, (frame, window) in enumerate(zip(inputs["frame_index"], inputs["windows"], strict=True)):
        embedding[track, :3] = _sample(inputs["f4"][frame, :3], window, 4, side=dims.window)
    return embedding


def _sample(picture: F32, window: F32, stride: int, *, side: int) -> F32:
    """Bilinear samples (3, side, side) of an image (3, h, w) with cells of `stride` px; edges are replicated."""
    step = (window[2:] - window[:2]) / side
    points = (window[:2] + (np.arange(side)[:, None] + 0.5) * step) / stride - 0.5
    x, y = np.meshgrid(points[:, 0].astype(np.float32), points[:, 1].astype(np.float32))
    image = np.ascontiguousarray(picture.transpose(1, 2, 0))
    sampled = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return sampled.transpose(2, 0, 1).astype(np.float32)


def _evenly(rows: F32, most: int) -> F32:
    """At most `most` of the rows, evenly spaced."""
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).round().astype(int)]


def _nearest(here: F32, bank: F32, valid: Bool) -> F32:
    """Distance (S, S) of every sample's color to the nearest valid one of a bank; an empty bank is far away."""
    if not valid.any():
        return np.full(here.shape[1:], COLOR_WIDTH, np.float32)
    samples, references = here[:3].reshape(3, -1).T, np.unique(bank[valid, :3], axis=0)
    squares = (samples**2).sum(1)[:, None] - 2 * samples @ references.T + (references**2).sum(1)
    distance: F32 = np.sqrt(np.maximum(squares.min(axis=1), 0)).reshape(here.shape[1:])
    return distance
