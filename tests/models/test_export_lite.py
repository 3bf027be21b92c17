"""The architecture `lite` with random weights: exported, compared with torch, packed and read again."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import save_file

from dualtrack.errors import ConfigurationError, ContractViolation
from export.onnx.graphs import Lite
from export.onnx.parity import TOLERANCES, compare, difference, match_slots, settled
from export.onnx.random_networks import random_lite
from export.onnx.to_onnx import check_graph
from export.repository.build import Release, write_repository
from export.repository.checkpoint import load_weights, pack_lite
from export.repository.classes import class_list
from service.inference.repository.manifest import load_manifest, verify
from service.inference.specs import LITE, TensorSpec, graph_specs

pytestmark = [pytest.mark.models, pytest.mark.timeout(600)]
CARD = {"what": {"mask_rcnn": "Finds things."}, "data": "None.", "figures": {"mask_rcnn": ["AP 0"]}}


@pytest.fixture(scope="module")
def network():
    torch.set_num_threads(1)
    return random_lite()


@pytest.fixture(scope="module")
def exported(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lite") / "repository"
    rows = write_repository(folder, network.graphs(), Release("lite", "lite-0", "abc", LITE, CARD))
    return folder, rows


def test_every_output_of_every_graph_is_compared(exported):
    _, rows = exported
    wanted = {(spec.name, tensor.name) for spec in graph_specs(LITE).values() for tensor in spec.outputs}
    assert {(row.graph, row.output) for row in rows} == wanted
    assert [row for row in rows if not row.ok] == []


def test_comparisons_are_on_something(exported):
    _, rows = exported
    found = {row.case: row.detections for row in rows if row.graph == "mask_rcnn"}
    assert found["one image"] > 10
    assert found["three images"] > 30
    assert found["no detections"] == 0


def test_the_service_reads_the_repository(exported):
    folder, _ = exported
    manifest = load_manifest(folder)
    verify(manifest)
    assert (manifest.architecture, manifest.release, manifest.dims) == ("lite", "lite-0", LITE)
    assert [(item.name, item.vocabulary) for item in manifest.classes] == [
        (item["name"], item["vocabulary"]) for item in class_list()
    ]
    entry = json.loads((folder / "manifest.json").read_text())["graphs"]["mask_rcnn"]
    assert entry["opset"] == 18
    assert 0 <= entry["worst_parity"]["error"] <= entry["worst_parity"]["tolerance"]
    card = (folder / "mask_rcnn" / "README.md").read_text()
    assert entry["sha256"] in card
    assert "Finds things." in card
    assert "- AP 0" in card


def test_files_hold_no_paths_of_the_machine_and_only_standard_operators(exported, request):
    folder, _ = exported
    for path in folder.glob("*/1/model.onnx"):
        assert str(request.config.rootpath).encode() not in path.read_bytes()
        assert {node.domain for node in onnx.load(path).graph.node} == {""}


def test_a_broken_graph_is_not_put_in_place(network, tmp_path, monkeypatch):
    monkeypatch.setitem(TOLERANCES, "templates", -1.0)
    graphs = {"siamese_rpn_template": network.graphs()["siamese_rpn_template"]}
    rows = write_repository(tmp_path / "repository", graphs, Release("lite", "lite-0", "", LITE, {}))
    assert not any(row.ok for row in rows)
    assert list(tmp_path.iterdir()) == []


def test_other_weights_are_noticed(exported):
    folder, _ = exported
    other = random_lite(seed=1).graphs()["siamese_rpn"]
    rows = compare(other, graph_specs(LITE)["siamese_rpn"], LITE, folder / "siamese_rpn" / "1" / "model.onnx")
    assert not all(row.ok for row in rows)


def test_another_interface_is_noticed(exported):
    folder, _ = exported
    model = onnx.load(folder / "siamese_rpn_template" / "1" / "model.onnx")
    spec = graph_specs(LITE)["siamese_rpn_template"]
    check_graph(model, spec)
    for wrong in (
        TensorSpec("template", "float32", spec.outputs[0].shape),
        TensorSpec("templates", "int32", spec.outputs[0].shape),
        TensorSpec("templates", "float32", ("N", 5, 7, 7)),
        TensorSpec("templates", "float32", ("N", "C", 7, 7)),
    ):
        with pytest.raises(ContractViolation, match="siamese_rpn_template"):
            check_graph(model, replace(spec, outputs=(wrong,)))


def test_ties_may_change_places():
    boxes = np.array([[[0, 0, 9, 9], [5, 5, 20, 20], [40, 40, 50, 50]]], np.float32)
    scores = np.array([[[0.9], [0.5], [0.5]]], np.float32)
    masks = np.arange(3, dtype=np.float32).reshape(1, 3, 1, 1)
    wanted = {"boxes": boxes, "scores": scores, "masks": masks}
    swapped = {name: value[:, [0, 2, 1]] for name, value in wanted.items()}
    matched = match_slots(wanted, swapped)
    assert all(difference(name, wanted[name], matched[name]) == 0 for name in wanted)
    untied = {**swapped, "scores": np.array([[[0.9], [0.5], [0.4]]], np.float32)}
    assert difference("scores", scores, match_slots(wanted, untied)["scores"]) > TOLERANCES["scores"]


def test_in_half_precision_only_detections_that_count_have_to_be_the_same():
    def side(least: float, best: float) -> dict[str, np.ndarray]:
        boxes = np.array([[[0, 0, 9, 9], [least * 100, 0, 40, 40]]], np.float32)
        scores = np.array([[[best], [least]]], np.float32)
        return {"boxes": boxes, "scores": scores, "masks": scores[..., None].copy()}

    wanted, got = settled(side(0.16, 0.9), side(0.14, 0.9), 0.2)
    assert all(difference(name, wanted[name], got[name]) == 0 for name in wanted)
    wanted, got = settled(side(0.21, 0.9), side(0.14, 0.9), 0.2)
    assert difference("boxes", wanted["boxes"], got["boxes"]) > 1, "one of the two is over the threshold"
    wanted, got = settled(side(0.16, 0.9), side(0.16, 0.5), 0.2)
    assert difference("scores", wanted["scores"], got["scores"]) > 0.3


def test_weights_survive_packing(network, tmp_path):
    parts = [tmp_path / "detector.safetensors", tmp_path / "trackers.safetensors"]
    for part, path in zip((network.detector, network.trackers), parts, strict=True):
        save_file(part.state_dict(), path)
    packed = tmp_path / "new" / "lite.safetensors"
    pack_lite(*parts, packed)
    read = Lite()
    load_weights(read, packed)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(read.state_dict()[name], value, rtol=1e-3, atol=1e-4)


def test_wrong_weights_say_so(network, tmp_path):
    text = tmp_path / "text.safetensors"
    text.write_text("no weights")
    trackers = tmp_path / "trackers.safetensors"
    save_file(network.trackers.state_dict(), trackers)
    with pytest.raises(ConfigurationError, match=r"text\.safetensors"):
        load_weights(Lite(), text)
    with pytest.raises(ConfigurationError, match="not the weights of Lite"):
        pack_lite(trackers, trackers, tmp_path / "out.safetensors")
