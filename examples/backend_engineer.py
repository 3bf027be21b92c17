"""Many jobs on a service: `python examples/backend_engineer.py inbox/*.mp4 --out results`."""

import argparse
import asyncio
import hashlib
import os
from pathlib import Path

import dualtrack

AT_ONCE = 4
"""Jobs that are followed at the same time; the service keeps its own queue."""
PARAMETERS: dualtrack.Parameters = {"th_det": 0.3, "overlay": False}


def idempotency_key(video: Path) -> str:
    """The same for the same file and parameters: a second run gets the jobs of the first one."""
    text = f"{hashlib.sha256(video.read_bytes()).hexdigest()} {sorted(PARAMETERS.items())}"
    return hashlib.sha256(text.encode()).hexdigest()


async def process(client: dualtrack.AsyncClient, video: Path, out: Path, slots: asyncio.Semaphore) -> str:
    """Submit one video and save its result; a line that says what it came to."""
    async with slots:
        try:
            job = await client.submit(video, idempotency_key=idempotency_key(video), **PARAMETERS)
            job = await client.wait(job)
            result = await client.result(job)
        except dualtrack.InvalidVideo as error:
            return f"{video.name}: not usable, do not send it again: {error.code}"
        except (dualtrack.Overloaded, dualtrack.Unavailable) as error:
            return f"{video.name}: send it again later: {error.code}"
        except dualtrack.DualtrackError as error:
            return f"{video.name}: {error.code}: {error.detail}"
    result.save(out / f"{video.stem}.json")
    return f"{video.name}: job {job.id}, {len(result.tubelets)} tubelets"


async def main() -> None:
    """All videos at once, at most `AT_ONCE` of them under way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", type=Path, nargs="+")
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--out", type=Path, default=Path("results"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    slots = asyncio.Semaphore(AT_ONCE)
    async with dualtrack.AsyncClient(given.url, api_key=os.environ.get("DUALTRACK_API_KEY")) as client:
        work = [process(client, video, given.out, slots) for video in given.videos]
        for line in asyncio.as_completed(work):
            print(await line)


if __name__ == "__main__":
    asyncio.run(main())
