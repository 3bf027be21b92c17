"""`dualtrack models import FILE`: a repository around a Mask R-CNN of torchvision's. Needs the extra `models`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dualtrack.errors import ConfigurationError
from export.commands.export import Clip, Commit, report, require_models
from service.inference.repository.manifest import MANIFEST
from service.settings import Settings

if TYPE_CHECKING:  # needs the extra `models`
    from export.onnx.parity import Parity
    from export.repository.model_card import Card
    from export.torchvision.checkpoint import TorchvisionCheckpoint

OUT = Path("build/imported_repository")
NO_LICENCE = (
    "Unknown: the file does not say. torchvision says of its own weights that they may have licences or terms derived "
    "from the data set that they were trained on."
)


def import_checkpoint(  # noqa: PLR0913, PLR0917 (the options of a command)
    file: Annotated[Path, typer.Argument(help="State dict of maskrcnn_resnet50_fpn or …_v2: .pth or .safetensors.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The repository to write.")] = OUT,
    categories: Annotated[
        str | None,
        typer.Option(metavar="NAME_OR_FILE", help="What the classes are called, if not COCO's: a set, or a JSON file."),
    ] = None,
    trackers: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Repository whose trackers are taken; default: DUALTRACK_MODEL_REPOSITORY."),
    ] = None,
    release: Annotated[
        str | None, typer.Option(help="Name of the release; default: the architecture and the file's sha256.")
    ] = None,
    licence: Annotated[str, typer.Option(help="Of the weights, for the model card.")] = NO_LICENCE,
    eps: Annotated[
        float | None, typer.Option(help="Of v1's batch norms, if they are neither COCO's nor fresh.")
    ] = None,
    commit: Commit = "",
    clip: Clip = None,
) -> None:
    """Convert a torchvision Mask R-CNN, compare it with torchvision and with onnxruntime, write a whole repository."""
    require_models()
    from export.models.torchvision_mask_rcnn import TorchvisionMaskRcnn  # noqa: PLC0415
    from export.repository.borrowed_trackers import BorrowedTrackers  # noqa: PLC0415 (needs torch)
    from export.repository.build import Release, write_repository  # noqa: PLC0415
    from export.torchvision.checkpoint import frozen, read_checkpoint  # noqa: PLC0415
    from export.torchvision.output_columns import output_columns  # noqa: PLC0415
    from export.torchvision.parity import compare_with_torchvision  # noqa: PLC0415

    if (out / MANIFEST).exists():
        raise ConfigurationError(
            f"{out}: expected no repository there; import into another folder and add it by `dualtrack export publish`"
        )
    borrowed = BorrowedTrackers(trackers or Settings().model_repository)
    checkpoint = read_checkpoint(file, eps)
    columns = output_columns(checkpoint.outputs, categories)
    dims = borrowed.dims(len(columns.classes))
    ours = TorchvisionMaskRcnn(frozen(checkpoint.network), dims.slots, columns.columns).eval()
    rows = compare_with_torchvision(checkpoint.network, ours)
    if all(row.ok for row in rows):
        card = _card(file, checkpoint, rows, licence)
        name = release or f"{checkpoint.name}-{checkpoint.sha256[:12]}"
        made = Release(checkpoint.name, name, commit, dims, card, columns.classes)
        rows += write_repository(out, {"mask_rcnn": ours}, made, clip, borrowed)
    report(rows)
    typer.echo(f"{out}: {checkpoint.name} with {len(columns.classes)} classes, trackers of {borrowed.name}")
    typer.echo(f"DUALTRACK_MODEL_REPOSITORY={out} dualtrack segment VIDEO")


def _card(file: Path, checkpoint: "TorchvisionCheckpoint", rows: "list[Parity]", licence: str) -> "Card":
    """What is known: the file, and how near the graph is to torchvision. Nobody says what it was trained on."""
    from export.onnx.parity import worst_rows  # noqa: PLC0415 (needs torch)
    from export.torchvision.parity import DIFFERENCES  # noqa: PLC0415

    figures = [
        f"against torchvision's own forward, {row.output}: {row.error:.1e} of {row.tolerance:.0e}"
        for row in worst_rows(rows)
    ]
    start = (
        f"`{file.name}`, sha256 `{checkpoint.sha256}`: {checkpoint.tensors} tensors with the keys of torchvision's "
        f"`{checkpoint.name}`, {checkpoint.outputs} outputs with background, batch norm eps {checkpoint.eps:g}. "
        "Converted, not trained further."
    )
    return {
        "what": {
            "mask_rcnn": f"torchvision's `{checkpoint.name}` with post-processing that gives whole class vectors."
        },
        "start": start,
        "data": "Unknown: the file does not say what it was trained on.",
        "figures": {"mask_rcnn": figures},
        "limits": "\n".join(f"- {line}" for line in DIFFERENCES),
        "licence": licence,
    }
