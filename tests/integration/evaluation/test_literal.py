"""The literal implementation: the same arithmetic as the service's graph, and the same objects on a real clip."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from evaluation.baselines.literal.graphs import LiteralGraphs, open_graphs
from evaluation.baselines.literal.matching import FAR, nearest, nearest_before
from evaluation.baselines.literal.tracker import LiteralReference, LiteralTracker, attended, matching_maps
from evaluation.data.dataset import AnnotatedVideo
from evaluation.runs.session import open_context, open_run
from service.calibration.class_calibration import calibrate
from service.calibration.seeds import next_seeds
from service.inference.specs import BANK
from service.pipeline.features.batches import network_batch
from service.pipeline.features.by_frame import FeatureCache
from service.pipeline.parameters.job_parameters import JobParameters
from service.pipeline.run import Run, detect_all
from service.pipeline.store.cache import NoCache
from service.pipeline.tracks.tracker import Tracker
from service.settings import Settings
from service.structures.masks import area, iou_matrix
from tests.support.clips import cut

RADII = (1, 3)


def test_nearest_is_the_nearest() -> None:
    random = np.random.default_rng(0)
    queries, references = (
        random.normal(size=(700, 5)).astype(np.float32),
        random.normal(size=(40, 5)).astype(np.float32),
    )
    plain = ((queries[:, None] - references[None]) ** 2).sum(2).min(1)
    np.testing.assert_allclose(nearest(queries, references), plain, atol=1e-4)
    assert (nearest(queries, references[:0]) == FAR).all()


def test_nearest_before_looks_as_far_as_the_radius_and_at_its_label() -> None:
    random = np.random.default_rng(0)
    queries, keys = (random.normal(size=(6, 7, 4)).astype(np.float32) for _ in range(2))
    there = random.random((6, 7)) > 0.7
    found = nearest_before(queries, keys, np.stack([there, ~there]), RADII)
    plain = [
        min(
            (
                ((queries[y, x] - keys[v, u]) ** 2).sum()
                for v, u in np.argwhere(label)
                if max(abs(v - y), abs(u - x)) <= r
            ),
            default=FAR,
        )
        for label in (there, ~there)
        for r in RADII
        for y in range(6)
        for x in range(7)
    ]
    np.testing.assert_allclose(found.reshape(-1), plain, rtol=1e-4, atol=1e-4)


def on_clip(tmp_path: Path, frames: int, work: Callable[[Run, LiteralGraphs], Coroutine[Any, Any, None]]) -> None:
    """Run `work` on the demo clip's first frames with the repository's networks."""

    async def opened() -> None:
        clip = cut(tmp_path / "clip.mp4", frames)
        settings = Settings(data_dir=tmp_path / "data", threads=1)
        video = AnnotatedVideo(id=0, name="clip", path=clip, frames=(), exhaustive=False, record={})
        async with open_context(settings) as context:
            uncached = replace(context, cache=NoCache())
            async with open_run(video, uncached, JobParameters(max_seeds=3)) as run:
                with threadpool_limits(1, "blas"):
                    await work(run, open_graphs(run.networks.manifest, 1))

    asyncio.run(opened())


def test_on_the_services_own_window_it_answers_as_the_services_graph(tmp_path: Path) -> None:
    """With window, banks and resolution of the service nothing is left that differs."""

    async def work(run: Run, graphs: LiteralGraphs) -> None:
        batch = network_batch([run.clip.frame(0)], run.canvas)
        f4, _ = graphs.features(batch["frames"][0], run.canvas.network_hw)
        # 64 x 64 samples at stride 4: the window's samples are the frame's pixels
        corner, side = 8, run.networks.manifest.dims.window
        inside = f4[:, corner : corner + side, corner : corner + side]
        window = np.array([[corner, corner, corner + side, corner + side]], np.float32) * 4
        mask = np.zeros((1, side, side), np.float32)
        mask[0, 12:50, 20:40] = 1
        here = {"f4": f4[None], "frame_index": np.zeros(1, np.int64), "windows": window}
        reference = await run.networks.run("pixel_embedding_reference", {**here, "masks": mask})
        before = {
            "previous_windows": window,
            "previous_embedding": reference["embedding"],
            "previous_probability": mask,
        }
        banks = {name: reference[name] for name in BANK}
        service = await run.networks.run("pixel_embedding", {**here, **banks, **before})

        embedding = graphs.embedding(np.ascontiguousarray(inside))
        chosen = LiteralReference(
            reference["foreground_bank"][0][reference["foreground_valid"][0] > 0],
            reference["background_bank"][0][reference["background_valid"][0] > 0],
            np.zeros(0, np.float32),
        )
        maps = matching_maps(embedding, chosen, reference["embedding"][0], mask[0], graphs.bias, halved=True)
        means = attended(chosen, reference["embedding"][0], mask[0])
        literal = graphs.probability(inside, np.concatenate([maps, mask, np.ones_like(mask)]), means)
        np.testing.assert_allclose(embedding, service["embedding"][0], atol=1e-3)
        np.testing.assert_allclose(literal, service["probability"][0], atol=2e-3)

    on_clip(tmp_path, 1, work)


def test_it_follows_the_same_objects(tmp_path: Path) -> None:
    """Whole frames at stride 4 instead of windows: coarser masks of the same objects, in the same frames."""

    async def work(run: Run, graphs: LiteralGraphs) -> None:
        features = FeatureCache(run.clip, run.canvas, run.networks, max_bytes=run.feature_bytes, spill=run.spill)
        calibrated = calibrate(await detect_all(run, features), run.params.calibration)
        seeds = next_seeds(calibrated, run.params.proposals, room=3)
        tracker = Tracker(run.networks, run.canvas, run.params.tracker, features, calibrated)
        ours = await tracker.track(seeds, lambda *_: None)
        literal = await LiteralTracker(
            graphs, run.networks, run.clip, run.canvas, run.params.tracker, calibrated
        ).track(seeds, lambda *_: None)
        overlaps = []
        for seed, a, b in zip(seeds, ours, literal, strict=True):
            pairs = [(a.masks[t], b.masks[t]) for t in range(len(a.masks)) if t != seed.frame]
            seen = [(x, y) for x, y in pairs if x is not None and area(x) > 400]
            overlaps += [0.0 if y is None else float(iou_matrix([x], [y])[0, 0]) for x, y in seen]
        # 0.86 to 0.91 when this was written
        assert len(overlaps) >= 9
        assert min(overlaps) > 0.7
        assert np.median(overlaps) > 0.8

    on_clip(tmp_path, 5, work)
