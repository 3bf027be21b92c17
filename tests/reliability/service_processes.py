"""A whole service as processes, which tests kill, stop and freeze one by one."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from redis import Redis

from evaluation.bench.meters.processes import children
from tests.integration.api.api_service import wait_for
from tests.reliability.responses import PATIENCE_S
from tests.support.pipelines import REPOSITORY
from tests.support.ports import free_ports

PROGRAM = (sys.executable, str(Path(__file__).with_name("program.py")))
"""The service with the fake networks."""
WORDS = {
    "api": (b"service.api", b"program.py\0hasty"),
    "valkey": (b"valkey-server",),
    "worker": (b"service.cli.main\0worker", b"program.py\0worker"),
    "engine": (b"service.worker.engine_main", b"program.py\0engine"),
    "decoder": (b"service.media.children.decode",),
}
"""What the command of each part has."""


@dataclass
class Service:
    """A running service.

    Attributes:
        folder: its data; also the working directory of all its processes, by which they are found.
        url: of the API.
        process: the supervisor.
        environment: its own.
        log: of all processes.
        further: workers that nobody supervises.
        root: where this process sees the root of the file system that the service sees.
    """

    folder: Path
    url: str
    process: "subprocess.Popen[bytes]"
    environment: dict[str, str]
    log: Path
    further: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    root: str = ""

    def pids(self, part: str) -> list[int]:
        """The processes of a part that run now."""
        found = [*children(self.process.pid), *(each.pid for each in self.further)]
        found += [pid for each in self.further for pid in children(each.pid)]
        return [pid for pid in found if any(word in _command(pid) for word in WORDS[part])]

    def one(self, part: str) -> int:
        """A process of the part, as soon as there is one."""
        wait_for(lambda: bool(self.pids(part)), PATIENCE_S)
        pids = self.pids(part)
        return pids[0] if pids else self.one(part)

    def send(self, part: str, number: signal.Signals) -> int:
        """Send a signal to a process of the part; its pid."""
        while True:
            pid = self.one(part)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
                return pid

    def kill(self, part: str) -> int:
        return self.send(part, signal.SIGKILL)

    def start_worker(self) -> "subprocess.Popen[bytes]":
        """One more worker, which nobody supervises."""
        environment = {**self.environment, "DUALTRACK_REDIS_URL": self.redis_url}
        with self.log.open("ab") as log:
            command = [*PROGRAM, "worker"]
            made = subprocess.Popen(command, env=environment, cwd=self.folder, stdout=log, stderr=log)
        self.further.append(made)
        return made

    @property
    def redis_url(self) -> str:
        """As its own processes got it: the socket may be in another folder, which has a shorter name."""
        text = Path(f"/proc/{self.one('api')}/environ").read_text()
        url = next(each.partition("=")[2] for each in text.split("\0") if each.startswith("DUALTRACK_REDIS_URL="))
        return url.replace("unix://", f"unix://{self.root}")

    def redis(self) -> "Redis":
        return Redis.from_url(self.redis_url, decode_responses=True)

    def until_ready(self) -> None:
        def ready() -> bool:
            assert self.process.poll() is None, self.log.read_text()[-4000:]
            try:
                return httpx.get(f"{self.url}/readyz", timeout=PATIENCE_S, trust_env=False).status_code == 200
            except httpx.TransportError:
                return False

        wait_for(ready, PATIENCE_S)

    def processes(self) -> list[int]:
        """All processes that work in this folder, whoever started them."""
        return [pid for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))) if _works_in(pid, self.folder)]

    def stop(self) -> int:
        """End everything as an operator does; the supervisor's exit code."""
        for each in (self.process, *self.further):
            each.send_signal(signal.SIGCONT)
            each.terminate()
        try:
            for each in (self.process, *self.further):
                each.wait(PATIENCE_S)
        finally:
            for each in (self.process, *self.further):
                each.kill()
        return self.process.returncode


@contextlib.contextmanager
def serving(
    folder: Path,
    *,
    workers: int = 1,
    models: bool = False,
    hasty: bool = False,
    prefix: Sequence[str] = (),
    **settings: object,
) -> Iterator[Service]:
    """A service on an empty state in `folder`, ready when the block begins.

    Args:
        folder: for its data.
        workers: how many.
        models: `dualtrack serve` with the bundled models, and one worker; otherwise the fake networks.
        hasty: the API has short deadlines for slow clients.
        prefix: of the supervisor's command.
        settings: by their names in `service.settings`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    [port] = free_ports(1)
    chosen = {"data_dir": folder, "model_repository": REPOSITORY, "threads": 1, "lease_s": 2, **settings}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DUALTRACK_")}
    environment = {**inherited, **{f"DUALTRACK_{name.upper()}": str(value) for name, value in chosen.items()}}
    log = folder.with_name(f"{folder.name}.log")
    if models:
        command = (sys.executable, "-P", "-m", "service.cli.main", "serve", "--port", str(port))
    else:
        command = (*PROGRAM, "serve", str(port), str(workers), "hasty" if hasty else "patient")
    with log.open("wb") as file:
        process = subprocess.Popen([*prefix, *command], env=environment, cwd=folder, stdout=file, stderr=file)
    service = Service(folder, f"http://127.0.0.1:{port}", process, environment, log)
    try:
        service.until_ready()
        yield service
    finally:
        if process.poll() is None:
            service.stop()


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has ended
        return b""


def _works_in(pid: int, folder: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").resolve() == folder.resolve() and bool(_command(pid))
    except OSError:  # it has ended, or is another user's
        return False
