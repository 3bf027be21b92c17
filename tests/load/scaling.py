"""`python -m tests.load.scaling`: does the scaling model of docs/operations.md hold for 1, 2 and 4 workers?

A real service (Valkey, API, workers) gets the same clips at once with each number of workers; the time to the last result
is measured, and the CPU time of the workers with all their children. The model, from the run with one
worker: `jobs per second = min(workers × cores that one worker uses, cores) / CPU seconds of a job`. Cores are what the
workers got and what lay idle, so that other work on the machine counts as a smaller machine.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from dualtrack.client.client import Client
from dualtrack.errors import DualtrackError
from evaluation.bench.meters.processes import children
from tests.integration.api.api_service import Valkey
from tests.load.model import Measured, jobs_per_s
from tests.support.clips import cut
from tests.support.ports import free_ports

PATIENCE_S = 900
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Service:
    """A running one: its address, the environment of its processes, and its workers, which end with `stack`."""

    url: str
    environment: dict[str, str]
    stack: contextlib.ExitStack
    workers: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def grow(self, workers: int) -> None:
        """Start workers until there are `workers`, and wait until they have loaded their models."""
        command = ["-m", "service.cli.main", "worker"]
        while len(self.workers) < workers:
            self.workers.append(self.stack.enter_context(started(command, self.environment)))
        wait_for_workers(self.url, workers)

    def cpu_s(self) -> float:
        """CPU time of the workers and of all processes below them so far, seconds."""
        return sum(cpu_s(pid) for worker in self.workers for pid in (worker.pid, *children(worker.pid)))


def main() -> int:
    """Print the table; 1 if the model is off by more than asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--frames", type=int, default=8, help="of the shortest clip; each of the others has one more")
    parser.add_argument("--seeds", type=int, default=3, help="most objects that are tracked")
    parser.add_argument("--tolerance", type=float, default=0.25, help="most relative error of the model")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dualtrack-scaling-") as folder:
        clips = [cut(Path(folder) / f"{n}.mp4", given.frames + n, hw=(192, 256)) for n in range(given.jobs)]
        with running(Path(folder) / "data") as service, Client(service.url) as client:
            # a little more th_det each time: no run finds another's detections in the cache
            runs = [
                measure(service, client, clips, workers, {"th_det": 0.2 + 0.001 * number, "max_seeds": given.seeds})
                for number, workers in enumerate(sorted(given.workers))
            ]
    worst = 0.0
    print("| workers | jobs per minute | model | CPU s per job | cores got | cores idle |\n|---|---|---|---|---|---|")
    for run in runs:
        model = jobs_per_s(run.workers, runs[0], cores=run.cores + run.idle)
        worst = max(worst, abs(model / run.jobs_per_s - 1))
        figures = (60 * run.jobs_per_s, 60 * model, run.cpu_s, run.cores, run.idle)
        print(f"| {run.workers} | " + " | ".join(f"{each:.2f}" for each in figures) + " |")
    print(f"largest error of the model: {worst:.0%}; {len(clips)} jobs, {os.cpu_count()} cores, load {os.getloadavg()}")
    return int(worst > given.tolerance)


def measure(
    service: Service, client: Client, clips: Sequence[Path], workers: int, parameters: dict[str, float]
) -> Measured:
    """All clips at once to a number of workers."""
    service.grow(workers)
    cpu, idle, start = service.cpu_s(), idle_s(), time.monotonic()
    jobs = [client.submit(clip, overlay=False, **parameters) for clip in clips]
    for job in jobs:
        ended = client.wait(job, timeout_s=PATIENCE_S)
        if ended.state != "done":
            raise RuntimeError(f"job {ended.id}: expected it to be done, got {ended.state}: {ended.error}")
    seconds = time.monotonic() - start
    return Measured(
        workers=workers,
        jobs_per_s=len(clips) / seconds,
        cpu_s=(service.cpu_s() - cpu) / len(clips),
        idle=(idle_s() - idle) / seconds,
    )


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Service]:
    """Valkey and API, and the workers that are started later, for the length of the block."""
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        valkey = Valkey(folder)
        stack.callback(valkey.close)
        environment = {
            **os.environ,
            "DUALTRACK_REDIS_URL": valkey.url,
            "DUALTRACK_DATA_DIR": str(folder),
            "DUALTRACK_PORT": str(port := free_ports(1)[0]),
            "DUALTRACK_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
        stack.enter_context(started(["-m", "service.api"], environment))
        yield Service(f"http://127.0.0.1:{port}", environment, stack)


@contextlib.contextmanager
def started(command: list[str], environment: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """`python <command>`, stopped at the end."""
    process = subprocess.Popen([sys.executable, *command], env=environment, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for_workers(url: str, workers: int) -> None:
    """Wait until `workers` have loaded their models and the service is ready."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPError, DualtrackError):
            if f"dualtrack_workers {workers}.0" in httpx.get(f"{url}/metrics", timeout=10, trust_env=False).text:
                return
        time.sleep(0.5)
    raise TimeoutError(f"workers: expected {workers} to be ready within {PATIENCE_S} s")


def cpu_s(pid: int) -> float:
    """CPU time of a process and of its children that have ended; 0 if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / TICKS


def idle_s() -> float:
    """Seconds that all cores together have been idle since the machine started."""
    return int(Path("/proc/stat").read_text().splitlines()[0].split()[4]) / TICKS


if __name__ == "__main__":
    sys.exit(main())
