"""`dualtrack export …`: graphs of the model repository from trained weights. Needs the extra `models`."""

import json
from collections.abc import Sequence
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from dualtrack.errors import ConfigurationError
from export.repository.model_card import Card, model_card
from export.repository.publish import publish
from export.repository.triton_config import Accelerator, write_configs, write_own_configs
from service.inference.repository.manifest import MANIFEST, load_manifest, manifest_entry
from service.inference.specs import LITE, PAPER, graph_specs

if TYPE_CHECKING:  # needs the extra `models`
    from export.onnx.graphs import Lite, Paper
    from export.onnx.parity import Parity

export = typer.Typer(no_args_is_help=True, help="Write graphs of the model repository (needs the extra `models`).")

DEFAULT_WEIGHTS = Path("export/weights/lite.safetensors")
DEFAULT_CARD = Path("export/weights/lite.json")
REPOSITORY = Path("model_repository")
PAPER_REPOSITORY = Path("build/paper_repository")
TENSORRT_REPOSITORY = Path("build/tensorrt_repository")


class PresetName(StrEnum):
    """The presets."""

    LITE = "lite"
    PAPER = "paper"


DIMS = {PresetName.LITE: LITE, PresetName.PAPER: PAPER}
Clip = Annotated[Path | None, typer.Option(help="A video whose frames are compared on, besides random pictures.")]
Commit = Annotated[str, typer.Option(help="Commit of the source, for the manifest.")]
OptionalWeights = Annotated[Path | None, typer.Option(help="Weights; without, random ones.")]


@export.command()
def lite(
    weights: Annotated[Path, typer.Option(help="Trained weights, see `pack`.")] = DEFAULT_WEIGHTS,
    card: Annotated[Path, typer.Option(help="What the model cards say (JSON).")] = DEFAULT_CARD,
    out: Annotated[Path, typer.Option(help="The repository to write.")] = REPOSITORY,
    version: Annotated[str, typer.Option(help="Version of the weights.")] = "0.1.0",
    commit: Commit = "",
    clip: Clip = None,
) -> None:
    """Export the preset `lite`, compare every graph with torch, write manifest, configurations and cards."""
    require_models()
    from export.repository.build import Release, write_repository  # noqa: PLC0415 (needs torch)

    release = Release("lite", version, commit, LITE, _read_card(card))
    report(write_repository(out, _lite(weights).graphs(), release, clip))


@export.command()
def paper(
    weights: OptionalWeights = None,
    out: Annotated[Path, typer.Option(help="The repository to write.")] = PAPER_REPOSITORY,
    version: Annotated[str, typer.Option(help="Version of the weights.")] = "0.0.0",
    commit: Commit = "",
    clip: Clip = None,
) -> None:
    """Export the preset `paper` (ResNeXt-101 Mask R-CNN, DeepLabv3+), compare every graph with torch."""
    require_models()
    from export.repository.build import Release, write_repository  # noqa: PLC0415 (needs torch)

    release = Release("paper", version, commit, PAPER, Card())
    report(write_repository(out, _paper(weights).graphs(), release, clip))


@export.command()
def tensorrt(
    preset: Annotated[PresetName, typer.Option(help="Which networks.")] = PresetName.LITE,
    weights: OptionalWeights = None,
    card: Annotated[Path, typer.Option(help="What the model cards say (JSON).")] = DEFAULT_CARD,
    out: Annotated[Path, typer.Option(help="The repository to write.")] = TENSORRT_REPOSITORY,
    version: Annotated[str, typer.Option(help="Version of the weights.")] = "0.1.0",
    commit: Commit = "",
    clip: Clip = None,
    engines: Annotated[bool, typer.Option(help="Build the engines, compare and time them; needs a GPU.")] = True,
) -> None:
    """Export the form for TensorRT (fixed shapes, half precision), compare it with the CPU's, build engines."""
    require_models()
    from export.repository.build import Release  # noqa: PLC0415 (needs torch)
    from export.tensorrt.repository import write_tensorrt_repository  # noqa: PLC0415

    lite = preset is PresetName.LITE
    network = _lite(weights or DEFAULT_WEIGHTS) if lite else _paper(weights)
    release = Release(preset.value, version, commit, DIMS[preset], _read_card(card) if lite else Card())
    report(write_tensorrt_repository(out, network, release, clip))
    typer.echo(f"{out}: graphs, manifest and configurations")
    if not engines:
        return
    from export.tensorrt.engines import build_engines, load_library  # noqa: PLC0415 (no other command needs it)
    from export.tensorrt.run_engines import compare_engines  # noqa: PLC0415

    library = load_library()
    build_engines(out, library, typer.echo)
    rows, times = compare_engines(out, network.graphs(), DIMS[preset], library, clip)
    for name, milliseconds in times.items():
        typer.echo(f"{name}: {milliseconds:.2f} ms")
    report(rows)


@export.command("engines")
def build(
    repository: Annotated[Path, typer.Option(help="A repository of `export tensorrt`.")] = TENSORRT_REPOSITORY,
) -> None:
    """Build the engines of a TensorRT repository; needs a GPU and the package `tensorrt`, no extra."""
    from export.tensorrt.engines import build_engines, load_library  # noqa: PLC0415 (no other command needs it)

    build_engines(repository, load_library(), typer.echo)


@export.command()
def pack(
    detector: Annotated[Path, typer.Argument(help="Trained detector (safetensors).")],
    trackers: Annotated[Path, typer.Argument(help="Trained trackers (safetensors).")],
    out: Annotated[Path, typer.Option(help="The file that `export lite` reads.")] = DEFAULT_WEIGHTS,
) -> None:
    """Join a trained detector and trained trackers into one file of weights."""
    require_models()
    from export.repository.checkpoint import pack_lite  # noqa: PLC0415 (needs torch)

    pack_lite(detector, trackers, out)
    typer.echo(f"{out}: {out.stat().st_size / 1e6:.1f} MB")


@export.command()
def parity(
    preset: Annotated[PresetName, typer.Option(help="Which networks.")] = PresetName.LITE,
    weights: Annotated[Path | None, typer.Option(help="Weights that the repository was exported from.")] = None,
    repository: Annotated[Path, typer.Option(help="The repository to compare with.")] = REPOSITORY,
    clip: Clip = None,
) -> None:
    """Compare torch and onnxruntime on every graph; exit code 1 beyond the tolerance."""
    require_models()
    from export.onnx.parity import compare  # noqa: PLC0415 (needs torch)

    network = _paper(weights) if preset is PresetName.PAPER else _lite(weights or DEFAULT_WEIGHTS)
    dims = DIMS[preset]
    specs = graph_specs(dims)
    rows: list[Parity] = []
    for name, module in network.graphs().items():
        rows += compare(module, specs[name], dims, repository / name / "1" / "model.onnx", clip)
    report(rows)


@export.command("triton-config")
def triton_config(
    preset: Annotated[
        PresetName | None, typer.Option(help="Which networks, where the repository has no manifest that says it.")
    ] = None,
    repository: Annotated[Path, typer.Option(help="The repository to write to.")] = REPOSITORY,
    accelerator: Annotated[
        Accelerator | None, typer.Option(help="Let onnxruntime on a GPU hand over to TensorRT; no engines to build.")
    ] = None,
) -> None:
    """Write every config.pbtxt from the specs and the manifest (needs no extra)."""
    if (repository / MANIFEST).is_file():
        if preset is not None and preset != (found := load_manifest(repository).preset):
            raise ConfigurationError(f"{repository}: expected the preset {preset.value}, its manifest says {found}")
        paths = write_own_configs(repository, accelerator)
    else:
        paths = write_configs(repository, graph_specs(DIMS[preset or PresetName.LITE]).values(), accelerator)
    for path in paths:
        typer.echo(str(path))


@export.command("cards")
def model_cards(
    card: Annotated[Path, typer.Option(help="What the model cards say (JSON).")] = DEFAULT_CARD,
    repository: Annotated[Path, typer.Option(help="A repository of the preset `lite`.")] = REPOSITORY,
) -> None:
    """Write the model cards of the preset `lite` anew, where only their text has changed (needs no extra)."""
    manifest, said = load_manifest(repository), _read_card(card)
    if manifest.preset != PresetName.LITE:
        raise ConfigurationError(f"{repository}: expected the preset lite, its manifest says {manifest.preset}")
    for graph in manifest.graphs:
        path = repository / graph / "README.md"
        path.write_text(model_card(graph, manifest.preset, manifest.version, manifest_entry(manifest, graph), said))
        typer.echo(str(path))


@export.command("publish")
def publish_release(
    release: Annotated[Path, typer.Argument(help="An exported repository.")],
    served: Annotated[Path, typer.Option(help="The repository that a server serves.")] = REPOSITORY,
) -> None:
    """Add a release to a served repository as its next version; the old one stays for running jobs (no extra)."""
    typer.echo(f"{served}: version {publish(release, served)}; now let the server load the models")


def require_models() -> None:
    """Say what is missing before an import fails in the middle of something."""
    missing = [name for name in ("torch", "torchvision", "onnx", "onnxscript", "safetensors") if not find_spec(name)]
    if missing:
        raise ConfigurationError(
            f"export: needs the extra `models` (pip install 'dualtrack[models]'), missing: {', '.join(missing)}"
        )


def _lite(weights: Path) -> "Lite":
    from export.onnx.graphs import Lite  # noqa: PLC0415
    from export.repository.checkpoint import load_weights  # noqa: PLC0415 (needs torch)

    network = Lite()
    load_weights(network, weights)
    return network.eval()


def _paper(weights: Path | None) -> "Paper":
    from export.onnx.random_networks import random_paper  # noqa: PLC0415
    from export.repository.checkpoint import load_weights  # noqa: PLC0415 (needs torch)

    network = random_paper()
    if weights is not None:
        load_weights(network, weights)
    return network


def _read_card(path: Path) -> Card:
    try:
        card: Card = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: expected a JSON file for the model cards: {error}") from error
    return card


def report(rows: "Sequence[Parity]") -> None:
    """Print the worst case of every output; exit code 1 if one is beyond its tolerance."""
    from export.onnx.parity import worst_rows  # noqa: PLC0415 (needs torch)

    table = Table("graph", "output", "error", "tolerance", "", "worst of all cases")
    for row in worst_rows(rows):
        count = "" if row.detections is None else f" ({row.detections} detections)"
        verdict = "ok" if row.ok else "FAILS"
        table.add_row(row.graph, row.output, f"{row.error:.1e}", f"{row.tolerance:.0e}", verdict, row.case + count)
    console = Console()
    console.print(table)
    cases = {(row.graph, row.case) for row in rows}
    failed = sum(not row.ok for row in rows)
    console.print(f"{len(rows)} outputs compared in {len(cases)} cases, {failed} beyond the tolerance")
    if failed:
        raise typer.Exit(1)


if __name__ == "__main__":  # for an environment that has the extra `models` but not the service
    export()
