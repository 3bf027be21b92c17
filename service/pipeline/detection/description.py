"""The description of an external detector: a TOML file that defines its tensors.

docs/how-to/own-detector.md has examples.
"""

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dualtrack.errors import ConfigurationError
from dualtrack.result.model import Category
from service.inference.repository.manifest import OWN, ModelClass
from service.pipeline.categories.class_vector import ClassVector, described
from service.pipeline.categories.tables import TABLES, TableName, category_table

Pixels = Annotated[int, Field(gt=0, le=8192)]
Activation = Literal["probability", "sigmoid", "softmax"]
Three = tuple[float, float, float]


class _Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class InputRule(_Rule):
    """Conversion of a frame to the input: (value · scale − mean) / std, in this layout and size.

    Attributes:
        name: name of the graph's input.
        layout: order of the axes: batch, channels, height, width, or with the channels last.
        channels: order of the color channels.
        dtype: type of the values.
        size: height and width of the input, if the graph takes one size only. Give either `size` or `short_side`.
        fit: how a frame gets to `size`: `letterbox` scales both sides by the same factor and pads, `stretch` scales
            each side by its own factor.
        align: where a letterboxed frame lies: in the middle of the input, or in its top left corner.
        short_side: length to which the short side of a frame is scaled, if the graph takes any size.
        long_side: with `short_side`, the greatest length of the long side; a longer frame is scaled down further.
        multiple: with `short_side`, the input is padded on the right and at the bottom to multiples of this.
        pad: value of the padding, before `scale`.
        scale: factor on the values, which are 0 to 255.
        mean: per channel, subtracted after scaling.
        std: per channel, what the result is divided by.
    """

    name: str
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    channels: Literal["RGB", "BGR"] = "RGB"
    dtype: Literal["float32", "float16", "uint8"] = "float32"
    size: tuple[Pixels, Pixels] | None = None
    fit: Literal["letterbox", "stretch"] = "letterbox"
    align: Literal["center", "corner"] = "center"
    short_side: Pixels | None = None
    long_side: Pixels = 1333
    multiple: Annotated[int, Field(gt=0, le=256)] = 32
    pad: Annotated[int, Field(ge=0, le=255)] = 114
    scale: float = 1 / 255
    mean: Three = (0.0, 0.0, 0.0)
    std: Three = (1.0, 1.0, 1.0)

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if (self.size is None) == (self.short_side is None):
            raise ValueError("expected either size or short_side")
        if 0 in self.std:
            raise ValueError("expected nonzero std")
        return self


class ColumnsRule(_Rule):
    """A tensor with one row (or, with `transposed`, one column) per detection.

    Attributes:
        tensor: name of the graph's output.
        transposed: whether each column describes a detection, not each row.
        columns: first, and one past the last, of a row's numbers that belong here; by default all.
    """

    tensor: str
    transposed: bool = False
    columns: tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(gt=0)]] | None = None


class BoxRule(ColumnsRule):
    """Boxes, one per detection.

    Attributes:
        format: of the four numbers: two corners, a corner and the size, or the center and the size.
        units: pixels of the input, or fractions of its width and height.
    """

    format: Literal["xyxy", "xywh", "cxcywh"] = "xyxy"
    units: Literal["pixels", "relative"] = "pixels"


class ScoreRule(ColumnsRule):
    """Scores: one column per class, or with `labels` only the top class's.

    Attributes:
        kind: what the numbers are: probabilities, or logits that need a sigmoid or a softmax.
        background: column for "no class"; negative numbers count from the end.
        objectness: column of the whole row whose value multiplies all scores (YOLOv5, YOLOX).
        labels: name of the output with the number of the top class, for graphs that report the top class only.
        first_label: number of the first class in `labels`.
    """

    kind: Activation = "probability"
    background: int | None = None
    objectness: Annotated[int, Field(ge=0)] | None = None
    labels: str | None = None
    first_label: int = 0


class MaskRule(_Rule):
    """Masks: a grid per detection, over its box or the whole input, or coefficients of common prototypes.

    Attributes:
        tensor: name of the output: masks (N, h, w) or (N, 1, h, w), or prototypes (P, h, w).
        space: what a mask covers: its `box`, or the whole `input`, as prototypes do.
        kind: whether the numbers are probabilities or logits that need a sigmoid.
        coefficients: where the P weights of each detection are, if `tensor` has prototypes.
    """

    tensor: str
    space: Literal["box", "input"] = "box"
    kind: Literal["probability", "sigmoid"] = "probability"
    coefficients: ColumnsRule | None = None


class Description(_Rule):
    """The description file.

    Attributes:
        model: path of the ONNX file, relative to the description.
        classes: list of names in the order of the scores, or the name of a bundled set.
        numbered_by: what columns and labels count: the `position` of a class in `classes`, or the `id` of a bundled
            set, as the COCO ids of torchvision and DETR.
        nms_iou: IoU above which the lower-scoring one of two boxes is dropped, whatever their classes; by default
            none is dropped.
    """

    model: Path
    classes: TableName | Annotated[tuple[str, ...], Field(min_length=1)]
    numbered_by: Literal["position", "id"] = "position"
    input: InputRule
    boxes: BoxRule
    scores: ScoreRule
    masks: MaskRule | None = None
    nms_iou: Annotated[float, Field(gt=0, le=1)] | None = None

    @model_validator(mode="after")
    def _ids_of_a_set(self) -> Self:
        if self.numbered_by == "id" and not isinstance(self.classes, str):
            raise ValueError(f"numbered_by: id requires classes to be one of {', '.join(TABLES)}")
        return self


@dataclass(frozen=True)
class DetectorFile:
    """A parsed description, with derived values.

    Attributes:
        path: of the ONNX file.
        version: hash of description and graph.
        description: content of the file.
        classes: of the class vector.
        categories: ids and names, if the classes are a bundled set.
    """

    path: Path
    version: str
    description: Description
    classes: tuple[ModelClass, ...]
    categories: tuple[Category, ...] | None

    @property
    def vector(self) -> ClassVector:
        """The classes of the detector."""
        return described(self.version, self.classes, self.categories)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The column or label of each class."""
        if self.description.numbered_by == "id" and self.categories is not None:
            return tuple(category.id for category in self.categories)
        return tuple(range(len(self.classes)))


def load_detector_file(path: Path) -> DetectorFile:
    """Read a description; the graph itself is not opened.

    Raises:
        ConfigurationError: the file or the graph is missing, or a field is invalid.
    """
    try:
        content = path.read_bytes()
        description = Description.model_validate(tomllib.loads(content.decode()))
        model = path.parent / description.model
        with model.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "description"
        raise ConfigurationError(f"detector {path}: {field}: {first['msg']}, got {first['input']!r:.120}") from error
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"detector {path}: expected a TOML file and the ONNX file it names: {error}"
        ) from error
    version = hashlib.sha256(content + digest.encode()).hexdigest()
    if isinstance(description.classes, str):
        table = category_table(description.classes)
        named = tuple(ModelClass(name, description.classes) for name in table.names)
        return DetectorFile(model, version, description, named, table.categories)
    own = tuple(ModelClass(name, OWN) for name in description.classes)
    return DetectorFile(model, version, description, own, None)
