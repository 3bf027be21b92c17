"""`dualtrack models`: list, show, verify and remove models of the model repository."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from dualtrack.errors import NotFound
from service.inference.repository.manifest import Manifest, earlier_releases, load_manifest, manifest_entry, verify
from service.inference.repository.removal import remove_release
from service.inference.repository.verification import ModelCheck, verify_repository
from service.inference.specs import TensorSpec, graph_specs
from service.settings import Settings

models = typer.Typer(help="Inspect the model repository; without a subcommand, list its models.")

Repository = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Model repository; default: DUALTRACK_MODEL_REPOSITORY or the bundled one."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
FAILED = 6
"""Exit code if a model fails verification, the same as that of `ConfigurationError`."""


@models.callback(invoke_without_command=True)
def without_command(context: typer.Context, as_json: AsJson = False) -> None:
    """Inspect the model repository; without a subcommand, list its models."""
    if context.invoked_subcommand is None:
        list_models(as_json=as_json)
    elif as_json:
        raise typer.BadParameter(f"expected --json after {context.invoked_subcommand}, got it before")


@models.command("list")
def list_models(repository: Repository = None, as_json: AsJson = False) -> None:
    """List the models of the newest release, and check their files against the manifest."""
    folder = _folder(repository)
    manifest, earlier = load_manifest(folder), earlier_releases(folder)
    verify(manifest)
    if as_json:
        typer.echo(json.dumps(_document(manifest, earlier), indent=2))
        return
    title = f"{manifest.release} ({manifest.architecture}): {len(manifest.classes)} classes, in {folder}"
    table = Table("graph", "MB", "sha256", title=title, title_justify="left")
    for name, digest in sorted(manifest.graphs.items()):
        size = manifest.graph_path(name).stat().st_size
        table.add_row(name, f"{size / 1e6:.1f}", digest[:16])
    Console().print(table)
    for kept in earlier:
        typer.echo(f"earlier release: {kept.release} (number {kept.number})")


@models.command()
def show(
    name: Annotated[str, typer.Argument(help="Name of a model, such as mask_rcnn.")],
    repository: Repository = None,
    as_json: AsJson = False,
) -> None:
    """Print a model's card, its entry in the manifest and its tensors."""
    manifest = load_manifest(_folder(repository))
    if name not in manifest.graphs:
        raise NotFound(f"models: expected one of {', '.join(sorted(manifest.graphs))}; got {name}")
    card = manifest.path / name / "README.md"
    text = card.read_text() if card.is_file() else f"# {name}\n\nNo model card: {card} does not exist.\n"
    entry, spec = manifest_entry(manifest, name), graph_specs(manifest.dims)[name]
    tensors = {"inputs": spec.inputs, "outputs": spec.outputs}
    if as_json:
        written = {side: [asdict(tensor) for tensor in side_tensors] for side, side_tensors in tensors.items()}
        document = {"name": name, "number": manifest.number, "entry": entry, **written, "card": text}
        typer.echo(json.dumps(document, indent=2))
        return
    typer.echo(f"{text}\n## Manifest\n\n{json.dumps(entry, indent=1)}")
    for side, side_tensors in tensors.items():
        typer.echo(f"\n## {side.title()}\n\n" + "\n".join(_line(tensor) for tensor in side_tensors))


@models.command("verify")
def verify_models(repository: Repository = None, as_json: AsJson = False) -> None:
    """Check SHA-256, name and tensors of every model in every release; exit code 6 if a check fails."""
    checks = verify_repository(_folder(repository))
    if as_json:
        typer.echo(json.dumps([asdict(check) for check in checks], indent=2))
    else:
        _print(checks)
    if any(check.problem for check in checks):
        raise typer.Exit(FAILED)


@models.command()
def remove(
    release: Annotated[str, typer.Argument(help="Name or number of an earlier release.")],
    repository: Repository = None,
) -> None:
    """Remove an earlier release; running jobs that still use it fail."""
    folder = _folder(repository)
    removed = remove_release(folder, release)
    what = f"release {removed.release} (number {removed.number})" if removed.release else f"number {removed.number}"
    files = f"{', '.join(removed.graphs) or 'no graph'}; {removed.freed / 1e6:.1f} MB"
    typer.echo(f"{folder}: removed {what}: {files}. A Triton server that has loaded it must reload its models.")


def _folder(repository: Path | None) -> Path:
    return repository or Settings().model_repository


def _document(manifest: Manifest, earlier: Sequence[Manifest]) -> dict[str, Any]:
    return {
        "architecture": manifest.architecture,
        "release": manifest.release,
        "number": manifest.number,
        "dims": asdict(manifest.dims),
        "classes": [asdict(item) for item in manifest.classes],
        "graphs": dict(manifest.graphs),
        "earlier": [{"number": kept.number, "release": kept.release} for kept in earlier],
    }


def _line(tensor: TensorSpec) -> str:
    return f"- {tensor.name}: {tensor.dtype} [{', '.join(str(axis) for axis in tensor.shape)}]"


def _print(checks: Sequence[ModelCheck]) -> None:
    table = Table("number", "release", "model", "")
    for check in checks:
        table.add_row(str(check.number), check.release, check.name, "ok" if check.problem is None else "FAILS")
    Console().print(table)
    for check in checks:
        if check.problem is not None:
            typer.echo(f"{check.number}/{check.name}: {check.problem}")
