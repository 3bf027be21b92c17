"""Parameter search: runs every combination on every clip, and estimates the gain of choosing the best one."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from evaluation.data.dataset import AnnotatedVideo, Dataset, Document
from evaluation.data.remembered import remember
from evaluation.metrics.figures import figures_of
from evaluation.metrics.ytvis import match_clip
from evaluation.runs.methods import Method, records, run_method
from evaluation.runs.parameters import EvaluationParameters
from evaluation.runs.session import open_run
from service.pipeline.categories.vocabulary import match_vocabulary
from service.pipeline.context import PipelineContext


@dataclass(frozen=True)
class Trial:
    """One combination: its values by name, and the record of every clip."""

    values: dict[str, str]
    clips: tuple[Document, ...]

    @property
    def text(self) -> str:
        """The values as text."""
        return values_text(self.values)

    def figure(self, metric: str, positions: Sequence[int] | None = None) -> float:
        """A metric over all clips, or over those at `positions`."""
        chosen = self.clips if positions is None else [self.clips[i] for i in positions]
        return figures_of(chosen)[metric]


def values_text(values: dict[str, str]) -> str:
    """`NAME=VALUE NAME=VALUE`, as for -p."""
    return " ".join(f"{name}={value}" for name, value in values.items()) or "the defaults"


@dataclass(frozen=True)
class HalfChoice:
    """The combination that is best on one half of the clips, and its metric on the other half.

    Attributes:
        values: of the combination.
        chosen_on: its metric on the half where it was chosen.
        reached: its metric on the other half.
        default: the defaults' metric on the other half.
    """

    values: dict[str, str]
    chosen_on: float
    reached: float
    default: float


async def run_trials(
    dataset: Dataset,
    videos: Sequence[AnnotatedVideo],
    combinations: Sequence[tuple[dict[str, str], EvaluationParameters]],
    method: Method,
    context: PipelineContext,
    notify: Callable[[str], None] = lambda _: None,
) -> list[Trial]:
    """Run every combination on every video; a video is decoded once, a seed is tracked once per tracker setting.

    Args:
        dataset: the annotations.
        videos: to evaluate.
        combinations: values by name with the resulting parameters; the defaults, without values, come first.
        method: a row of Table 2.
        context: networks and folders.
        notify: called with a line after every video.
    """
    vocabulary = match_vocabulary(context.vector.classes, dataset.categories)
    clips: list[list[Document]] = [[] for _ in combinations]
    for number, video in enumerate(videos, start=1):
        start = time.perf_counter()
        annotations = dataset.annotations_of(video)
        async with open_run(video, context, combinations[0][1]) as run:
            kept = remember(run)
            for done, (_, parameters) in zip(clips, combinations, strict=True):
                own, sort = replace(run, params=parameters.pipeline_params()), parameters.deepsort_params()
                labeled = await run_method(own, method, vocabulary, kept, sort)
                done.append(match_clip(video, annotations, records(labeled, video.id, vocabulary, video.frames)))
        notify(f"{number}/{len(videos)} {video.name}: {time.perf_counter() - start:.0f} s")
    return [Trial(values, tuple(done)) for (values, _), done in zip(combinations, clips, strict=True)]


def best_trial(trials: Sequence[Trial], metric: str, positions: Sequence[int] | None = None) -> Trial:
    """The trial with the highest metric; the first of equal ones."""
    return max(trials, key=lambda trial: round(trial.figure(metric, positions), 9))


def halves(count: int, seed: int) -> tuple[list[int], list[int]]:
    """Positions of the clips in two random halves."""
    order = np.random.default_rng(seed).permutation(count).tolist()
    return sorted(order[: count // 2]), sorted(order[count // 2 :])


def across_halves(trials: Sequence[Trial], metric: str, seed: int) -> list[HalfChoice]:
    """Choose on each half and score on the other, as the best metric of a grid is biased. Needs at least two clips."""
    one, other = halves(len(trials[0].clips), seed)
    choices = []
    for here, there in ((one, other), (other, one)):
        if here and there:
            best = best_trial(trials, metric, here)
            reached, default = best.figure(metric, there), trials[0].figure(metric, there)
            choices.append(HalfChoice(best.values, best.figure(metric, here), reached, default))
    return choices
