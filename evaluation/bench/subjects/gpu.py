"""Row 13: frames per second on a GPU."""

import asyncio

from dualtrack.errors import ConfigurationError
from evaluation.bench.bench import Bench, middle
from evaluation.bench.figures import Figure, RowOutcome
from evaluation.bench.meters.pipeline import run_pipeline
from evaluation.runs.session import open_context

PROVIDER = "CUDAExecutionProvider"
FEW, MANY = 1, 10


async def gpu(bench: Bench) -> RowOutcome:
    """End to end, wall time; not measured if onnxruntime finds no GPU."""
    settings = bench.settings.model_copy(update={"providers": (PROVIDER,)})
    clip = await asyncio.to_thread(bench.clip, bench.plan.clip)
    seconds: dict[int, float] = {}
    try:
        async with open_context(settings) as context:
            for count in (FEW, MANY):
                bench.notify(f"GPU, {count} objects")
                await run_pipeline(clip, context, parameters={"max_seeds": count})
                runs = [
                    await run_pipeline(clip, context, parameters={"max_seeds": count})
                    for _ in range(bench.plan.repeats)
                ]
                seconds[count] = middle([run.wall_s for run in runs])
    except ConfigurationError as error:
        return RowOutcome(why_not="no GPU available", notes=(error.detail,))
    return RowOutcome(
        (
            Figure(f"{MANY} objects", bench.plan.clip.frames / seconds[MANY], "fps", 60, at_least=True),
            Figure(f"{MANY} objects / {FEW}", seconds[MANY] / seconds[FEW], "", 1.5),
        )
    )
