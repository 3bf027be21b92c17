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

from dualtrack.children import INSTALL
from dualtrack.errors import ConfigurationError
from export.repository.model_card import Card, model_card
from export.repository.publish import publish
from export.repository.triton_config import Accelerator, write_configs, write_own_configs
from service.inference.repository.manifest import MANIFEST, load_manifest, manifest_entry
from service.inference.specs import LITE, RESNEXT, graph_specs

if TYPE_CHECKING:  # needs the extra `models`
    from export.onnx.graphs import Lite, Resnext
    from export.onnx.parity import Parity

export = typer.Typer(no_args_is_help=True, help="Write graphs of the model repository (needs the extra `models`).")

DEFAULT_WEIGHTS = Path("export/weights/lite.safetensors")
DEFAULT_CARD = Path("export/weights/lite.json")
REPOSITORY = Path("model_repository")
RESNEXT_REPOSITORY = Path("build/resnext_repository")
TENSORRT_REPOSITORY = Path("build/tensorrt_repository")
UNNAMED = "{}-0"
"""Default name of a release, by its architecture."""


class Architecture(StrEnum):
    """The architectures that can be exported."""

    LITE = "lite"
    RESNEXT = "resnext"


DIMS = {Architecture.LITE: LITE, Architecture.RESNEXT: RESNEXT}
Clip = Annotated[Path | None, typer.Option(help="A video whose frames are compared on, besides random pictures.")]
Commit = Annotated[str, typer.Option(help="Commit of the source, for the manifest.")]
ReleaseName = Annotated[str | None, typer.Option(help="Name of the release; default: ARCHITECTURE-0.")]
OptionalWeights = Annotated[Path | None, typer.Option(help="Weights; without, random ones.")]


@export.command()
def lite(
    weights: Annotated[Path, typer.Option(help="Trained weights, see `pack`.")] = DEFAULT_WEIGHTS,
    card: Annotated[Path, typer.Option(help="What the model cards say (JSON).")] = DEFAULT_CARD,
    out: Annotated[Path, typer.Option(help="The repository to write.")] = REPOSITORY,
    release: ReleaseName = None,
    commit: Commit = "",
    clip: Clip = None,
) -> None:
    """Export the architecture `lite`, compare every graph with torch, write manifest, configurations and cards."""
    require_models()
    from export.repository.build import Release, write_repository  # noqa: PLC0415 (needs torch)

    made = Release("lite", release or UNNAMED.format("lite"), commit, LITE, _read_card(card))
    report(write_repository(out, _lite(weights).graphs(), made, clip))


@export.command()
def resnext(
    weights: OptionalWeights = None,
    out: Annotated[Path, typer.Option(help="The repository to write.")] = RESNEXT_REPOSITORY,
    release: ReleaseName = None,
    commit: Commit = "",
    clip: Clip = None,
) -> None:
    """Export the architecture `resnext` (ResNeXt-101 Mask R-CNN, DeepLabv3+), compare every graph with torch."""
    require_models()
    from export.repository.build import Release, write_repository  # noqa: PLC0415 (needs torch)

    made = Release("resnext", release or UNNAMED.format("resnext"), commit, RESNEXT, Card())
    report(write_repository(out, _resnext(weights).graphs(), made, clip))


@export.command()
def tensorrt(
    architecture: Annotated[Architecture, typer.Option(help="Which networks.")] = Architecture.LITE,
    weights: OptionalWeights = None,
    card: Annotated[Path, typer.Option(help="What the model cards say (JSON).")] = DEFAULT_CARD,
    out: Annotated[Path, typer.Option(help="The repository to write.")] = TENSORRT_REPOSITORY,
    release: ReleaseName = None,
    commit: Commit = "",
    clip: Clip = None,
    engines: Annotated[bool, typer.Option(help="Build the engines, compare and time them; needs a GPU.")] = True,
) -> None:
    """Export the form for TensorRT (fixed shapes, half precision), compare it with the CPU's, build engines."""
    require_models()
    from export.repository.build import Release  # noqa: PLC0415 (needs torch)
    from export.tensorrt.repository import write_tensorrt_repository  # noqa: PLC0415

    lite = architecture is Architecture.LITE
    network = _lite(weights or DEFAULT_WEIGHTS) if lite else _resnext(weights)
    name, said = release or UNNAMED.format(architecture), _read_card(card) if lite else Card()
    made = Release(architecture.value, name, commit, DIMS[architecture], said)
    report(write_tensorrt_repository(out, network, made, clip))
    typer.echo(f"{out}: graphs, manifest and configurations")
    if not engines:
        return
    from export.tensorrt.engines import build_engines, load_library  # noqa: PLC0415 (no other command needs it)
    from export.tensorrt.run_engines import compare_engines  # noqa: PLC0415

    library = load_library()
    build_engines(out, library, typer.echo)
    rows, times = compare_engines(out, network.graphs(), DIMS[architecture], library, clip)
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
    architecture: Annotated[Architecture, typer.Option(help="Which networks.")] = Architecture.LITE,
    weights: Annotated[Path | None, typer.Option(help="Weights that the repository was exported from.")] = None,
    repository: Annotated[Path, typer.Option(help="The repository to compare with.")] = REPOSITORY,
    clip: Clip = None,
) -> None:
    """Compare torch and onnxruntime on every graph; exit code 1 beyond the tolerance."""
    require_models()
    from export.onnx.parity import compare  # noqa: PLC0415 (needs torch)

    network = _resnext(weights) if architecture is Architecture.RESNEXT else _lite(weights or DEFAULT_WEIGHTS)
    dims = DIMS[architecture]
    specs = graph_specs(dims)
    rows: list[Parity] = []
    for name, module in network.graphs().items():
        rows += compare(module, specs[name], dims, repository / name / "1" / "model.onnx", clip)
    report(rows)


@export.command("triton-config")
def triton_config(
    architecture: Annotated[
        Architecture | None, typer.Option(help="Which networks, where the repository has no manifest that says it.")
    ] = None,
    repository: Annotated[Path, typer.Option(help="The repository to write to.")] = REPOSITORY,
    accelerator: Annotated[
        Accelerator | None, typer.Option(help="Let onnxruntime on a GPU hand over to TensorRT; no engines to build.")
    ] = None,
) -> None:
    """Write every config.pbtxt from the specs and the manifest (needs no extra)."""
    if (repository / MANIFEST).is_file():
        if architecture is not None and architecture != (found := load_manifest(repository).architecture):
            raise ConfigurationError(
                f"{repository}: expected the architecture {architecture.value}, its manifest says {found}"
            )
        paths = write_own_configs(repository, accelerator)
    else:
        specs = graph_specs(DIMS[architecture or Architecture.LITE])
        paths = write_configs(repository, specs.values(), accelerator)
    for path in paths:
        typer.echo(str(path))


@export.command("cards")
def model_cards(
    card: Annotated[Path, typer.Option(help="What the model cards say (JSON).")] = DEFAULT_CARD,
    repository: Annotated[Path, typer.Option(help="A repository of the architecture `lite`.")] = REPOSITORY,
) -> None:
    """Rewrite the model cards of the architecture `lite`, where only their text has changed (needs no extra)."""
    manifest, said = load_manifest(repository), _read_card(card)
    if manifest.architecture != Architecture.LITE:
        raise ConfigurationError(
            f"{repository}: expected the architecture lite, its manifest says {manifest.architecture}"
        )
    for graph in manifest.graphs:
        path = repository / graph / "README.md"
        entry = manifest_entry(manifest, graph)
        path.write_text(model_card(graph, manifest.architecture, manifest.release, entry, said))
        typer.echo(str(path))


@export.command("publish")
def publish_release(
    release: Annotated[Path, typer.Argument(help="An exported repository.")],
    served: Annotated[Path, typer.Option(help="The repository that a server serves.")] = REPOSITORY,
) -> None:
    """Add a release to a served repository as its next version; the old one stays for running jobs (no extra)."""
    typer.echo(f"{served}: Triton's version {publish(release, served)}; now let the server load the models")


def require_models() -> None:
    """Say what is missing before an import fails in the middle of something."""
    missing = [name for name in ("torch", "torchvision", "onnx", "onnxscript", "safetensors") if not find_spec(name)]
    if missing:
        raise ConfigurationError(f"export: needs {', '.join(missing)}: {INSTALL.format(extra='models')}")


def _lite(weights: Path) -> "Lite":
    from export.onnx.graphs import Lite  # noqa: PLC0415
    from export.repository.checkpoint import load_weights  # noqa: PLC0415 (needs torch)

    network = Lite()
    load_weights(network, weights)
    return network.eval()


def _resnext(weights: Path | None) -> "Resnext":
    from export.onnx.random_networks import random_resnext  # noqa: PLC0415
    from export.repository.checkpoint import load_weights  # noqa: PLC0415 (needs torch)

    network = random_resnext()
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
