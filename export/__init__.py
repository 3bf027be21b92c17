"""Exports trained weights to a model repository."""

import service  # noqa: F401 (before any import of onnxruntime: it switches its telemetry off)
