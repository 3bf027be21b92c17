"""`dualtrack table2 DIR`: the paper's Table 2, ablations and three oracles in one command."""

import asyncio
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from dualtrack.errors import InvalidDataset, InvalidParameter
from dualtrack.outputs import writable_file
from evaluation.data.dataset import Document, load_dataset
from evaluation.metrics.bootstrap import LEVEL, Difference, differences
from evaluation.output.tables import difference_table, markdown_rows, row_table
from evaluation.runs.parameters import EvaluationParameters, parse_evaluation
from evaluation.runs.rows import ROWS, RowResult, TableRow, run_rows
from evaluation.runs.session import open_context
from evaluation.runs.videos import console_notifier
from service.cli.parameters import ParameterFileOption, ParameterOption
from service.pipeline.store.cache import FolderCache
from service.settings import Settings

PAIRS = (("pixel", "ipdt"), ("deepsort", "pixel"))
"""Pairs of rows whose difference (second minus first) gets a confidence interval."""


def table2(  # noqa: PLR0913, PLR0917 (the options of a command)
    path: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with instances.json and videos/.")],
    rows: Annotated[
        str | None,
        typer.Option(metavar="ROW,…", help=f"Run only these rows. Available: {', '.join(row.name for row in ROWS)}."),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Evaluate only the first N videos.")] = None,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Use no cached results of earlier runs, so that the times are those of the rows."),
    ] = False,
    samples: Annotated[int, typer.Option(min=1, help="Number of bootstrap samples for the intervals.")] = 1000,
    seed: Annotated[int, typer.Option(help="Random seed of the bootstrap.")] = 0,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json", help="Also write the metrics, overall and per clip, to this file.", callback=writable_file
        ),
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="Also write the tables to this Markdown file.", callback=writable_file)
    ] = None,
    param: ParameterOption = None,
    params: ParameterFileOption = None,
) -> None:
    """Compare DeepSORT, the pixel tracker, IPDT, ablations and oracles on the same detections.

    -p and --params apply to all rows; each ablation then changes one setting:
    deepsort-raw and uncalibrated beta=1, forward bidirectional=false,
    greedy strategy=greedy, box-only fusion=instance (mask = Siamese box),
    margin-1 margin=1, uncoupled couple=0, matched-skip score=matched_skip,
    paper preset=paper.

    As in evaluate, every frame of a video file is tracked and a video is one
    chunk: track_fps, chunk_frames, chunk_overlap, shots and stitch_iou have no
    effect.

    oracle-seeds tracks every annotated object from its mask in the frame
    where it is largest, with the true class and score 1. oracle-detections
    links, for every object, the detections that overlap it most in each
    frame: the result of perfect association. oracle-class gives IPDT's
    tubelets the class of the object they overlap most (tubelet IoU > 0.5).

    s/frame: decoding, detection and the row's own work, per annotated frame;
    ≥ marks rows that reused results from a cache or another row.
    """
    chosen = [(row, _parameters(row, param, params)) for row in _chosen(rows)]
    results = asyncio.run(_run(path, chosen, limit, fresh=fresh))
    document: dict[str, Document] = {result.row.name: result.document() for result in results}
    found = _differences(document, samples, seed)
    console = Console()
    console.print(row_table(document, f"{path}, {len(results[0].clips)} clips"))
    for title, difference in found.items():
        console.print(
            difference_table(difference, f"{title}: {samples} bootstrap samples of the clips, {LEVEL:.0f} % intervals")
        )
    if markdown is not None:
        markdown.write_text(markdown_rows(document, found))
    if json_file is not None:
        intervals = {
            title: {name: asdict(figure) for name, figure in difference.items()} for title, difference in found.items()
        }
        json_file.write_text(json.dumps({"rows": document, "differences": intervals}, indent=2) + "\n")


def _chosen(names: str | None) -> list[TableRow]:
    known = {row.name: row for row in ROWS}
    wanted = list(known) if names is None else [name.strip() for name in names.split(",")]
    if unknown := [name for name in wanted if name not in known]:
        raise InvalidParameter(f"rows: expected one or more of {', '.join(known)}, got {unknown[0]!r}")
    return [known[name] for name in wanted]


def _parameters(row: TableRow, param: list[str] | None, params: Path | None) -> EvaluationParameters:
    return parse_evaluation([*(param or ()), *(f"{name}={value}" for name, value in row.values.items())], params)


async def _run(
    path: Path, rows: Sequence[tuple[TableRow, EvaluationParameters]], limit: int | None, *, fresh: bool
) -> list[RowResult]:
    dataset = load_dataset(path)
    videos = [video for video in dataset.videos if video.exhaustive][:limit]
    if not videos:
        raise InvalidDataset(f"table2: expected exhaustively annotated videos in {path}, found none")
    settings = Settings()
    async with open_context(settings) as context:
        with tempfile.TemporaryDirectory(dir=context.scratch) as folder:
            own = FolderCache(Path(folder), max_bytes=settings.cache_max_bytes)
            return await run_rows(
                dataset, videos, rows, replace(context, cache=own) if fresh else context, console_notifier()
            )


def _differences(document: dict[str, Document], samples: int, seed: int) -> dict[str, dict[str, Difference]]:
    """By "B - A", for the pairs of which both rows were run."""
    pairs = [(a, b) for a, b in PAIRS if a in document and b in document]
    found: dict[str, dict[str, Difference]] = {}
    with Progress(console=Console(stderr=True), transient=True) as bar:
        for a, b in pairs:
            task = bar.add_task(f"{b} - {a}", total=samples)
            found[f"{b} - {a}"] = differences(
                document[a]["clips"],
                document[b]["clips"],
                samples=samples,
                seed=seed,
                notify=lambda done, task=task: bar.update(task, completed=done),  # type: ignore[misc]
            )
    return found
