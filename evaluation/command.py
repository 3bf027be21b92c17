"""`dualtrack evaluate`: the methods or the trackers alone on annotated videos, or the detector on annotated images."""

import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast, get_args

import typer
from rich.console import Console
from rich.table import Table

from evaluation.dataset import AnnotatedVideo, Dataset, load_dataset
from evaluation.detector import detector_metrics
from evaluation.given import Given, given_clips, mean_figures
from evaluation.methods import Method, records, run_method
from evaluation.metrics import tubelet_metrics
from evaluation.session import open_context, open_run
from evaluation.vocabulary import Vocabulary, match_vocabulary
from service.cli.parameters import ParameterOption, parse_parameters
from service.errors import InvalidParameter
from service.pipeline.networks import Networks
from service.pipeline.parameters import JobParameters
from service.pipeline.segment import SegmentContext
from service.settings import Settings

Document = dict[str, Any]


@dataclass(frozen=True)
class _Plan:
    """What is evaluated, and how."""

    dataset: Dataset
    videos: tuple[AnnotatedVideo, ...]
    vocabulary: Vocabulary
    method: Method
    parameters: JobParameters


def evaluate(
    path: Annotated[
        Path,
        typer.Argument(help="Folder with instances.json and videos/, or a COCO json with images/, or a json of masks."),
    ],
    method: Annotated[str, typer.Option(help="ipdt, pixel or deepsort.")] = "ipdt",
    given: Annotated[
        str | None,
        typer.Option(
            help="first-box or first-mask: the trackers alone, from every instance's first annotated frame, without "
            "the detector. mean_box_iou, success50: boxes of the Siamese RPN alone (first-box) or of the dual tracker "
            "(first-mask); dual_…, J, F: the dual tracker from the first mask. Tracks are never lost unless -p "
            "lost_enter=… says so; an absent answer counts 0."
        ),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the figures to this file.")] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first so many videos or images.")] = None,
    all_videos: Annotated[bool, typer.Option("--all", help="Also videos that are not annotated exhaustively.")] = False,
    results_file: Annotated[Path | None, typer.Option("--results", help="Write results.json here.")] = None,
    param: ParameterOption = None,
) -> None:
    """Score a method on annotated videos (trackeval), or the detector on annotated images (COCO metric)."""
    _check("method", method, get_args(Method))
    parameters = parse_parameters(param)
    if given is not None:
        _check("given", given, get_args(Given))
        document = asyncio.run(_evaluate_given(path, cast("Given", given), limit, parameters))
    else:
        document = dict(
            asyncio.run(_evaluate(path, cast("Method", method), limit, all_videos, results_file, parameters))
        )
    what = given or ("" if path.is_file() else method)
    table = Table("metric", "value", title=f"{path}" + (f", {what}" if what else ""))
    for name, value in document.items():
        if not isinstance(value, list):
            table.add_row(name, f"{value:.4f}" if isinstance(value, float) else str(value))
    Console().print(table)
    if json_file is not None:
        json_file.write_text(json.dumps(document, indent=2) + "\n")


def _check(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InvalidParameter(f"{name}: expected one of {', '.join(allowed)}, got {value!r}")


async def _evaluate_given(path: Path, given: Given, limit: int | None, parameters: JobParameters) -> Document:
    """Means over all tracks, and `clips`: the figures of every track, clip by clip."""
    dataset = load_dataset(path)
    videos = dataset.videos[:limit]
    console = Console(stderr=True)
    async with open_context(Settings()) as context:
        clips = await given_clips(
            dataset, videos, given, parameters, context, lambda line: console.print(line, markup=False)
        )
    return {
        **mean_figures(clips),
        "videos": len(videos),
        "tracks": sum(len(clip["tracks"]) for clip in clips),
        "clips": clips,
    }


async def _evaluate(
    path: Path,
    method: Method,
    limit: int | None,
    all_videos: bool,
    results_file: Path | None,
    parameters: JobParameters,
) -> dict[str, float]:
    async with open_context(Settings()) as context:
        if path.is_file():
            return await detector_metrics(path, context.networks, limit)
        plan = _plan(path, method, limit, all_videos, parameters, context.networks)
        return await _score(plan, context, results_file)


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
    async with open_run(video, context, plan.parameters) as run:
        labelled = await run_method(run, plan.method, plan.vocabulary)
    return records(labelled, video.id, plan.vocabulary, video.frames)
