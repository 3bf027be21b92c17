"""`dualtrack serve` and `python -m service.api` as processes: what they refuse, what they write, how they restart."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.integration.api.api_service import wait_for
from tests.support.patience import PATIENCE_S
from tests.support.ports import free_ports

SERVE = (sys.executable, "-m", "service.cli.main", "serve")
API = (sys.executable, "-m", "service.api")


def environment(folder: Path, **settings: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DUALTRACK_")}
    chosen = {f"DUALTRACK_{name.upper()}": value for name, value in settings.items()}
    return {**kept, "DUALTRACK_DATA_DIR": str(folder), **chosen}


def refusal(command: tuple[str, ...], variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


@dataclass
class Service:
    url: str
    folder: Path
    process: "subprocess.Popen[bytes]"
    log: Path

    def child(self, word: str) -> int:
        """The number of the child process whose command has `word`."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return next(int(each) for each in children if word in Path(f"/proc/{each}/cmdline").read_text())


@contextlib.contextmanager
def service(folder: Path, host: str, **settings: str) -> Iterator[Service]:
    [port] = free_ports(1)
    log = folder.parent / "serve.log"
    command = [*SERVE, "--host", host, "--port", str(port)]
    with log.open("wb") as file:
        process = subprocess.Popen(command, env=environment(folder, **settings), stdout=file, stderr=file)
    near = "[::1]" if ":" in host else "127.0.0.1"
    try:
        wait_for(lambda: b"ready " in log.read_bytes() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield Service(f"http://{near}:{port}", folder, process, log)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


@pytest.mark.parametrize("command", [SERVE, API], ids=["serve", "api"])
@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"port": "x"}, "DUALTRACK_PORT: expected a whole number, got 'x'"),
        ({"apikey": "x"}, "did you mean DUALTRACK_API_KEY?"),
        ({"host": "0.0.0.0"}, "DUALTRACK_API_KEY: expected a key"),
        ({"host": "192.0.2.1", "api_key": "k"}, "DUALTRACK_HOST: expected an address of this machine, got '192.0.2.1'"),
        ({"data_dir": "/proc/nowhere"}, "DUALTRACK_DATA_DIR: expected a directory that this user can write"),
    ],
)
def test_what_can_not_work_is_one_line(
    command: tuple[str, ...], settings: dict[str, str], wanted: str, tmp_path: Path
) -> None:
    variables = environment(tmp_path / "data", **{"port": "0", **settings})
    done = refusal(command, variables)
    assert done.returncode == 6, done.stderr
    [line] = [line for line in done.stderr.splitlines() if "[info" not in line]
    assert line.startswith("error: configuration: ")
    assert wanted in line


@pytest.mark.parametrize("command", [SERVE, API], ids=["serve", "api"])
def test_a_port_in_use_ends_the_start_before_anything_runs(command: tuple[str, ...], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = refusal(command, environment(tmp_path / "data", port=str(port)))
    assert done.returncode == 6
    assert done.stderr == (
        f"error: configuration: DUALTRACK_PORT: expected a free port on 127.0.0.1, got {port}, "
        "on which another program listens\n"
    )
    assert not (tmp_path / "data").exists()


def test_an_api_without_its_state_server_says_so_in_one_line(tmp_path: Path) -> None:
    done = refusal(API, environment(tmp_path, port="0", redis_url="redis://127.0.0.1:1", log_json="true"))
    assert done.returncode == 5
    *logged, line = done.stderr.splitlines()
    assert line.startswith("error: state-unavailable: state: ")
    assert [json.loads(each)["event"] for each in logged] == ["starting"]


def test_folders_are_private_and_an_api_that_restarts_refuses_no_connection(tmp_path: Path) -> None:
    folder = tmp_path / "a#b %20?c" / "data"
    (folder / "blobs").mkdir(parents=True, mode=0o755)
    with service(folder, "::1") as running:
        open_to_others = [path for path in folder.rglob("*") if path.stat().st_mode & 0o077]
        assert open_to_others == []
        before = running.child("service.api")
        os.kill(before, signal.SIGTERM)
        # while it drains, while none runs, and when the next one does
        statuses = []
        with contextlib.suppress(StopIteration):
            while len(statuses) < 3 or running.child("service.api") == before:
                statuses.append(httpx.get(f"{running.url}/livez", timeout=PATIENCE_S).status_code)
        statuses.append(httpx.get(f"{running.url}/livez", timeout=PATIENCE_S).status_code)
        assert set(statuses) == {200}
        wait_for(lambda: running.child("service.api") != before)
