"""`python -m evaluation.studies.joined DIR`: compare clips concatenated into one video with every clip alone.

Both sides use the same candidates and are scored on the concatenated video, so the difference is the cost of chunking
and stitching: missed shot changes, calibration on part of a clip, identities lost at chunk borders.
"""

import asyncio
import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from dualtrack.errors import InvalidDataset
from dualtrack.outputs import writable_file
from evaluation.data.dataset import AnnotatedVideo, Dataset, Document, load_dataset
from evaluation.metrics.figures import figures_of
from evaluation.metrics.ytvis import match_clip
from evaluation.output.tables import figure_table
from evaluation.runs.methods import records
from evaluation.runs.parameters import EvaluationParameters, parse_evaluation
from evaluation.runs.session import open_context, open_run
from evaluation.runs.videos import Notify, console_notifier
from service.cli.parameters import ParameterOption
from service.media.frames.frame_source import FrameSource
from service.media.video_info import VideoInfo
from service.pipeline.categories.vocabulary import Vocabulary, match_vocabulary
from service.pipeline.context import PipelineContext
from service.pipeline.detection.given import GivenDetections
from service.pipeline.detection.records import records_of
from service.pipeline.features.by_frame import FeatureCache
from service.pipeline.parameters.request_names import TABLE
from service.pipeline.run import Run, VideoResult, detect_all, process_video
from service.settings import Settings
from service.structures.arrays import F64, U8
from service.structures.detections import Detections
from service.structures.tubelets import LabeledTubelet
from service.tracking.chunks import Chunk


class JoinedClips:
    """Clips of the same size, concatenated into one video; see `FrameSource`.

    Args:
        clips: in order.

    Raises:
        InvalidDataset: their frames differ in size.
    """

    def __init__(self, clips: Sequence[FrameSource]) -> None:
        sizes = {(clip.frame_hw, clip.network_hw) for clip in clips}
        if len(sizes) != 1:
            raise InvalidDataset(f"joined: expected clips of the same size, got {sorted(hw for hw, _ in sizes)}")
        ((self.frame_hw, self.network_hw),) = sizes
        self._places = [(clip, index) for clip in clips for index in range(len(clip))]
        self.info: VideoInfo = replace(clips[0].info, frames=len(self._places))
        self.timestamps: F64 = np.arange(len(self._places)) / (clips[0].info.fps or 1.0)
        self.indices = range(len(self._places))
        self.damage: str | None = None

    def __len__(self) -> int:
        return len(self._places)

    async def ready(self) -> None:
        """See `FrameSource`."""
        for clip, place in self._places:
            if place == 0:
                await clip.ready()

    def frame(self, index: int) -> U8:
        """Frame `index` of the concatenated video."""
        clip, place = self._places[index]
        return clip.frame(place)


@dataclass(frozen=True)
class Comparison:
    """The two evaluations.

    Attributes:
        alone: record of `match_clip`, with every clip run alone.
        joined: the same with the clips as one video.
        chunks: chunks of that video.
    """

    alone: Document
    joined: Document
    chunks: list[Chunk]


async def compare_joined(
    dataset: Dataset,
    videos: Sequence[AnnotatedVideo],
    context: PipelineContext,
    parameters: EvaluationParameters,
    notify: Notify = lambda _: None,
) -> Comparison:
    """Run every clip alone as a single chunk, then all of them as one video with `parameters`."""
    vocabulary = match_vocabulary(context.vector.classes, dataset.categories)
    found: list[LabeledTubelet] = []
    candidates: list[Detections] = []
    async with AsyncExitStack() as clips:
        runs = [await clips.enter_async_context(open_run(video, context, parameters)) for video in videos]
        starts = np.cumsum([0, *(len(run.clip) for run in runs)]).tolist()
        whole, annotations = joined_video(dataset, videos, starts)
        for run, video, start in zip(runs, videos, starts, strict=False):
            result, detections = await _alone(run, vocabulary)
            candidates += [replace(frame, frame=start + frame.frame) for frame in detections]
            found += [replace(item, tubelet=replace(item.tubelet, start=start)) for item in result.tubelets]
            notify(f"{video.name} alone: {len(result.tubelets)} tubelets")
        alone = match_clip(whole, annotations, records(found, whole.id, vocabulary, whole.frames))
        notify(f"alone: {figures_of([alone])}")
        result = await process_video(_joined_run(runs, candidates, vocabulary, notify))
    chunks = [note.chunk for note in result.chunks]
    joined = match_clip(whole, annotations, records(result.tubelets, whole.id, vocabulary, whole.frames))
    return Comparison(alone, joined, chunks)


def joined_video(
    dataset: Dataset, videos: Sequence[AnnotatedVideo], starts: Sequence[int]
) -> tuple[AnnotatedVideo, list[Document]]:
    """The concatenated video and its annotations; an instance is null in the frames of the other videos.

    Args:
        dataset: the annotations.
        videos: in order.
        starts: index of each video's first frame in the concatenated video.
    """
    frames = tuple(start + t for video, start in zip(videos, starts, strict=False) for t in video.frames)
    whole = AnnotatedVideo(1, "joined", Path(), frames, all(video.exhaustive for video in videos), {})
    annotations: list[Document] = []
    before = 0
    for video in videos:
        after = len(frames) - before - len(video.frames)
        for item in dataset.annotations_of(video):
            masks = [*[None] * before, *item["segmentations"], *[None] * after]
            annotations.append({**item, "video_id": whole.id, "segmentations": masks})
        before += len(video.frames)
    return whole, annotations


async def _alone(run: Run, vocabulary: Vocabulary) -> tuple[VideoResult, list[Detections]]:
    """Run one clip as a single chunk, as far as `chunk_frames` allows; also its candidates."""
    most = TABLE["chunk_frames"]
    frames = min(max(len(run.clip), int(most.minimum)), int(most.maximum))
    uncut = replace(run.params.chunks, frames=frames, overlap=1, shots=False)
    own = replace(run, params=replace(run.params, chunks=uncut, track_fps=0.0), vocabulary=vocabulary)
    features = FeatureCache(run.clip, run.canvas, run.networks, max_bytes=run.feature_bytes, spill=run.spill)
    return await process_video(own), await detect_all(own, features)


def _joined_run(runs: Sequence[Run], candidates: Sequence[Detections], vocabulary: Vocabulary, notify: Notify) -> Run:
    vector = runs[0].detector.vector
    name = f"joined:{','.join(run.cache_name for run in runs)}"
    given = GivenDetections(
        replace(vector, source=f"{name} {vector.source}"),
        records_of(candidates, runs[0].clip.frame_hw, len(vector.classes)),
    )
    return replace(
        runs[0],
        clip=JoinedClips([run.clip for run in runs]),
        cache_name=name,
        detector_override=given,
        vocabulary=vocabulary,
        params=replace(runs[0].params, track_fps=0.0),
        report=lambda step: notify(f"joined: {step.done}/{step.total} frames") if step.stage == "merge" else None,
    )


def joined(
    path: Annotated[Path, typer.Argument(help="Folder with instances.json and videos/, all of the same size.")],
    limit: Annotated[int | None, typer.Option(help="Use only the first N clips.")] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write metrics and chunks to this file.", callback=writable_file)
    ] = None,
    param: ParameterOption = None,
) -> None:
    """Score clips run alone and concatenated (trackeval, on the concatenated video)."""
    parameters = parse_evaluation(param)
    dataset = load_dataset(path)
    videos = [video for video in dataset.videos if video.exhaustive][:limit]
    found = asyncio.run(_compare(dataset, videos, parameters))
    document = {
        "alone": figures_of([found.alone]),
        "joined": figures_of([found.joined]),
        "chunks": [[chunk.first, chunk.end, chunk.shared] for chunk in found.chunks],
    }
    console = Console()
    console.print(figure_table(document["alone"], f"{path}: {len(videos)} clips, each alone"))
    console.print(figure_table(document["joined"], f"joined, {len(found.chunks)} chunks"))
    if json_file is not None:
        json_file.write_text(json.dumps(document, indent=2) + "\n")


async def _compare(dataset: Dataset, videos: Sequence[AnnotatedVideo], parameters: EvaluationParameters) -> Comparison:
    async with open_context(Settings()) as context:
        return await compare_joined(dataset, videos, context, parameters, console_notifier())


if __name__ == "__main__":
    typer.run(joined)
