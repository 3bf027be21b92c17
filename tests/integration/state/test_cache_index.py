"""What is cached of a video: listed, kept for a while, gone with the video. Real Valkey."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.state import redis_keys
from service.wiring import Parts
from tests.integration.api.api_service import RAW, Api, clip, running

TTL_S = 600


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with running(tmp_path_factory.mktemp("cache"), result_ttl_s=TTL_S) as api:
        yield api


@pytest.fixture
def http(api: Api) -> Iterator[httpx.Client]:
    with api.http() as client:
        yield client


@pytest.fixture
def video(http: httpx.Client, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    content = clip(tmp_path / "a.mp4", seed=len(request.node.name)).read_bytes()
    return str(http.post("/v1/videos", content=content, headers=RAW).json()["id"])


def note(api: Api, *notes: tuple[str, int | None]) -> None:
    async def work(parts: Parts) -> None:
        for key, size in notes:
            await parts.cache.note(key, size)

    api.act(work)


def listed(http: httpx.Client, video: str) -> list[tuple[str, int]]:
    cached = http.get(f"/v1/videos/{video}").json()["cached"]
    return [(entry["stage"], entry["size_bytes"]) for entry in cached]


def test_last_used_first(api: Api, http: httpx.Client, video: str) -> None:
    assert listed(http, video) == []
    note(api, (f"{video}/detections-1", 10), (f"{video}/tubelets-1", 20))
    assert listed(http, video) == [("tubelets", 20), ("detections", 10)]
    note(api, (f"{video}/detections-1", 10))
    assert listed(http, video) == [("detections", 10), ("tubelets", 20)]


def test_removed_for_want_of_room(api: Api, http: httpx.Client, video: str) -> None:
    note(api, (f"{video}/detections-1", 10), (f"{video}/tubelets-1", 20), (f"{video}/detections-1", None))
    assert listed(http, video) == [("tubelets", 20)]


def test_the_list_has_a_time_to_live(api: Api, video: str) -> None:
    note(api, (f"{video}/detections-1", 10))
    left = api.act(lambda parts: parts.redis.ttl(redis_keys.video_cache(video)))
    assert 0 < left <= TTL_S


def test_list_and_files_go_with_the_video(api: Api, http: httpx.Client, video: str) -> None:
    note(api, (f"{video}/detections-1", 10))
    folder = api.settings.cache_dir / video
    folder.mkdir(parents=True)
    (folder / "detections-1").write_bytes(bytes(10))
    assert http.delete(f"/v1/videos/{video}").status_code == 204
    assert not folder.exists()
    assert api.act(lambda parts: parts.redis.exists(redis_keys.video_cache(video))) == 0


def test_files_that_nobody_uses_are_swept(api: Api, video: str) -> None:
    folder = api.settings.cache_dir / video
    folder.mkdir(parents=True)
    old, young = folder / "detections-1", folder / "tubelets-1"
    for path in (old, young):
        path.write_bytes(b"x")
    os.utime(old, (0, 0))
    api.act(lambda parts: asyncio.to_thread(parts.cache.sweep))
    assert (old.exists(), young.exists()) == (False, True)
    os.utime(young, (0, 0))
    api.act(lambda parts: asyncio.to_thread(parts.cache.sweep))
    assert not folder.exists()
