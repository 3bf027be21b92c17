"""What every client of the networks keeps to: the fake, onnxruntime in process, a real Triton."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np
import pytest

from dualtrack.errors import ContractViolation, InferenceError
from service.inference.client import InferenceClient, Tensors
from service.inference.repository.manifest import load_manifest
from service.inference.specs import GraphSpec, TensorSpec, graph_specs
from tests.contract.inference.backends import Arrays, Backend, Sizes, inputs_for, one
from tests.support.pipelines import REPOSITORY

SPECS = graph_specs(load_manifest(REPOSITORY).dims)
TRACK_GRAPHS = [name for name, spec in SPECS.items() if not spec.max_batch_size]
TEMPLATE = SPECS["siamese_rpn_template"]
TOLERANCE = {"mask_rcnn": 2e-3}
"""Absolute; boxes are px. Sums of another batch are made in another order."""


@pytest.fixture(params=["fake", "onnxruntime", pytest.param("triton", marks=pytest.mark.triton)])
def backend(request: pytest.FixtureRequest) -> Backend:
    if request.param != "triton":
        return Backend(request.param)
    triton_server = request.getfixturevalue("triton_server")
    return Backend("triton", serve=lambda: triton_server(REPOSITORY))


def ask(backend: Backend, spec: GraphSpec, *calls: Arrays) -> list[Tensors]:
    async def work(client: InferenceClient) -> list[Tensors]:
        return [await client.infer(spec, inputs) for inputs in calls]

    return run(backend, work)


def run(backend: Backend, work: Callable[[InferenceClient], Any]) -> Any:
    async def opened() -> Any:
        client = await backend.open()
        try:
            return await work(client)
        finally:
            await client.close()

    return asyncio.run(opened())


def test_the_runtime_names_program_version_and_hardware(backend: Backend) -> None:
    async def runtime(client: InferenceClient) -> str:
        return client.runtime

    wanted = {
        "fake": "fake",
        "onnxruntime": rf"onnxruntime {re.escape(version('onnxruntime'))} CPUExecutionProvider",
        "triton": r"triton \d+\.\d+\.\d+ \w+ KIND_(CPU|GPU)",
    }
    assert re.fullmatch(wanted[backend.name], run(backend, runtime))


@pytest.mark.parametrize("graph", SPECS)
def test_outputs_are_the_specs(backend: Backend, graph: str) -> None:
    spec, sizes = SPECS[graph], Sizes(images=2, tracks=3)
    (outputs,) = ask(backend, spec, inputs_for(spec, sizes))
    assert list(outputs) == [tensor.name for tensor in spec.outputs]
    for tensor in spec.outputs:
        assert outputs[tensor.name].shape == sizes.shape(tensor)
        assert outputs[tensor.name].dtype == tensor.dtype
        assert np.isfinite(outputs[tensor.name]).all()


@pytest.mark.parametrize("graph", SPECS)
def test_several_equal_one_by_one(backend: Backend, graph: str) -> None:
    spec = SPECS[graph]
    inputs = inputs_for(spec, Sizes(images=3, tracks=3), seed=1)
    together, *single = ask(backend, spec, inputs, *(one(inputs, spec, row) for row in range(3)))
    for name, values in together.items():
        apart = np.concatenate([outputs[name] for outputs in single])
        np.testing.assert_allclose(values, apart, atol=TOLERANCE.get(graph, 1e-4), rtol=1e-4, err_msg=name)


@pytest.mark.parametrize("graph", TRACK_GRAPHS)
def test_no_tracks(backend: Backend, graph: str) -> None:
    spec, sizes = SPECS[graph], Sizes(tracks=0)
    (outputs,) = ask(backend, spec, inputs_for(spec, sizes))
    assert {name: values.shape for name, values in outputs.items()} == {
        tensor.name: sizes.shape(tensor) for tensor in spec.outputs
    }


def _without(name: str) -> Callable[[Arrays], Arrays]:
    return lambda inputs: {key: value for key, value in inputs.items() if key != name}


WRONG = {
    "dtype": (lambda i: {**i, "boxes": i["boxes"].astype(np.float64)}, r"boxes: expected float32.*got float64"),
    "shape": (lambda i: {**i, "boxes": i["boxes"][:, :3]}, r"boxes: expected float32\['N', 4\], got float32\[2, 3\]"),
    "axes": (lambda i: {**i, "f8": i["f8"][0]}, r"f8: expected float32"),
    "missing": (_without("boxes"), r"expected tensors \['boxes', 'f8', 'frame_index'\], got \['f8', 'frame_index'\]"),
    "name": (lambda i: {**_without("boxes")(i), "rois": i["boxes"]}, r"got \['f8', 'frame_index', 'rois'\]"),
    "more": (lambda i: {**i, "extra": i["boxes"]}, r"'extra'"),
    "tracks": (lambda i: {**i, "boxes": i["boxes"][:1]}, r"boxes: expected N = 2, got 1"),
    "frame": (lambda i: {**i, "frame_index": i["frame_index"] + 2}, r"frame_index: expected 0 to 1, got \[2, 3\]"),
    "last frame": (lambda i: {**i, "frame_index": i["frame_index"] - 1}, r"frame_index: expected 0 to 1, got \[-1\]"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_refused(backend: Backend, case: str) -> None:
    spoil, message = WRONG[case]
    inputs = spoil(inputs_for(TEMPLATE, Sizes(images=2, tracks=2)))
    with pytest.raises(ContractViolation, match=f"siamese_rpn_template.*{message}"):
        ask(backend, TEMPLATE, inputs)


@pytest.mark.parametrize("images", [0, 9])
def test_number_of_images_is_bounded(backend: Backend, images: int) -> None:
    spec = SPECS["mask_rcnn"]
    with pytest.raises(ContractViolation, match=f"mask_rcnn: expected 1 to 8 images, got {images}"):
        ask(backend, spec, inputs_for(spec, Sizes(images=images, hw=(32, 32))))


@pytest.mark.parametrize(("th_det", "max_per_frame"), [(0.2, 1), (2.0, 50), (0.0, 0)])
def test_unwanted_slots_have_no_mask_and_all_else_is_the_same(
    backend: Backend, th_det: float, max_per_frame: int
) -> None:
    spec = SPECS["mask_rcnn"]
    inputs = inputs_for(spec, Sizes(images=2))
    everything = {**inputs, "th_det": np.zeros((2, 1), np.float32), "max_per_frame": np.full((2, 1), 50, np.int32)}
    # of the first image alone less is wanted
    less = {name: everything[name].copy() for name in everything}
    less["th_det"][0], less["max_per_frame"][0] = th_det, max_per_frame
    whole, part = ask(backend, spec, everything, less)
    kept = (whole["scores"][0].max(axis=1) >= th_det) & (np.arange(len(whole["masks"][0])) < max_per_frame)
    assert (part["masks"][0][~kept] == 0).all()
    np.testing.assert_allclose(part["masks"][0][kept], whole["masks"][0][kept], atol=1e-5)
    np.testing.assert_allclose(part["masks"][1], whole["masks"][1], atol=1e-5)
    for name in whole.keys() - {"masks"}:
        np.testing.assert_allclose(part[name], whole[name], atol=1e-5)


def test_output_that_the_graph_does_not_have(backend: Backend) -> None:
    spec = replace(TEMPLATE, outputs=(TensorSpec("other", "float32", ("N",)),))
    with pytest.raises(InferenceError, match=r"siamese_rpn_template.*other"):
        ask(backend, spec, inputs_for(spec, Sizes()))


def test_output_of_another_shape(backend: Backend) -> None:
    spec = replace(TEMPLATE, outputs=(TensorSpec("templates", "float32", ("N", 5, 7, 7)),))
    with pytest.raises(ContractViolation, match=r"siamese_rpn_template\.templates: expected float32\['N', 5, 7, 7\]"):
        ask(backend, spec, inputs_for(spec, Sizes()))


def test_numbers_that_are_none_are_refused(backend: Backend) -> None:
    inputs = inputs_for(TEMPLATE, Sizes())
    inputs["f8"] = np.full_like(inputs["f8"], np.nan)
    with pytest.raises(
        ContractViolation,
        match=r"siamese_rpn_template\.templates: expected finite numbers, got NaN or infinity in \d+ of",
    ):
        ask(backend, TEMPLATE, inputs)


def test_unknown_graph(backend: Backend) -> None:
    spec = replace(TEMPLATE, name="no_such_graph")
    with pytest.raises(InferenceError, match="no_such_graph"):
        ask(backend, spec, inputs_for(spec, Sizes()))


def test_calls_at_the_same_time_do_not_mix(backend: Backend) -> None:
    calls = [inputs_for(TEMPLATE, Sizes(images=2, tracks=n + 1), seed=n) for n in range(6)]

    async def both(client: InferenceClient) -> tuple[list[Tensors], list[Tensors]]:
        at_once = await asyncio.gather(*(client.infer(TEMPLATE, inputs) for inputs in calls))
        return at_once, [await client.infer(TEMPLATE, inputs) for inputs in calls]

    for here, there in zip(*run(backend, both), strict=True):
        np.testing.assert_array_equal(here["templates"], there["templates"])


def test_inputs_are_left_alone(backend: Backend) -> None:
    inputs = inputs_for(TEMPLATE, Sizes(tracks=2))
    before = {name: values.copy() for name, values in inputs.items()}
    for values in inputs.values():
        values.setflags(write=False)
    ask(backend, TEMPLATE, inputs)
    for name, values in before.items():
        np.testing.assert_array_equal(inputs[name], values)


def test_closed_client_says_so(backend: Backend) -> None:
    async def work(client: InferenceClient) -> None:
        for _ in range(2):
            await client.close()
            with pytest.raises(InferenceError, match="siamese_rpn_template: the client is closed"):
                await client.infer(TEMPLATE, inputs_for(TEMPLATE, Sizes()))

    run(backend, work)
