"""The form for TensorRT made from the bundled weights: one command, parity, operators, what is left to a GPU."""

import copy
import json
from importlib.util import find_spec

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from typer.testing import CliRunner

from dualtrack.errors import ConfigurationError, ContractViolation
from export.commands.export import DEFAULT_WEIGHTS, export
from export.models.batched_nms import batched_nms_mask
from export.models.boxes import nms_mask
from export.models.half import Half, Rounded
from export.models.mask_head import align_levels
from export.onnx.graphs import Lite
from export.onnx.parity import HALF_TOLERANCES, compare_modules
from export.onnx.random_networks import random_resnext
from export.onnx.sample_inputs import frames
from export.repository.build import Release
from export.repository.checkpoint import load_weights
from export.repository.profiles import profiles
from export.tensorrt import form, repository
from export.tensorrt.engines import build_engine, parse, source_path
from export.tensorrt.form import tensorrt_graph
from export.tensorrt.operators import problems
from export.tensorrt.run_engines import BuiltEngine, engine_cases
from service.inference.repository.manifest import load_manifest, verify
from service.inference.specs import LITE, graph_specs
from tests.models.stand_ins import without_device_nodes

pytestmark = [pytest.mark.models, pytest.mark.timeout(1800)]
GRAPHS = sorted(graph_specs(LITE))
CLIP = "demo/pedestrians.mp4"


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def network(request):
    net = Lite()
    load_weights(net, request.config.rootpath / DEFAULT_WEIGHTS)
    return net.eval()


@pytest.fixture(scope="module")
def exported(request, tmp_path_factory):
    """The repository, and what the command ended with where there is no TensorRT."""
    out, root = tmp_path_factory.mktemp("tensorrt") / "repository", request.config.rootpath
    words = ["tensorrt", "--weights", str(root / DEFAULT_WEIGHTS), "--card", str(root / "export/weights/lite.json")]
    return out, CliRunner().invoke(export, [*words, "--out", str(out), "--clip", str(root / CLIP)])


def test_one_command_writes_everything_up_to_the_engines(exported):
    out, result = exported
    assert "0 exceed the tolerance" in result.output, result.output
    manifest = load_manifest(out)
    assert (manifest.architecture, manifest.file, sorted(manifest.graphs)) == ("lite", "model.plan", GRAPHS)
    assert {path.parent.name for path in out.glob("*/config.pbtxt")} == set(GRAPHS)
    assert all('backend: "tensorrt"' in path.read_text() for path in out.glob("*/config.pbtxt"))
    if find_spec("tensorrt") is None:
        assert isinstance(result.exception, ConfigurationError)
        assert "expected the package `tensorrt`" in str(result.exception)
        with pytest.raises(ConfigurationError, match=r"model\.plan, which does not exist"):
            verify(manifest)
    else:
        assert result.exit_code == 0, result.output
        verify(manifest)


@pytest.mark.parametrize("graph", GRAPHS)
def test_tensorrt_takes_every_node(exported, graph):
    out, _ = exported
    assert problems(source_path(out, graph)) == []


@pytest.mark.parametrize("graph", GRAPHS)
def test_nvidias_parser_and_builder_take_every_graph(exported, graph):
    """TensorRT for RTX, whose parser and builder are TensorRT's and need no GPU; see `stand_ins` for what is left out."""
    trt = pytest.importorskip("tensorrt_rtx_bindings", reason="needs the extra `tensorrt-check`")
    out, _ = exported
    model = onnx.load(source_path(out, graph))
    for kinds in (frozenset({"RoiAlign"}), frozenset({"RoiAlign", "NonMaxSuppression"})):
        source = without_device_nodes(model, kinds=kinds).SerializeToString()
        assert parse(trt, source, trt.Logger(trt.Logger.ERROR))
    plan = build_engine(graph, source, profiles(graph_specs(LITE)[graph]), trt)
    assert len(plan) > 10_000


def test_nvidias_parser_rejects_the_cpu_form(request):
    trt = pytest.importorskip("tensorrt_rtx_bindings", reason="needs the extra `tensorrt-check`")
    model = onnx.load(request.config.rootpath / "model_repository/mask_rcnn/1/model.onnx")
    source = without_device_nodes(model, kinds=frozenset({"RoiAlign"})).SerializeToString()
    with pytest.raises(ConfigurationError, match=r"(?s)rejects the graph: .*UInt8"):
        build_engine("mask_rcnn", source, (), trt)


@pytest.mark.parametrize("spec", graph_specs(LITE).values(), ids=lambda spec: spec.name)
def test_engines_would_be_compared_on_shapes_of_their_profiles(request, spec):
    for case in engine_cases(spec, LITE, request.config.rootpath / CLIP):
        assert any(
            all(
                low <= size <= high
                for name, (least, _, most) in profile.shapes.items()
                for low, size, high in zip(least, case.inputs[name].shape, most, strict=True)
            )
            for profile in profiles(spec)
        ), case.name


def test_an_engine_is_not_run_without_a_gpu(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigurationError, match="expected a GPU to run the engine on"):
        BuiltEngine(tmp_path / "model.plan", graph_specs(LITE)["siamese_rpn"], None)


def test_layers_with_weights_are_half_and_no_length_depends_on_the_data(exported):
    out, _ = exported
    model = onnx.load(source_path(out, "mask_rcnn"))
    kinds = {item.name: item.data_type for item in model.graph.initializer}
    weights = [kinds[node.input[1]] for node in model.graph.node if node.op_type in ("Conv", "ConvTranspose")]
    assert len(weights) > 100
    assert set(weights) == {onnx.TensorProto.FLOAT16}
    operators = [node.op_type for node in model.graph.node]
    assert operators.count("RoiAlign") == 5, "four levels, and the finest once more"
    assert "NonZero" not in operators
    readers = [node.op_type for node in model.graph.node if "frames" in node.input]
    assert readers == ["Cast"]


def test_the_worst_comparison_is_kept(exported):
    out, _ = exported
    entries = json.loads((out / "manifest.json").read_text())["graphs"]
    for graph, entry in entries.items():
        assert entry["sha256"] == ""
        assert len(entry["source_sha256"]) == 64
        assert entry["source_sha256"] in (out / graph / "README.md").read_text()
        assert 0 <= entry["worst_parity"]["error"] <= entry["worst_parity"]["tolerance"]


def test_hosts_get_the_same_detections(exported, request):
    """The file of the second repository against the bundled one, as the service calls them."""
    out, _ = exported
    bundled = request.config.rootpath / "model_repository/mask_rcnn/1/model.onnx"
    inputs = {name: value.numpy() for name, value in frames(2, 192, 256, seed=4).items()}
    ours, theirs = (
        onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, inputs)
        for path in (source_path(out, "mask_rcnn"), bundled)
    )
    boxes, scores, masks, count = (theirs[index] for index in range(4))
    assert (ours[3] == count).all()
    assert count.sum() > 2
    np.testing.assert_allclose(ours[0], boxes, atol=HALF_TOLERANCES["boxes"])
    np.testing.assert_allclose(ours[1], scores, atol=HALF_TOLERANCES["scores"])
    np.testing.assert_allclose(ours[2], masks, atol=HALF_TOLERANCES["masks"])
    assert (ours[2].any((2, 3)) == masks.any((2, 3))).all(), "unwanted slots have no mask in either"


def test_fixed_shapes_alone_change_nothing(network, monkeypatch):
    monkeypatch.setitem(form.HALVED, "LiteMaskRcnnGraph", ())
    graph = network.graphs()["mask_rcnn"]
    rows = compare_modules(graph, tensorrt_graph(graph), graph_specs(LITE)["mask_rcnn"], LITE)
    assert max(row.error for row in rows) < 1e-5
    assert sum(row.detections for row in rows if row.output == "count") > 5


@torch.no_grad()
def test_fixed_shapes_alone_change_nothing_in_resnext(monkeypatch):
    monkeypatch.setitem(form.HALVED, "TorchvisionMaskRcnn", ())
    graph = random_resnext(trunk="resnet18", pixel_trunk="resnet50").graphs()["mask_rcnn"]
    fixed = tensorrt_graph(graph)
    for batch, height, width in ((1, 128, 192), (2, 160, 128)):
        inputs = frames(batch, height, width, seed=height)
        wanted, got = graph(*inputs.values()), fixed(*inputs.values())
        assert wanted[3].sum() > 10
        for one, other in zip(wanted, got, strict=True):
            torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_every_graph_says_what_of_it_is_half():
    classes = {
        type(graph).__name__ for graph in random_resnext(trunk="resnet18", pixel_trunk="resnet50").graphs().values()
    }
    classes |= {type(graph).__name__ for graph in Lite().graphs().values()}
    assert set(form.HALVED) == classes


def test_nothing_with_weights_is_left_in_float32(network):
    resnext = random_resnext(trunk="resnet18", pixel_trunk="resnet50")
    for graph in (*network.graphs().values(), *resnext.graphs().values()):
        kinds = {name: value.dtype for name, value in tensorrt_graph(graph).named_parameters() if value.dim() > 1}
        assert set(kinds.values()) <= {torch.float16}, kinds


def test_a_batch_is_suppressed_image_by_image():
    generator = torch.Generator().manual_seed(0)
    corner = 30 * torch.rand(3, 40, 2, generator=generator)
    boxes = torch.cat([corner, corner + 5 + 20 * torch.rand(3, 40, 2, generator=generator)], 2)
    scores = torch.rand(3, 40, generator=generator)
    scores[1, :7] = -1.0
    group = torch.arange(40) % 3
    plain = nms_mask(boxes, scores, 0.5, group) & (scores > 0)
    assert torch.equal(nms_mask(boxes, scores, 0.5, group, fixed_shapes=True), plain)
    assert 10 < plain.sum() < (scores > 0).sum()
    assert batched_nms_mask(boxes[:0], scores[:0], 0.5).shape == (0, 40)


def test_boxes_are_read_from_the_same_level():
    generator = torch.Generator().manual_seed(0)
    levels = [torch.randn(1, 4, 64 >> i, 64 >> i, generator=generator) for i in range(4)]
    sides = torch.tensor([8.0, 100.0, 230.0, 250.0, 0.0])
    rois = torch.stack([torch.zeros(5), torch.full((5,), 3.0), torch.full((5,), 2.0), 3 + sides, 2 + sides], 1)
    torch.testing.assert_close(
        align_levels(levels, rois, 7, fixed_shapes=True), align_levels(levels, rois, 7), atol=0, rtol=0
    )


def test_rounding_is_what_half_precision_gives():
    torch.manual_seed(0)
    layers = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Conv2d(8, 4, 1))
    x = torch.randn(1, 3, 12, 12)
    plain = layers(x)
    half = Half(copy.deepcopy(layers))(x)
    rounded = Rounded(layers)(x)
    torch.testing.assert_close(half, rounded, atol=2e-3, rtol=2e-3)
    assert half.dtype == rounded.dtype == torch.float32
    assert (rounded - plain).abs().max() > 1e-5


def test_a_graph_that_tensorrt_does_not_take_is_not_put_in_place(network, tmp_path, monkeypatch):
    monkeypatch.setattr(repository, "problems", lambda _: ["node (Loop): not taken"])
    monkeypatch.setattr(network, "graphs", lambda: {"siamese_rpn_template": Lite().graphs()["siamese_rpn_template"]})
    with pytest.raises(ContractViolation, match=r"siamese_rpn_template: TensorRT does not support .*Loop"):
        repository.write_tensorrt_repository(tmp_path / "out", network, Release("lite", "0", "", LITE, {}))
    assert list(tmp_path.iterdir()) == []
