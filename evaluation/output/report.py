"""A static HTML report of an evaluation: metrics, strata, error breakdown, and images of the worst clips."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from evaluation.data.dataset import Document
from evaluation.metrics.breakdown import Breakdown, break_down
from evaluation.metrics.faults import KINDS, ClipFaults, clip_faults
from evaluation.metrics.ytvis import figures
from evaluation.output.pictures import write_picture
from evaluation.output.tables import number
from evaluation.runs.videos import Evaluation

WORST = 6
"""Number of clips shown."""
FRAMES = 3
"""Number of frames shown per clip."""
MORE = 2
"""Tubelets drawn beyond the number of objects, best first: all of them would hide each other."""
MEANING = {
    "class": "correct location (IoU ≥ 0.5), wrong class",
    "localisation": "correct class, 0.1 ≤ IoU < 0.5",
    "both": "wrong class and 0.1 ≤ IoU < 0.5",
    "duplicate": "a better tubelet has the object",
    "background": "IoU < 0.1 with every object",
    "missed": "object without a tubelet, not explained by the above",
}
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1000px; margin: 2rem auto; padding: 0 1rem; color: #222 }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.2rem } h3 { font-size: 1rem; margin: 1.8rem 0 .3rem }
table { border-collapse: collapse } th, td { padding: .2rem .8rem .2rem 0; text-align: right; white-space: nowrap }
th { border-bottom: 1px solid #999; font-weight: 600 } td { border-bottom: 1px solid #e5e5e5 }
th:first-child, td:first-child, .text { text-align: left } .scroll { overflow-x: auto }
img { width: 100%; max-width: 966px; display: block } p { max-width: 46rem } .sides { display: flex; max-width: 966px }
.sides span { flex: 1; font-size: .85rem; color: #666 }
"""


@dataclass(frozen=True)
class WorstClip:
    """A clip to show: its position, AP over its own classes, and errors."""

    index: int
    ap: float
    faults: ClipFaults


def write_report(folder: Path, evaluation: Evaluation, title: str, field: str | None) -> Breakdown:
    """Write `index.html` and its images into `folder`; returns the errors that it lists.

    Args:
        folder: created if missing.
        evaluation: of a method, with its records.
        title: of the page.
        field: that defines the strata.
    """
    folder.mkdir(parents=True, exist_ok=True)
    dataset = evaluation.dataset
    results = {
        video.id: [item for item in evaluation.found if item["video_id"] == video.id] for video in evaluation.videos
    }
    faults = [clip_faults(video, dataset.annotations_of(video), results[video.id]) for video in evaluation.videos]
    worst = worst_clips(evaluation.clips, faults)
    for clip in worst:
        video = evaluation.videos[clip.index]
        annotations = dataset.annotations_of(video)
        best = sorted(results[video.id], key=lambda item: -item["score"])[: len(annotations) + MORE]
        path = folder / _picture(clip)
        write_picture(path, video, (annotations, best), dataset.categories, shown_frames(len(video.frames)))
    broken = break_down(faults)
    (folder / "index.html").write_text(_page(evaluation, title, field, broken, worst))
    return broken


def worst_clips(clips: Sequence[Document], faults: Sequence[ClipFaults]) -> list[WorstClip]:
    """Clips with errors, lowest AP first; of clips with equal AP, the one with more errors first."""
    ranked = [
        WorstClip(index, figures([clip])["AP"], found)
        for index, (clip, found) in enumerate(zip(clips, faults, strict=True))
        if found.faults or any(found.switches) or any(found.fragments)
    ]
    return sorted(ranked, key=lambda clip: (clip.ap, -len(clip.faults.faults)))[:WORST]


def shown_frames(length: int) -> list[int]:
    """Positions of the frames to show, evenly spaced without the ends."""
    return sorted({int(t) for t in (np.arange(FRAMES) + 0.5) * length / FRAMES})


_SHOWN = f"<p>{FRAMES} frames of each clip, with the best tubelets: as many as there are objects, plus {MORE}.</p>"


def _picture(clip: WorstClip) -> str:
    return f"clip-{clip.index:04d}.jpg"


def _page(evaluation: Evaluation, title: str, field: str | None, broken: Breakdown, worst: Sequence[WorstClip]) -> str:
    document = evaluation.document()
    rows = [(name, number(value)) for name, value in document.items() if not isinstance(value, list | dict)]
    parts = [f"<h1>{escape(title)}</h1>", _table(("metric", "value"), rows)]
    if evaluation.strata:
        names = list(next(iter(evaluation.strata.values())))
        parts += [
            f"<h2>By {escape(str(field))}</h2>",
            _table((str(field), *names), _stratum_rows(evaluation.strata)),
        ]
    parts += ["<h2>Errors</h2>", *_breakdown(broken), "<h2>Worst clips</h2>", _SHOWN]
    parts += [_clip(clip, evaluation) for clip in worst] or ["<p>No clip has an error.</p>"]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>\n<body>\n'
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _stratum_rows(strata: dict[str, dict[str, float]]) -> list[tuple[str, ...]]:
    return [(value, *(number(figure, digits=3) for figure in found.values())) for value, found in strata.items()]


def _breakdown(broken: Breakdown) -> list[str]:
    rows = [(kind, str(broken.counts[kind]), f"{broken.gains[kind]:+.3f}", MEANING[kind]) for kind in KINDS]
    switched = f"{broken.switched} of {broken.tubelets} tubelets"
    fragmented = f"{broken.fragmented} of {broken.objects} objects"
    tracks = [
        ("switch", str(broken.switches), switched, "the object under a tubelet changes"),
        ("fragment", str(broken.fragments), fragmented, "an additional tubelet that covers the same object"),
    ]
    return [
        "<p>TIDE error types, at tubelet IoU 0.5. ΔAP50: gain in AP50 if all errors of one kind were corrected.</p>",
        _table(("error", "count", "ΔAP50", "meaning"), rows, text=3),
        "<p>Errors of tracks; an object is covered in a frame where the mask IoU is above 0.5.</p>",
        _table(("error", "count", "where", "meaning"), tracks, text=2),
    ]


def _clip(clip: WorstClip, evaluation: Evaluation) -> str:
    video = evaluation.videos[clip.index]
    name = escape(video.name)
    counts = {kind: sum(fault.kind == kind for fault in clip.faults.faults) for kind in KINDS}
    errors = [f"{count} {kind}" for kind, count in counts.items() if count]
    errors += [
        f"{total} {kind}"
        for kind, total in (("switch", sum(clip.faults.switches)), ("fragment", sum(clip.faults.fragments)))
        if total
    ]
    frames = ", ".join(str(video.frames[i]) for i in shown_frames(len(video.frames)))
    return (
        f"<h3>{name}</h3><p>AP {clip.ap:.3f}; {escape(', '.join(errors))}. Frames {frames}.</p>"
        f'<div class="sides"><span>annotation</span><span>answer</span></div>'
        f'<img src="{_picture(clip)}" loading="lazy" alt="{name}: annotation and result">'
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], text: int | None = None) -> str:
    """An HTML table; column `text` and those after it are left-aligned."""

    def cell(tag: str, column: int, value: str) -> str:
        left = ' class="text"' if text is not None and column >= text else ""
        return f"<{tag}{left}>{escape(value)}</{tag}>"

    lines = ["".join(cell("th", i, value) for i, value in enumerate(head))]
    lines += ["".join(cell("td", i, value) for i, value in enumerate(row)) for row in rows]
    return '<div class="scroll"><table>' + "".join(f"<tr>{line}</tr>" for line in lines) + "</table></div>"
