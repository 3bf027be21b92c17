"""A real Triton server on the CPU: the binary of the nvidia-pytriton wheel, from an environment of its own."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.patience import PATIENCE_S
from tests.support.ports import free_ports

BACKEND = Path(__file__).parent / "backend" / "model.py"
STOP_S = 5.0


@dataclass
class Triton:
    grpc_url: str
    process: "subprocess.Popen[bytes]"
    log: Path
    metrics_url: str = ""


@contextlib.contextmanager
def triton(
    repository: Path, home: Path, python: Path, *, options: Sequence[str] = (), ports: Sequence[int] | None = None
) -> Iterator[Triton]:
    """The server on `repository`; `home` takes its backends and log, `python` is its environment's interpreter."""
    site = Path(_ask(python, "import sysconfig; print(sysconfig.get_paths()['purelib'])"))
    version = _ask(python, "import sys; print('%d.%d' % sys.version_info[:2])")
    source = site / "pytriton" / "tritonserver"
    _backends(source, home, version)
    http, grpc, metrics = ports or free_ports(3)
    prefix = f"dualtrack_test_{uuid.uuid4().hex[:8]}_"
    command = [
        str(source / "bin" / "tritonserver"),
        f"--model-repository={repository.resolve()}",
        f"--backend-directory={home}/backends",
        *(f"--{kind}-address=127.0.0.1" for kind in ("http", "grpc", "metrics")),
        f"--http-port={http}",
        f"--grpc-port={grpc}",
        f"--metrics-port={metrics}",
        "--disable-auto-complete-config",
        "--exit-timeout-secs=5",
        "--allow-gpu-metrics=false",
        f"--backend-config=python,shm-region-prefix-name={prefix}",
        *options,
    ]
    libraries = [_ask(python, "import sysconfig; print(sysconfig.get_config_var('LIBDIR'))")]
    libraries.append(str(site / "nvidia_pytriton.libs"))
    path = f"{python.absolute().parent}:{os.environ['PATH']}"
    environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(libraries), "PATH": path}
    log = home / "triton.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, start_new_session=True)
        try:
            _wait_ready(process, f"http://127.0.0.1:{http}/v2/health/ready", log)
            yield Triton(f"127.0.0.1:{grpc}", process, log, f"http://127.0.0.1:{metrics}/metrics")
        finally:
            _stop(process)
            for region in Path("/dev/shm").glob(f"{prefix}*"):
                region.unlink(missing_ok=True)


def _backends(source: Path, home: Path, version: str) -> None:
    python, onnx = home / "backends" / "python", home / "backends" / "onnxruntime"
    for folder in (python, onnx):
        folder.mkdir(parents=True, exist_ok=True)
    for name in ("libtriton_python.so", "triton_python_backend_utils.py"):
        # copies: Triton refuses a library whose real path is outside its folder
        shutil.copy2(source / "backends" / "python" / name, python)
    shutil.copy2(source / "python_backend_stubs" / version / "triton_python_backend_stub", python)
    shutil.copy2(BACKEND, onnx / "model.py")


def _wait_ready(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.05)
    raise RuntimeError(f"tritonserver did not come up:\n{log.read_text(errors='replace')[-4000:]}")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _ask(python: Path, code: str) -> str:
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
