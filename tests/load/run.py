"""`make load`: a minute of load on a service of its own; fails on any error other than 429 with Retry-After."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from service.cli.demo import running_service
from tests.support.clips import cut

USERS, RATE, SECONDS = 3, 2, 60
PATIENCE_S = 170


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="dualtrack-load-") as folder:
        clip = cut(Path(folder) / "clip.mp4", 4, hw=(192, 256))
        with running_service(Path(folder)) as url:
            command = [sys.executable, "-m", "locust", "--headless", "-f", "tests/load/locustfile.py", "--host", url]
            command += ["--users", str(USERS), "--spawn-rate", str(RATE), "--run-time", f"{SECONDS}s"]
            command += ["--stop-timeout", str(PATIENCE_S), "--only-summary"]
            chosen = {"DUALTRACK_LOAD_CLIP": str(clip), "DUALTRACK_LOAD_PATIENCE_S": str(PATIENCE_S)}
            return subprocess.run(command, env={**os.environ, **chosen}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
