"""Pages of the site that do not live in `docs/`, and the folders of numbered records."""

from collections.abc import Mapping
from pathlib import Path

from docs.generator import examples

DOCS = Path(__file__).resolve().parents[1]
GRAPHS = ("mask_rcnn", "siamese_rpn_template", "siamese_rpn", "pixel_embedding_reference", "pixel_embedding")
BROUGHT_IN: Mapping[str, str] = {
    "results/index.md": "evaluation/RESULTS.md",
    "results/cost.md": "evaluation/BENCHMARKS.md",
    "results/triton-cost.md": "evaluation/BENCHMARKS-triton.md",
    **{f"results/models/{graph}.md": f"model_repository/{graph}/README.md" for graph in GRAPHS},
    "operations/containers.md": "docker/README.md",
    "operations/kubernetes.md": "deploy/kubernetes/README.md",
    "operations/reliability.md": "RELIABILITY.md",
    "project/architecture.md": "ARCHITECTURE.md",
    "project/changelog.md": "CHANGELOG.md",
    "project/contributing.md": "CONTRIBUTING.md",
    "project/security.md": "SECURITY.md",
    "project/training.md": "training/README.md",
    "project/mutations.md": "tests/mutations/README.md",
    "project/lock-files.md": "requirements/README.md",
    "how-to/examples.md": "examples/README.md",
}
"""Address in the site -> path in the repository."""

ALSO: Mapping[str, str] = {
    "README.md": "index.md",
    **{f"examples/{path.name}": examples.PAGE for path in examples.programs()},
    "dualtrack/result/schema-1.json": "reference/result.md",
}
"""Paths in the repository whose content is on a page of another name."""

FOLDERS = ("decisions/", "experiments/")
"""Folders of numbered records; the navigation lists all of them."""
DECISIONS = """# Decisions

What was decided against alternatives, and why. A record is not rewritten when a later one replaces it; it then says
which one does. [Contributing](../project/contributing.md) says what a record contains.
"""


def search_boost(uri: str) -> float:
    """How much more a page counts in the search: what is looked up before how it came about."""
    if uri == "parameters.md":
        return 5
    return 2 if uri.startswith(("start/", "how-to/", "reference/", "method.md")) else 1


def records(folder: str) -> list[Path]:
    """The records of a folder, in order."""
    return sorted((DOCS / folder).glob("[0-9]*.md"))


def decisions() -> str:
    """The page of contents of the decisions."""
    lines = [f"- [{title(path)}]({path.name})" for path in records("decisions/")]
    return f"{DECISIONS}\n" + "\n".join(lines) + "\n"


def title(path: Path) -> str:
    """The heading of a page."""
    return path.read_text().split("\n", 1)[0].removeprefix("# ")
