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
from dualtrack.outputs import writable_file, writable_folder
from export.repository.model_card import Card, model_card
from export.repository.publish import publish
from export.repository.triton_config import Accelerator, write_configs, write_own_configs
from service.inference.repository.manifest import MANIFEST, load_manifest, manifest_entry
from service.inference.specs import LITE, RESNEXT, graph_specs

if TYPE_CHECKING:  # needs the extra `models`
    from export.onnx.graphs import Lite, Resnext
    from export.onnx.parity import Parity

export = typer.Typer(no_args_is_help=True, help="Export the model repository (needs the extra `models`).")

DEFAULT_WEIGHTS = Path("export/weights/lite.safetensors")
DEFAULT_CARD = Path("export/weights/lite.json")
REPOSITORY = Path("model_repository")
RESNEXT_REPOSITORY = Path("build/resnext_repository")
TENSORRT_REPOSITORY = Path("build/tensorrt_repository")
UNNAMED = "{}-0"
"""Default name of a release, given the architecture."""


class Architecture(StrEnum):
    """Architectures that can be exported."""

    LITE = "lite"
    RESNEXT = "resnext"


DIMS = {Architecture.LITE: LITE, Architecture.RESNEXT: RESNEXT}
Clip = Annotated[
    Path | None, typer.Option(help="Video whose frames are used for the comparison, in addition to random images.")
]
Commit = Annotated[str, typer.Option(help="Source commit to record in the manifest.")]
ReleaseName = Annotated[str | None, typer.Option(help="Name of the release; default: ARCHITECTURE-0.")]
OptionalWeights = Annotated[Path | None, typer.Option(help="Weights; random ones if not given.")]


@export.command()
def lite(
    weights: Annotated[Path, typer.Option(help="Trained weights, written by `pack`.")] = DEFAULT_WEIGHTS,
    card: Annotated[Path, typer.Option(help="Content of the model cards (JSON).")] = DEFAULT_CARD,
    out: Annotated[
        Path, typer.Option(help="Directory of the repository to write.", callback=writable_folder)
    ] = REPOSITORY,
    release: ReleaseName = None,
    commit: Commit = "",
    clip: Clip = None,
) -> None:
    """Export the architecture `lite` and compare every graph with torch."""
    require_models()
    from export.repository.build import Release, write_repository  # noqa: PLC0415 (needs torch)

    made = Release("lite", release or UNNAMED.format("lite"), commit, LITE, _read_card(card))
    report(write_repository(out, _lite(weights).graphs(), made, clip))


@export.command()
def resnext(
    weights: OptionalWeights = None,
    out: Annotated[
        Path, typer.Option(help="Directory of the repository to write.", callback=writable_folder)
    ] = RESNEXT_REPOSITORY,
    release: ReleaseName = None,
    commit: Commit = "",
    clip: Clip = None,
) -> None:
    """Export the architecture `resnext` (ResNeXt-101 Mask R-CNN, DeepLabv3+) and compare every graph with torch."""
    require_models()
    from export.repository.build import Release, write_repository  # noqa: PLC0415 (needs torch)

    made = Release("resnext", release or UNNAMED.format("resnext"), commit, RESNEXT, Card())
    report(write_repository(out, _resnext(weights).graphs(), made, clip))


@export.command()
def tensorrt(
    architecture: Annotated[Architecture, typer.Option(help="Architecture of the networks.")] = Architecture.LITE,
    weights: OptionalWeights = None,
    card: Annotated[Path, typer.Option(help="Content of the model cards (JSON).")] = DEFAULT_CARD,
    out: Annotated[
        Path, typer.Option(help="Directory of the repository to write.", callback=writable_folder)
    ] = TENSORRT_REPOSITORY,
    release: ReleaseName = None,
    commit: Commit = "",
    clip: Clip = None,
    engines: Annotated[bool, typer.Option(help="Build, compare and time the engines; needs a GPU.")] = True,
) -> None:
    """Export for TensorRT (fixed shapes, half precision), compare with the CPU version, and build engines."""
    require_models()
    from export.repository.build import Release  # noqa: PLC0415 (needs torch)
    from export.tensorrt.repository import write_tensorrt_repository  # noqa: PLC0415

    lite = architecture is Architecture.LITE
    network = _lite(weights or DEFAULT_WEIGHTS) if lite else _resnext(weights)
    name, content = release or UNNAMED.format(architecture), _read_card(card) if lite else Card()
    made = Release(architecture.value, name, commit, DIMS[architecture], content)
    report(write_tensorrt_repository(out, network, made, clip))
    typer.echo(f"{out}: graphs, manifest and configurations")
    if not engines:
        return
    from export.tensorrt.engines import build_engines, load_library  # noqa: PLC0415 (only needed here)
    from export.tensorrt.run_engines import compare_engines  # noqa: PLC0415

    library = load_library()
    build_engines(out, library, typer.echo)
    rows, times = compare_engines(out, network.graphs(), DIMS[architecture], library, clip)
    for name, milliseconds in times.items():
        typer.echo(f"{name}: {milliseconds:.2f} ms")
    report(rows)


@export.command("engines")
def build(
    repository: Annotated[Path, typer.Option(help="Repository written by `export tensorrt`.")] = TENSORRT_REPOSITORY,
) -> None:
    """Build the engines of a TensorRT repository; needs a GPU and the package `tensorrt`."""
    from export.tensorrt.engines import build_engines, load_library  # noqa: PLC0415 (only needed here)

    build_engines(repository, load_library(), typer.echo)


@export.command()
def pack(
    detector: Annotated[Path, typer.Argument(help="Trained detector (safetensors).")],
    trackers: Annotated[Path, typer.Argument(help="Trained trackers (safetensors).")],
    out: Annotated[
        Path, typer.Option(help="Weights file to write, for `export lite`.", callback=writable_file)
    ] = DEFAULT_WEIGHTS,
) -> None:
    """Combine a trained detector and trained trackers into one weights file."""
    require_models()
    from export.repository.checkpoint import pack_lite  # noqa: PLC0415 (needs torch)

    pack_lite(detector, trackers, out)
    typer.echo(f"{out}: {out.stat().st_size / 1e6:.1f} MB")


@export.command()
def parity(
    architecture: Annotated[Architecture, typer.Option(help="Architecture of the networks.")] = Architecture.LITE,
    weights: Annotated[Path | None, typer.Option(help="Weights from which the repository was exported.")] = None,
    repository: Annotated[Path, typer.Option(help="Repository to compare with.")] = REPOSITORY,
    clip: Clip = None,
) -> None:
    """Compare torch and onnxruntime on every graph; exit code 1 if a tolerance is exceeded."""
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
        Architecture | None, typer.Option(help="Architecture, for a repository without a manifest.")
    ] = None,
    repository: Annotated[Path, typer.Option(help="Repository to write to.")] = REPOSITORY,
    accelerator: Annotated[
        Accelerator | None, typer.Option(help="Let onnxruntime on a GPU use TensorRT; needs no prebuilt engines.")
    ] = None,
) -> None:
    """Write every config.pbtxt from the specs and the manifest (needs no extra)."""
    if (repository / MANIFEST).is_file():
        if architecture is not None and architecture != (found := load_manifest(repository).architecture):
            raise ConfigurationError(
                f"{repository}: expected the architecture {architecture.value}, the manifest has {found}"
            )
        paths = write_own_configs(repository, accelerator)
    else:
        specs = graph_specs(DIMS[architecture or Architecture.LITE])
        paths = write_configs(repository, specs.values(), accelerator)
    for path in paths:
        typer.echo(str(path))


@export.command("cards")
def model_cards(
    card: Annotated[Path, typer.Option(help="Content of the model cards (JSON).")] = DEFAULT_CARD,
    repository: Annotated[Path, typer.Option(help="Repository of the architecture `lite`.")] = REPOSITORY,
) -> None:
    """Rewrite the model cards of the architecture `lite` after a change of their text (needs no extra)."""
    manifest, content = load_manifest(repository), _read_card(card)
    if manifest.architecture != Architecture.LITE:
        raise ConfigurationError(
            f"{repository}: expected the architecture lite, the manifest has {manifest.architecture}"
        )
    for graph in manifest.graphs:
        path = repository / graph / "README.md"
        entry = manifest_entry(manifest, graph)
        path.write_text(model_card(graph, manifest.architecture, manifest.release, entry, content))
        typer.echo(str(path))


@export.command("publish")
def publish_release(
    release: Annotated[Path, typer.Argument(help="Exported repository.")],
    served: Annotated[Path, typer.Option(help="Repository that is being served.")] = REPOSITORY,
) -> None:
    """Add a release to a served repository as its next version; running jobs keep the old one (needs no extra)."""
    typer.echo(f"{served}: Triton's version {publish(release, served)}; now make the server load the models")


def require_models() -> None:
    """Report missing packages before an import fails halfway."""
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
    """Print the worst case of every output; exit code 1 if one exceeds its tolerance."""
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
    console.print(f"{len(rows)} outputs compared in {len(cases)} cases, {failed} exceed the tolerance")
    if failed:
        raise typer.Exit(1)


if __name__ == "__main__":  # for an environment with the extra `models` but without the service
    export()
