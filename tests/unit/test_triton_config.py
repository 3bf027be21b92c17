"""The configurations are what Triton's own schema reads, and say what the specs say."""

import numpy as np
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2
from tritonclient.utils import triton_to_np_dtype
from typer.testing import CliRunner

from export.command import REPOSITORY, export
from export.triton_config import triton_config
from service.inference.specs import LITE, PAPER, graph_specs

SPECS = [
    pytest.param(spec, id=f"{preset}-{name}")
    for preset, dims in (("lite", LITE), ("paper", PAPER))
    for name, spec in graph_specs(dims).items()
]


def parsed(spec):
    return text_format.Parse(triton_config(spec), model_config_pb2.ModelConfig())


@pytest.mark.parametrize("spec", SPECS)
def test_tensors_are_the_specs(spec):
    config = parsed(spec)
    assert config.name == spec.name
    assert config.backend == "onnxruntime"
    for written, tensors in ((config.input, spec.inputs), (config.output, spec.outputs)):
        assert [item.name for item in written] == [tensor.name for tensor in tensors]
        for item, tensor in zip(written, tensors, strict=True):
            kind = model_config_pb2.DataType.Name(item.data_type).removeprefix("TYPE_")
            assert triton_to_np_dtype(kind) == np.dtype(tensor.dtype)
            axes = tensor.shape[1:] if spec.max_batch_size else tensor.shape
            assert list(item.dims) == [-1 if isinstance(axis, str) else axis for axis in axes]


@pytest.mark.parametrize("spec", SPECS)
def test_only_graphs_with_one_batch_axis_are_batched_by_the_server(spec):
    config = parsed(spec)
    assert config.max_batch_size == spec.max_batch_size
    assert config.HasField("dynamic_batching") == (spec.name in ("mask_rcnn", "pixel_features"))
    for tensor in (*spec.inputs, *spec.outputs):
        assert (tensor.shape[0] == "B") == bool(spec.max_batch_size)


@pytest.mark.parametrize("spec", SPECS)
def test_one_instance_one_thread_one_version(spec):
    config = parsed(spec)
    (group,) = config.instance_group
    assert (group.count, group.kind) == (1, model_config_pb2.ModelInstanceGroup.KIND_AUTO)
    assert config.parameters["intra_op_thread_count"].string_value == "1"
    assert config.version_policy.latest.num_versions == 1


def test_command_writes_every_file(tmp_path):
    result = CliRunner().invoke(export, ["triton-config", "--preset", "paper", "--repository", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert {path.parent.name for path in tmp_path.glob("*/config.pbtxt")} == set(graph_specs(PAPER))


def test_bundled_files_are_up_to_date(request):
    repository = request.config.rootpath / REPOSITORY
    for name, spec in graph_specs(LITE).items():
        assert (repository / name / "config.pbtxt").read_text() == triton_config(spec), name
