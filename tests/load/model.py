"""The scaling model of docs/operations.md."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """One run.

    Attributes:
        workers: how many there were.
        jobs_per_s: that ended.
        cpu_s: CPU seconds per job, all processes of the workers.
        idle: cores that did nothing, on average.
    """

    workers: int
    jobs_per_s: float
    cpu_s: float
    idle: float

    @property
    def cores(self) -> float:
        """Cores that the workers used, on average."""
        return self.jobs_per_s * self.cpu_s


def jobs_per_s(workers: int, one: Measured, *, cores: float) -> float:
    """What a number of workers do on a number of cores, from a run `one` with one worker or a few."""
    return min(workers * one.cores / one.workers, cores) / one.cpu_s
