"""The rows: what is measured, by which function."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from dualtrack.errors import InvalidParameter
from evaluation.bench.bench import Bench
from evaluation.bench.figures import Outcome
from evaluation.bench.subjects import concurrent, engine, gpu, literal, media, pipeline_cost

Measure = Callable[[Bench], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table.

    Attributes:
        number: its place; what `--rows` names.
        title: what it says.
        measure: runs it.
    """

    number: int
    title: str
    measure: Measure


ROWS = (
    Row(1, "literal implementation / ours, CPU time, 4 objects", literal.literal),
    Row(2, "whole pipeline, 8 objects / 1 object", pipeline_cost.objects),
    Row(3, "outside the graphs / inside, 4 objects", pipeline_cost.host),
    Row(4, "graphs in the pipeline / alone in ideal batches", pipeline_cost.batches),
    Row(5, "10 x the frames / 1 x", pipeline_cost.length),
    Row(6, "resident memory of the engine, by length", engine.memory),
    Row(7, "disk of the frame store", engine.disk),
    Row(8, "CPU per 384x640 frame", pipeline_cost.frame),
    Row(9, "four jobs at once / one after the other, wall time", concurrent.at_once),
    Row(10, "repeat / first run", concurrent.repeat),
    Row(11, "start to the first frame in the detector", media.start),
    Row(12, "decode + store 1080p / decode alone", media.store),
    Row(13, "GPU, 360p, end to end", gpu.gpu),
)


def chosen(numbers: str | None) -> Sequence[Row]:
    """Rows by their numbers, `1,3,8`; all of them for None.

    Raises:
        InvalidParameter: there is no such row.
    """
    if numbers is None:
        return ROWS
    known = {str(row.number): row for row in ROWS}
    wanted = [number.strip() for number in numbers.split(",")]
    if unknown := [number for number in wanted if number not in known]:
        raise InvalidParameter(f"rows: expected numbers from 1 to {len(ROWS)}, got {unknown[0]!r}")
    return [known[number] for number in dict.fromkeys(wanted)]
