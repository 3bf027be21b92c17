"""Model cards: one README.md beside each graph, from facts in a JSON file and figures of the export."""

from typing import Any, TypedDict


class Card(TypedDict, total=False):
    """What the cards of an architecture's graphs say; `what`, `recipe`, `effort`, `figures` and `failures` by graph.

    Attributes:
        what: what the graph does, a sentence or two.
        start: where the weights started from.
        data: what they were trained on, how much of it, under which licences.
        recipe: how they were trained.
        effort: hours and seed of that.
        commit: of the training code.
        figures: measured results, a line each.
        classes: which classes have seen how many real photographs.
        failures: what it is known to get wrong, a paragraph or a picture each.
        limits: what it is not good for.
        licence: of the weights.
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
    licence: str


def model_card(graph: str, architecture: str, release: str, entry: dict[str, Any], card: Card) -> str:
    """Markdown of one graph's card; missing parts are left out.

    Args:
        graph: its name.
        architecture: of the repository.
        release: name of the weights.
        entry: of the graph in the manifest; of an engine the card describes the graph that it is built from.
        card: what there is to say.
    """
    parity = entry["worst_parity"]
    sha256 = entry.get("source_sha256", entry["sha256"])
    size = f"{entry['bytes'] / 1e6:.2f} MB"
    nearest = f"`{parity['output']}` {parity['error']:.1e} of {parity['tolerance']:.0e} ({parity['case']})"
    file_facts = [
        f"ONNX opset {entry['opset']}, {size}, sha256 `{sha256}`",
        f"torch against onnxruntime, nearest to its tolerance: {nearest}",
    ]
    recipe = [
        card.get("recipe", {}).get(graph, ""),
        card.get("effort", {}).get(graph, ""),
        _labeled("Training code at commit", card.get("commit", "")),
    ]
    sections = [
        ("", [card.get("what", {}).get(graph, "")]),
        ("File", [f"- {fact}" for fact in file_facts]),
        ("Start", [card.get("start", "")]),
        ("Data", [card.get("data", "")]),
        ("Recipe", [line for line in recipe if line]),
        ("Measured", [f"- {line}" for line in card.get("figures", {}).get(graph, [])]),
        ("Classes", [card.get("classes", "") if graph == "mask_rcnn" else ""]),
        ("Known failures", ["\n\n".join(card.get("failures", {}).get(graph, []))]),
        ("Limits", [card.get("limits", "")]),
        ("Licence", [card.get("licence", "")]),
    ]
    parts = [f"# {graph} ({release}, architecture {architecture})"]
    for title, lines in sections:
        if any(lines):
            parts.append("\n".join([*([f"## {title}", ""] if title else []), *lines]))
    return "\n\n".join(parts) + "\n"


def _labeled(label: str, value: str) -> str:
    return f"{label} {value}." if value else ""
