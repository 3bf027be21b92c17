"""`make schema`: `schemathesis run` with all its checks on a service of its own, which has a key."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from service.cli.demo import running_service

ROOT = Path(__file__).resolve().parents[2]
KEY = "s3cret"


def schemathesis(url: str, folder: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """Run it on the document of the service at `url`.

    Args:
        url: of a service whose key is `KEY`.
        folder: for its files.
        options: of `schemathesis run`.

    Returns:
        The exit status, 0 if no check failed, and its report.
    """
    report = folder / "report.json"
    program = Path(sys.executable).parent / "schemathesis"
    command = [str(program), "--config-file", str(Path(__file__).with_name("schemathesis.toml"))]
    command += ["run", f"{url}/openapi.json", "--header", f"Authorization: Bearer {KEY}", "--checks", "all"]
    command += ["--report", "json", "--report-json-path", str(report), "--no-color", *options]
    chosen = {"SCHEMATHESIS_HOOKS": "tests.schema.hooks", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env={**os.environ, **chosen}, check=False)
    return done.returncode, json.loads(report.read_text()) if report.exists() else {}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=50, help="per operation")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dualtrack-schema-") as name:
        folder = Path(name)
        os.environ["DUALTRACK_API_KEY"] = KEY
        with running_service(folder) as url:
            options = ["--max-examples", str(chosen.examples), "--seed", str(chosen.seed), "--continue-on-failure"]
            return schemathesis(url, folder, *options)[0]


if __name__ == "__main__":
    sys.exit(main())
