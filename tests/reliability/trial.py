"""A trial: first all jobs undisturbed on one service, then the storm on another, then the verdict."""

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.reliability.jobs import Plan
from tests.reliability.service_processes import serving
from tests.reliability.storm import Storm, kills_of
from tests.reliability.verdict import Verdict, judge, look_at_rest

MEMORY = Path("/dev/shm")


def undisturbed(folder: Path, plan: Plan, *, models: bool, workers: int) -> Mapping[str, tuple[str, ...]]:
    """Digests of the results that jobs of the plan have, by `Ask.content`."""
    asks = plan.contents()
    with serving(folder, models=models, workers=workers) as service:
        calm = Storm(service, plan, len(asks), asks=asks)
        calm.run()
        assert calm.responses.wrong == calm.faults == []
        return {job.ask.content: job.digests for job in calm.accepted.values()}


def trial(folder: Path, plan: Plan, *, jobs: int, kills: int, workers: int = 1, models: bool = False) -> Verdict:
    """The verdict on a storm of at least `jobs` jobs and `kills` kills.

    Args:
        folder: for the data of both services.
        plan: the jobs.
        jobs: how many at least.
        kills: how often something is killed.
        workers: with the fake networks.
        models: the bundled models in place of the fake networks.
    """
    expected = undisturbed(folder / "calm", plan, models=models, workers=workers)
    # no attempt fails by itself: as many may be killed as are
    settings = {"max_attempts": kills + 1, "checkpoint_frames": 2, "lease_s": 2}
    data = folder / "storm"
    with valkey_in_memory(data), serving(data, models=models, workers=workers, **settings) as service:
        storm = Storm(service, plan, jobs, tuple(kills_of(plan.seed, kills)))
        storm.run()
        verdict = judge(storm, expected)
        look_at_rest(service, verdict)
    return verdict


@contextlib.contextmanager
def valkey_in_memory(data: Path) -> Iterator[None]:
    """Valkey's append-only file is on a disk whose fsync takes no time.

    With `appendfsync everysec` Valkey may respond before it has written to the file while an fsync is under way, so a
    kill at that moment can lose what was accepted (docs/operations.md, "Valkey loses the last second"). How often that
    happens depends on the disk, and is not what a storm is to find out.
    """
    if not MEMORY.is_dir():
        yield
        return
    with tempfile.TemporaryDirectory(prefix="storm-", dir=MEMORY) as name:
        data.mkdir(parents=True)
        (data / "valkey").symlink_to(name)
        yield
