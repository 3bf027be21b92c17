"""Model cards: one README.md beside each graph, from facts in a JSON file and figures of the export."""

from typing import Any, TypedDict


class Card(TypedDict, total=False):
    """What the cards of a preset say; `what`, `recipe` and `figures` by graph.

    Attributes:
        what: what the graph does, a sentence or two.
        start: where the weights started from.
        data: what they were trained on, and how much of it.
        recipe: how they were trained.
        commit: of the training code.
        figures: measured results, a line each.
        classes: which classes have seen how many real photographs.
        limits: what it is not good for.
        licence: of the weights.
    """

    what: dict[str, str]
    start: str
    data: str
    recipe: dict[str, str]
    commit: str
    figures: dict[str, list[str]]
    classes: str
    limits: str
    licence: str


def model_card(graph: str, preset: str, version: str, entry: dict[str, Any], card: Card) -> str:
    """Markdown of one graph's card; parts that nobody wrote are left out."""
    parity = entry["worst_parity"]
    size = f"{entry['bytes'] / 1e6:.2f} MB"
    nearest = f"`{parity['output']}` {parity['error']:.1e} of {parity['tolerance']:.0e} ({parity['case']})"
    file_facts = [
        f"ONNX opset {entry['opset']}, {size}, sha256 `{entry['sha256']}`",
        f"torch against onnxruntime, nearest to its tolerance: {nearest}",
    ]
    recipe = [card.get("recipe", {}).get(graph, ""), _labelled("Training code at commit", card.get("commit", ""))]
    sections = [
        ("", [card.get("what", {}).get(graph, "")]),
        ("File", [f"- {fact}" for fact in file_facts]),
        ("Start", [card.get("start", "")]),
        ("Data", [card.get("data", "")]),
        ("Recipe", [line for line in recipe if line]),
        ("Measured", [f"- {line}" for line in card.get("figures", {}).get(graph, [])]),
        ("Classes", [card.get("classes", "") if graph == "mask_rcnn" else ""]),
        ("Limits", [card.get("limits", "")]),
        ("Licence", [card.get("licence", "")]),
    ]
    parts = [f"# {graph} ({preset} {version})"]
    for title, lines in sections:
        if any(lines):
            parts.append("\n".join([*([f"## {title}", ""] if title else []), *lines]))
    return "\n\n".join(parts) + "\n"


def _labelled(label: str, value: str) -> str:
    return f"{label} {value}." if value else ""
