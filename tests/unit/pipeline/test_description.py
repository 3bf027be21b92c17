"""Descriptions of detectors from outside: what they say of tensors, and how what is wrong is named."""

import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dualtrack.errors import ConfigurationError, ContractViolation
from service.pipeline.detection.description import Description, DetectorFile, InputRule, load_detector_file
from service.pipeline.detection.output_tensors import boxes_of, grids_of, scores_of
from service.pipeline.detection.outside import found, open_detector
from service.pipeline.detection.placement import Placement, input_of, place
from service.pipeline.parameters.params import DetectorParams
from tests.support.pipelines import REPOSITORY

LEAST: dict[str, Any] = {
    "model": "graph.onnx",
    "classes": ["crab", "shrimp"],
    "input": {"name": "images", "size": [64, 96]},
    "boxes": {"tensor": "out", "columns": [0, 4]},
    "scores": {"tensor": "out", "columns": [4, 6]},
}


def described(folder: Path, **members: Any) -> DetectorFile:
    (folder / "graph.onnx").write_bytes(b"")
    (folder / "detector.toml").write_text(toml({**LEAST, **members}))
    return load_detector_file(folder / "detector.toml")


def toml(document: dict[str, Any]) -> str:
    """As much of TOML as these descriptions need: values first, then tables."""
    values = [f"{key} = {literal(value)}\n" for key, value in document.items() if not isinstance(value, dict)]
    tables = [
        f"[{key}]\n" + "".join(f"{name} = {literal(item)}\n" for name, item in value.items())
        for key, value in document.items()
        if isinstance(value, dict)
    ]
    return "".join(values + tables)


def literal(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {literal(item)}" for name, item in value.items()) + "}"
    return f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


def test_read(tmp_path: Path) -> None:
    file = described(tmp_path)
    assert [(item.name, item.vocabulary) for item in file.classes] == [("crab", "own"), ("shrimp", "own")]
    assert file.path == tmp_path / "graph.onnx"
    (tmp_path / "graph.onnx").write_bytes(b"other weights")
    assert load_detector_file(tmp_path / "detector.toml").version != file.version


@pytest.mark.parametrize(
    ("members", "said"),
    [
        pytest.param({"input": {"name": "images"}}, "input: .*either size or short_side", id="no-size"),
        pytest.param({"input": {"name": "i", "size": [64, 96], "std": [0, 1, 1]}}, "nonzero std", id="std"),
        pytest.param({"boxes": {"tensor": "o", "format": "yxyx"}}, "boxes.format: .*got 'yxyx'", id="format"),
        pytest.param({"numbered_by": "id"}, "id requires classes to be one of coco", id="ids-of-own-names"),
        pytest.param({"nms_iuo": 0.5}, "nms_iuo: Extra", id="misspelled"),
        pytest.param({"model": "none.onnx"}, "No such file", id="no-graph"),
    ],
)
def test_wrong(members: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=said):
        described(tmp_path, **members)


def test_no_toml(tmp_path: Path) -> None:
    (tmp_path / "detector.toml").write_text("{")
    with pytest.raises(ConfigurationError, match="expected a TOML file"):
        load_detector_file(tmp_path / "detector.toml")


def rules(**members: Any) -> Description:
    return Description.model_validate({**LEAST, **members})


@pytest.mark.parametrize(
    ("form", "row"), [("xyxy", [8, 16, 24, 48]), ("xywh", [8, 16, 16, 32]), ("cxcywh", [16, 32, 16, 32])]
)
@pytest.mark.parametrize("units", ["pixels", "relative"])
@pytest.mark.parametrize("transposed", [False, True])
def test_boxes(form: str, row: list[float], units: str, transposed: bool) -> None:
    rows = np.array([[*row, 0.5, 0.25]], np.float32)
    if units == "relative":
        rows[:, :4] /= [96, 64, 96, 64]
    rule = rules(boxes={"tensor": "out", "columns": [0, 4], "format": form, "units": units, "transposed": transposed})
    array = (rows.T if transposed else rows)[None]
    assert boxes_of({"out": array}, rule.boxes, (64, 96)) == pytest.approx(np.array([[8, 16, 24, 48]]))


@pytest.mark.parametrize(
    ("scores", "values", "expected"),
    [
        pytest.param({}, [0.25, 0.5], [0.25, 0.5], id="probabilities"),
        pytest.param({"kind": "sigmoid"}, [0, 100], [0.5, 1], id="sigmoid"),
        pytest.param({"kind": "softmax", "background": 0}, [0, 0, -99], [0.5, 0], id="background-first"),
        pytest.param({"kind": "softmax", "background": -1}, [0, -99, 0], [0.5, 0], id="background-last"),
        pytest.param({"objectness": 0, "columns": [1, 3]}, [0.5, 0.5, 1], [0.25, 0.5], id="objectness"),
    ],
)
def test_scores(scores: dict[str, Any], values: list[float], expected: list[float], tmp_path: Path) -> None:
    file = described(tmp_path, scores={"tensor": "scores", **scores})
    assert scores_of({"scores": np.array([[values]], np.float32)}, file) == pytest.approx(
        np.array([expected]), abs=1e-6
    )


def test_scores_by_id(tmp_path: Path) -> None:
    file = described(tmp_path, classes="coco", numbered_by="id", scores={"tensor": "s", "kind": "softmax"})
    logits = np.full((1, 1, 92), -50, np.float32)
    logits[0, 0, 90] = 0  # toothbrush, the last id; 91 is "nothing"
    probs = scores_of({"s": logits}, file)
    assert probs.shape == (1, 80)
    assert probs[0, 79] == pytest.approx(1)


@pytest.mark.parametrize(
    ("classes", "members", "labels"),
    [
        (["crab", "shrimp"], {"first_label": 1}, [2, 1, 0]),
        ("coco", {}, [2, 1, 12]),
    ],
)
def test_top_class_gives_one_entry(classes: Any, members: dict[str, Any], labels: list[int], tmp_path: Path) -> None:
    by = "id" if classes == "coco" else "position"
    file = described(
        tmp_path, classes=classes, numbered_by=by, scores={"tensor": "scores", "labels": "labels", **members}
    )
    outputs = {"scores": np.array([0.9, 0.8, 0.7], np.float32), "labels": np.array([labels])}
    probs = scores_of(outputs, file)
    assert probs[:, :2] == pytest.approx(np.array([[0, 0.9], [0.8, 0], [0, 0]]))
    assert probs.sum() == pytest.approx(1.7)


def test_nothing_found(tmp_path: Path) -> None:
    file = described(tmp_path, scores={"tensor": "out", "columns": [4, 6], "kind": "softmax"})
    outputs = {"out": np.zeros((1, 0, 6), np.float32)}
    assert boxes_of(outputs, file.description.boxes, (64, 96)).shape == (0, 4)
    assert scores_of(outputs, file).shape == (0, 2)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((1, 3, 5), "out: expected at least 6 columns, got 5"),
        ((2, 3, 6), r"out: expected 2 axes \(of one frame\), got \[2, 3, 6\]"),
    ],
)
def test_tensor_that_does_not_fit(shape: tuple[int, ...], said: str, tmp_path: Path) -> None:
    with pytest.raises(ContractViolation, match=said):
        scores_of({"out": np.zeros(shape, np.float32)}, described(tmp_path))


THREE = np.array([[[10, 10, 30, 30]] * 3], np.float32)
PLACE = (Placement((64, 64), (64, 64), (0, 0)), (64, 64))
BAD_TENSORS = {
    "fewer boxes than scores": ({}, {"scores": np.full((1, 5, 2), 0.9)}, "scores: expected 3 rows, one per box, got 5"),
    "fewer scores than boxes": ({}, {"scores": np.full((1, 2, 2), 0.9)}, "scores: expected 3 rows, one per box, got 2"),
    "background beyond the columns": (
        {"scores": {"tensor": "scores", "background": 9}},
        {"scores": np.full((1, 3, 3), 0.9)},
        "scores: expected a column 9 (background), got 3 columns",
    ),
    "background before the first": (
        {"scores": {"tensor": "scores", "background": -4}},
        {"scores": np.full((1, 3, 3), 0.9)},
        "scores: expected a column -4 (background), got 3 columns",
    ),
    "objectness beyond the columns": (
        {"scores": {"tensor": "scores", "objectness": 9, "columns": [0, 2]}},
        {"scores": np.full((1, 3, 3), 0.9)},
        "scores: expected at least 10 columns, got 3",
    ),
    "fewer labels than scores": (
        {"scores": {"tensor": "scores", "labels": "labels"}},
        {"scores": np.full((1, 3), 0.9), "labels": np.zeros((1, 2), np.int64)},
        "labels: expected 3 labels, got 2",
    ),
    "fewer masks than boxes": (
        {"masks": {"tensor": "masks"}},
        {"masks": np.ones((2, 8, 8))},
        "masks: expected 3 rows, one per box, got 2",
    ),
    "more masks than boxes": (
        {"masks": {"tensor": "masks"}},
        {"masks": np.ones((4, 8, 8))},
        "masks: expected 3 rows, one per box, got 4",
    ),
    "masks without pixels": (
        {"masks": {"tensor": "masks"}},
        {"masks": np.ones((3, 0, 8))},
        "masks: expected masks with pixels, got [3, 0, 8]",
    ),
    "fewer coefficients than boxes": (
        {"masks": {"tensor": "masks", "space": "input", "coefficients": {"tensor": "weights"}}},
        {"masks": np.ones((4, 8, 8)), "weights": np.ones((1, 2, 4))},
        "weights: expected 3 rows, one per box, got 2",
    ),
    "boxes as shares": ({}, {"boxes": THREE / 64}, "boxes: expected pixels of the input (units), got shares of it: [0.156"),
    "boxes in pixels": (
        {"boxes": {"tensor": "boxes", "units": "relative"}},
        {},
        "boxes: expected shares of the input (units), got pixels: [10.0, 10.0, 30.0, 30.0]",
    ),
    "scores that are none": (
        {},
        {"scores": np.full((1, 3, 2), 7.5)},
        "scores: expected probabilities from 0 to 1 (kind), got up to 7.5",
    ),
    "text": ({}, {"scores": np.full((1, 3, 2), "a")}, "scores: expected a tensor of numbers, got <U1 values"),
    "a list": ({}, {"scores": [{0: 0.5}]}, "scores: expected a tensor of numbers, got list"),
}  # fmt: skip


@pytest.mark.parametrize(("members", "outputs", "said"), BAD_TENSORS.values(), ids=BAD_TENSORS)
def test_what_does_not_fit_the_description_is_named(
    members: dict[str, Any], outputs: dict[str, Any], said: str, tmp_path: Path
) -> None:
    file = described(tmp_path, **{"boxes": {"tensor": "boxes"}, "scores": {"tensor": "scores"}, **members})
    good = {"boxes": THREE, "scores": np.full((1, 3, 2), 0.9)}
    with pytest.raises(ContractViolation) as refused:
        found(0, {**good, **outputs}, file, PLACE, DetectorParams())
    assert said in refused.value.detail


def test_what_fits_the_description_and_only_looks_odd_is_taken(tmp_path: Path) -> None:
    file = described(tmp_path, boxes={"tensor": "boxes"}, scores={"tensor": "scores"})
    boxes, scores = THREE.copy(), np.full((1, 3, 2), 0.9, np.float32)
    boxes[0, 0] = [0, 0, 1, 1]
    scores[0, 2] = -1  # padding
    scores[0, 1] = 1.005
    assert len(found(0, {"boxes": boxes, "scores": scores}, file, PLACE, DetectorParams())) == 2


def test_other_number_of_classes(tmp_path: Path) -> None:
    file = described(tmp_path, scores={"tensor": "scores"})
    with pytest.raises(ContractViolation, match="scores: expected 2 classes, got 3 columns"):
        scores_of({"scores": np.zeros((1, 1, 3), np.float32)}, file)


def test_prototypes() -> None:
    columns = {"tensor": "out", "columns": [6, 8]}
    rule = rules(masks={"tensor": "protos", "space": "input", "kind": "sigmoid", "coefficients": columns}).masks
    assert rule is not None
    protos = np.stack([np.full((2, 3), 50), np.full((2, 3), -50)]).astype(np.float32)
    rows = np.zeros((1, 2, 8), np.float32)
    rows[0, :, 6:] = [[1, 0], [0, 1]]
    grids = grids_of({"out": rows, "protos": protos[None]}, rule, np.array([1, 0]), boxes=2)
    assert grids.mean(axis=(1, 2)) == pytest.approx([0, 1], abs=1e-6)


@pytest.mark.parametrize(
    ("rule", "frame_hw", "scaled", "offset", "whole"),
    [
        ({"size": [64, 64]}, (30, 60), (32, 64), (0, 16), (64, 64)),
        ({"size": [64, 64], "align": "corner"}, (30, 60), (32, 64), (0, 0), (64, 64)),
        ({"size": [64, 96], "fit": "stretch"}, (30, 60), (64, 96), (0, 0), (64, 96)),
        ({"short_side": 60, "multiple": 32}, (30, 60), (60, 120), (0, 0), (64, 128)),
        ({"short_side": 60, "long_side": 80, "multiple": 1}, (30, 60), (40, 80), (0, 0), (40, 80)),
    ],
)
def test_place_and_the_way_back(rule: Any, frame_hw: Any, scaled: Any, offset: Any, whole: Any) -> None:
    placement = place(frame_hw, InputRule(name="x", **rule))
    assert (placement.scaled_hw, placement.offset_xy, placement.input_hw) == (scaled, offset, whole)
    corners = np.array([[*offset, offset[0] + scaled[1], offset[1] + scaled[0]]], np.float32)
    assert placement.to_frame(corners, (300, 600)) == pytest.approx(np.array([[0, 0, 600, 300]]))


def test_input_values() -> None:
    frame = np.zeros((2, 4, 3), np.uint8)
    frame[..., 0] = 255
    rule = InputRule(name="x", size=(4, 4), pad=0, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    nchw = input_of(frame, place((2, 4), rule), rule)
    assert (nchw.shape, nchw.dtype) == ((1, 3, 4, 4), np.float32)
    assert nchw[0, 0, :, 0].tolist() == [-1, 1, 1, -1]
    bgr = rule.model_copy(update={"channels": "BGR", "layout": "NHWC", "dtype": "uint8"})
    assert input_of(frame, place((2, 4), bgr), bgr)[0, 1, 0].tolist() == [0, 0, 255]


def test_graph_with_other_tensors_is_named(tmp_path: Path) -> None:
    graph = REPOSITORY / "siamese_rpn_template" / "1" / "model.onnx"
    (tmp_path / "detector.toml").write_text(toml({**LEAST, "model": str(graph)}))
    with pytest.raises(
        ConfigurationError, match=r"expected the one input 'images', the graph has \['f8', 'frame_index'"
    ):
        open_detector(tmp_path / "detector.toml", providers=["CPUExecutionProvider"], threads=1)


def test_no_graph_at_all(tmp_path: Path) -> None:
    described(tmp_path)
    with pytest.raises(ConfigurationError, match=r"detector graph\.onnx: onnxruntime can't load"):
        open_detector(tmp_path / "detector.toml", providers=["CPUExecutionProvider"], threads=1)


def test_descriptions_in_the_docs_are_right() -> None:
    text = (REPOSITORY.parent / "docs" / "how-to" / "own-detector.md").read_text()
    blocks = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    models = [Description.model_validate(tomllib.loads(block)).model.name for block in blocks]
    assert models == ["yolo11n.onnx", "yolov5s.onnx", "yolox_s.onnx", "maskrcnn.onnx"]
