"""The paper's order on rendered clips with the bundled models: DeepSORT < pixel tracker alone ≤ IPDT.

Three clips, eight instances: enough to see that each part of the method does its work, not how well. In two of them the
detector misses the objects in some frames, which propagated masks fill in; in one two people cross.
"""

import asyncio
from pathlib import Path

import pytest

from evaluation.data.dataset import load_dataset
from evaluation.runs.parameters import EvaluationParameters
from evaluation.runs.rows import ROWS, run_rows
from evaluation.runs.session import open_context
from service.settings import Settings

CLIPS = Path(__file__).parent.parent.parent / "data" / "rendered"
PAPER = ("deepsort", "pixel", "ipdt")


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float]]:
    """By row of the table."""
    dataset = load_dataset(CLIPS)
    rows = [(row, EvaluationParameters()) for row in ROWS if row.name in PAPER]

    async def work() -> dict[str, dict[str, float]]:
        async with open_context(Settings(data_dir=tmp_path_factory.mktemp("data"), threads=1)) as context:
            results = await run_rows(dataset, dataset.videos, rows, context)
        return {result.row.name: result.document() for result in results}

    return asyncio.run(work())


@pytest.mark.parametrize("figure", ["AP", "AP_agnostic"])
def test_each_part_of_the_method_helps(figures: dict[str, dict[str, float]], figure: str) -> None:
    deepsort, pixel, ipdt = (figures[name][figure] for name in PAPER)
    assert deepsort < pixel <= ipdt
    if figure == "AP":
        assert deepsort + 0.05 < pixel


def test_most_instances_are_found(figures: dict[str, dict[str, float]]) -> None:
    assert figures["ipdt"]["AP50_agnostic"] > 0.6
