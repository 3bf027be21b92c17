"""The container engine, docker or podman, and its compose command."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BUILD_OPTIONS = "DUALTRACK_BUILD_OPTIONS"
"""Environment variable with additional build options, for example for a proxy."""


@dataclass(frozen=True)
class ContainerEngine:
    """`docker` or `podman`, given its path."""

    path: str

    @property
    def name(self) -> str:
        """`docker` or `podman`."""
        return Path(self.path).name

    def run(self, *words: str, check: bool = True) -> str:
        """Run a command of the engine; returns its output.

        Raises:
            RuntimeError: it failed, and `check` is set.
        """
        done = subprocess.run([self.path, *words], capture_output=True, text=True, check=False)
        if check and done.returncode != 0:
            raise RuntimeError(f"{self.name} {' '.join(words)}: code {done.returncode}\n{done.stderr[-3000:]}")
        return done.stdout

    def succeeds(self, *words: str) -> bool:
        """Whether a command of the engine exits with code 0."""
        return subprocess.run([self.path, *words], capture_output=True, check=False).returncode == 0

    def build(self, dockerfile: str, tag: str, arguments: Mapping[str, str]) -> None:
        """Build an image from the repository's root, showing the engine's output."""
        given = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
        options = os.environ.get(BUILD_OPTIONS, "").split()
        command = [self.path, "build", *options, "--file", dockerfile, "--tag", tag, *given, "."]
        subprocess.run(command, cwd=ROOT, check=True)

    def image(self, tag: str) -> dict[str, Any]:
        """The output of `image inspect`."""
        (document,) = json.loads(self.run("image", "inspect", tag))
        return dict(document)


@dataclass(frozen=True)
class Project:
    """One instance of docker-compose.yml with its own project name.

    Attributes:
        engine: container engine.
        name: of the project, and prefix of its containers, networks and volumes.
        profile: compose profile.
        environment: variables for the compose file.
    """

    engine: ContainerEngine
    name: str
    profile: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def compose(self, *words: str) -> None:
        """Run a compose command, showing its output.

        Raises:
            subprocess.CalledProcessError: it failed.
        """
        front = [self.engine.path, "compose"] if self.engine.name == "docker" else [podman_compose()]
        command = [*front, "--project-name", self.name, "--profile", self.profile, *words]
        subprocess.run(command, cwd=ROOT, env={**os.environ, **self.environment}, check=True)

    def containers(self, service: str | None = None, *, stopped: bool = False) -> list[str]:
        """Ids of the project's containers, of one service or all; `stopped` includes those not running."""
        labels = {"com.docker.compose.project": self.name, "com.docker.compose.service": service}
        filters = [f"--filter=label={key}={value}" for key, value in labels.items() if value is not None]
        return self.engine.run("ps", "--quiet", *(["--all"] if stopped else []), *filters).split()

    def networks(self) -> list[str]:
        """Names of the project's networks."""
        return self._named("network")

    def volumes(self) -> list[str]:
        """Names of the project's volumes."""
        return self._named("volume")

    def _named(self, kind: str) -> list[str]:
        names = self.engine.run(kind, "ls", "--format", "{{.Name}}").split()
        return sorted(name for name in names if name.startswith(self.name))

    def healthy(self, container: str) -> bool:
        """Whether the container's health check passes."""
        if self.engine.name == "podman":
            # run it explicitly: podman schedules it with systemd, which may be missing
            return self.engine.succeeds("healthcheck", "run", container)
        return self.engine.run("inspect", "--format", "{{.State.Health.Status}}", container).strip() == "healthy"

    def execute(self, container: str, *words: str) -> str:
        """Run a command in a container; returns its output."""
        return self.engine.run("exec", container, *words)

    def logs(self, container: str) -> str:
        """The log of a container so far."""
        done = subprocess.run([self.engine.path, "logs", container], capture_output=True, text=True, check=False)
        return done.stdout + done.stderr


def engines() -> Sequence[ContainerEngine]:
    """Engines that are installed and responding, podman first."""
    found = (shutil.which(name) for name in ("podman", "docker"))
    return [engine for path in found if path is not None and (engine := ContainerEngine(path)).succeeds("info")]


def podman_compose() -> str:
    """The program podman-compose: next to this interpreter, or on PATH.

    Raises:
        RuntimeError: it is not installed.
    """
    beside = Path(sys.executable).parent
    path = shutil.which("podman-compose", path=f"{beside}{os.pathsep}{os.environ['PATH']}")
    if path is None:
        raise RuntimeError("podman-compose: expected next to this Python or on PATH (requirements/compose-test.txt)")
    return path
