"""Commands of the Makefile, as a shell reads them."""

import os
import shlex
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_clip_may_have_a_space_in_its_name() -> None:
    command = ["make", "--dry-run", "--old-file=setup", "demo", "CLIP=my video.mp4", "OUT=my results"]
    # not those of a make that runs the tests: it prints directories
    environment = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL"}}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    words = shlex.split(done.stdout.splitlines()[-1])
    assert words[1:] == ["demo", "--clip", "my video.mp4", "--out", "my results"]
