"""`dualtrack bench`: all rows in one run."""

import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.status import Status

from dualtrack.errors import DualtrackError
from dualtrack.outputs import writable_file, writable_folder
from evaluation.bench.bench import DEMO, Bench
from evaluation.bench.figures import RowOutcome
from evaluation.bench.meters.machine import Machine, machine, pin
from evaluation.bench.meters.profile import write_profile
from evaluation.bench.plan import FULL, QUICK
from evaluation.bench.rows import ROWS, BenchRow, chosen
from evaluation.bench.table import bench_document, bench_markdown, bench_table
from evaluation.runs.session import open_context
from service.settings import Settings


@dataclass(frozen=True)
class Report:
    """The results of a benchmark run."""

    found: dict[BenchRow, RowOutcome]
    machine: Machine
    seconds: float


@dataclass(frozen=True)
class Compared:
    """Another version's command, and the videos that both process."""

    against: Path | None
    clips: tuple[Path, ...]


def bench(
    quick: Annotated[
        bool, typer.Option("--quick", help="Shorter clips, one run each; takes less than five minutes.")
    ] = False,
    rows: Annotated[
        str | None, typer.Option(metavar="N,…", help=f"Run only these rows, 1 to {len(ROWS)}; default: all.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the results to this JSON file.", callback=writable_file)
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="Also write the table to this Markdown file.", callback=writable_file)
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="PROGRAM",
            help="The command `dualtrack` of another version, in its own environment; rows 14 and 15 run both in turn.",
        ),
    ] = None,
    clips: Annotated[
        list[Path] | None,
        typer.Option("--clip", help=f"A video of rows 14 and 15; repeatable. Default: {DEMO}."),
    ] = None,
    profile: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Instead of the rows, profile one video; writes trace.json (Chrome: stages, graph calls, "
            "batches), flame.svg (py-spy) and profile.txt.",
            callback=writable_folder,
        ),
    ] = None,
) -> None:
    """Measure the cost of processing a video against targets, on two pinned cores.

    Ratios are of CPU time and hold even if other programs share the cores;
    rows 9, 11 and 13 are wall time and need an idle machine.
    """
    picked = chosen(rows)
    console, progress = Console(), Console(stderr=True)
    cores = pin()
    settings = Settings(threads=len(cores))
    with progress.status("opening") as status:
        if profile is not None:
            asyncio.run(write_profile(profile, settings, QUICK if quick else FULL))
            console.print(f"written to {profile}/")
            return
        compared = Compared(against, tuple(clips or [DEMO]))
        report = asyncio.run(_run(picked, settings, cores, compared, quick=quick, status=status))
    console.print(bench_table(report.found, f"{'quick ' if quick else ''}bench, {report.seconds:.0f} s"))
    console.print(report.machine.text, highlight=False)
    for row, outcome in report.found.items():
        for note in outcome.notes:
            console.print(f"{row.number}: {note}", highlight=False, markup=False)
    if json_file is not None:
        json_file.write_text(json.dumps(_document(report, quick=quick), indent=2) + "\n")
    if markdown is not None:
        markdown.write_text(f"{report.machine.text}\n\n{bench_markdown(report.found)}")


async def _run(
    rows: Sequence[BenchRow],
    settings: Settings,
    cores: tuple[int, ...],
    compared: Compared,
    *,
    quick: bool,
    status: Status,
) -> Report:
    here, start = machine(cores), time.perf_counter()
    found: dict[BenchRow, RowOutcome] = {}
    with tempfile.TemporaryDirectory(prefix="dualtrack-bench-") as folder:
        async with open_context(settings) as context:
            for row in rows:
                notify = _notifier(status, row)
                plan = QUICK if quick else FULL
                own = Bench(context, settings, Path(folder), plan, notify, compared.against, compared.clips)
                found[row] = await _measured(row, own)
    return Report(found, here, time.perf_counter() - start)


async def _measured(row: BenchRow, bench: Bench) -> RowOutcome:
    """Run one row; a failure is recorded in its outcome, so that the others still run."""
    try:
        return await row.measure(bench)
    except (DualtrackError, OSError, RuntimeError) as error:
        return RowOutcome(why_not=f"{type(error).__name__}: {error}")


def _notifier(status: Status, row: BenchRow) -> Callable[[str], None]:
    return lambda words: status.update(f"row {row.number}: {words}")


def _document(report: Report, *, quick: bool) -> dict[str, object]:
    return {
        "machine": report.machine.document(),
        "quick": quick,
        "seconds": report.seconds,
        "rows": bench_document(report.found),
    }
