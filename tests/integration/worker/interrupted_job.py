"""A job that may kill itself: `python -m tests.integration.worker.interrupted_job VIDEO OUT CACHE [STAGE COUNT]`.

It prints every step that it reports as a JSON line, and dies of SIGKILL when it has reported COUNT steps of STAGE.
"""

import json
import os
import signal
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from service.pipeline.progress import StageProgress
from service.pipeline.store.cache import FolderCache
from tests.support.pipelines import run

EVERY = 4


def main(video: str, out: str, cache: str, *end: str) -> None:
    steps: Counter[str] = Counter()

    def report(progress: StageProgress) -> None:
        print(json.dumps(asdict(progress)), flush=True)
        steps[progress.stage] += 1
        if (progress.stage, str(steps[progress.stage])) == end:
            os.kill(os.getpid(), signal.SIGKILL)

    kept = FolderCache(Path(cache), max_bytes=1 << 30)
    run(Path(video), Path(out), report=report, cache=kept, checkpoint_frames=EVERY, max_seeds=3, th_det=0.3)


if __name__ == "__main__":
    main(*sys.argv[1:])
