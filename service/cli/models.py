"""`dualtrack models`: what the model repository holds."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from service.inference.repository import load_manifest, verify
from service.settings import Settings


def models(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the graphs of the model repository and check their files against the manifest."""
    settings = Settings()
    manifest = load_manifest(settings.model_repository)
    verify(manifest)
    if as_json:
        document = {
            "preset": manifest.preset,
            "version": manifest.version,
            "dims": asdict(manifest.dims),
            "classes": [asdict(item) for item in manifest.classes],
            "graphs": dict(manifest.graphs),
        }
        typer.echo(json.dumps(document, indent=2))
        return
    title = f"{manifest.preset} {manifest.version}: {len(manifest.classes)} classes, in {settings.model_repository}"
    table = Table("graph", "MB", "sha256", title=title, title_justify="left")
    for name, digest in sorted(manifest.graphs.items()):
        size = (settings.model_repository / name / "1" / "model.onnx").stat().st_size
        table.add_row(name, f"{size / 1e6:.1f}", digest[:16])
    Console().print(table)
