"""`dualtrack evaluate`: the methods on annotated videos, or the detector on annotated images."""

import asyncio
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast, get_args

import typer
from rich.console import Console
from rich.table import Table

from evaluation.dataset import AnnotatedVideo, Dataset, load_dataset
from evaluation.detector import detector_metrics
from evaluation.methods import Method, records, run_method
from evaluation.metrics import tubelet_metrics
from evaluation.vocabulary import Vocabulary, match_vocabulary
from service.cli.parameters import ParameterOption, parse_parameters
from service.errors import InvalidParameter
from service.inference.open import open_client
from service.inference.repository import load_manifest
from service.media.probe import probe
from service.pipeline.cache import FolderCache
from service.pipeline.networks import Networks
from service.pipeline.parameters import JobParameters
from service.pipeline.run import Run
from service.pipeline.segment import SegmentContext, content_hash, open_clip
from service.settings import Settings


@dataclass(frozen=True)
class _Plan:
    """What is evaluated, and how."""

    dataset: Dataset
    videos: tuple[AnnotatedVideo, ...]
    vocabulary: Vocabulary
    method: Method
    parameters: JobParameters


def evaluate(
    path: Annotated[Path, typer.Argument(help="Folder with instances.json and videos/, or a COCO json with images/.")],
    method: Annotated[str, typer.Option(help="ipdt, pixel or deepsort.")] = "ipdt",
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the figures to this file.")] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first so many videos or images.")] = None,
    all_videos: Annotated[bool, typer.Option("--all", help="Also videos that are not annotated exhaustively.")] = False,
    results_file: Annotated[Path | None, typer.Option("--results", help="Write results.json here.")] = None,
    param: ParameterOption = None,
) -> None:
    """Score a method on annotated videos (trackeval), or the detector on annotated images (COCO metric)."""
    if method not in get_args(Method):
        raise InvalidParameter(f"method: expected one of {', '.join(get_args(Method))}, got {method!r}")
    scores = asyncio.run(
        _evaluate(path, cast("Method", method), limit, all_videos, results_file, parse_parameters(param))
    )
    table = Table("metric", "value", title=f"{path}" + ("" if path.is_file() else f", {method}"))
    for name, value in scores.items():
        table.add_row(name, f"{value:.4f}" if isinstance(value, float) else str(value))
    Console().print(table)
    if json_file is not None:
        json_file.write_text(json.dumps(scores, indent=2) + "\n")


async def _evaluate(
    path: Path,
    method: Method,
    limit: int | None,
    all_videos: bool,
    results_file: Path | None,
    parameters: JobParameters,
) -> dict[str, float]:
    settings = Settings()
    manifest = load_manifest(settings.model_repository)
    client = await open_client(
        manifest,
        triton_url=settings.triton_url,
        providers=settings.providers,
        threads=settings.threads,
        deadline_s=settings.inference_deadline_s,
    )
    networks = Networks(client, manifest)
    try:
        if path.is_file():
            return await detector_metrics(path, networks, limit)
        plan = _plan(path, method, limit, all_videos, parameters, networks)
        with tempfile.TemporaryDirectory(prefix="dualtrack-") as scratch:
            context = SegmentContext(
                networks=networks,
                limits=settings.limits,
                scratch=Path(scratch),
                cache=FolderCache(settings.cache_dir, max_bytes=settings.cache_max_bytes),
                feature_bytes=settings.feature_cache_bytes,
            )
            return await _score(plan, context, results_file)
    finally:
        await client.close()


def _plan(
    path: Path, method: Method, limit: int | None, all_videos: bool, parameters: JobParameters, networks: Networks
) -> _Plan:
    dataset = load_dataset(path)
    videos = tuple(video for video in dataset.videos if video.exhaustive or all_videos)[:limit]
    vocabulary = match_vocabulary(networks.manifest.classes, dataset.categories)
    occurring = {dataset.categories[item["category_id"]] for item in dataset.annotations}
    unknown = sorted(occurring.intersection(vocabulary.unknown))
    if unknown:
        Console(stderr=True).print(f"classes that the detector does not have: {', '.join(unknown)}", markup=False)
    return _Plan(dataset, videos, vocabulary, method, parameters)


async def _score(plan: _Plan, context: SegmentContext, results_file: Path | None) -> dict[str, float]:
    console = Console(stderr=True)
    found: list[dict[str, object]] = []
    seconds, frames = 0.0, 0
    for number, video in enumerate(plan.videos, start=1):
        start = time.perf_counter()
        found += await _video(plan, video, context)
        seconds += time.perf_counter() - start
        frames += len(video.frames)
        console.print(f"{number}/{len(plan.videos)} {video.name}: {seconds / frames:.2f} s/frame", markup=False)
    if results_file is not None:
        results_file.write_text(json.dumps(found))
    ids = [video.id for video in plan.videos]
    return {
        **tubelet_metrics(plan.dataset, ids, found),
        "seconds_per_frame": round(seconds / max(frames, 1), 4),
        "videos": len(plan.videos),
        "instances": sum(item["video_id"] in ids for item in plan.dataset.annotations),
    }


async def _video(plan: _Plan, video: AnnotatedVideo, context: SegmentContext) -> list[dict[str, object]]:
    info = await probe(video.path, context.limits)
    clip = await open_clip(video.path, info, context, plan.parameters, lambda _: None)
    try:
        run = Run(
            clip=clip,
            video=content_hash(video.path),
            networks=context.networks,
            params=plan.parameters.pipeline_params(),
            cache=context.cache,
            feature_bytes=context.feature_bytes,
            report=lambda _: None,
        )
        labelled = await run_method(run, plan.method, plan.vocabulary)
    finally:
        clip.close()
    return records(labelled, video.id, plan.vocabulary, video.frames)
