"""`dualtrack tune DIR`: find parameters for a user's own annotated videos."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, cast, get_args

import typer
from rich.console import Console

from dualtrack.errors import InvalidDataset, InvalidParameter
from dualtrack.outputs import writable_file
from evaluation.data.dataset import Document, load_dataset
from evaluation.metrics.ytvis import figures
from evaluation.output.tables import trial_table
from evaluation.runs.grid import DEEPSORT_GRID, DEFAULT_GRID, combinations, make_grid
from evaluation.runs.methods import Method
from evaluation.runs.parameters import EvaluationParameters, parse_evaluation
from evaluation.runs.session import open_context
from evaluation.runs.tuning import HalfChoice, Trial, across_halves, best_trial, halves, run_trials, values_text
from evaluation.runs.videos import console_notifier
from service.cli.parameters import Notify, ParameterFileOption, ParameterOption, silent, warn
from service.settings import Settings


def tune(  # noqa: PLR0913, PLR0917 (the options of a command)
    path: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with instances.json and videos/.")],
    out: Annotated[Path, typer.Option(help="File to write the parameters to.", callback=writable_file)] = Path(
        "parameters.json"
    ),
    grid: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE,…",
            help="An axis of the grid; replaces axes of the default grid that share a parameter with it. "
            "a/b=1/2,3/4 varies two parameters together. Repeatable. "
            f"Default grid: {'; '.join(DEFAULT_GRID)}; for deepsort: "
            f"{'; '.join(DEEPSORT_GRID)}.",
        ),
    ] = None,
    metric: Annotated[str, typer.Option(help="Metric to maximize: AP, AP50, AP_agnostic, …")] = "AP",
    method: Annotated[str, typer.Option(help="ipdt, pixel or deepsort.")] = "ipdt",
    limit: Annotated[int | None, typer.Option(help="Use only the first N videos.")] = None,
    seed: Annotated[int, typer.Option(help="Random seed of the split into halves.")] = 0,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="Also write the results of all combinations to this file.", callback=writable_file),
    ] = None,
    param: ParameterOption = None,
    params: ParameterFileOption = None,
) -> None:
    """Search a coarse grid of parameters and write the best combination to a file for --params.

    The defaults (with -p and --params) and every combination of the grid are
    scored by --metric on all exhaustively annotated clips; the highest score
    wins, the first of equal ones. To show what tuning is worth, the clips are
    also split at random into two halves, and the combination that is best on
    one half is scored on the other: the best score of a grid is optimistic.
    Clips that were used for tuning can no longer serve as a test set.

    As in evaluate, every frame of a video file is tracked and a video is one
    chunk: track_fps, chunk_frames, chunk_overlap, shots and stitch_iou have no
    effect.

    Detections and tubelets are cached, a video is decoded once, and a seed is
    tracked once per tracker setting, so the grid costs little more than one
    evaluation per tracker setting.
    """
    if metric not in figures([]):
        raise InvalidParameter(f"metric: expected one of {', '.join(figures([]))}, got {metric!r}")
    if method not in get_args(Method):
        raise InvalidParameter(f"method: expected one of {', '.join(get_args(Method))}, got {method!r}")
    axes = make_grid(grid or (), DEEPSORT_GRID if method == "deepsort" else DEFAULT_GRID)
    pairs = [
        (values, _parameters(values, param, params, notify=silent if values else warn))
        for values in ({}, *combinations(axes))
    ]
    trials = asyncio.run(_run(path, pairs, cast("Method", method), limit))
    best, choices = best_trial(trials, metric), across_halves(trials, metric, seed)
    chosen = next(parameters for values, parameters in pairs if values is best.values)
    out.write_text(json.dumps(chosen.model_dump(exclude_unset=True, exclude={"overlay"}), indent=2) + "\n")
    console = Console()
    console.print(trial_table(trials, metric, halves(len(best.clips), seed)))
    for line in (*(_told(choice, metric) for choice in choices), f"{out}: {best.text}"):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if json_file is not None:
        json_file.write_text(json.dumps(_document(trials, best, choices, metric), indent=2) + "\n")


def _parameters(
    values: dict[str, str], param: list[str] | None, params: Path | None, *, notify: Notify
) -> EvaluationParameters:
    given = [*(param or ()), *(f"{name}={value}" for name, value in values.items())]
    return parse_evaluation(given, params, notify=notify)


async def _run(
    path: Path, pairs: Sequence[tuple[dict[str, str], EvaluationParameters]], method: Method, limit: int | None
) -> list[Trial]:
    dataset = load_dataset(path)
    videos = [video for video in dataset.videos if video.exhaustive][:limit]
    if not videos:
        raise InvalidDataset(f"tune: expected exhaustively annotated videos in {path}, found none")
    notify = console_notifier()
    notify(f"{len(pairs)} combinations, {len(videos)} videos")
    async with open_context(Settings()) as context:
        return await run_trials(dataset, videos, pairs, method, context, notify)


def _told(choice: HalfChoice, metric: str) -> str:
    return (
        f"best on one half ({metric} {choice.chosen_on:.4f}): {choice.reached:.4f} on the other half, "
        f"defaults {choice.default:.4f} there ({choice.reached - choice.default:+.4f}): {values_text(choice.values)}"
    )


def _document(trials: Sequence[Trial], best: Trial, choices: Sequence[HalfChoice], metric: str) -> Document:
    return {
        "metric": metric,
        "best": best.values,
        "trials": [{"values": trial.values, **figures(trial.clips)} for trial in trials],
        "across_halves": [vars(choice) for choice in choices],
    }
