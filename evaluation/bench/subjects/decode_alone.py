"""Child process: decode every frame of a file and discard it. `python -m … VIDEO`."""

import sys
from pathlib import Path

from service.media.limits import VideoLimits
from service.media.stream import open_video


def main() -> None:
    """Entry point."""
    container, stream, _ = open_video(Path(sys.argv[1]), VideoLimits().max_pixels)
    with container:
        for _ in container.decode(stream):
            pass


if __name__ == "__main__":
    main()
