"""Where `segment` and `submit` write the results of a video."""

from pathlib import Path
from typing import Annotated

import typer

from dualtrack.errors import InvalidVideo
from dualtrack.outputs import writable_results

OutOption = Annotated[
    Path | None, typer.Option(help="Folder for the results; default: NAME.mp4-tubelets for NAME.mp4.")
]


def result_folder(video: Path, out: Path | None) -> Path:
    """The folder for the results of a video, checked before the work.

    The default has the whole file name, so `a.ts` and `a.mp4` do not share a folder.

    Raises:
        InvalidVideo: there is no such file.
        InvalidParameter: the folder can't be written.
    """
    if not video.is_file():
        raise InvalidVideo(f"video: expected a file, got {video}", code="no-such-file")
    folder = out or Path(f"{video.name}-tubelets")
    return writable_results(folder)
