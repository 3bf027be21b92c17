"""Child process: `dualtrack segment VIDEO` up to the first detector call. `python -m … VIDEO FOLDER`.

Prints `{"seconds": …}`, measured from the start of the process (so with interpreter start-up), and exits.
"""

import json
import os
import sys
import time
from pathlib import Path

from typer import Typer

from service.cli.main import build_app
from service.inference.onnx_runtime import OnnxRuntimeClient
from service.inference.specs import GraphSpec


def main() -> None:
    """Entry point."""
    video, folder = sys.argv[1:3]
    run = OnnxRuntimeClient.infer

    async def infer(client: OnnxRuntimeClient, spec: GraphSpec, inputs: object) -> object:
        if spec.name == "mask_rcnn":
            say_and_leave()
        return await run(client, spec, inputs)  # type: ignore[arg-type]

    OnnxRuntimeClient.infer = infer  # type: ignore[assignment,method-assign]
    os.environ["DUALTRACK_DATA_DIR"] = folder
    words = ["segment", video, "--out", str(Path(folder) / "out"), "--no-overlay"]
    app: Typer = build_app(words)
    app(words)


def say_and_leave() -> None:
    """Print the age of this process and exit immediately."""
    ticks = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
    started = ticks / os.sysconf("SC_CLK_TCK")
    sys.stdout.write(json.dumps({"seconds": time.clock_gettime(time.CLOCK_BOOTTIME) - started}) + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
