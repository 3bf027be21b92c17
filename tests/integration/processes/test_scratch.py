"""What `dualtrack segment` has on disk goes at its end, and at the next one's start if it was killed."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.clips import cut, plain
from tests.support.patience import wait_for


def command(video: Path, home: Path) -> list[str]:
    return [sys.executable, "-m", "service.cli.main", "segment", str(video), "--out", str(home / "out"), "--no-overlay"]


def test_frames_of_a_killed_command_go_at_the_next_start(tmp_path: Path) -> None:
    environment = {**os.environ, "DUALTRACK_DATA_DIR": str(tmp_path / "data")}
    scratch = tmp_path / "data" / "scratch"
    killed = subprocess.Popen(
        command(cut(tmp_path / "a.mp4", 40), tmp_path), env=environment, stderr=subprocess.DEVNULL
    )
    wait_for(lambda: list(scratch.glob("engine-*/*/frames")))
    killed.kill()
    assert killed.wait() == -9
    assert list(scratch.glob("engine-*/*/frames"))
    subprocess.run(command(plain(tmp_path / "b.mp4", 2), tmp_path), env=environment, check=True)
    assert not list(scratch.iterdir())
