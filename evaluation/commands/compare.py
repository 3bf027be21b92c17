"""`dualtrack compare A.json B.json`: is B significantly better than A on these clips?"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from dualtrack.errors import InvalidDataset
from dualtrack.outputs import writable_file
from evaluation.data.dataset import Document
from evaluation.metrics.bootstrap import LEVEL, differences
from evaluation.output.tables import difference_table


def compare(
    first: Annotated[Path, typer.Argument(metavar="A.json", help="Written by `evaluate --json`.")],
    second: Annotated[Path, typer.Argument(metavar="B.json", help="Written by `evaluate --json` for the same clips.")],
    samples: Annotated[int, typer.Option(min=1, help="Number of bootstrap samples.")] = 1000,
    seed: Annotated[int, typer.Option(help="Random seed of the bootstrap.")] = 0,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the table to this file.", callback=writable_file)
    ] = None,
) -> None:
    """Print the differences B - A with 95 % bootstrap confidence intervals over the clips."""
    a, b = same_clips(first, second)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("draws", total=samples)
        found = differences(a, b, samples=samples, seed=seed, notify=lambda done: bar.update(task, completed=done))
    title = f"{second} - {first}: {len(a)} clips, {samples} bootstrap samples, {LEVEL:.0f} % intervals"
    Console().print(difference_table(found, title))
    if json_file is not None:
        document = {name: asdict(difference) for name, difference in found.items()}
        json_file.write_text(json.dumps(document, indent=2) + "\n")


def same_clips(first: Path, second: Path) -> tuple[list[Document], list[Document]]:
    """The clips of two files, in the same order.

    Raises:
        InvalidDataset: a file was not written by `evaluate --json`, or the clips or kinds of evaluation differ.
    """
    a, b = ({clip["name"]: clip for clip in _clips(path)} for path in (first, second))
    if differ := sorted(a.keys() ^ b.keys()):
        raise InvalidDataset(
            f"compare: expected the same clips in {first} and {second}, got {differ[:5]} in only one of them"
        )
    kinds = {tuple(sorted(clip.keys() & {"tracks", "classes"})) for clip in (*a.values(), *b.values())}
    if len(kinds) != 1:
        raise InvalidDataset(f"compare: expected the same kind of evaluation in {first} and {second}, got two")
    return list(a.values()), [b[name] for name in a]


def _clips(path: Path) -> list[Document]:
    try:
        clips: list[Document] = json.loads(path.read_text())["clips"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidDataset(
            f"compare: expected a file written by `evaluate --json` with clips, got {path}: {error!r}"
        ) from error
    if not clips:
        raise InvalidDataset(f"compare: {path} has no clips")
    return clips
