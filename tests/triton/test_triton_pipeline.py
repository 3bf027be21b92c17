"""A short clip through the whole pipeline on a real Triton: the same tubelets as in process."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dualtrack.errors import ContractViolation, InferenceError, Unavailable
from service.inference.repository.manifest import load_manifest
from service.inference.specs import LITE, graph_specs
from service.inference.triton.client import TritonClient
from service.structures.masks import from_json, iou_matrix
from tests.support.clips import cut
from tests.support.patience import PATIENCE_S
from tests.support.pipelines import REPOSITORY, run
from tests.triton.server import Triton, triton

pytestmark = pytest.mark.triton


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    python = Path(os.environ.get("DUALTRACK_TEST_TRITON_PYTHON", ".venv-triton/bin/python"))
    with triton(REPOSITORY, tmp_path_factory.mktemp("triton"), python.absolute()) as started:
        yield started


def test_same_tubelets_as_in_process(server: Triton, tmp_path: Path) -> None:
    clip = cut(tmp_path / "clip.mp4", 6)
    here = run(clip, tmp_path / "here")["tubelets"]
    there = run(clip, tmp_path / "there", triton_url=server.grpc_url)["tubelets"]
    assert len(here) == len(there) > 0
    for one, other in zip(here, there, strict=True):
        assert one["category"] == other["category"]
        assert one["score"] == pytest.approx(other["score"], abs=1e-4)
        for t, (a, b) in enumerate(zip(one["segmentations"], other["segmentations"], strict=True)):
            assert (a is None) == (b is None), f"tubelet {one['id']}, frame {t}"
            if a is not None:
                np.testing.assert_allclose(one["boxes"][t], other["boxes"][t], atol=0.011)  # written with 2 digits
                assert iou_matrix([from_json(a)], [from_json(b)])[0, 0] > 0.99


def test_start_up_check_passes_on_the_bundled_repository(server: Triton) -> None:
    async def check() -> None:
        client = TritonClient(server.grpc_url, deadline_s=PATIENCE_S)
        try:
            await client.check(load_manifest(REPOSITORY))
        finally:
            await client.close()

    asyncio.run(check())


def test_a_frame_without_any_detection(server: Triton) -> None:
    """The server's onnxruntime is an older one, which fails on layers with 0 rows: the graph must have none."""

    async def send() -> dict[str, np.ndarray]:
        client = TritonClient(server.grpc_url, deadline_s=PATIENCE_S)
        try:
            frames = np.random.default_rng(0).integers(0, 255, (1, 384, 640, 3), dtype=np.uint8)
            # all of it padding: no cell lies inside, whatever the weights see in noise
            wanted = {"th_det": np.zeros((1, 1), np.float32), "max_per_frame": np.full((1, 1), 50, np.int32)}
            inputs = {"frames": frames, "hw": np.zeros((1, 2), np.int32), **wanted}
            return await client.infer(graph_specs(LITE)["mask_rcnn"], inputs)
        finally:
            await client.close()

    assert asyncio.run(send())["count"].tolist() == [[0]]


def test_wrong_input_is_refused_before_it_travels(server: Triton) -> None:
    async def send() -> None:
        client = TritonClient(server.grpc_url, deadline_s=PATIENCE_S)
        try:
            frames = np.zeros((1, 64, 64, 3), np.float32)
            wanted = {"th_det": np.zeros((1, 1), np.float32), "max_per_frame": np.full((1, 1), 50, np.int32)}
            inputs = {"frames": frames, "hw": np.ones((1, 2), np.int32), **wanted}
            await client.infer(graph_specs(LITE)["mask_rcnn"], inputs)
        finally:
            await client.close()

    with pytest.raises(ContractViolation, match=r"mask_rcnn\.frames: expected uint8"):
        asyncio.run(send())


def test_absent_server_is_unavailable() -> None:
    async def send() -> None:
        client = TritonClient("127.0.0.1:9", deadline_s=PATIENCE_S)
        try:
            await client.check(load_manifest(REPOSITORY))
        finally:
            await client.close()

    with pytest.raises((Unavailable, InferenceError)):
        asyncio.run(send())
