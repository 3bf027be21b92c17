"""Child process: `dualtrack segment VIDEO` up to the first detected frame. `python -m … VIDEO FOLDER`.

Prints `{"seconds": …}`, measured from the start of the process (so with the start-up of both interpreters), and exits.
"""

import json
import os
import sys
import time
from pathlib import Path

from dualtrack.progress import Progress
from dualtrack.progress_bar import ProgressBar
from service.cli.main import build_app


def main() -> None:
    """Entry point."""
    video, folder = sys.argv[1:3]

    def show(_: ProgressBar, progress: Progress) -> None:
        if progress.stage == "detect":
            report_and_exit()

    ProgressBar.show = show  # type: ignore[method-assign]
    os.environ["DUALTRACK_DATA_DIR"] = folder
    words = ["segment", video, "--out", str(Path(folder) / "out"), "--no-overlay"]
    build_app(words)(words)


def report_and_exit() -> None:
    """Print the age of this process and exit immediately."""
    ticks = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
    started = ticks / os.sysconf("SC_CLK_TCK")
    sys.stdout.write(json.dumps({"seconds": time.clock_gettime(time.CLOCK_BOOTTIME) - started}) + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
