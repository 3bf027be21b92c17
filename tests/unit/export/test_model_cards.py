"""The cards beside the bundled graphs: written from `export/weights/lite.json`, complete, with pictures that exist."""

import json
import re
from pathlib import Path

import cv2
import pytest
from typer.testing import CliRunner

from dualtrack.errors import ConfigurationError
from export.commands.export import DEFAULT_CARD, REPOSITORY, export
from export.repository.model_card import model_card
from service.inference.repository.manifest import MANIFEST, load_manifest, manifest_entry
from service.inference.specs import LITE, graph_specs

ROOT = Path(__file__).parents[3]
GRAPHS = sorted(graph_specs(LITE))
TRAINED = ["mask_rcnn", "pixel_embedding", "siamese_rpn"]
LINK = re.compile(r"\]\(([^)#]+)\)")
BYTES = 80_000


def card_of(graph: str) -> str:
    return (ROOT / REPOSITORY / graph / "README.md").read_text()


@pytest.mark.parametrize("graph", GRAPHS)
def test_a_bundled_card_is_what_the_export_writes(graph: str) -> None:
    manifest = load_manifest(ROOT / REPOSITORY)
    said = json.loads((ROOT / DEFAULT_CARD).read_text())
    entry = manifest_entry(manifest, graph)
    assert card_of(graph) == model_card(graph, manifest.architecture, manifest.release, entry, said)


@pytest.mark.parametrize("graph", GRAPHS)
def test_every_link_of_a_card_leads_to_a_file(graph: str) -> None:
    for link in LINK.findall(card_of(graph)):
        assert (ROOT / REPOSITORY / graph / link).resolve().is_file(), link


@pytest.mark.parametrize("graph", TRAINED)
def test_a_card_of_trained_weights_is_complete(graph: str) -> None:
    text = card_of(graph)
    for words in ("## Data", "CC BY", "## Recipe", "hours", "seed", "commit", "## Results", "## Known failures"):
        assert words in text
    for data in ("coco_small", "scenes3d/dev", "ytvis_real"):
        assert data in text[text.index("## Results") :]
    pictures = [link for link in LINK.findall(text) if link.endswith(".jpg")]
    assert pictures
    for link in pictures:
        path = ROOT / REPOSITORY / graph / link
        assert path.stat().st_size < BYTES
        assert cv2.imread(str(path)) is not None


def test_the_card_of_an_engine_describes_its_source_graph() -> None:
    entry = manifest_entry(load_manifest(ROOT / REPOSITORY), "siamese_rpn")
    text = model_card("siamese_rpn", "lite", "1", {**entry, "sha256": "engine", "source_sha256": "graph"}, {})
    assert "sha256 `graph`" in text


def test_cards_are_rewritten_without_an_export(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_bytes((ROOT / REPOSITORY / MANIFEST).read_bytes())
    for graph in GRAPHS:
        (tmp_path / graph).mkdir()
    said = tmp_path / "card.json"
    said.write_text(json.dumps({"data": "Made up."}))
    words = ["cards", "--card", str(said), "--repository", str(tmp_path)]
    assert CliRunner().invoke(export, words).exit_code == 0
    for graph in GRAPHS:
        assert "## Data\n\nMade up." in (tmp_path / graph / "README.md").read_text()


def test_only_lite_has_cards_to_be_written(tmp_path: Path) -> None:
    document = json.loads((ROOT / REPOSITORY / MANIFEST).read_text())
    (tmp_path / MANIFEST).write_text(json.dumps(document | {"architecture": "resnext"}))
    words = ["cards", "--card", str(ROOT / DEFAULT_CARD), "--repository", str(tmp_path)]
    error = CliRunner().invoke(export, words).exception
    assert isinstance(error, ConfigurationError)
    assert "expected the architecture lite, the manifest has resnext" in str(error)
