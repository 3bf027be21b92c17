"""Whole jobs over HTTP with a real worker and the bundled models."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from dualtrack.client.client import Client
from evaluation.bench.meters.processes import children
from tests.integration.api.api_service import RAW, Api, running, wait_for
from tests.support.clips import cut
from tests.support.patience import PATIENCE_S
from tests.support.pipelines import REPOSITORY


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("real")
    with running(folder) as api:
        environment = {
            **os.environ,
            "DUALTRACK_REDIS_URL": api.valkey.url,
            "DUALTRACK_DATA_DIR": str(folder),
            "DUALTRACK_MODEL_REPOSITORY": str(REPOSITORY),
            "DUALTRACK_THREADS": "1",
        }
        with (folder / "worker.log").open("wb") as log:
            command = [sys.executable, "-m", "service.cli.main", "worker"]
            worker = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            yield api
        finally:
            worker.terminate()
            worker.wait(PATIENCE_S)


@pytest.fixture
def http(api: Api) -> Iterator[httpx.Client]:
    with api.http() as client:
        yield client


def submit(http: httpx.Client, video: Path, **parameters: Any) -> dict[str, Any]:
    video_id = http.post("/v1/videos", content=video.read_bytes(), headers=RAW).json()["id"]
    body = {"video_id": video_id, "parameters": {"strategy": "greedy", "max_seeds": 2, **parameters}}
    answer = http.post("/v1/jobs", json=body)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def ended(http: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    def over() -> bool:
        return http.get(job["links"]["self"]).json()["finished_at"] is not None

    wait_for(over)
    return dict(http.get(job["links"]["self"]).json())


def test_a_further_job_takes_over_what_the_first_cached(http: httpx.Client, tmp_path: Path) -> None:
    video = cut(tmp_path / "a.mp4", 4)
    first = ended(http, submit(http, video))
    assert (first["state"], first["attempt"], first["progress"]) == ("done", 1, None)
    cached = {entry["stage"]: entry["used_at"] for entry in http.get(first["links"]["video"]).json()["cached"]}
    assert set(cached) == {"clip", "shots", "detections", "tubelets"}
    second = ended(http, submit(http, video, th_seq=0.9, min_score=0))
    assert second["state"] == "done"
    again = {entry["stage"]: entry["used_at"] for entry in http.get(first["links"]["video"]).json()["cached"]}
    assert set(again) == set(cached)
    assert all(again[stage] > cached[stage] for stage in cached)


def test_given_detections_take_the_place_of_the_detector(api: Api, tmp_path: Path) -> None:
    video, file = cut(tmp_path / "d.mp4", 4), tmp_path / "detections.json"
    box = {"image_id": 1, "category_id": 7, "score": 0.9, "bbox": [314, 134, 18, 52]}
    file.write_text(json.dumps({"categories": [{"id": 7, "name": "walker"}], "annotations": [box]}))
    with Client(api.url) as client:
        job = client.submit(video, detections=file, overlay=False)
        client.wait(job, timeout_s=PATIENCE_S)
        [tubelet] = client.result(job).tubelets
        assert (tubelet.category, tubelet.category_id, tubelet.seed_frame) == ("walker", 7, 1)
        records = json.loads(client.download(job, "ytvis", tmp_path / "ytvis.json").read_text())
        assert [record["category_id"] for record in records] == [7]


def test_cancel_in_mid_job_leaves_nothing_on_disk(api: Api, http: httpx.Client, tmp_path: Path) -> None:
    job = submit(http, cut(tmp_path / "b.mp4", 40), th_det=0.3)
    url, data = job["links"]["self"], api.settings.data_dir

    def detecting() -> bool:
        progress = http.get(url).json()["progress"]
        return progress is not None and progress["stage"] == "detect"

    wait_for(detecting)
    assert list((data / "scratch").glob("*/*/frames"))
    http.delete(url)
    wait_for(lambda: http.get(url).json()["state"] == "canceled")
    assert not (data / "blobs" / "results" / job["id"]).exists()
    wait_for(lambda: not list((data / "scratch").glob("*/*")))
    cached = http.get(job["links"]["video"]).json()["cached"]
    assert cached == []


def decoders() -> list[int]:
    """Processes below this one that decode."""
    return [pid for pid in children() if b"service.media.children.decode" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_a_decoder_that_is_killed_costs_an_attempt_and_not_the_job(
    api: Api, http: httpx.Client, tmp_path: Path
) -> None:
    job = submit(http, cut(tmp_path / "long.mp4", 48, hw=(720, 960)), th_det=0.3)
    scratch = api.settings.data_dir / "scratch"
    wait_for(lambda: any(path.stat().st_size for path in scratch.glob("*/*/frames")))
    for pid in decoders():
        os.kill(pid, signal.SIGKILL)
    done = ended(http, job)
    assert (done["state"], done["attempt"]) == ("done", 2)
    assert not list(scratch.glob("*/*"))
    assert ended(http, submit(http, cut(tmp_path / "next.mp4", 3)))["state"] == "done"
