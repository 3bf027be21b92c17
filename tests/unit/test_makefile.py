"""Commands of the Makefile, as a shell reads them."""

import shlex
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_clip_may_have_a_space_in_its_name() -> None:
    command = ["make", "--dry-run", "--old-file=setup", "demo", "CLIP=my video.mp4", "OUT=my results"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    words = shlex.split(done.stdout.splitlines()[-1])
    assert words[1:] == ["demo", "--clip", "my video.mp4", "--out", "my results"]
