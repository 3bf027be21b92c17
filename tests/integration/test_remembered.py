"""A tubelet is taken over where the same would come out, and tracked anew where it would not."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from evaluation.dataset import load_dataset
from evaluation.methods import remember
from evaluation.session import open_run
from service.inference.fake_detector import PALETTE
from service.pipeline.parameters import JobParameters
from service.pipeline.run import Run, detect_all
from service.structures.detections import Detections
from service.structures.masks import decode
from service.structures.tubelets import Tubelet
from tests.annotated import context, write_dataset
from tests.scenes import Rectangle

HIDDEN = Rectangle(PALETTE[0], 6, 60, 16, 16, step_xy=(22, 0), hidden=range(3, 6))
"""It comes back too far away for the window in which it was lost."""


def test_seeds_are_tracked_once_unless_the_candidates_matter(tmp_path: Path) -> None:
    dataset = load_dataset(write_dataset(tmp_path, {"a": [HIDDEN]}))
    steps: list[int] = []

    async def tracked(run: Run, kept: object, found: Sequence[Detections], frame: int = 0) -> tuple[Tubelet, int]:
        before = len(steps)
        seed = found[frame].candidate(0)
        (tubelet,) = await kept.tracker(run, found).track([seed], lambda *_: steps.append(1))  # type: ignore[attr-defined]
        assert tubelet.seed is seed
        return tubelet, len(steps) - before

    async def main() -> None:
        async with open_run(dataset.videos[0], context(tmp_path / "scratch"), JobParameters(lost_reach=0)) as run:
            kept = remember(run)
            found = await detect_all(run, kept.features)
            first, steps_first = await tracked(run, kept, found)
            assert steps_first == 2 * 8
            # lost while hidden: the track looks at the candidates of frames 3 to 6
            assert first.frames == (0, 1, 2, 6, 7)
            other_classes = [replace(frame, probs=np.roll(frame.probs, 1, axis=1)) for frame in found]
            again, steps_again = await tracked(run, kept, other_classes)
            assert (again.masks, steps_again) == (first.masks, 0)
            without_first = [found[0], found[1].select(np.zeros(0, np.int64)), *found[2:]]
            assert (await tracked(run, kept, without_first))[1] == 0  # nobody looked there
            without_last = [*found[:6], *(frame.select(np.zeros(0, np.int64)) for frame in found[6:])]
            lost, steps_lost = await tracked(run, kept, without_last)
            assert (lost.frames, steps_lost) == ((0, 1, 2), 2 * 8)
            wide = replace(run, params=JobParameters(margin=2.0).pipeline_params())
            assert (await tracked(wide, kept, found))[1] == 2 * 8
            assert decode(first.masks[0]).any()  # type: ignore[arg-type]

    asyncio.run(main())
