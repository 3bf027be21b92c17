"""`make compose-check`: checks docker-compose.yml and the Dockerfiles.

The compose file is validated against the published schema of the Compose Specification (from the docker-compose
package), every file and command it names must exist, the Dockerfiles are linted, and, if podman or docker is available,
the service's image is built and run once (`dualtrack doctor`). DUALTRACK_BUILD_OPTIONS adds options to the build,
DUALTRACK_PYTHON_IMAGE selects another base image.
"""

import json
import os
import re
import subprocess
import sys
import zipfile
from fnmatch import fnmatch
from importlib.metadata import entry_points
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

from docker.engine import ROOT, engines

SCHEMA_PACKAGE = "docker-compose==1.29.2"
"""The last release of docker-compose as a Python package, which contains the Compose Specification's schema."""
SCHEMA_FILE = "compose/config/compose_spec.json"
IMAGE = "dualtrack/service:0.4.0"
HARDENED = ("read_only", "cap_drop", "security_opt", "pids_limit")
"""Keys that every service in the compose file must have."""
CACHE = ROOT / ".cache" / "compose-schema"
INSTRUCTIONS = frozenset(
    [
        "FROM",
        "RUN",
        "COPY",
        "ENV",
        "USER",
        "VOLUME",
        "EXPOSE",
        "HEALTHCHECK",
        "CMD",
        "WORKDIR",
        "ARG",
        "LABEL",
        "ENTRYPOINT",
        "ADD",
        "STOPSIGNAL",
        "SHELL",
    ]
)


def check_compose() -> list[str]:
    """Problems in docker-compose.yml."""
    document = yaml.safe_load(with_defaults((ROOT / "docker-compose.yml").read_text()))
    validator = Draft202012Validator(published_schema())
    problems = [f"compose: {error.json_path}: {error.message}" for error in validator.iter_errors(document)]
    for name, service in document["services"].items():
        problems += [f"compose: {name}: {text}" for text in _service_problems(service, document)]
    return problems


def with_defaults(text: str) -> str:
    """The text with every `${NAME:-default}` replaced by its default."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def published_schema() -> dict:
    """The schema from the package's wheel, which is downloaded once and not installed."""
    if not list(CACHE.glob("*.whl")):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", str(CACHE), SCHEMA_PACKAGE]
        subprocess.run(command, check=True)
    with zipfile.ZipFile(next(CACHE.glob("*.whl"))) as wheel:
        return json.loads(wheel.read(SCHEMA_FILE))


def _service_problems(service: dict, document: dict) -> list[str]:
    problems = []
    build = service.get("build")
    if build and not (ROOT / build["dockerfile"]).is_file():
        problems.append(f"dockerfile {build['dockerfile']} does not exist")
    problems += [
        f"depends on unknown {other}" for other in service.get("depends_on", {}) if other not in document["services"]
    ]
    problems += [text for volume in service.get("volumes", []) for text in _volume_problems(volume, document)]
    secrets = service.get("secrets", [])
    problems += [f"secret {secret} is not declared" for secret in secrets if secret not in document["secrets"]]
    problems += [f"{key} is not set" for key in HARDENED if not service.get(key)]
    if "memory" not in service.get("deploy", {}).get("resources", {}).get("limits", {}):
        problems.append("no memory limit")
    known = set(_settings())
    problems += [f"unknown setting {key}" for key in service.get("environment", {}) if key not in known]
    return problems + _command_problems(service.get("command", []))


def _volume_problems(volume: str, document: dict) -> list[str]:
    source = volume.split(":", maxsplit=1)[0]
    if source.startswith("./"):
        return [] if (ROOT / source).exists() else [f"folder {source} does not exist"]
    return [] if source in document["volumes"] else [f"volume {source} is not declared"]


def _command_problems(command: list[str]) -> list[str]:
    scripts = {point.name for point in entry_points(group="console_scripts")}
    match command:
        case ["dualtrack", name, *_]:
            known = "dualtrack" in scripts and name in _commands()
            return [] if known else [f"unknown command dualtrack {name}"]
        case ["python", "-m", module, *_]:
            path = ROOT / Path(*module.split("."))
            return (
                [] if (path / "__main__.py").is_file() or path.with_suffix(".py").is_file() else [f"no module {module}"]
            )
    return []


def _commands() -> set[str]:
    from service.cli.commands import points  # noqa: PLC0415 (only needed here)

    return set(points())


def _settings() -> list[str]:
    from service.settings import Settings  # noqa: PLC0415

    return [f"DUALTRACK_{name.upper()}" for name in Settings.model_fields]


def check_dockerfiles() -> list[str]:
    """Problems in the Dockerfiles: instructions, sources of COPY, unpinned images, images that run as root."""
    problems = []
    for path in sorted((ROOT / "docker").glob("Dockerfile.*")):
        text = re.sub(r"\\\n", " ", path.read_text())
        for name, value in re.findall(r"^ARG (\w+)=(\S+)$", text, re.MULTILINE):
            text = text.replace(f"${{{name}}}", value)
        lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        problems += [f"{path.name}: {problem}" for line in lines for problem in _line_problems(line)]
        if not any(line.startswith("USER ") for line in lines):
            problems.append(f"{path.name}: runs as root (no USER)")
    return problems


def _line_problems(line: str) -> list[str]:
    instruction, _, rest = line.partition(" ")
    problems = [] if instruction in INSTRUCTIONS else [f"unknown instruction {instruction}"]
    if instruction == "FROM" and ":" not in rest.split()[0]:
        problems.append(f"image without a tag: {rest}")
    if instruction == "COPY" and not rest.startswith("--from"):
        for source in rest.split()[:-1]:
            if not (ROOT / source).exists():
                problems.append(f"COPY source {source} does not exist")
            elif not _in_build_context(source):
                problems.append(f"COPY source {source} is excluded by .dockerignore")
    if instruction == "RUN" and "apt-get install" in rest and "rm -rf /var/lib/apt/lists" not in rest:
        problems.append("apt lists are left in the layer")
    return problems


def _in_build_context(source: str) -> bool:
    """Whether .dockerignore, which excludes everything first, lets a source through."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    kept = [line.removeprefix("!") for line in lines if line.startswith("!")]
    return any(fnmatch(source, pattern) or source.startswith(f"{pattern}/") for pattern in kept)


def build_image() -> list[str]:
    """Build the service's image, if an engine is available, and run `dualtrack doctor` in it."""
    found = engines()
    if not found:
        print("image: not built, neither podman nor docker is available")
        return []
    base = os.environ.get("DUALTRACK_PYTHON_IMAGE")
    try:
        found[0].build("docker/Dockerfile.service", IMAGE, {} if base is None else {"PYTHON_IMAGE": base})
        print(found[0].run("run", "--rm", IMAGE, "dualtrack", "doctor"))
    except (subprocess.CalledProcessError, RuntimeError) as error:
        return [f"image: {error}"]
    return []


def main() -> int:
    """Print all problems; exit code 1 if there are any."""
    problems = [*check_compose(), *check_dockerfiles(), *build_image()]
    for problem in problems:
        print(problem)
    print(f"compose-check: {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
