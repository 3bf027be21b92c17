"""Display of results in the terminal."""

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from dualtrack.result.result import Result


def tubelet_table(result: Result) -> Table:
    """Table with one row per tubelet, by descending score; below it, why it may not show everything."""
    video = result.video
    title = f"{len(result.tubelets)} tubelets in {video.frames} frames ({video.width}x{video.height})"
    caption = Text("\n").join(map(Text, _notes(result))) or None
    table = Table(title=title, title_justify="left", caption=caption, caption_justify="left")
    for name in ("id", "score", "first frame", "last frame", "frames"):
        table.add_column(name, justify="right")
    table.add_column("class")
    for item in result.tubelets:
        numbers = (item.id, f"{item.score:.3f}", item.first_frame, item.last_frame, item.head.frames)
        table.add_row(*(str(each) for each in numbers), item.category)
    return table


def _notes(result: Result) -> Iterator[str]:
    if result.left_out:
        yield f"not listed: {result.left_out} with a score below min_score, {result.parameters.get('min_score')}"
    if reached := sum(chunk.max_seeds_reached for chunk in result.chunks):
        limit, chunks = result.parameters.get("max_seeds"), len(result.chunks)
        yield f"max_seeds, {limit}, reached in {reached} of {chunks} chunks: objects may be missing"
    if result.video.damage is not None:
        yield f"damaged video: {result.video.damage}"
