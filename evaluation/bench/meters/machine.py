"""The machine and conditions of a benchmark run."""

import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORES = 2


@dataclass(frozen=True, slots=True)
class Machine:
    """Processor, cores in use, load at the start, commit and versions."""

    processor: str
    cores: tuple[int, ...]
    load: float
    commit: str
    python: str
    onnxruntime: str

    def document(self) -> dict[str, object]:
        """As a JSON object."""
        return asdict(self)

    @property
    def text(self) -> str:
        """As one line of text."""
        return (
            f"{self.processor}, cores {', '.join(map(str, self.cores))}, load {self.load:.1f} at the start; "
            f"commit {self.commit}; Python {self.python}, onnxruntime {self.onnxruntime}"
        )


def pin() -> tuple[int, ...]:
    """Pin this process, its threads and future children to two cores; returns the cores."""
    cores = tuple(sorted(os.sched_getaffinity(0))[:CORES])
    for thread in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)
    return cores


def machine(cores: tuple[int, ...]) -> Machine:
    """Describe this machine and its current load."""
    return Machine(
        processor=_processor(),
        cores=cores,
        load=os.getloadavg()[0],
        commit=_commit(),
        python=platform.python_version(),
        onnxruntime=version("onnxruntime"),
    )


def _processor() -> str:
    """Name of the processor with family and model: virtual machines give different processors the same name."""
    lines = [line.partition(":") for line in Path("/proc/cpuinfo").read_text().splitlines()]
    fields = {name.strip(): value.strip() for name, _, value in lines}
    name = fields.get("model name", platform.machine())
    return f"{name} (family {fields.get('cpu family', '?')}, model {fields.get('model', '?')})"


def _commit() -> str:
    """Short commit hash, with + if tracked files are modified; `unknown` outside a checkout."""

    def git(*words: str) -> str:
        return subprocess.run(  # noqa: S603
            ["git", "-C", str(ROOT), *words],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "--short", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
