"""Jobs come in while worker, engine, API and Valkey are killed: nothing is lost, nothing is committed twice."""

from pathlib import Path

import pytest

from tests.reliability import jobs
from tests.reliability.storm import VICTIMS
from tests.reliability.trial import trial

pytestmark = pytest.mark.reliability


def test_a_storm_with_the_fake_networks(tmp_path: Path) -> None:
    plan = jobs.plan_with_fake_networks(tmp_path, seed=18)
    verdict = trial(tmp_path, plan, jobs=18, kills=12, workers=2)
    assert verdict.complaints() == {}
    assert verdict.killed == dict.fromkeys(VICTIMS, 3)
    assert verdict.jobs >= 18
    assert set(verdict.states) == {"done", "canceled", "gone"}
    assert verdict.overlays > 0


def test_a_storm_with_the_models(tmp_path: Path) -> None:
    plan = jobs.plan_with_models(tmp_path, seed=18)
    verdict = trial(tmp_path, plan, jobs=4, kills=8, models=True)
    assert verdict.complaints() == {}
    assert verdict.compared > 0
