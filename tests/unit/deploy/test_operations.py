"""docs/operations.md names tests, alerts, settings and series that exist, and leaves out no alert."""

import re
from pathlib import Path

import yaml

from service.settings import Settings
from tests.load.model import Measured, jobs_per_s
from tests.unit.deploy.test_monitoring import series

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "operations.md").read_text()


def test_every_test_it_names_exists() -> None:
    files = list((ROOT / "tests").rglob("test_*.py"))
    known = {path.stem for path in files}
    known |= {name for path in files for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)}
    named = set(re.findall(r"\btest_\w+", TEXT))
    assert len(named) > 15
    assert named <= known


def test_every_alert_is_documented() -> None:
    (group,) = yaml.safe_load((ROOT / "deploy" / "monitoring" / "rules.yml").read_text())["groups"]
    alerts = {rule["alert"] for rule in group["rules"] if "alert" in rule}
    assert {name for name in alerts if f"`{name}`" not in TEXT} == set()


def test_every_setting_and_series_it_names_exists() -> None:
    known = {f"DUALTRACK_{name.upper()}" for name in Settings.model_fields}
    assert {name.split("__")[0] for name in re.findall(r"DUALTRACK_[A-Z_]*[A-Z]", TEXT)} <= known
    assert {
        name for name in re.findall(r"`(dualtrack_\w+)`", TEXT) if not any(s.startswith(name) for s in series())
    } == set()


def test_the_model_is_bounded_by_workers_and_by_cores() -> None:
    one = Measured(workers=1, jobs_per_s=0.1, cpu_s=10.0, idle=1.0)
    assert one.cores == 1.0
    assert [jobs_per_s(n, one, cores=2.0) for n in (1, 2, 4)] == [0.1, 0.2, 0.2]
