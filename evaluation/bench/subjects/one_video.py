"""Child process: run the pipeline on one video. `python -m … VIDEO FOLDER OBJECTS`."""

import asyncio
import sys
from pathlib import Path

from evaluation.bench.meters.pipeline import run_pipeline
from evaluation.runs.session import open_context
from service.settings import Settings


async def work(video: Path, folder: Path, objects: int) -> None:
    """Run the pipeline and discard the results."""
    async with open_context(Settings(data_dir=folder)) as context:
        await run_pipeline(video, context, parameters={"max_seeds": objects})


if __name__ == "__main__":
    asyncio.run(work(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
