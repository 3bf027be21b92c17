"""`dualtrack models import FILE`: a repository with a torchvision Mask R-CNN. Needs the extra `models`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dualtrack.errors import ConfigurationError
from dualtrack.outputs import writable_folder
from export.commands.export import Clip, Commit, report, require_models
from service.inference.repository.manifest import MANIFEST
from service.settings import Settings

if TYPE_CHECKING:  # needs the extra `models`
    from export.onnx.parity import Parity
    from export.repository.model_card import Card
    from export.torchvision.checkpoint import TorchvisionCheckpoint

OUT = Path("build/imported_repository")
NO_LICENSE = (
    "Unknown: the file does not state it. According to torchvision, its own weights may have licenses or terms derived "
    "from the dataset they were trained on."
)


def import_checkpoint(  # noqa: PLR0913, PLR0917 (the options of a command)
    file: Annotated[Path, typer.Argument(help="State dict of maskrcnn_resnet50_fpn or …_v2 (.pth or .safetensors).")],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Directory of the repository to write.", callback=writable_folder)
    ] = OUT,
    categories: Annotated[
        str | None,
        typer.Option(metavar="NAME_OR_FILE", help="Class names, if not COCO's: a bundled set or a JSON file."),
    ] = None,
    trackers: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Repository to take the trackers from; default: DUALTRACK_MODEL_REPOSITORY."),
    ] = None,
    release: Annotated[
        str | None, typer.Option(help="Name of the release; default: architecture and the file's SHA-256.")
    ] = None,
    license_text: Annotated[
        str, typer.Option("--license", help="License of the weights, for the model card.")
    ] = NO_LICENSE,
    eps: Annotated[
        float | None, typer.Option(help="Epsilon of v1's batch norms; default: detected, see the docs.")
    ] = None,
    commit: Commit = "",
    clip: Clip = None,
) -> None:
    """Convert a torchvision Mask R-CNN to a repository, and compare it with torchvision and onnxruntime."""
    require_models()
    from export.models.torchvision_mask_rcnn import TorchvisionMaskRcnn  # noqa: PLC0415
    from export.repository.borrowed_trackers import BorrowedTrackers  # noqa: PLC0415 (needs torch)
    from export.repository.build import Release, write_repository  # noqa: PLC0415
    from export.torchvision.checkpoint import frozen, read_checkpoint  # noqa: PLC0415
    from export.torchvision.output_columns import output_columns  # noqa: PLC0415
    from export.torchvision.parity import compare_with_torchvision  # noqa: PLC0415

    if (out / MANIFEST).exists():
        raise ConfigurationError(
            f"{out}: expected a folder without a repository; import into another, then `dualtrack export publish` it"
        )
    borrowed = BorrowedTrackers(trackers or Settings().model_repository)
    checkpoint = read_checkpoint(file, eps)
    columns = output_columns(checkpoint.outputs, categories)
    dims = borrowed.dims(len(columns.classes))
    ours = TorchvisionMaskRcnn(frozen(checkpoint.network), dims.slots, columns.columns).eval()
    rows = compare_with_torchvision(checkpoint.network, ours)
    if all(row.ok for row in rows):
        card = _card(file, checkpoint, rows, license_text)
        name = release or f"{checkpoint.name}-{checkpoint.sha256[:12]}"
        made = Release(checkpoint.name, name, commit, dims, card, columns.classes)
        rows += write_repository(out, {"mask_rcnn": ours}, made, clip, borrowed)
    report(rows)
    typer.echo(f"{out}: {checkpoint.name} with {len(columns.classes)} classes, trackers of {borrowed.name}")
    typer.echo(f"DUALTRACK_MODEL_REPOSITORY={out} dualtrack segment VIDEO")


def _card(file: Path, checkpoint: "TorchvisionCheckpoint", rows: "list[Parity]", license_text: str) -> "Card":
    """The known facts: the file, and the difference to torchvision. The training data is unknown."""
    from export.onnx.parity import worst_rows  # noqa: PLC0415 (needs torch)
    from export.torchvision.parity import DIFFERENCES  # noqa: PLC0415

    figures = [
        f"against torchvision's own forward, {row.output}: {row.error:.1e} of {row.tolerance:.0e}"
        for row in worst_rows(rows)
    ]
    start = (
        f"`{file.name}`, sha256 `{checkpoint.sha256}`: {checkpoint.tensors} tensors with the keys of torchvision's "
        f"`{checkpoint.name}`, {checkpoint.outputs} outputs with background, batch norm eps {checkpoint.eps:g}. "
        "Converted without further training."
    )
    return {
        "what": {
            "mask_rcnn": f"torchvision's `{checkpoint.name}` with post-processing that returns full class vectors."
        },
        "start": start,
        "data": "Unknown: the file does not state what it was trained on.",
        "figures": {"mask_rcnn": figures},
        "limits": "\n".join(f"- {line}" for line in DIFFERENCES),
        "license": license_text,
    }
