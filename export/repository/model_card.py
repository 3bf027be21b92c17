"""Model cards: a README.md for each graph, from facts in a JSON file and comparisons of the export."""

from typing import Any, TypedDict


class Card(TypedDict, total=False):
    """Content of an architecture's cards; `what`, `recipe`, `effort`, `figures` and `failures` are by graph.

    Attributes:
        what: what the graph does, in a sentence or two.
        start: initial weights.
        data: training data, with amounts and licenses.
        recipe: how they were trained.
        effort: training time and seed.
        commit: of the training code.
        figures: measured results, one per line.
        classes: number of real photographs that each class was trained on.
        failures: known failures, as paragraphs and images.
        limits: limitations.
        license: of the weights.
    """

    what: dict[str, str]
    start: str
    data: str
    recipe: dict[str, str]
    effort: dict[str, str]
    commit: str
    figures: dict[str, list[str]]
    classes: str
    failures: dict[str, list[str]]
    limits: str
    license: str


def model_card(graph: str, architecture: str, release: str, entry: dict[str, Any], card: Card) -> str:
    """Markdown of one graph's card; missing parts are omitted.

    Args:
        graph: its name.
        architecture: of the repository.
        release: name of the weights.
        entry: of the graph in the manifest; for an engine, the card describes the graph it is built from.
        card: content of the cards.
    """
    parity = entry["worst_parity"]
    sha256 = entry.get("source_sha256", entry["sha256"])
    size = f"{entry['bytes'] / 1e6:.2f} MB"
    nearest = f"`{parity['output']}` {parity['error']:.1e} of {parity['tolerance']:.0e} ({parity['case']})"
    file_facts = [
        f"ONNX opset {entry['opset']}, {size}, sha256 `{sha256}`",
        f"torch vs. onnxruntime, closest to its tolerance: {nearest}",
    ]
    recipe = [
        card.get("recipe", {}).get(graph, ""),
        card.get("effort", {}).get(graph, ""),
        _labeled("Training code at commit", card.get("commit", "")),
    ]
    sections = [
        ("", [card.get("what", {}).get(graph, "")]),
        ("File", [f"- {fact}" for fact in file_facts]),
        ("Initial weights", [card.get("start", "")]),
        ("Data", [card.get("data", "")]),
        ("Recipe", [line for line in recipe if line]),
        ("Results", [f"- {line}" for line in card.get("figures", {}).get(graph, [])]),
        ("Classes", [card.get("classes", "") if graph == "mask_rcnn" else ""]),
        ("Known failures", ["\n\n".join(card.get("failures", {}).get(graph, []))]),
        ("Limits", [card.get("limits", "")]),
        ("License", [card.get("license", "")]),
    ]
    parts = [f"# {graph} ({release}, architecture {architecture})"]
    for title, lines in sections:
        if any(lines):
            parts.append("\n".join([*([f"## {title}", ""] if title else []), *lines]))
    return "\n\n".join(parts) + "\n"


def _labeled(label: str, value: str) -> str:
    return f"{label} {value}." if value else ""
