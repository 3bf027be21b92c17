"""The Dockerfiles can be built from the checkout, and everything that names an image names this version."""

import re
import tomllib
from pathlib import Path

from docker.check import check_dockerfiles

ROOT = Path(__file__).parents[3]
PLACES = ("docker-compose.yml", "docker/*.py", "docker/Dockerfile.*", "deploy/kubernetes/**/*.yaml", "deploy/**/*.md")
VERSION = re.compile(r"(?:dualtrack/(?:service|triton):|ARG VERSION=)([\w.]+)")


def test_what_the_dockerfiles_copy_is_in_the_build_context() -> None:
    assert check_dockerfiles() == []


def test_images_carry_the_version_of_the_package() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    named = {
        (str(path.relative_to(ROOT)), found)
        for place in PLACES
        for path in ROOT.glob(place)
        for found in VERSION.findall(path.read_text())
    }
    assert named
    assert {(path, found) for path, found in named if found != version} == set()
