"""A tubelet depends on its frames, the models, the tracker's settings, the raw candidates and its own seed.

Not on other seeds, nor on anything that is done with the candidates: calibration, categories, labels. That is why
tubelets can be taken over from a run that had others (`caching_tracker`). With the fake networks.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from service.inference.fake.client import FakeClient
from service.inference.fake.detector import PALETTE
from service.inference.repository.manifest import ModelClass, load_manifest
from service.pipeline.categories.choice import choose
from service.pipeline.categories.class_vector import ClassVector, counted
from service.pipeline.networks import Networks
from service.pipeline.parameters.params import DetectorParams, preset
from service.pipeline.run import Run, process_video
from service.pipeline.store.codec import pack_tubelets, unpack_tubelets
from service.pipeline.tracks.caching import seed_name
from service.structures.detections import Detections
from service.structures.tubelets import Tubelet
from service.tracking.params import FusionParams, LostParams, SiameseParams, TrackerParams
from tests.support.pipelines import REPOSITORY
from tests.support.recording import MemoryCache, RecordingClient, stage_of
from tests.support.scenes import Rectangle
from tests.support.tracked_scenes import HW, Scene

WALKER = Rectangle(PALETTE[0], 6, 20, 16, 16, step_xy=(22, 0), hidden=range(3, 6))
"""It comes back in frame 6 too far away for the window in which it was lost: found among the candidates."""
OTHER = Rectangle(PALETTE[1], 180, 90, 24, 24, step_xy=(-9, 0))
TWIN = Rectangle(PALETTE[0], 20, 110, 20, 20, step_xy=(3, 0))
FRAMES, BACK = 8, 6
TRACKER = TrackerParams(SiameseParams(lost=LostParams(reach=0)))
CLASSES = counted("made", [ModelClass(name, "own") for name in ("walker", "stranger", "other")])
Change = Callable[[Run], Run]


@dataclass(frozen=True)
class Made:
    """A `Detector` whose candidates are made up: what comes back is weak, and rather of another class.

    Attributes:
        back: scores of walker and stranger for what comes back.
    """

    scene: Scene
    back: tuple[float, float] = (0.28, 0.3)
    vector: ClassVector = CLASSES
    source: str = "made up"

    async def detect(self, clip: object, *_: object) -> AsyncIterator[Detections]:
        for found in self.scene.detections:
            probs = np.zeros((len(found), 3), np.float32)
            for row, box in enumerate(found.boxes):
                if box[1] == OTHER.y1:
                    probs[row, 2] = 0.8
                elif found.frame < BACK:
                    probs[row, 0] = 0.95 - 0.05 * found.frame
                else:
                    probs[row, :2] = self.back
            yield replace(found, probs=probs, raw=probs)


def bundle(path: Path, change: Change, cache: MemoryCache | None = None) -> dict[str, bytes]:
    """The tubelets that a run leaves in the cache, by their seeds' names; exactly the new ones are tracked."""
    manifest, cache = load_manifest(REPOSITORY), cache or MemoryCache()
    known = _stored(cache)
    client = RecordingClient(FakeClient(manifest.dims))
    with Scene(path, [WALKER, OTHER], FRAMES) as scene:
        networks = Networks(client, manifest)
        params = replace(preset("default"), tracker=TRACKER, detector=DetectorParams(short_side=HW[0]))
        run = Run(scene.clip, "made", networks, params, cache, feature_bytes=1 << 28, report=lambda _: None)
        asyncio.run(process_video(change(replace(run, detector_override=Made(scene)))))
    found = _stored(cache)
    assert len(client.of("siamese_rpn_template")) == len(found.keys() - known.keys())
    return found


def _stored(cache: MemoryCache) -> dict[str, bytes]:
    (key,) = {key for key in cache.kept if stage_of(key) == "tubelets"} or {""}
    tubelets = unpack_tubelets(cache.kept[key]) if key else []
    return {seed_name(tubelet.seed): pack_tubelets([tubelet]) for tubelet in tubelets}


def with_params(part: str, **values: object) -> Change:
    def change(run: Run) -> Run:
        return replace(run, params=replace(run.params, **{part: replace(getattr(run.params, part), **values)}))

    return change


def with_categories(*names: str) -> Change:
    return lambda run: replace(run, vocabulary=choose(run.detector.vector, names))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Of a run with the defaults; the walker's tubelet has the frames in which it is back."""
    found = bundle(tmp_path_factory.mktemp("plain") / "clip", lambda run: run)
    assert (0, 1, 2, 6, 7) in [unpack_tubelets(data)[0].frames for data in found.values()]
    return found


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(with_params("calibration", th_key=0.9), id="calibration drops what came back"),
        pytest.param(with_params("calibration", beta=1.0), id="no calibration"),
        pytest.param(with_params("calibration", th_cc=1.0, beta=0.5), id="no class is reliable"),
        pytest.param(with_categories("walker"), id="categories without what came back"),
        pytest.param(with_categories("walker", "other"), id="other categories"),
        pytest.param(with_params("proposals", max_seeds=1), id="one seed"),
        pytest.param(with_params("proposals", strategy="greedy"), id="other choice of seeds"),
        pytest.param(with_params("tubelets", th_seq=0.9, match_iou=0.1, score="seed"), id="labels and scores"),
    ],
)
def test_what_is_done_with_candidates_does_not_matter(change: Change, plain: dict[str, bytes], tmp_path: Path) -> None:
    found = bundle(tmp_path / "clip", change)
    walker = next(name for name, data in plain.items() if unpack_tubelets(data)[0].frames == (0, 1, 2, 6, 7))
    assert found[walker] == plain[walker]
    shared = found.keys() & plain.keys()
    assert {name: found[name] for name in shared} == {name: plain[name] for name in shared}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(with_params("calibration", th_cc=0.9), id="another th_cc"),
        pytest.param(with_params("calibration", th_cc=1.0, beta=0.5), id="another th_cc and beta"),
        pytest.param(with_categories("walker"), id="one category"),
        pytest.param(with_categories("stranger", "other"), id="two other categories"),
    ],
)
def test_known_seeds_are_never_tracked_again(change: Change, tmp_path: Path) -> None:
    cache = MemoryCache()
    before = bundle(tmp_path / "first", lambda run: run, cache)
    after = bundle(tmp_path / "second", change, cache)
    assert {name: after[name] for name in before} == before


def test_a_stranger_where_the_walker_would_come_back_is_another_object(tmp_path: Path) -> None:
    def stranger(run: Run) -> Run:
        assert isinstance(run.detector_override, Made)
        return replace(run, detector_override=replace(run.detector_override, back=(0.01, 0.8)))

    frames = {unpack_tubelets(data)[0].frames for data in bundle(tmp_path / "clip", stranger).values()}
    assert (0, 1, 2) in frames
    assert (6, 7) in frames
    walkers = with_categories("walker")
    found = bundle(tmp_path / "walkers", lambda run: walkers(stranger(run)))
    assert {unpack_tubelets(data)[0].frames for data in found.values()} == {(0, 1, 2)}
    unchecked = with_params("tracker", siamese=SiameseParams(lost=LostParams(reach=0, agree=0)))
    found = bundle(tmp_path / "unchecked", lambda run: unchecked(stranger(run)))
    assert (0, 1, 2, 6, 7) in {unpack_tubelets(data)[0].frames for data in found.values()}


def test_other_candidates_are_other_tubelets(plain: dict[str, bytes], tmp_path: Path) -> None:
    """They are where lost tracks look, which is why what made them is part of the key."""

    def none_in_the_end(run: Run) -> Run:
        assert isinstance(run.detector_override, Made)
        for t in range(BACK, FRAMES):
            run.detector_override.scene.detections[t] = run.detector_override.scene.detections[t].select(np.array([1]))
        return run

    found = bundle(tmp_path / "clip", none_in_the_end)
    assert any(found[name] != plain[name] for name in found.keys() & plain.keys())


@pytest.mark.parametrize(
    ("places", "own"),
    [
        pytest.param([0, 1], 0, id="another after it"),
        pytest.param([2, 1, 0, 0], 2, id="others before it, one of its color, and itself twice"),
    ],
)
@pytest.mark.parametrize(
    "tracker",
    [
        pytest.param(TRACKER, id="lost and found"),
        pytest.param(TrackerParams(SiameseParams(lost=LostParams(max_frames=2, reach=0))), id="stopped when lost"),
        pytest.param(TrackerParams(fusion=FusionParams(second_look=0.2)), id="second look at all"),
        pytest.param(TrackerParams(fusion=FusionParams(kind="none")), id="pixel tracker alone"),
        pytest.param(TrackerParams(fusion=FusionParams(kind="instance")), id="Siamese tracker alone"),
    ],
)
def test_other_seeds_do_not_matter(places: Sequence[int], own: int, tracker: TrackerParams, tmp_path: Path) -> None:
    async def work() -> tuple[Tubelet, Tubelet]:
        with Scene(tmp_path / "clip", [WALKER, OTHER, TWIN], FRAMES) as scene:
            seeds = scene.seeds(1)
            (alone,) = await scene.tracked(tracker).track([seeds[0]])
            together = await scene.tracked(tracker).track([seeds[place] for place in places])
            return alone, together[own]

    alone, together = asyncio.run(work())
    assert len(alone.frames) > 1
    assert pack_tubelets([together]) == pack_tubelets([alone])
