"""What the keys of the cache tell apart, and what they do not: each by what a run asks the cache for.

Keys are taken from runs, not from the functions that make them: a run that leaves something out is found, too. The
clip can't be decoded, for no key needs a frame.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from service.inference.fake.client import FakeClient
from service.inference.onnx_runtime import OnnxFile
from service.inference.repository.manifest import Manifest, display_names, load_manifest
from service.media.frames.clip import Clip
from service.media.limits import VideoLimits
from service.media.video_info import VideoInfo
from service.pipeline.categories.choice import choose
from service.pipeline.categories.class_vector import ClassVector, bundled
from service.pipeline.detection.description import load_detector_file
from service.pipeline.detection.given import GivenDetections
from service.pipeline.detection.outside import OutsideDetector
from service.pipeline.detection.records import records_of, vector_to_json
from service.pipeline.detection.records_file import read_records
from service.pipeline.features.by_frame import FeatureCache
from service.pipeline.networks import Networks
from service.pipeline.parameters.job_parameters import JobParameters
from service.pipeline.parameters.params import preset
from service.pipeline.run import Run, detect_all, seed_tracker, shot_changes, thinned
from service.pipeline.store import keys as cache_keys
from service.pipeline.store.codec import pack_detections
from service.pipeline.store.keys import clip_key, given_key
from service.pipeline.store.known_clip import ClipFacts, KnownClip
from service.pipeline.tracks.caching import seed_name
from service.structures.detections import Candidate, Detections
from service.structures.masks import encode
from service.tracking.chunks import Chunk
from tests.support.changes import changed_once
from tests.support.pipelines import REPOSITORY
from tests.support.recording import MemoryCache, stage_of

FRAMES = 24
INFO = VideoInfo("raw", "rawvideo", 240, 144, FRAMES, 1.0, 24.0, 0, False, 1)
MANIFEST = load_manifest(REPOSITORY)
PARAMS = replace(preset("default"), track_fps=0.0)
NETWORKS = {"detections", "tubelets", "checkpoint"}
"""What the networks had a part in."""
ALL = NETWORKS | {"shots"}
NOTHING = Detections(0, np.zeros((0, 4), np.float32), np.zeros((0, 1), np.float32), ())
NO_RECORDS = records_of([], (INFO.height, INFO.width), 1)
Change = Callable[[Run], Run]


class Answering(MemoryCache):
    """Has detections of whatever is asked for, so that no run needs to detect."""

    def get(self, key: str, *, checkpoint: bool = False) -> bytes | None:
        super().get(key)
        return pack_detections([NOTHING]) if stage_of(key) == "detections" else None


async def no_frames() -> Clip:
    raise AssertionError("no key needs a frame")


def networks(manifest: Manifest) -> Networks:
    return Networks(FakeClient(manifest.dims), manifest)


def a_run() -> Run:
    clip = KnownClip(ClipFacts(INFO, np.arange(FRAMES) / 24, None), (144, 240), no_frames)
    run = Run(clip, "a" * 64, networks(MANIFEST), PARAMS, MemoryCache(), feature_bytes=0, report=lambda _: None)
    return replace(run, checkpoint_frames=1)


def keys(run: Run) -> dict[str, str]:
    """What the run asks for, by stage."""
    answering = Answering()
    run = replace(run, cache=answering)

    async def ask() -> None:
        features = FeatureCache(run.clip, run.canvas, run.networks, max_bytes=0)
        await seed_tracker(run, await detect_all(run, features), features).track([], lambda *_: None)

    shot_changes(run)
    asyncio.run(ask())
    run.checkpoints.find("detect 0", lambda data: data)
    return {stage_of(key): key for key in answering.asked}


def differing(run: Run) -> set[str]:
    """The stages whose keys are not those of `a_run`."""
    here, before = keys(run), keys(a_run())
    assert here.keys() == before.keys() == ALL
    return {stage for stage in ALL if here[stage] != before[stage]}


def stages_that(name: str) -> set[str]:
    """The stages whose keys must tell values of a parameter apart."""
    part, _, field = name.partition(".")
    if part == "detector":
        return ALL if field in ("short_side", "long_side") else NETWORKS
    return {"tubelets", "checkpoint"} if part == "tracker" else set()


@pytest.mark.parametrize(
    ("params", "stages"),
    [
        pytest.param(changed, stages_that(name), id=name)
        for name, changed in changed_once(PARAMS)
        if name != "chunks.shots"  # the keys of shots are not asked for without it
    ],
)
def test_every_parameter_is_in_the_keys_of_those_that_depend_on_it(params, stages: set[str]) -> None:
    assert differing(replace(a_run(), params=params)) == stages


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param(replace(MANIFEST, release="other"), id="release"),
        *[
            pytest.param(replace(MANIFEST, graphs={**MANIFEST.graphs, name: "0" * 64}), id=f"sha256 of {name}")
            for name in MANIFEST.graphs
        ],
    ],
)
def test_other_models_are_distinguished(manifest: Manifest) -> None:
    assert differing(replace(a_run(), networks=networks(manifest))) == NETWORKS


def with_categories(run: Run) -> Run:
    return replace(run, vocabulary=choose(run.detector.vector, [display_names(MANIFEST.classes)[3]]))


def moved(run: Run) -> Run:
    return replace(run, networks=networks(replace(MANIFEST, path=Path("elsewhere"), number=7)))


@pytest.mark.parametrize(
    ("change", "stages"),
    [
        pytest.param(lambda run: replace(run, cache_name="b" * 64), ALL, id="content of the video"),
        pytest.param(lambda run: run.part(Chunk(0, FRAMES - 1)), ALL, id="end of the chunk"),
        pytest.param(lambda run: thinned(at_rate(run, 12.0)), ALL, id="rate of the tracked frames"),
        pytest.param(lambda run: run.part(Chunk(0, FRAMES)), set(), id="one chunk is the whole video"),
        pytest.param(lambda run: thinned(at_rate(run, 24.0)), set(), id="every frame is tracked"),
        pytest.param(lambda run: at_rate(run, 12.0), set(), id="the rate alone, before frames are left out"),
        pytest.param(with_categories, set(), id="categories"),
        pytest.param(moved, set(), id="the same weights elsewhere"),
        pytest.param(lambda run: replace(run, feature_bytes=1, spill_bytes=1), set(), id="budgets"),
        pytest.param(lambda run: replace(run, checkpoint_frames=8), set(), id="distance of checkpoints"),
        pytest.param(lambda run: replace(run, scratch=Path("elsewhere")), set(), id="scratch folder"),
    ],
)
def test_what_else_of_a_run_is_in_the_keys(change: Change, stages: set[str]) -> None:
    assert differing(change(a_run())) == stages


def at_rate(run: Run, track_fps: float) -> Run:
    return replace(run, params=replace(run.params, track_fps=track_fps))


def test_frames_of_a_video_are_distinguished() -> None:
    """Segments of one length, and those of another rate that cover the same frames."""
    run = a_run()
    runs = [
        run.part(Chunk(0, 8)),
        run.part(Chunk(1, 9)),
        run.part(Chunk(0, 9)),
        thinned(at_rate(run, 12.0)),
        thinned(at_rate(run, 8.0)),
        thinned(at_rate(run, 12.0)).part(Chunk(0, 8)),
        thinned(at_rate(run, 8.0)).part(Chunk(0, 7)),
    ]
    found = [keys(run) for run in runs]
    assert all(len({each[stage] for each in found}) == len(runs) for stage in ALL)


@pytest.mark.parametrize("field", [name for name in JobParameters.model_fields if name.startswith("overlay")])
def test_the_overlay_is_no_parameter_of_a_run(field: str) -> None:
    other = {"overlay": False, "overlay_min_score": 0.7}[field]
    assert JobParameters(**{field: other}).pipeline_params() == JobParameters().pipeline_params()


def described_detector(folder: Path, *, score: str, graph: bytes) -> GivenDetections:
    """A detector from outside as far as keys go: its description and its graph."""
    folder.mkdir()
    (folder / "model.onnx").write_bytes(graph)
    rules = f'input = {{name = "x", size = [64, 64]}}\nboxes = {{tensor = "b"}}\nscores = {{tensor = "{score}"}}'
    (folder / "detector.toml").write_text(f'model = "model.onnx"\nclasses = ["a"]\n{rules}\n')
    return GivenDetections(load_detector_file(folder / "detector.toml").vector, NO_RECORDS)


def given_file(path: Path, text: str, known: ClassVector | None = None) -> GivenDetections:
    path.write_text(text)
    records, vector = read_records(path, FRAMES, (INFO.height, INFO.width), known or bundled(MANIFEST))
    return GivenDetections(vector, records)


OWN_CLASSES = '{"annotations": [], "categories": [{"id": 1, "name": "%s"}]}'


def test_sources_of_candidates_are_distinguished(tmp_path: Path) -> None:
    outside = described_detector(tmp_path / "a", score="s", graph=b"1")
    sources = [
        None,
        outside,
        described_detector(tmp_path / "b", score="other", graph=b"1"),
        described_detector(tmp_path / "c", score="s", graph=b"2"),
        given_file(tmp_path / "d", "[]"),
        given_file(tmp_path / "e", "[ ]"),
        given_file(tmp_path / "d", "[]", outside.vector),
        given_file(tmp_path / "f", OWN_CLASSES % "cat"),
        given_file(tmp_path / "g", OWN_CLASSES % "dog"),
    ]
    found = [keys(replace(a_run(), detector_override=source)) for source in sources]
    assert all(len({each[stage] for each in found}) == len(sources) for stage in NETWORKS)
    assert len({each["shots"] for each in found}) == 1
    again = described_detector(tmp_path / "again", score="s", graph=b"1")
    assert keys(replace(a_run(), detector_override=again)) == found[1]


def test_only_the_bundled_detectors_scores_are_rescaled(tmp_path: Path) -> None:
    given, bundled_run = given_file(tmp_path / "a", "[]"), a_run()
    assert bundled_run.tubelet_params == bundled_run.params.tubelets
    assert bundled_run.tubelet_params.rescale
    assert not replace(bundled_run, detector_override=given).tubelet_params.rescale


@pytest.mark.parametrize("name", MANIFEST.graphs)
def test_given_candidates_depend_on_the_bundled_weights_too(name: str, tmp_path: Path) -> None:
    """They make masks of boxes, and the tubelets."""
    given = given_file(tmp_path / "a", OWN_CLASSES % "cat")
    other = networks(replace(MANIFEST, graphs={**MANIFEST.graphs, name: "0" * 64}))
    one, two = (
        keys(replace(a_run(), detector_override=given)),
        keys(replace(a_run(), detector_override=given, networks=other)),
    )
    assert {stage for stage in ALL if one[stage] != two[stage]} == NETWORKS


def test_what_was_made_of_other_frames_of_the_same_video_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    before, facts = keys(a_run()), clip_key("a", VideoLimits())
    monkeypatch.setattr(cache_keys, "FRAMES", cache_keys.FRAMES + 1)
    assert not {*keys(a_run()).values(), clip_key("a", VideoLimits())} & {*before.values(), facts}


def test_what_another_program_made_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    before, facts = keys(a_run()), clip_key("a", VideoLimits())
    for part in cache_keys.PROGRAM:
        with monkeypatch.context() as changed:
            changed.setitem(cache_keys.PROGRAM, part, "other")
            assert not {*keys(a_run()).values(), clip_key("a", VideoLimits())} & {*before.values(), facts}


class Elsewhere(FakeClient):
    runtime = "fake on another processor"


def test_another_execution_provider_is_distinguished() -> None:
    other = Networks(Elsewhere(MANIFEST.dims), MANIFEST)
    assert differing(replace(a_run(), networks=other)) == NETWORKS


def test_the_provider_of_a_detector_from_outside_is_distinguished(tmp_path: Path) -> None:
    described_detector(tmp_path / "a", score="s", graph=b"1")
    file = load_detector_file(tmp_path / "a" / "detector.toml")
    one, two = (OutsideDetector(file, cast("OnnxFile", SimpleNamespace(runtime=name))) for name in "ab")
    assert one.source != two.source != one.vector.source


def test_checkpoints_of_a_run_are_distinguished() -> None:
    key = a_run().checkpoints.key
    assert len({key(name) for name in ("detect 0", "detect 8", "track a 8", "track b 8")}) == 4


def test_stages_are_distinguished() -> None:
    assert len({key.rpartition("-")[2] for key in keys(a_run()).values()}) == len(ALL)


def test_checked_records_depend_on_file_video_and_classes() -> None:
    known = vector_to_json(bundled(MANIFEST))
    infos = [INFO, replace(INFO, frames=7), replace(INFO, height=7), replace(INFO, width=7)]
    found = [given_key("a", "d", info, known) for info in infos]
    found += [given_key("b", "d", INFO, known), given_key("a", "e", INFO, known), given_key("a", "d", INFO, {})]
    assert len(set(found)) == len(found)
    assert {key.partition("-")[0] for key in found} == {"a/given", "b/given"}


def test_facts_of_a_clip_depend_on_its_content_and_every_limit() -> None:
    limits = VideoLimits()
    changed = [clip_key("a", other) for _, other in changed_once(limits)]
    everything = [clip_key("a", limits), clip_key("b", limits), *changed]
    assert len(set(everything)) == len(everything)
    assert clip_key("a", VideoLimits()) == clip_key("a", limits)


def square(x: int) -> np.ndarray:
    image = np.zeros((40, 60), np.bool_)
    image[5:15, x : x + 10] = True
    return image


BOX = np.array([3, 5, 13, 15], np.float32)
SEED = Candidate(2, BOX, np.array([0.9, 0.1], np.float32), encode(square(3)), np.array([0.9, 0.1], np.float32))


@pytest.mark.parametrize(
    ("other", "same"),
    [
        pytest.param(replace(SEED, frame=3), False, id="frame"),
        pytest.param(replace(SEED, box=BOX + np.float32([0, 0, 0, 0.5])), False, id="box"),
        pytest.param(replace(SEED, mask=encode(square(4))), False, id="mask"),
        pytest.param(replace(SEED, mask=replace(SEED.mask, size_hw=(60, 40))), False, id="size of the mask"),
        pytest.param(replace(SEED, raw=np.array([0.9, 0.2], np.float32)), False, id="the detector's class vector"),
        pytest.param(replace(SEED, probs=np.array([0.2], np.float32)), True, id="calibrated class vector"),
    ],
)
def test_what_names_a_tubelet_in_its_bundle(other: Candidate, same: bool) -> None:
    assert (seed_name(other) == seed_name(SEED)) == same
