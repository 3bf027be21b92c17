"""`dualtrack export …`: graphs of the model repository from trained weights. Needs the extra `models`."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from export.triton_config import triton_config
from service.errors import ConfigurationError
from service.inference.specs import LITE, graph_specs

export = typer.Typer(no_args_is_help=True, help="Write graphs of the model repository (needs the extra `models`).")
DEFAULT_WEIGHTS = Path("export/weights/lite.safetensors")
DEFAULT_CARD = Path("export/weights/lite.json")
REPOSITORY = Path("model_repository")


@export.command()
def lite(
    weights: Annotated[Path, typer.Option(help="Trained weights.")] = DEFAULT_WEIGHTS,
    card: Annotated[Path, typer.Option(help="What the model cards say (JSON).")] = DEFAULT_CARD,
    out: Annotated[Path, typer.Option(help="The repository to write.")] = REPOSITORY,
    version: Annotated[str, typer.Option(help="Version of the weights.")] = "0.1.0",
) -> None:
    """Export the preset `lite`, compare every graph with torch, write manifest, configurations and cards."""
    graphs, repository = _torch_modules()
    detector, trackers = graphs.load_lite(weights)
    rows = repository.write_repository(
        out, graphs.lite_graphs(detector, trackers), version=version, card=json.loads(card.read_text())
    )
    _report(rows)


@export.command()
def pack(
    detector: Annotated[Path, typer.Argument(help="Trained detector (safetensors).")],
    trackers: Annotated[Path, typer.Argument(help="Trained trackers (safetensors).")],
    out: Annotated[Path, typer.Option(help="The file that `export lite` reads.")] = DEFAULT_WEIGHTS,
) -> None:
    """Join a trained detector and trained trackers into one file of weights."""
    graphs, _ = _torch_modules()
    from export.models.lite_detector import LiteMaskRcnn  # noqa: PLC0415 (needs torch)
    from export.models.trackers import Trackers  # noqa: PLC0415
    from safetensors.torch import load_file  # noqa: PLC0415

    parts = (LiteMaskRcnn(), Trackers())
    for module, path in zip(parts, (detector, trackers), strict=True):
        module.load_state_dict(load_file(path))
    out.parent.mkdir(parents=True, exist_ok=True)
    graphs.save_lite(out, *parts)
    typer.echo(f"{out}: {out.stat().st_size / 1e6:.1f} MB")


@export.command()
def parity(
    weights: Annotated[Path, typer.Option(help="Weights that the repository was exported from.")] = DEFAULT_WEIGHTS,
    repository: Annotated[Path, typer.Option(help="The repository to compare with.")] = REPOSITORY,
) -> None:
    """Compare torch and onnxruntime on every graph; exit code 1 beyond the tolerance."""
    graphs, _ = _torch_modules()
    from export.parity import compare  # noqa: PLC0415 (needs torch)

    specs = graph_specs(LITE)
    modules = graphs.lite_graphs(*graphs.load_lite(weights))
    _report(
        [
            row
            for name, module in modules.items()
            for row in compare(module, specs[name], LITE, repository / name / "1" / "model.onnx")
        ]
    )


@export.command("triton-config")
def write_triton_config(
    repository: Annotated[Path, typer.Option(help="The repository to write to.")] = REPOSITORY,
) -> None:
    """Write every config.pbtxt from the specs."""
    for name, spec in graph_specs(LITE).items():
        (repository / name).mkdir(parents=True, exist_ok=True)
        (repository / name / "config.pbtxt").write_text(triton_config(spec))
        typer.echo(str(repository / name / "config.pbtxt"))


def _torch_modules():  # type: ignore[no-untyped-def]  # noqa: ANN202
    """The parts that need torch, imported when a command needs them."""
    try:
        from export import graphs, repository  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"export: needs the extra `models` (pip install 'dualtrack[models]'), missing: {error.name}"
        ) from error
    return graphs, repository


def _report(rows) -> None:  # type: ignore[no-untyped-def]
    table = Table("graph", "case", "output", "error", "tolerance", "")
    for row in rows:
        table.add_row(row.graph, row.case, row.output, f"{row.error:.2e}", f"{row.tolerance:.0e}", "ok" if row.ok else "FAILS")
    Console().print(table)
    if not all(row.ok for row in rows):
        raise typer.Exit(1)
