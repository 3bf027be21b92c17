"""Cost and quality of tracking only every k-th frame: `python -m evaluation.studies.frame_rate given|whole …`.

`given`: tracks every instance of clips annotated at full rate from its first mask. `whole`: runs the whole pipeline on
any videos and compares with the result of tracking every frame.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from dualtrack.outputs import writable_file
from evaluation.data.dataset import AnnotatedVideo, Dataset, Document, load_dataset
from evaluation.metrics.davis import region_similarity
from evaluation.runs.given import Truth, seed_of, track_seeds, tracker_params, truths_of
from evaluation.runs.parameters import EvaluationParameters
from evaluation.runs.session import open_context, open_run
from evaluation.runs.videos import console_notifier
from service.pipeline.context import PipelineContext
from service.pipeline.features.by_frame import FeatureCache
from service.pipeline.fill import FillStage
from service.pipeline.run import Run, process_video, step_of, thinned
from service.pipeline.store.cache import NoCache
from service.settings import Settings
from service.structures.masks import Rle, decode
from service.structures.tubelets import LabeledTubelet, Tubelet
from service.tracking.tubelet_nms import tubelet_iou

Rates = Annotated[list[float], typer.Option("--rate", help="Frames per second to track; repeatable.")]
JsonFile = Annotated[
    Path | None,
    typer.Option("--json", help="Also write the metrics of every clip to this file.", callback=writable_file),
]
RATES = [12.0, 8.0, 6.0]
app = typer.Typer(help=__doc__, add_completion=False)


@app.command()
def given(
    path: Annotated[Path, typer.Argument(help="JSON file of masks, or folder with instances.json.")],
    rate: Rates = RATES,
    clip: Annotated[list[str] | None, typer.Option(help="Run only this clip; repeatable.")] = None,
    json_file: JsonFile = None,
) -> None:
    """Report J over all frames but the first, and over untracked frames only, for tracking, filling and copying."""
    dataset = load_dataset(path)
    videos = [video for video in dataset.videos if clip is None or video.name in clip]
    rows = asyncio.run(_given(dataset, videos, rate))
    _show(
        rows, ("rate", "J_all", "J_every", "J_filled", "J_copied", "agree"), "all, then the frames between", json_file
    )


@app.command()
def whole(
    video: Annotated[list[Path], typer.Argument(help="Video files.")],
    rate: Rates = RATES,
    json_file: JsonFile = None,
) -> None:
    """Report CPU time without decoding, and IoU with the tubelets of tracking every frame."""
    rows = asyncio.run(_whole(video, rate))
    _show(rows, ("rate", "cpu_s", "cpu_share", "iou", "tubelets"), "whole pipeline", json_file)


async def _given(dataset: Dataset, videos: Sequence[AnnotatedVideo], rates: Sequence[float]) -> list[Document]:
    rows: list[Document] = []
    notify = console_notifier()
    async with open_context(Settings()) as context:
        for video in videos:
            truths = truths_of(video, dataset.annotations_of(video))
            async with open_run(video, context, EvaluationParameters(track_fps=0)) as run:
                rows += await rates_of_clip(run, video.name, truths, rates)
            notify(video.name)
    return rows


async def rates_of_clip(run: Run, name: str, truths: Sequence[Truth], rates: Sequence[float]) -> list[Document]:
    """One record per rate that differs from the clip's own."""
    every = await followed(run, truths)
    rows = []
    for rate in rates:
        slower = replace(run, params=replace(run.params, track_fps=rate))
        step = step_of(slower)
        if step == 1 or any(truth.frames[truth.first] % step for truth in truths):
            continue
        tracked = thinned(slower)
        tubelets = [LabeledTubelet(each, 0, 1.0, i) for i, each in enumerate(await followed(tracked, truths), start=1)]
        fill = FillStage(run.clip, step, run.canvas, run.params.tracker.fusion, lambda _: None)
        filled = [item.tubelet for item in await fill.fill_settled([], tubelets)]
        figures = [figures_of(*one, step) for one in zip(truths, every, filled, strict=True)]
        rows.append({"clip": name, "rate": rate} | {key: _mean([row[key] for row in figures]) for key in figures[0]})
    return rows


async def followed(run: Run, truths: Sequence[Truth]) -> list[Tubelet]:
    """Track every instance from its first mask, over the frames of the run."""
    features = FeatureCache(run.clip, run.canvas, run.networks, max_bytes=run.feature_bytes, spill=run.spill)
    places = {index: place for place, index in enumerate(run.clip.indices)}
    seeds = [seed_of(truth, truth.first, run) for truth in truths]
    seeds = [replace(seed, frame=places[seed.frame]) for seed in seeds]
    return await track_seeds(run, seeds, tracker_params(EvaluationParameters()), features)


def figures_of(truth: Truth, every: Tubelet, filled: Tubelet, step: int) -> dict[str, float]:
    """Mean IoU of one instance's masks.

    Keys: `J_all`, of the filled tubelet over all annotated frames but the first. Over the untracked frames only:
    `J_every`, of tracking every frame; `J_filled`, of filling; `J_copied`, of copying the nearest tracked frame's mask;
    and `agree`, the IoU of the filled masks with those of tracking every frame.
    """
    later = [i for i in range(len(truth.masks)) if i != truth.first]
    between = [i for i in later if truth.frames[i] % step]
    last = (len(filled.masks) - 1) // step * step
    near = {i: min(round(truth.frames[i] / step) * step, last) for i in between}
    return {
        "J_all": _mean([_overlap(truth.masks[i], filled.masks[truth.frames[i]]) for i in later]),
        "J_every": _mean([_overlap(truth.masks[i], every.masks[truth.frames[i]]) for i in between]),
        "J_filled": _mean([_overlap(truth.masks[i], filled.masks[truth.frames[i]]) for i in between]),
        "J_copied": _mean([_overlap(truth.masks[i], filled.masks[near[i]]) for i in between]),
        "agree": _mean([_overlap(every.masks[truth.frames[i]], filled.masks[truth.frames[i]]) for i in between]),
    }


async def _whole(videos: Sequence[Path], rates: Sequence[float]) -> list[Document]:
    rows: list[Document] = []
    notify = console_notifier()
    async with open_context(Settings()) as context:
        for path in videos:
            rows += await rates_of_video(path, replace(context, cache=NoCache()), rates)
            notify(path.name)
    return rows


async def rates_of_video(path: Path, context: PipelineContext, rates: Sequence[float]) -> list[Document]:
    """One record per rate; the first one is for tracking every frame (rate 0)."""
    rows: list[Document] = []
    wanted: list[LabeledTubelet] = []
    video = AnnotatedVideo(0, path.stem, path, (), exhaustive=True, record={})
    async with open_run(video, context, EvaluationParameters(track_fps=0)) as run:
        for rate in (0.0, *rates):
            start = time.process_time()
            found = (await process_video(replace(run, params=replace(run.params, track_fps=rate)))).tubelets
            spent = time.process_time() - start
            wanted = wanted or found
            share = spent / rows[0]["cpu_s"] if rows else 1.0
            counts = {"iou": agreement(found, wanted), "tubelets": float(len(found))}
            rows.append({"clip": path.stem, "rate": rate, "cpu_s": spent, "cpu_share": share, **counts})
    return rows


def agreement(found: Sequence[LabeledTubelet], wanted: Sequence[LabeledTubelet]) -> float:
    """Score-weighted mean, over the wanted tubelets, of the IoU with the most similar tubelet found."""
    if not wanted:
        return 1.0
    best = [max((tubelet_iou(a.tubelet, b.tubelet, "union") for b in found), default=0.0) for a in wanted]
    return float(np.average(best, weights=[max(item.score, 1e-6) for item in wanted]))


def _overlap(wanted: Rle | None, found: Rle | None) -> float:
    """IoU of two masks; 1 if both are absent."""
    if wanted is None or found is None:
        return float(wanted is found)
    return region_similarity(decode(wanted), decode(found))


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 1.0


def _show(rows: Sequence[Document], columns: Sequence[str], title: str, json_file: Path | None) -> None:
    """Print means over the clips, one row per rate."""
    table = Table(*columns, title=title)
    for rate in dict.fromkeys(row["rate"] for row in rows):
        of_rate = [row for row in rows if row["rate"] == rate]
        table.add_row(f"{rate:g}", *(f"{_mean([row[name] for row in of_rate]):.3f}" for name in columns[1:]))
    Console().print(table)
    if json_file is not None:
        json_file.write_text(json.dumps(list(rows), indent=2) + "\n")


if __name__ == "__main__":
    app()
