"""Manifest entries of graphs."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from export.onnx.parity import Parity
from export.onnx.to_onnx import OPSET


def graph_entry(path: Path, rows: Sequence[Parity]) -> dict[str, Any]:
    """The entry of the graph in `path`, with the worst of its comparisons `rows`."""
    worst = max(rows, key=lambda row: row.error / max(row.tolerance, 1e-12))
    data = path.read_bytes()
    return {
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "opset": OPSET,
        "worst_parity": {
            "output": worst.output,
            "case": worst.case,
            "error": worst.error,
            "tolerance": worst.tolerance,
        },
    }
