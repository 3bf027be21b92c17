"""Rows of the paper's Table 2, ablations and three oracles, on the same cached detections.

Feng et al. 2019, Table 2: DeepSORT on the detections, the pixel tracker alone, IPDT. Each ablation changes a job
parameter, so it can be reproduced with `segment` and `evaluate`, too.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from evaluation.data.dataset import AnnotatedVideo, Dataset, Document
from evaluation.data.remembered import Remembered, remember
from evaluation.metrics.ytvis import figures, match_clip
from evaluation.runs.methods import Method, records, run_method
from evaluation.runs.oracles import detection_records, seed_records, with_true_classes
from evaluation.runs.parameters import EvaluationParameters
from evaluation.runs.session import open_run
from service.pipeline.categories.vocabulary import Vocabulary, match_vocabulary
from service.pipeline.context import PipelineContext
from service.pipeline.run import Run, detect_all, seed_tracker
from service.pipeline.store.cache import StageCache

Oracle = Literal["seeds", "detections", "class"]


@dataclass(frozen=True)
class TableRow:
    """A row: its name, method, changed parameters, and what an oracle takes from the annotations."""

    name: str
    method: Method
    values: dict[str, str] = field(default_factory=dict)
    oracle: Oracle | None = None


ROWS = (
    TableRow("deepsort", "deepsort"),
    TableRow("pixel", "pixel"),
    TableRow("ipdt", "ipdt"),
    TableRow("deepsort-raw", "deepsort", {"beta": "1"}),
    TableRow("uncalibrated", "ipdt", {"beta": "1"}),
    TableRow("forward", "ipdt", {"bidirectional": "false"}),
    TableRow("greedy", "ipdt", {"strategy": "greedy"}),
    TableRow("box-only", "ipdt", {"fusion": "instance"}),
    TableRow("margin-1", "ipdt", {"margin": "1"}),
    TableRow("uncoupled", "ipdt", {"couple": "0"}),
    TableRow("matched-skip", "ipdt", {"score": "matched_skip"}),
    TableRow("paper", "ipdt", {"preset": "paper"}),
    TableRow("oracle-seeds", "ipdt", oracle="seeds"),
    TableRow("oracle-detections", "ipdt", oracle="detections"),
    TableRow("oracle-class", "ipdt", oracle="class"),
)
"""The paper's three rows come first: with an empty cache, their times include all of their work."""


@dataclass
class RowResult:
    """A row's accumulated results.

    Attributes:
        row: the row.
        clips: one record per video, of `match_clip`.
        seconds: of decoding, detection and the row's own work, over all clips; the first two are measured once per
            clip and added to every row.
        frames: number of annotated frames.
        taken_over: whether results of a cache or another row were reused, so that a separate run would take longer.
    """

    row: TableRow
    clips: list[Document] = field(default_factory=list)
    seconds: float = 0.0
    frames: int = 0
    taken_over: bool = False

    def document(self) -> Document:
        """Metrics, time and clips, in the form of `evaluate --json`."""
        speed = round(self.seconds / max(self.frames, 1), 4)
        times = {"seconds_per_frame": speed, "taken_over": self.taken_over, "videos": len(self.clips)}
        return {**figures(self.clips), **times, "parameters": self.row.values, "clips": self.clips}


class FoundCounter:
    """A stage cache that counts hits, except on entries that were put there since `clear`.

    Args:
        inner: the wrapped cache.
    """

    def __init__(self, inner: StageCache) -> None:
        self._inner = inner
        self._own: set[str] = set()
        self.found: list[str] = []

    def clear(self) -> None:
        """Reset for the next row."""
        self._own.clear()
        self.found.clear()

    def get(self, key: str, *, checkpoint: bool = False) -> bytes | None:
        """The bytes stored under `key`, or None."""
        data = self._inner.get(key, checkpoint=checkpoint)
        if data is not None and key not in self._own:
            self.found.append(key)
        return data

    def put(self, key: str, data: bytes, *, checkpoint: bool = False) -> None:
        """Store `data` if there is space."""
        self._own.add(key)
        self._inner.put(key, data, checkpoint=checkpoint)

    def drop(self, key: str) -> None:
        """Delete the entry if it exists."""
        self._inner.drop(key)


async def run_rows(
    dataset: Dataset,
    videos: Sequence[AnnotatedVideo],
    rows: Sequence[tuple[TableRow, EvaluationParameters]],
    context: PipelineContext,
    notify: Callable[[str], None] = lambda _: None,
) -> list[RowResult]:
    """Run all rows on every video; decoding and detection run once, and a seed is tracked once per tracker setting.

    Args:
        dataset: the annotations.
        videos: to evaluate.
        rows: with their parameters.
        context: networks and folders.
        notify: called with a line after every video.
    """
    vocabulary = match_vocabulary(context.vector.classes, dataset.categories)
    cache = FoundCounter(context.cache)
    context = replace(context, cache=cache)
    results = [RowResult(row) for row, _ in rows]
    for number, video in enumerate(videos, start=1):
        start = time.perf_counter()
        annotations = dataset.annotations_of(video)
        async with open_run(video, context, rows[0][1]) as run:
            kept = await _detected(run)
            shared, common = bool(cache.found), time.perf_counter() - start
            for result, (row, parameters) in zip(results, rows, strict=True):
                cache.clear()
                begin = time.perf_counter()
                own = replace(run, params=parameters.pipeline_params())
                found = await row_records(own, (row, parameters), vocabulary, kept, (video, annotations))
                result.seconds += common + time.perf_counter() - begin
                result.frames += len(video.frames)
                result.taken_over |= shared or any("/tubelets-" in key for key in cache.found)
                result.clips.append(match_clip(video, annotations, found))
            cache.clear()
        notify(f"{number}/{len(videos)} {video.name}: {time.perf_counter() - start:.0f} s")
    return results


async def _detected(run: Run) -> Remembered:
    """Run the detector, leaving candidates in the cache and features in memory, so that no row's time includes it."""
    kept = remember(run)
    await detect_all(run, kept.features)
    for t in range(len(run.clip)):
        await kept.features.get(t)
    return kept


async def row_records(
    run: Run,
    chosen: tuple[TableRow, EvaluationParameters],
    vocabulary: Vocabulary,
    kept: Remembered,
    truth: tuple[AnnotatedVideo, Sequence[Document]],
) -> list[Document]:
    """YouTube-VIS records of one video for one row.

    Args:
        run: the video, with the row's parameters.
        chosen: the row and its parameters.
        vocabulary: maps the detector's classes to the dataset's categories.
        kept: data of earlier runs on the same clip.
        truth: the annotated video and its annotations.
    """
    (row, parameters), (video, annotations) = chosen, truth
    if row.oracle == "seeds":
        tracker = seed_tracker(run, await detect_all(run, kept.features), kept.features)
        return await seed_records(run, tracker, video, annotations)
    if row.oracle == "detections":
        return detection_records(await detect_all(run, kept.features), video, annotations)
    labeled = await run_method(run, row.method, vocabulary, kept, parameters.deepsort_params())
    found = records(labeled, video.id, vocabulary, video.frames)
    return with_true_classes(found, annotations) if row.oracle == "class" else found
