"""The long form of the storm: `python -m tests.reliability [--jobs N] [--kills N] [--seed N] [--models] [--figures FILE]`."""

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from tests.reliability.jobs import plan_with_fake_networks, plan_with_models
from tests.reliability.trial import trial
from tests.reliability.verdict import Verdict

PLANS = {False: plan_with_fake_networks, True: plan_with_models}


def table(verdict: Verdict) -> str:
    """A row per figure; of what should not be, how often it was."""
    rows = [(name, len(value) if isinstance(value, list) else value) for name, value in asdict(verdict).items()]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name.replace('_', ' '):{width}}  {value}" for name, value in rows)


def main(words: list[str]) -> int:
    """Exit code 1 if something is lost, committed twice, different or left over, or an answer was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.reliability", description=__doc__)
    parser.add_argument("--jobs", type=int, default=250, help="at least; more come until everything was killed")
    parser.add_argument("--kills", type=int, default=60, help="of worker, engine, API and Valkey, equally often")
    parser.add_argument("--workers", type=int, default=2, help="with the fake networks")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--models", action="store_true", help="the bundled models in place of the fake networks")
    parser.add_argument("--figures", type=Path, help="file for the figures as JSON")
    given = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="dualtrack-storm-") as name:
        folder = Path(name)
        plan = PLANS[given.models](folder, given.seed)
        verdict = trial(folder, plan, jobs=given.jobs, kills=given.kills, workers=given.workers, models=given.models)
    print(table(verdict))
    if given.figures is not None:
        given.figures.write_text(json.dumps(asdict(verdict), indent=2) + "\n")
    for name, found in verdict.complaints().items():
        print(f"{name}:", *found, sep="\n  ", file=sys.stderr)
    return int(bool(verdict.complaints()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
