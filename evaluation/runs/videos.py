"""Runs a method, or the trackers alone, on annotated videos; the result is one record per clip."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from evaluation.data.dataset import AnnotatedVideo, Dataset, Document, load_dataset
from evaluation.metrics.figures import figures_of
from evaluation.metrics.identity import identity_counts
from evaluation.metrics.strata import check_field, stratum_figures
from evaluation.metrics.ytvis import match_clips
from evaluation.runs.given import Given, given_clips
from evaluation.runs.methods import Method, records, run_method
from evaluation.runs.parameters import EvaluationParameters
from evaluation.runs.session import open_run
from service.pipeline.categories.vocabulary import match_vocabulary
from service.pipeline.context import PipelineContext
from service.structures.tubelets import LabeledTubelet
from service.tracking.confidence import uncertain_spans

Notify = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    """What is evaluated, and how.

    Attributes:
        path: folder; with `given`, also a file of masks.
        method: a row of Table 2.
        given: evaluate the trackers alone instead.
        limit: maximum number of videos; the first ones are used.
        all_videos: include videos that are not exhaustively annotated; `given` always does.
        by: text field of the videos for metrics per stratum.
        parameters: of the pipeline.
    """

    path: Path
    method: Method = "ipdt"
    given: Given | None = None
    limit: int | None = None
    all_videos: bool = False
    by: str | None = None
    parameters: EvaluationParameters = field(default_factory=EvaluationParameters)


@dataclass(frozen=True)
class Evaluation:
    """Results of an evaluation.

    Attributes:
        dataset: the annotations.
        videos: those evaluated.
        clips: one record per video, of `match_clip` with `identity_counts` as `identity`, or of `given_clips`, from
            which metrics are computed.
        found: YouTube-VIS records of all videos; empty with `given`.
        counts: amount of data, and speed.
        strata: metrics by value of the request's `by`.
    """

    dataset: Dataset
    videos: tuple[AnnotatedVideo, ...]
    clips: list[Document]
    found: list[Document]
    counts: dict[str, float]
    strata: dict[str, dict[str, float]]

    def document(self) -> Document:
        """The content of `--json`: metrics and counts, `strata` if there are any, `clips`."""
        strata = {"strata": self.strata} if self.strata else {}
        return {**figures_of(self.clips), **self.counts, **strata, "clips": self.clips}


async def evaluate_videos(request: Request, context: PipelineContext, notify: Notify = lambda _: None) -> Evaluation:
    """Run and score; `notify` is called with a line of text after every video."""
    dataset = load_dataset(request.path)
    wanted = request.given is not None or request.all_videos
    videos = tuple(video for video in dataset.videos if video.exhaustive or wanted)[: request.limit]
    if request.by is not None:
        check_field(videos, request.by)
    if request.given is not None:
        found: list[Document] = []
        clips = await given_clips(dataset, videos, request.given, request.parameters, context, notify)
        counts: dict[str, float] = {"videos": len(videos), "tracks": sum(len(clip["tracks"]) for clip in clips)}
    else:
        found, identities, speed = await _methods_records(request, dataset, videos, context, notify)
        matched = match_clips(dataset, videos, found)
        clips = [{**clip, "identity": own} for clip, own in zip(matched, identities, strict=True)]
        instances = sum(len(dataset.annotations_of(video)) for video in videos)
        counts = {"seconds_per_frame": round(speed, 4), "videos": len(videos), "instances": instances}
    strata = {} if request.by is None else stratum_figures(clips, videos, request.by)
    return Evaluation(dataset, videos, clips, found, counts, strata)


def identity_of(labeled: Sequence[LabeledTubelet], annotations: Sequence[Document], frames: Sequence[int]) -> Document:
    """`identity_counts` of one video's tubelets over its annotated `frames`."""
    best_first = sorted(labeled, key=lambda item: -item.score)
    shown = [item.tubelet for item in best_first if any(item.tubelet.mask_at(t) is not None for t in frames)]
    masks = [[None if (mask := tubelet.mask_at(t)) is None else mask.json() for t in frames] for tubelet in shown]
    objects = [item["segmentations"] for item in annotations if not item.get("iscrowd", 0)]
    spans = [uncertain_spans(tubelet) for tubelet in shown]
    marks = [[any(first <= t <= last for first, last in own) for t in frames] for own in spans]
    return identity_counts(masks, objects, marks)


async def _methods_records(
    request: Request, dataset: Dataset, videos: tuple[AnnotatedVideo, ...], context: PipelineContext, notify: Notify
) -> tuple[list[Document], list[Document], float]:
    """Records of all videos, counts of identities of each, and seconds per annotated frame."""
    vocabulary = match_vocabulary(context.vector.classes, dataset.categories)
    if unknown := sorted(dataset.occurring().intersection(vocabulary.unknown)):
        notify(f"categories that the detector does not have: {', '.join(unknown)}")
    found: list[Document] = []
    identities: list[Document] = []
    seconds, frames = 0.0, 0
    for number, video in enumerate(videos, start=1):
        start = time.perf_counter()
        async with open_run(video, context, request.parameters) as run:
            sort = request.parameters.deepsort_params()
            labeled = await run_method(run, request.method, vocabulary, sort=sort)
        found += records(labeled, video.id, vocabulary, video.frames)
        identities.append(identity_of(labeled, dataset.annotations_of(video), video.frames))
        seconds += time.perf_counter() - start
        frames += len(video.frames)
        notify(f"{number}/{len(videos)} {video.name}: {seconds / frames:.2f} s/frame")
    return found, identities, seconds / max(frames, 1)


def console_notifier() -> Notify:
    """Prints lines to standard error, so that standard output has only the metrics."""
    console = Console(stderr=True)
    return lambda line: console.print(line, markup=False)
