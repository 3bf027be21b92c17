"""What `dualtrack segment` has on disk goes at its end, and at the next one's start if it was killed."""

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.support.clips import cut, plain


def command(video: Path, home: Path) -> list[str]:
    return [sys.executable, "-m", "service.cli.main", "segment", str(video), "--out", str(home / "out"), "--no-overlay"]


def test_frames_of_a_killed_command_go_at_the_next_start(tmp_path: Path) -> None:
    environment = {**os.environ, "DUALTRACK_DATA_DIR": str(tmp_path / "data")}
    scratch = tmp_path / "data" / "scratch"
    killed = subprocess.Popen(
        command(cut(tmp_path / "a.mp4", 40), tmp_path), env=environment, stderr=subprocess.DEVNULL
    )
    for _ in range(6000):
        if list(scratch.glob("engine-*/*/frames")):
            break
        time.sleep(0.01)
    killed.kill()
    assert killed.wait() == -9
    assert list(scratch.glob("engine-*/*/frames"))
    subprocess.run(command(plain(tmp_path / "b.mp4", 2), tmp_path), env=environment, check=True, timeout=900)
    assert not list(scratch.iterdir())
