"""The rows of the benchmark and the functions that measure them."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from dualtrack.errors import InvalidParameter
from evaluation.bench.bench import Bench
from evaluation.bench.figures import RowOutcome
from evaluation.bench.subjects import against, concurrent, engine, gpu, literal, media, pipeline_cost

Measure = Callable[[Bench], Awaitable[RowOutcome]]


@dataclass(frozen=True, slots=True)
class BenchRow:
    """A row of the table.

    Attributes:
        number: as given to `--rows`.
        title: what is measured.
        measure: runs the measurement.
    """

    number: int
    title: str
    measure: Measure


ROWS = (
    BenchRow(1, "literal implementation / ours, CPU time, 4 objects", literal.literal),
    BenchRow(2, "whole pipeline, 8 objects / 1 object", pipeline_cost.objects),
    BenchRow(3, "outside the graphs / inside, 4 objects", pipeline_cost.host),
    BenchRow(4, "graphs in the pipeline / alone in ideal batches", pipeline_cost.batches),
    BenchRow(5, "10 x the frames / 1 x", pipeline_cost.length),
    BenchRow(6, "resident memory of the engine, by length", engine.memory),
    BenchRow(7, "disk of the frame store", engine.disk),
    BenchRow(8, "CPU per 384x640 frame", pipeline_cost.frame),
    BenchRow(9, "four concurrent jobs / sequential, wall time", concurrent.at_once),
    BenchRow(10, "repeat / first run", concurrent.repeat),
    BenchRow(11, "start to first detector call", media.start),
    BenchRow(12, "decode + store 1080p / decode alone", media.store),
    BenchRow(13, "GPU, 360p, end to end", gpu.gpu),
    BenchRow(14, "default request, this version / another", against.first),
    BenchRow(15, "repeat with another parameter, this version / another", against.repeated),
)


def chosen(numbers: str | None) -> Sequence[BenchRow]:
    """Rows by number, such as `1,3,8`; all rows for None.

    Raises:
        InvalidParameter: a row does not exist.
    """
    if numbers is None:
        return ROWS
    known = {str(row.number): row for row in ROWS}
    wanted = [number.strip() for number in numbers.split(",")]
    if unknown := [number for number in wanted if number not in known]:
        raise InvalidParameter(f"rows: expected numbers from 1 to {len(ROWS)}, got {unknown[0]!r}")
    return [known[number] for number in dict.fromkeys(wanted)]
