"""The whole method on real frames with the bundled models."""

import asyncio
from pathlib import Path

import av
import pytest

from dualtrack.digest import sha256_of
from dualtrack.errors import InvalidVideo
from service.inference.open import open_client
from service.inference.repository.manifest import load_manifest
from service.media.limits import VideoLimits
from service.pipeline.store.cache import FolderCache
from service.pipeline.store.codec import unpack_tubelets
from service.structures.masks import area, from_json
from tests.support.clips import cut, plain, tiny
from tests.support.patience import PATIENCE_S
from tests.support.pipelines import REPOSITORY, run


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cut(tmp_path_factory.mktemp("clip") / "clip.mp4", 8)


def test_walkers_are_found_and_followed(clip: Path, tmp_path: Path) -> None:
    document = run(clip, tmp_path, overlay=True)
    persons = [item for item in document["tubelets"] if item["category"] == "person"]
    assert len(persons) >= 3
    best = persons[0]
    assert best["frames"] >= 6
    assert all(area(from_json(rle)) >= 16 for rle in best["segmentations"] if rle)
    with av.open(str(tmp_path / "overlay.mp4")) as overlay:
        assert sum(1 for _ in overlay.decode(video=0)) == 8
    assert not list((tmp_path / "scratch").iterdir())


def test_repeat_with_another_th_seq_uses_what_is_there(clip: Path, tmp_path: Path) -> None:
    used: list[str] = []
    cache = FolderCache(tmp_path / "cache", max_bytes=1 << 30, note=lambda note: used.append(note.key))
    first = run(clip, tmp_path / "a", cache=cache)
    video = sha256_of(clip)
    assert {key.partition("-")[0] for key in used} == {
        f"{video}/{stage}" for stage in ("clip", "shots", "detections", "tubelets")
    }
    kept = {path: path.read_bytes() for path in (tmp_path / "cache").glob("*/*")}
    again = run(clip, tmp_path / "b", cache=cache)
    run(clip, tmp_path / "c", cache=cache, th_seq=0.3)
    assert {path: path.read_bytes() for path in (tmp_path / "cache").glob("*/*")} == kept
    assert len(kept) == 4
    assert first == again
    # neither looked at nor decoded
    assert not (tmp_path / "c" / "scratch").exists()


def test_a_known_video_is_decoded_when_its_frames_are_wanted(clip: Path, tmp_path: Path) -> None:
    cache, stages = FolderCache(tmp_path / "cache", max_bytes=1 << 30), []
    parameters = {"strategy": "greedy", "max_seeds": 1}
    run(clip, tmp_path / "a", cache=cache, **parameters)
    wide = run(
        clip, tmp_path / "b", cache=cache, margin=1.6, report=lambda step: stages.append(step.stage), **parameters
    )
    assert list(dict.fromkeys(stages)) == ["detect", "calibrate", "decode", "track", "merge"]
    alone = run(clip, tmp_path / "c", margin=1.6, **parameters)
    assert wide == alone
    assert not list((tmp_path / "b" / "scratch").iterdir())


def test_repeat_with_another_th_cc_adds_new_seeds_and_gives_what_a_first_run_gives(clip: Path, tmp_path: Path) -> None:
    cache = FolderCache(tmp_path / "cache", max_bytes=1 << 30)

    def kept() -> int:
        (bundle,) = (tmp_path / "cache").glob("*/tubelets-*")
        data = cache.get(f"{bundle.parent.name}/{bundle.name}")
        assert data is not None
        return len(unpack_tubelets(data))

    run(clip, tmp_path / "a", cache=cache, max_seeds=4)
    assert kept() == 4
    again = run(clip, tmp_path / "b", cache=cache, max_seeds=6, th_cc=0.9)
    assert 4 < kept() < 10
    alone = run(clip, tmp_path / "c", max_seeds=6, th_cc=0.9)
    assert len(again["tubelets"]) == len(alone["tubelets"])
    for taken, made in zip(again["tubelets"], alone["tubelets"], strict=True):
        assert taken["segmentations"] == made["segmentations"]
        assert taken["score"] == pytest.approx(made["score"], abs=1e-4)


def test_one_track_alone_and_many_together_give_the_same(clip: Path, tmp_path: Path) -> None:
    many = run(clip, tmp_path / "many", strategy="greedy", max_seeds=6, th_seq=1.0, score="seed")["tubelets"]
    one = run(clip, tmp_path / "one", strategy="greedy", max_seeds=1, th_seq=1.0, score="seed")["tubelets"]
    assert one[0]["segmentations"] in [item["segmentations"] for item in many]


def test_the_result_does_not_depend_on_where_features_are_kept(tmp_path: Path) -> None:
    clip = cut(tmp_path / "clip.mp4", 5)

    def tubelets(name: str, feature_bytes: int, spill_bytes: int) -> list[object]:
        budgets = {"feature_bytes": feature_bytes, "spill_bytes": spill_bytes}
        found: list[object] = run(clip, tmp_path / name, max_seeds=3, budgets=budgets)["tubelets"]
        return found

    in_memory = tubelets("memory", 1 << 30, 0)
    assert in_memory
    assert tubelets("disk", 0, 1 << 30) == in_memory
    assert tubelets("nowhere", 0, 0) == in_memory


@pytest.mark.parametrize("preset", ["default", "paper"])
def test_nothing_to_find(preset: str, tmp_path: Path) -> None:
    assert run(plain(tmp_path / "plain.mp4"), tmp_path / "out", preset=preset)["tubelets"] == []


def test_one_frame(tmp_path: Path) -> None:
    document = run(cut(tmp_path / "one.mp4", 1), tmp_path / "out")
    assert document["tubelets"]
    assert all(item["frames"] == 1 for item in document["tubelets"])


def test_paper_preset_runs(clip: Path, tmp_path: Path) -> None:
    assert run(clip, tmp_path, preset="paper", max_seeds=4)["tubelets"]


def test_bundled_repository_loads() -> None:
    async def load() -> None:
        manifest = load_manifest(REPOSITORY)
        client = await open_client(
            manifest, triton_url=None, providers=["CPUExecutionProvider"], threads=1, deadline_s=PATIENCE_S
        )
        await client.close()

    asyncio.run(load())
    assert sum(path.stat().st_size for path in REPOSITORY.glob("*/1/model.onnx")) <= 60e6
    assert all((path.parent.parent / "README.md").is_file() for path in REPOSITORY.glob("*/1/model.onnx"))


@pytest.mark.parametrize("side", [1, 16])
def test_tiny_video(side: int, tmp_path: Path) -> None:
    path = tiny(tmp_path / "tiny.mov", side)
    if side == 1:
        with pytest.raises(InvalidVideo, match="1x1 px, the limit min_side is 16"):
            run(path, tmp_path / "refused")
    limits = VideoLimits(min_side=1)
    document = run(path, tmp_path / "out", limits=limits)
    assert (document["video"]["width"], document["video"]["frames"]) == (side, 3)
