"""Optimization profiles: the shapes for which an engine is built, from the specs and the service's requests."""

from collections.abc import Mapping
from dataclasses import dataclass

from service.inference.specs import GraphSpec
from service.pipeline.parameters.params import DetectorParams
from service.structures.canvas import STRIDE

Shape = tuple[int, ...]
Range = tuple[int, int, int]
"""Minimum, typical and maximum size of an axis."""

TRACKS: Range = (1, 8, 100)
"""N: at most the number of seeds of a request (`max_seeds`). The client handles calls without tracks itself."""
FRAMES: Range = (1, 1, 8)
"""F: the service sends the features of one frame per call."""
NARROWEST = 2 * STRIDE
"""Minimum short side of a canvas: the lower limit of tracing; on a smaller one the detector could have fewer cells than
candidate slots. Excludes videos with an aspect ratio above 20:1."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Shapes of all inputs of a graph.

    Attributes:
        name: `landscape` or `portrait`.
        shapes: minimum, typical (for which the engine is tuned) and maximum shape of each input.
    """

    name: str
    shapes: Mapping[str, tuple[Shape, Shape, Shape]]


def profiles(spec: GraphSpec) -> tuple[Profile, ...]:
    """Two profiles, landscape and portrait, which together cover the service's canvases.

    The short side of a canvas is at most `short_side`, the long one between that and `long_side`. A single
    profile for both would extend to a square of the long side, which no video has, and reserve memory for it.
    """
    detector = DetectorParams()
    short: Range = (NARROWEST, detector.short_side, detector.short_side)
    long: Range = (detector.short_side, detector.long_side, detector.long_side)
    sides = {"landscape": (short, long), "portrait": (long, short)}
    return tuple(_profile(name, spec, height, width) for name, (height, width) in sides.items())


def _profile(name: str, spec: GraphSpec, height: Range, width: Range) -> Profile:
    images = DetectorParams().batch
    sizes = {"B": (1, images, spec.max_batch_size), "F": FRAMES, "N": TRACKS, "H": height, "W": width}
    for axis, side in (("h", height), ("w", width)):
        for stride in (4, 8):
            sizes[f"{axis}{stride}"] = (side[0] // stride, side[1] // stride, side[2] // stride)
    return Profile(
        name,
        {
            tensor.name: (
                _shape(tensor.shape, sizes, 0),
                _shape(tensor.shape, sizes, 1),
                _shape(tensor.shape, sizes, 2),
            )
            for tensor in spec.inputs
        },
    )


def _shape(axes: tuple[int | str, ...], sizes: Mapping[str, Range], which: int) -> Shape:
    return tuple(sizes[axis][which] if isinstance(axis, str) else axis for axis in axes)
