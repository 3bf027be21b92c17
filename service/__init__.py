"""The service: API, worker, command line, and the pipeline that they share."""

import os

# Before the first import of onnxruntime, which may send an event before `disable_telemetry_events()` can be called.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
