"""Encodes detections and tubelets to bytes, through named arrays. Floats are preserved exactly."""

import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from service.structures.detections import Candidate, Detections
from service.structures.masks import Rle
from service.structures.tubelets import Tubelet

Arrays = dict[str, NDArray[Any]]


UNREADABLE = (
    OSError,
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    # from zipfile, with its subclass for an unsupported compression method, and for an encrypted member
    RuntimeError,
    # from numpy, for a shape that exceeds the memory
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What Python, zipfile and numpy raise on bytes that are not what they should be, besides ValueError."""


@contextmanager
def readable(what: str = "stored arrays") -> Iterator[None]:
    """Convert all exceptions for invalid bytes to ValueError.

    Args:
        what: names the bytes in the error.
    """
    try:
        yield
    except UNREADABLE as error:
        raise ValueError(f"{what}: can't be read: {error}") from error


def pack_detections(frames: Sequence[Detections]) -> bytes:
    """One `Detections` per frame, before calibration: `raw` is `probs`, or zeros without a vector -> bytes."""
    masks = [mask for frame in frames for mask in frame.masks]
    arrays: Arrays = {
        "count": np.array([len(frame) for frame in frames], np.int64),
        "boxes": np.concatenate([frame.boxes for frame in frames]),
        "probs": np.concatenate([frame.probs for frame in frames]),
        "whole": np.concatenate([frame.raw.any(axis=1) for frame in frames]),
    }
    return pack_arrays({**arrays, **masks_to_arrays(masks)})


@readable()
def unpack_detections(data: bytes) -> list[Detections]:
    """The inverse of `pack_detections`.

    Raises:
        ValueError: the bytes are invalid or damaged.
    """
    arrays = unpack_arrays(data)
    masks = masks_from_arrays(arrays)
    ends = np.cumsum(arrays["count"])
    starts = ends - arrays["count"]
    boxes, probs = arrays["boxes"], arrays["probs"]
    raw = np.where(arrays["whole"][:, None], probs, np.float32(0))
    return [
        Detections(t, boxes[a:b], probs[a:b], tuple(m for m in masks[a:b] if m is not None), raw[a:b])
        for t, (a, b) in enumerate(zip(starts, ends, strict=True))
    ]


def pack_tubelets(tubelets: Sequence[Tubelet]) -> bytes:
    """Tubelets of one video -> bytes."""
    masks = [mask for tubelet in tubelets for mask in (tubelet.seed.mask, *tubelet.masks)]
    arrays: Arrays = {
        "frame": np.array([tubelet.seed.frame for tubelet in tubelets], np.int64),
        "seed_box": np.array([tubelet.seed.box for tubelet in tubelets], np.float32),
        "seed_probs": np.array([tubelet.seed.probs for tubelet in tubelets], np.float32),
        "seed_raw": np.concatenate([np.zeros(0, np.float32), *(tubelet.seed.raw for tubelet in tubelets)]),
        "seed_classes": np.array([len(tubelet.seed.raw) for tubelet in tubelets], np.int64),
        "boxes": np.array([tubelet.boxes for tubelet in tubelets], np.float32),
        "scores": np.array([tubelet.scores for tubelet in tubelets], np.float32),
        # a tubelet of its seed's frame alone has none
        "looks": np.concatenate([np.zeros(0, np.float16), *(tubelet.looks.ravel() for tubelet in tubelets)]),
        "look_width": np.array([tubelet.looks.shape[1] for tubelet in tubelets], np.int64),
    }
    return pack_arrays({**arrays, **masks_to_arrays(masks)})


@readable()
def unpack_tubelets(data: bytes) -> list[Tubelet]:
    """The inverse of `pack_tubelets`; raises like `unpack_detections`."""
    arrays = unpack_arrays(data)
    masks = masks_from_arrays(arrays)
    raw = np.split(arrays["seed_raw"], np.cumsum(arrays["seed_classes"])[:-1])
    length = arrays["scores"].shape[-1]
    looks = np.split(arrays["looks"], np.cumsum(length * arrays["look_width"])[:-1])
    tubelets = []
    for i, frame in enumerate(arrays["frame"]):
        seed_mask, *rest = masks[i * (length + 1) : (i + 1) * (length + 1)]
        if seed_mask is None:
            raise ValueError(f"tubelet {i}: the seed has no mask")
        seed = Candidate(int(frame), arrays["seed_box"][i], arrays["seed_probs"][i], seed_mask, raw[i])
        boxes, scores, width = (arrays[name][i] for name in ("boxes", "scores", "look_width"))
        tubelets.append(Tubelet(seed, tuple(rest), boxes, scores, looks=looks[i].reshape(length, int(width))))
    return tubelets


def pack_shots(first_frames: Sequence[int]) -> bytes:
    """First frames of the shots of a video -> bytes."""
    return json.dumps(list(first_frames)).encode()


@readable("stored shots")
def unpack_shots(data: bytes) -> list[int]:
    """The inverse of `pack_shots`; raises as `unpack_detections` does."""
    found = json.loads(data)
    if not isinstance(found, list) or any(type(frame) is not int for frame in found):
        raise ValueError(f"stored shots: expected a list of frames, got {found!r:.80}")
    return found


def masks_to_arrays(masks: Sequence[Rle | None]) -> Arrays:
    """Masks -> all counts concatenated, the length of each (-1: no mask) and their common size."""
    size = next((mask.size_hw for mask in masks if mask is not None), (0, 0))
    return {
        "mask_counts": np.frombuffer(b"".join(mask.counts for mask in masks if mask is not None), np.uint8),
        "mask_lengths": np.array([-1 if mask is None else len(mask.counts) for mask in masks], np.int64),
        "mask_size": np.array(size, np.int64),
    }


def masks_from_arrays(arrays: Arrays) -> list[Rle | None]:
    """The inverse of `masks_to_arrays`."""
    counts = arrays["mask_counts"].tobytes()
    height, width = (int(side) for side in arrays["mask_size"])
    masks: list[Rle | None] = []
    position = 0
    for length in arrays["mask_lengths"].tolist():
        masks.append(None if length < 0 else Rle((height, width), counts[position : position + length]))
        position += max(length, 0)
    return masks


def pack_arrays(arrays: Arrays, *, compressed: bool = True) -> bytes:
    """Arrays by name -> bytes."""
    buffer, save = io.BytesIO(), np.savez_compressed if compressed else np.savez
    # numpy's type hints confuse the names with its options
    save(buffer, **cast("dict[str, Any]", arrays))
    return buffer.getvalue()


def unpack_arrays(data: bytes) -> Arrays:
    """The inverse of `pack_arrays`; call it within `readable`."""
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}
