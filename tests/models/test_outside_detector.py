"""Detectors from outside in two public export layouts, through the whole method.

The graphs are made here: a box's score is how much redder (or greener) than the rest its place in the input is, so
that layout, order of the channels, values and geometry all have to be right.
"""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.models
onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from dualtrack.digest import sha256_of  # noqa: E402
from dualtrack.errors import InvalidParameter  # noqa: E402
from service.cli.main import build_app  # noqa: E402
from service.pipeline.detection.outside import open_detector  # noqa: E402
from service.pipeline.parameters.job_parameters import JobParameters  # noqa: E402
from service.pipeline.video_file import segment  # noqa: E402
from service.structures.masks import area, from_json  # noqa: E402
from tests.support.annotated import HW, context, write_dataset, write_video  # noqa: E402
from tests.support.results import document_in  # noqa: E402
from tests.support.scenes import Rectangle  # noqa: E402

FRAMES = 4
RED, GREEN = Rectangle((220, 40, 40), 30, 40, 40, 60), Rectangle((40, 200, 40), 150, 20, 50, 50)
REDNESS = np.array([[1, -1], [-1, 1], [0, 0]], np.float32)
"""(3, 2): mean color of a place -> how red and how green it is."""
Box = tuple[float, float, float, float]


class Graph:
    """Nodes and constants, named as they come."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: np.ndarray) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def node(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        name = output or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def color(self, image: str, box: Box) -> str:
        """(1, 2): redness and greenness of a box of an NCHW image in 0..1."""
        x1, y1, x2, y2 = (round(edge) for edge in box)
        where = [self.constant(np.array(numbers, np.int64)) for numbers in ([y1, x1], [y2, x2], [2, 3])]
        mean = self.node("ReduceMean", self.node("Slice", image, *where), self.constant(np.array([2, 3])), keepdims=0)
        return self.node("Relu", self.node("MatMul", mean, self.constant(REDNESS)))

    def save(self, path: Path, inputs: list[Any], outputs: list[Any]) -> None:
        graph = helper.make_graph(self.nodes, "detector", inputs, outputs, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        onnx.checker.check_model(model)
        onnx.save(model, path)


def in_input(rectangle: Rectangle, scale: float, top: float = 0) -> Box:
    """The rectangle's box where a letterboxed frame has it."""
    x1, y1, x2, y2 = (edge * scale for edge in rectangle.box(0))
    return x1, y1 + top, x2, y2 + top


def yolo(folder: Path) -> Path:
    """`[1, 4 + K, M]` without NMS, NCHW, letterboxed, as the YOLO family from v8 on exports it."""
    scale, top = 320 / HW[1], (320 - HW[0] * 320 / HW[1]) / 2
    red, green = in_input(RED, scale, top), in_input(GREEN, scale, top)
    again = (red[0] + 3, red[1] + 3, red[2] + 3, red[3] + 3)
    boxes = [red, again, green, (200.0, 200.0, 240.0, 240.0)]
    graph = Graph()
    columns = [graph.node("Unsqueeze", graph.color("images", box), graph.constant(np.array([2]))) for box in boxes]
    scores = graph.node("Concat", *columns, axis=2)
    rows = [[(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1] for x1, y1, x2, y2 in boxes]
    graph.node("Concat", graph.constant(np.array(rows, np.float32).T[None]), scores, output="output0", axis=1)
    graph.save(
        folder / "yolo.onnx",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 320, 320])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 6, 4])],
    )
    file = folder / "yolo.toml"
    file.write_text("""
model = "yolo.onnx"
classes = ["crab", "frog"]
nms_iou = 0.6
[input]
name = "images"
size = [320, 320]
[boxes]
tensor = "output0"
transposed = true
columns = [0, 4]
format = "cxcywh"
[scores]
tensor = "output0"
transposed = true
columns = [4, 6]
""")
    return file


def torchvision(folder: Path) -> Path:
    """`boxes, labels, scores, masks` after NMS, any size, COCO's ids as labels, as torchvision exports Mask R-CNN."""
    red, green = in_input(RED, 2), in_input(GREEN, 2)
    graph = Graph()
    scores = [graph.color("image", box) for box in (red, green)]
    last = graph.constant(np.array([1]))
    best = [graph.node("ReduceMax", each, last, keepdims=0) for each in scores]
    graph.node("Concat", *best, output="scores", axis=0)
    graph.node("Identity", graph.constant(np.array([red, green], np.float32)), output="boxes")
    graph.node("Identity", graph.constant(np.array([1, 17])), output="labels")
    masks = np.zeros((2, 1, HW[0] * 2, HW[1] * 2), np.float32)
    for mask, (x1, y1, x2, y2) in zip(masks[:, 0], (red, green)):
        mask[int(y1) : int((y1 + y2) / 2), int(x1) : int(x2)] = 1  # the upper half
    graph.node("Identity", graph.constant(masks), output="masks")
    graph.save(
        folder / "torchvision.onnx",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "h", "w"])],
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [2, 4]),
            helper.make_tensor_value_info("labels", TensorProto.INT64, [2]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, [2]),
            helper.make_tensor_value_info("masks", TensorProto.FLOAT, list(masks.shape)),
        ],
    )
    file = folder / "torchvision.toml"
    file.write_text(f"""
model = "torchvision.onnx"
classes = "coco"
numbered_by = "id"
[input]
name = "image"
short_side = {HW[0] * 2}
multiple = 1
[boxes]
tensor = "boxes"
[scores]
tensor = "scores"
labels = "labels"
[masks]
tensor = "masks"
space = "input"
""")
    return file


def run(description: Path, folder: Path, **parameters: Any) -> list[dict[str, Any]]:
    """Tubelets of the two rectangles, with the fake trackers."""
    write_video(folder / "clip.mp4", [RED, GREEN], FRAMES)
    detector = open_detector(description, providers=["CPUExecutionProvider"], threads=1)
    settings = replace(context(folder / "scratch"), detector=detector)
    chosen = JobParameters(overlay=False, **parameters)
    clip = folder / "clip.mp4"
    digest = sha256_of(clip)
    asyncio.run(segment(clip, folder, sha256=digest, context=settings, parameters=chosen, report=lambda _: None))
    document = document_in(folder)
    assert document["detector"].startswith("detector ")
    return list(document["tubelets"])


@pytest.mark.parametrize(
    ("layout", "red", "green"), [(yolo, (1, "crab"), (2, "frog")), (torchvision, (1, "person"), (17, "cat"))]
)
def test_layout(layout: Any, red: tuple[int, str], green: tuple[int, str], tmp_path: Path) -> None:
    tubelets = run(layout(tmp_path), tmp_path)
    assert [(item["category_id"], item["category"]) for item in tubelets] == [red, green]
    assert [item["frames"] for item in tubelets] == [FRAMES, FRAMES]
    for item, rectangle in zip(tubelets, (RED, GREEN)):
        assert item["track_boxes"][item["seed_frame"]] == pytest.approx(rectangle.box(0), abs=1)


def test_masks_of_the_graph_are_taken(tmp_path: Path) -> None:
    tubelets = run(torchvision(tmp_path), tmp_path)
    for item, rectangle in zip(tubelets, (RED, GREEN)):
        seed = from_json(item["segmentations"][item["seed_frame"]])
        assert area(seed) == pytest.approx(rectangle.width * rectangle.height / 2, rel=0.1)


def test_classes_of_a_bundled_set_are_mapped(tmp_path: Path) -> None:
    tubelets = run(torchvision(tmp_path), tmp_path, categories="ytvis2019")
    assert [(item["category_id"], item["category"]) for item in tubelets] == [(1, "person"), (14, "cat")]


def test_command(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", [RED, GREEN], 2)
    arguments = ["segment", str(tmp_path / "clip.mp4"), "--detector", str(yolo(tmp_path)), "--no-overlay"]
    result = CliRunner().invoke(build_app(arguments), [*arguments, "--out", str(tmp_path / "out"), "--json"])
    assert result.exception is None, result.exception
    document = json.loads((tmp_path / "out" / "tubelets.json").read_text())
    assert {item["category"] for item in document["tubelets"]} == {"crab", "frog"}


def test_evaluation_takes_it_too(tmp_path: Path) -> None:
    write_dataset(tmp_path, {"a": [RED]}, frames=2)
    environment = {"DUALTRACK_DETECTOR": str(torchvision(tmp_path)), "DUALTRACK_DATA_DIR": str(tmp_path / "data")}
    for arguments in (["evaluate", str(tmp_path)], ["table2", str(tmp_path), "--rows", "ipdt"]):
        figures = tmp_path / "figures.json"
        result = CliRunner().invoke(build_app(arguments), [*arguments, "--json", str(figures)], env=environment)
        assert result.exception is None, result.output
        document = json.loads(figures.read_text())
        clips = document["clips"] if "clips" in document else document["rows"]["ipdt"]["clips"]
        # the bundled detector sees no person in a red rectangle
        assert len(clips[0]["classes"]["1"]["scores"]) == 1


def test_images_are_not_scored_with_it(tmp_path: Path) -> None:
    (tmp_path / "images.json").write_text("{}")
    result = CliRunner().invoke(
        build_app(["evaluate"]),
        ["evaluate", str(tmp_path / "images.json")],
        env={"DUALTRACK_DETECTOR": str(yolo(tmp_path))},
    )
    assert isinstance(result.exception, InvalidParameter)
