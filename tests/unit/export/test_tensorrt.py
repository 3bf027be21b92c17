"""The form for TensorRT as far as it needs no torch: operators, profiles, configurations, what is refused and how."""

import asyncio
import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from google.protobuf import text_format
from onnx import TensorProto, helper, numpy_helper
from tritonclient.grpc import model_config_pb2
from typer.testing import CliRunner

from dualtrack.errors import ConfigurationError
from export.commands.export import REPOSITORY, export
from export.repository.profiles import TRACKS, profiles
from export.repository.publish import publish
from export.repository.triton_config import Accelerator, triton_config, write_own_configs
from export.tensorrt.engines import build_engines, load_library, source_path
from export.tensorrt.operators import model_problems, problems, table
from service.cli.main import build_app
from service.inference.checks import check_inputs
from service.inference.open import open_client
from service.inference.repository.manifest import ENGINE_FILE, Manifest, load_manifest, verify
from service.inference.specs import LITE, RESNEXT, graph_specs
from service.inference.triton.deployed import compare_release
from service.pipeline.parameters.params import DetectorParams
from service.pipeline.tracks.tracker import MOST_WINDOWS
from service.structures.canvas import fit
from tests.support.patience import PATIENCE_S

SPECS = [
    pytest.param(spec, id=f"{architecture}-{name}")
    for architecture, dims in (("lite", LITE), ("resnext", RESNEXT))
    for name, spec in graph_specs(dims).items()
]


def model(*nodes, inputs=(("x", TensorProto.FLOAT, [1, 8, 6, 6]),), constants=None, opset=18):
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info(*entry) for entry in inputs],
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(np.array(value), name) for name, value in (constants or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def node(kind, *inputs, **attributes):
    outputs = ["y", "places"] if kind == "TopK" else ["y"]
    return helper.make_node(kind, list(inputs), outputs, kind, **attributes)


def nms(boxes, *, threshold=0.5):
    inputs = (("b", TensorProto.FLOAT, [1, boxes, 4]), ("s", TensorProto.FLOAT, [1, 1, boxes]))
    constants = {"m": np.int64([9]), "i": np.float32([threshold]), "t": np.float32([0.0])}
    return model(node("NonMaxSuppression", "b", "s", "m", "i", "t"), inputs=inputs, constants=constants)


@pytest.mark.parametrize(
    ("graph", "wanted"),
    [
        (model(node("Relu", "x")), []),
        (model(node("NonZero", "x")), ["NonZero (NonZero): not an operator"]),
        (model(node("Not", "x"), inputs=[("x", TensorProto.BOOL, [2])]), []),
        (model(node("Relu", "x"), opset=8), ["expected an opset of 9 to 24, got 8"]),
        (model(node("Add", "x", "x"), inputs=[("x", TensorProto.DOUBLE, [2])]), ["got DOUBLE"] * 2),
        (model(node("Transpose", "x"), inputs=[("x", TensorProto.UINT8, [2, 2])]), ["input 0, got UINT8"]),
        (model(node("Cast", "x", to=TensorProto.FLOAT), inputs=[("x", TensorProto.UINT8, [2])]), []),
        (model(node("Cast", "x", to=TensorProto.UINT8)), ["expected a type that TensorRT computes with, got UINT8"]),
        (model(node("TopK", "x", "k"), constants={"k": np.int64([3])}), []),
        (model(node("TopK", "x", "k", sorted=0), constants={"k": np.int64([3])}), ["sorted = 1"]),
        (
            model(
                node("TopK", "x", "k"),
                inputs=[("x", TensorProto.FLOAT, [9000])],
                constants={"k": np.int64([3840])},
            ),
            ["expected K of at most 3839, got 3840"],
        ),
        (
            model(
                node("TopK", "x", "k"),
                inputs=[("x", TensorProto.FLOAT, [9000]), ("k", TensorProto.INT64, [1])],
            ),
            ["expected a constant K"],
        ),
        (model(node("Resize", "x", "", "s", mode="cubic"), constants={"s": np.float32([1, 1, 2, 2])}), ["got cubic"]),
        (nms(5000), []),
        (nms(5001), ["expected at most 5000 boxes per image, got a shape of [1, 5001, 4]"]),
        (
            model(
                node("ReduceSum", "x", "a"),
                inputs=[("x", TensorProto.FLOAT, [2, 2]), ("a", TensorProto.INT64, [1])],
            ),
            ["expected constant axes"],
        ),
        (
            model(
                node("ScatterND", "x", "i", "u", reduction="add"),
                inputs=[("x", TensorProto.FLOAT, [4]), ("u", TensorProto.FLOAT, [1])],
                constants={"i": np.int64([[0]])},
            ),
            ["expected no reduction, got add"],
        ),
        (model(node("MaxPool", "x", kernel_shape=[3, 3], dilations=[2, 2])), ["without dilations"]),
    ],
)
def test_operators_types_and_restrictions(graph, wanted):
    found = [str(problem) for problem in model_problems(graph)]
    assert len(found) == len(wanted), found
    for text, part in zip(found, wanted, strict=True):
        assert part in text


def test_the_detector_for_the_cpu_is_not_taken(request):
    root = request.config.rootpath / REPOSITORY
    found = " ".join(map(str, problems(root / "mask_rcnn" / "1" / "model.onnx")))
    assert "NonZero" in found
    assert "got UINT8" in found
    assert "expected at most 5000 boxes per image" in found
    assert problems(root / "siamese_rpn" / "1" / "model.onnx") == []


def test_the_table_names_its_source_and_knows_every_group_of_types():
    rules = table()
    assert "TensorRT 10.15" in rules["source"]
    names = {name for name, _ in vars(TensorProto).items() if name.isupper()}
    assert all(set(group) <= names for group in rules["types"].values())
    assert {rule["types"] for rule in rules["operators"].values()} <= set(rules["types"])
    assert all(onnx.defs.has(name) for name in rules["operators"])


@pytest.mark.parametrize("spec", SPECS)
def test_profiles_hold_what_the_graph_takes(spec):
    for profile in profiles(spec):
        assert set(profile.shapes) == {tensor.name for tensor in spec.inputs}
        for which in range(3):
            arrays = {tensor.name: np.zeros(profile.shapes[tensor.name][which], tensor.dtype) for tensor in spec.inputs}
            check_inputs(spec, arrays)
        for least, usual, most in profile.shapes.values():
            assert all(a <= b <= c for a, b, c in zip(least, usual, most, strict=True))


@pytest.mark.parametrize("frame_hw", [(1080, 1920), (1920, 1080), (576, 768), (500, 500), (2304, 4096), (18, 320)])
def test_profiles_hold_the_canvases_of_videos(frame_hw):
    detector = DetectorParams()
    height, width = fit(frame_hw, short_side=detector.short_side, long_side=detector.long_side).padded_hw
    found = profiles(graph_specs(LITE)["mask_rcnn"])
    assert any(
        low[1] <= height <= high[1] and low[2] <= width <= high[2]
        for low, _, high in (profile.shapes["frames"] for profile in found)
    )


def test_profiles_hold_as_many_tracks_as_the_service_sends():
    assert TRACKS[2] >= MOST_WINDOWS


def engines(tmp_path):
    """A repository of engines that are not built: made of the bundled one's manifest."""
    root = Path(__file__).resolve().parents[3] / REPOSITORY
    document = json.loads((root / "manifest.json").read_text()) | {"file": ENGINE_FILE}
    for graph, entry in document["graphs"].items():
        source = source_path(tmp_path, graph)
        source.parent.mkdir(parents=True)
        source.write_bytes(b"graph")
        entry |= {"sha256": "", "source_sha256": hashlib.sha256(b"graph").hexdigest()}
    (tmp_path / "manifest.json").write_text(json.dumps(document))
    return tmp_path


@pytest.mark.parametrize("spec", SPECS)
def test_configuration_of_an_engine(spec):
    release = Manifest(Path(), "lite", "1", LITE, (), {spec.name: "a" * 64}, file=ENGINE_FILE)
    config = text_format.Parse(triton_config(spec, [release]), model_config_pb2.ModelConfig())
    assert (config.platform, config.backend) == ("tensorrt_plan", "tensorrt")
    (group,) = config.instance_group
    assert (group.count, group.kind) == (1, model_config_pb2.ModelInstanceGroup.KIND_GPU)
    assert list(group.profile) == [str(number) for number in range(len(profiles(spec)))]
    assert "intra_op_thread_count" not in config.parameters
    assert [item.name for item in config.input] == [tensor.name for tensor in spec.inputs]


@pytest.mark.parametrize("spec", SPECS)
def test_configuration_with_onnxruntimes_tensorrt(spec):
    text = triton_config(spec, (), Accelerator.TENSORRT)
    config = text_format.Parse(text, model_config_pb2.ModelConfig())
    assert config.backend == "onnxruntime"
    (accelerator,) = config.optimization.execution_accelerators.gpu_execution_accelerator
    assert accelerator.name == "tensorrt"
    assert accelerator.parameters["precision_mode"] == "FP32"
    shapes = {key: value for key, value in accelerator.parameters.items() if key.startswith("trt_profile")}
    # a graph that reads frames is taken in parts, whose inputs have no names of ours
    assert len(shapes) == (0 if spec.max_batch_size else 3)
    for key, text in shapes.items():
        given = dict(entry.split(":") for entry in text.split(","))
        arrays = {
            tensor.name: np.zeros([int(side) for side in given[tensor.name].split("x")], tensor.dtype)
            for tensor in spec.inputs
        }
        check_inputs(spec, arrays)
        assert key in ("trt_profile_min_shapes", "trt_profile_opt_shapes", "trt_profile_max_shapes")


def test_the_option_writes_accelerators(tmp_path):
    result = CliRunner().invoke(export, ["triton-config", "--repository", str(tmp_path), "--accelerator", "tensorrt"])
    assert result.exit_code == 0, result.output
    assert all("execution_accelerators" in path.read_text() for path in tmp_path.glob("*/config.pbtxt"))


def test_engines_are_not_accelerated_again(tmp_path):
    with pytest.raises(ConfigurationError, match="expected ONNX graphs to accelerate with tensorrt, got engines"):
        write_own_configs(engines(tmp_path), Accelerator.TENSORRT)


def test_a_missing_library_is_named_with_what_it_is_for_and_how_to_get_it():
    wanted = r"expected the package `no_such_tensorrt`, version 10 or later, to parse graphs.*pip install tensorrt"
    with pytest.raises(ConfigurationError, match=wanted):
        load_library("no_such_tensorrt")


def test_an_old_library_is_refused(tmp_path, monkeypatch):
    (tmp_path / "old_tensorrt.py").write_text('__version__ = "8.6.1"\n')
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigurationError, match=r"expected old_tensorrt 10 or later, found 8\.6\.1"):
        load_library("old_tensorrt")


def test_engines_need_their_kind_of_repository_and_unchanged_sources(request, tmp_path):
    with pytest.raises(ConfigurationError, match="expected a repository of `dualtrack export tensorrt`"):
        build_engines(request.config.rootpath / REPOSITORY, None, print)
    folder = engines(tmp_path)
    source_path(folder, "mask_rcnn").write_bytes(b"other graph")
    with pytest.raises(ConfigurationError, match=r"mask_rcnn: expected sha256 .*source/model\.onnx has"):
        build_engines(folder, None, print)
    source_path(folder, "mask_rcnn").unlink()
    with pytest.raises(ConfigurationError, match=r"mask_rcnn: expected .*source/model\.onnx, which does not exist"):
        build_engines(folder, None, print)


def test_the_service_says_what_is_wrong_with_engines_that_are_not_built_or_not_served(tmp_path):
    manifest = load_manifest(engines(tmp_path))
    with pytest.raises(ConfigurationError, match=r"model\.plan, which does not exist; `dualtrack export engines`"):
        verify(manifest)
    opening = open_client(
        manifest, triton_url=None, providers=["CPUExecutionProvider"], threads=1, deadline_s=PATIENCE_S
    )
    with pytest.raises(ConfigurationError, match=r"has model\.plan; TensorRT engines need Triton"):
        asyncio.run(opening)


def built(folder):
    """The same with engines: files that no one reads here."""
    document = json.loads((folder / "manifest.json").read_text())
    for graph, entry in document["graphs"].items():
        plan = folder / graph / "1" / ENGINE_FILE
        plan.parent.mkdir()
        plan.write_bytes(graph.encode())
        entry["sha256"] = hashlib.sha256(graph.encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(document))
    return folder


def test_built_engines_pass_as_files_of_a_repository(tmp_path, monkeypatch):
    folder = built(engines(tmp_path))
    manifest = load_manifest(folder)
    verify(manifest)
    assert manifest.graph_path("mask_rcnn").name == ENGINE_FILE
    monkeypatch.setenv("DUALTRACK_MODEL_REPOSITORY", str(folder))
    result = CliRunner().invoke(build_app(["models"]), ["models"])
    assert result.exit_code == 0, result.output
    assert manifest.graphs["mask_rcnn"][:16] in result.output


def test_doctor_says_that_engines_are_not_built(tmp_path, monkeypatch):
    monkeypatch.setenv("DUALTRACK_MODEL_REPOSITORY", str(engines(tmp_path)))
    result = CliRunner().invoke(build_app(["doctor"]), ["doctor", "--json"])
    assert result.exit_code == 6
    checks = {check["name"]: check for check in json.loads(result.output)}
    assert "`dualtrack export engines` builds it" in checks["models"]["detail"]
    assert "TensorRT engines need Triton" in checks["inference"]["detail"]


def test_graphs_are_not_published_among_engines(request, tmp_path):
    with pytest.raises(ConfigurationError, match="expected the file of"):
        publish(request.config.rootpath / REPOSITORY, engines(tmp_path))


def test_a_server_that_runs_another_backend_than_the_manifest_says_is_refused(tmp_path):
    manifest = load_manifest(engines(tmp_path))
    config = SimpleNamespace(backend="onnxruntime", parameters={})
    with pytest.raises(ConfigurationError, match=r"mask_rcnn: expected the backend tensorrt .* uses 'onnxruntime'"):
        compare_release(manifest, "mask_rcnn", config)
