"""The configurations are what Triton's own schema reads, and say what the specs say."""

from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2
from tritonclient.utils import triton_to_np_dtype
from typer.testing import CliRunner

from dualtrack.errors import ConfigurationError
from export.commands.export import REPOSITORY, export
from export.repository.triton_config import triton_config
from service.inference.checks import check_inputs
from service.inference.repository.manifest import Manifest
from service.inference.specs import LITE, RESNEXT, graph_specs

SPECS = [
    pytest.param(spec, id=f"{architecture}-{name}")
    for architecture, dims in (("lite", LITE), ("resnext", RESNEXT))
    for name, spec in graph_specs(dims).items()
]


def parsed(spec, *releases):
    return text_format.Parse(triton_config(spec, releases), model_config_pb2.ModelConfig())


def release(number, name, digest):
    return Manifest(Path(), "lite", name, LITE, (), dict.fromkeys(graph_specs(LITE), digest), number)


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
def test_one_instance_one_thread_two_versions(spec):
    config = parsed(spec)
    (group,) = config.instance_group
    assert (group.count, group.kind) == (1, model_config_pb2.ModelInstanceGroup.KIND_AUTO)
    assert config.parameters["intra_op_thread_count"].string_value == "1"
    assert config.version_policy.latest.num_versions == 2


@pytest.mark.parametrize("spec", [case for case in SPECS if case.values[0].max_batch_size])
def test_queue_is_bounded_in_size_and_time_and_knows_two_priorities(spec):
    batching = parsed(spec).dynamic_batching
    policy = batching.default_queue_policy
    assert 0 < policy.max_queue_size <= 64
    assert 0 < policy.default_timeout_microseconds <= 30_000_000
    assert policy.timeout_action == model_config_pb2.ModelQueuePolicy.REJECT
    assert policy.allow_timeout_override
    assert (batching.priority_levels, batching.default_priority_level) == (2, 2)
    assert not batching.preserve_ordering  # the server refuses it with more than one priority


@pytest.mark.parametrize("spec", SPECS)
def test_warm_up_brings_every_input_in_a_size_that_fits(spec):
    (sample,) = parsed(spec).model_warmup
    assert sample.batch_size == min(spec.max_batch_size, 1)
    shapes = {name: list(entry.dims) for name, entry in sample.inputs.items()}
    if spec.max_batch_size:
        shapes = {name: [1, *dims] for name, dims in shapes.items()}
    check_inputs(spec, {tensor.name: np.zeros(shapes[tensor.name], tensor.dtype) for tensor in spec.inputs})
    assert all(entry.zero_data for entry in sample.inputs.values())


def test_every_version_says_what_it_is():
    spec = graph_specs(LITE)["siamese_rpn"]
    config = parsed(spec, release(2, "lite-4", "b" * 64), release(1, "lite-3", "a" * 64))
    found = {key: value.string_value for key, value in config.parameters.items() if key.startswith("dualtrack")}
    assert found == {
        "dualtrack_release_1": "lite-3",
        "dualtrack_sha256_1": "a" * 64,
        "dualtrack_release_2": "lite-4",
        "dualtrack_sha256_2": "b" * 64,
    }


def test_command_writes_every_file(tmp_path):
    result = CliRunner().invoke(export, ["triton-config", "--architecture", "resnext", "--repository", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert {path.parent.name for path in tmp_path.glob("*/config.pbtxt")} == set(graph_specs(RESNEXT))


def test_command_does_not_write_another_architecture_into_a_repository(request):
    repository = request.config.rootpath / REPOSITORY
    result = CliRunner().invoke(export, ["triton-config", "--architecture", "resnext", "--repository", str(repository)])
    assert isinstance(result.exception, ConfigurationError)
    assert "expected the architecture resnext, the manifest has lite" in str(result.exception)


def test_bundled_files_are_what_the_command_writes(request, tmp_path):
    bundled = request.config.rootpath / REPOSITORY
    (tmp_path / "manifest.json").write_bytes((bundled / "manifest.json").read_bytes())
    result = CliRunner().invoke(export, ["triton-config", "--repository", str(tmp_path)])
    assert result.exit_code == 0, result.output
    written = {path.parent.name: path.read_text() for path in tmp_path.glob("*/config.pbtxt")}
    assert written == {path.parent.name: path.read_text() for path in bundled.glob("*/config.pbtxt")}
