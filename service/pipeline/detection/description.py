"""The description of a detector from outside: a TOML file that says what its tensors mean.

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
    """How a frame becomes the input: (value · scale − mean) / std, in this layout and size.

    Attributes:
        size: height and width of the input; `fit` says how the frame gets there: `letterbox` scales both sides
            alike and pads, `stretch` does not.
        short_side, long_side, multiple: instead of `size`, for graphs that take any: the short side is scaled to
            `short_side` unless the long one would be longer than `long_side`; padded right and below.
        align: where a letterboxed frame lies.
        pad: value of the padding, 0 to 255.
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
    """A tensor of which each row, or with `transposed` each column, describes one detection.

    Attributes:
        columns: first and one past the last of a row's numbers; all by default.
    """

    tensor: str
    transposed: bool = False
    columns: tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(gt=0)]] | None = None


class BoxRule(ColumnsRule):
    """Boxes, in pixels of the input or as shares of it."""

    format: Literal["xyxy", "xywh", "cxcywh"] = "xyxy"
    units: Literal["pixels", "relative"] = "pixels"


class ScoreRule(ColumnsRule):
    """Scores: one column per class, or with `labels` only the top class's.

    Attributes:
        kind: what makes probabilities of the numbers.
        background: column that is no class; negative ones count from the end.
        objectness: column of the same rows that multiplies all scores (YOLOv5, YOLOX).
        labels: tensor of the top class's number.
        first_label: number of the first class there.
    """

    kind: Activation = "probability"
    background: int | None = None
    objectness: Annotated[int, Field(ge=0)] | None = None
    labels: str | None = None
    first_label: int = 0


class MaskRule(_Rule):
    """Masks: a grid per detection over its box or over the whole input, or weights of common prototypes.

    Attributes:
        tensor: (N, h, w) or (N, 1, h, w); of the prototypes (P, h, w), which cover the input.
        coefficients: rows of P weights, for prototypes.
    """

    tensor: str
    space: Literal["box", "input"] = "box"
    kind: Literal["probability", "sigmoid"] = "probability"
    coefficients: ColumnsRule | None = None


class Description(_Rule):
    """The whole file.

    Attributes:
        model: the ONNX file, from the description's folder.
        classes: names in the order of the scores, or a bundled set.
        numbered_by: `id`: columns and labels are the ids of a bundled set, as torchvision's and DETR's are COCO's.
        nms_iou: of two boxes that overlap more, whatever their classes, the better one stays; without it all stay.
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
    """A description that was read, and what follows from it.

    Attributes:
        path: of the ONNX file.
        version: hash of description and graph.
        description: as read.
        classes: of the class vector.
        categories: ids and names, if the classes are a bundled set's.
    """

    path: Path
    version: str
    description: Description
    classes: tuple[ModelClass, ...]
    categories: tuple[Category, ...] | None

    @property
    def vector(self) -> ClassVector:
        """What its class vectors mean."""
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
        ConfigurationError: the file or the graph is missing, or a field is not what it should be.
    """
    try:
        content = path.read_bytes()
        description = Description.model_validate(tomllib.loads(content.decode("utf-8-sig")))
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
