"""The objects that `kubectl kustomize` makes of an overlay, with what tests ask of them."""

import functools
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3] / "deploy" / "kubernetes"
Object = dict[str, Any]


@dataclass(frozen=True)
class Rendered:
    """All objects of one overlay."""

    objects: tuple[Object, ...]

    def of(self, *kinds: str) -> list[Object]:
        return [each for each in self.objects if each["kind"] in kinds]

    def one(self, kind: str, name: str) -> Object:
        (found,) = (each for each in self.of(kind) if each["metadata"]["name"] == name)
        return found

    def workloads(self) -> dict[str, Object]:
        return {each["metadata"]["name"]: each for each in self.of("Deployment", "StatefulSet", "Job")}

    def pods(self) -> dict[str, Object]:
        """Specs of the pods, by the name of their workload."""
        return {name: each["spec"]["template"]["spec"] for name, each in self.workloads().items()}

    def containers(self) -> list[Object]:
        return [each for pod in self.pods().values() for each in (*pod["containers"], *pod.get("initContainers", []))]

    def container(self, name: str) -> Object:
        container: Object = self.pods()[name]["containers"][0]
        return container

    def selected(self, selector: Object) -> set[str]:
        """Names of the workloads whose pods a label selector means."""
        labels = {
            name: each["spec"]["template"]["metadata"].get("labels", {}) for name, each in self.workloads().items()
        }
        return {name for name, have in labels.items() if _matches(selector, have)}

    def settings(self) -> dict[str, str]:
        """The environment of API and workers."""
        name = self.container("worker")["envFrom"][0]["configMapRef"]["name"]
        data: dict[str, str] = self.one("ConfigMap", name)["data"]
        return data


def _matches(selector: Object, labels: Object) -> bool:
    wanted = selector.get("matchLabels", {}) if {"matchLabels", "matchExpressions"} & set(selector) else selector
    expressions = selector.get("matchExpressions", [])
    assert all(each["operator"] == "In" for each in expressions)
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        labels.get(each["key"]) in each["values"] for each in expressions
    )


@functools.cache
def render(folder: Path) -> Rendered:
    """What would be applied; the test is skipped where kubectl is missing."""
    if shutil.which("kubectl") is None:
        pytest.skip("needs kubectl on PATH")
    done = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Rendered(tuple(yaml.safe_load_all(done.stdout)))


def amount(text: str) -> float:
    """A quantity such as 9Gi or 100m as a number."""
    units = {"m": 1e-3, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
    for unit, factor in units.items():
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    return float(text)
