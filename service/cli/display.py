"""Display of results in the terminal."""

from rich.table import Table

from dualtrack.result.result import Result


def tubelet_table(result: Result) -> Table:
    """Table with one row per tubelet, by descending score."""
    video = result.video
    title = f"{len(result.tubelets)} tubelets in {video.frames} frames ({video.width}x{video.height})"
    table = Table(title=title, title_justify="left")
    for name in ("id", "score", "first frame", "last frame", "frames"):
        table.add_column(name, justify="right")
    table.add_column("class")
    for item in result.tubelets:
        numbers = (item.id, f"{item.score:.3f}", item.first_frame, item.last_frame, item.head.frames)
        table.add_row(*(str(each) for each in numbers), item.category)
    return table
