"""Replacements for the registry's base images, built from package indexes only.

`debootstrap` builds the Python image; the others are built on it from docker/stand_in/. They are for tests without
access to a registry: Valkey is the real server, Triton the real server with the tests' onnxruntime backend.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from docker.engine import ContainerEngine

PREFIX = "localhost/dualtrack-stand-in"
PYTHON = f"{PREFIX}/python:3.11-slim-bookworm"
PACKAGES = "python3,python3-venv,ca-certificates"
MIRROR = "http://deb.debian.org/debian"
LEFT_OUT = (
    "./var/lib/apt/lists/*",
    "./var/cache/apt/*",
    "./usr/share/doc/*/*",
    "./usr/share/man/*",
    "./usr/share/locale/*",
    "./proc/*",
    "./sys/*",
)
"""Paths that Debian's slim images exclude as well."""


def make_stand_ins(engine: ContainerEngine) -> dict[str, str]:
    """Build missing images; returns the variables of docker-compose.yml that select them."""
    if not engine.succeeds("image", "inspect", PYTHON):
        _python(engine)
    chosen = {"DUALTRACK_PYTHON_IMAGE": PYTHON}
    for name in ("valkey", "triton", "prometheus"):
        tag = f"{PREFIX}/{name}:latest"
        engine.build(f"docker/stand_in/Dockerfile.{name}", tag, {"BASE": PYTHON})
        chosen[f"DUALTRACK_{name.upper()}_IMAGE"] = tag
    return chosen


def _python(engine: ContainerEngine) -> None:
    debootstrap = shutil.which("debootstrap", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if debootstrap is None:
        raise RuntimeError("debootstrap: expected on PATH, to build the replacement of the Python image")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        command = [debootstrap, "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(root), MIRROR]
        left_out = [f"--exclude={pattern}" for pattern in LEFT_OUT]
        pack = ["tar", "-C", str(root), "--one-file-system", *left_out, "-c", "."]
        try:
            subprocess.run(command, check=True)
            with subprocess.Popen(pack, stdout=subprocess.PIPE) as tar:
                subprocess.run([engine.path, "import", "-", PYTHON], stdin=tar.stdout, check=True)
        finally:
            # after a failure of debootstrap this may still be mounted, and the folder is removed next
            subprocess.run(["umount", str(root / "proc")], check=False, capture_output=True)
