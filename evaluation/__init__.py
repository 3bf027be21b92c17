"""Measuring methods, trackers and detectors on annotated data, and what a video costs."""

import service  # noqa: F401 (before any import of onnxruntime: it switches its telemetry off)
