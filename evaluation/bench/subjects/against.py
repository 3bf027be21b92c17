"""Rows 14 and 15: `dualtrack segment` of this version against that of another one, run in turn."""

import asyncio
import os
import resource
import subprocess
from collections.abc import Sequence
from pathlib import Path

from dualtrack.children import python_command
from dualtrack.errors import Unavailable
from evaluation.bench.bench import Bench, middle
from evaluation.bench.figures import Figure, RowOutcome

OURS = python_command("service.cli.main")
FIRST, REPEAT, REPEAT_TH_DET = 0.45, 1.0, 0.3
"""Maximum ratios of CPU time, new to old."""
CHANGES = {"th_cc": "0.2", "th_seq": "0.4", "th_det": "0.25"}
"""Values of a repeated request that neither version has as default."""
NEEDED = "needs --against PROGRAM, the command `dualtrack` of another version in its own environment"


async def first(bench: Bench) -> RowOutcome:
    """Row 14: CPU time of all clips with the default request and an empty cache."""
    if bench.against is None:
        return RowOutcome(why_not=NEEDED)
    old, new = list[float](), list[float]()
    for turn in range(bench.plan.repeats):
        for program, spent in ((str(bench.against),), old), (OURS, new):
            bench.notify(f"{'new' if program is OURS else 'old'}, {turn + 1} of {bench.plan.repeats}")
            folder = bench.own_folder(f"first-{turn}-{'new' if program is OURS else 'old'}")
            spent.append(sum([await _cpu_s(program, clip, folder) for clip in bench.clips]))
    note = f"CPU: old {_list(old)} s, new {_list(new)} s; {len(bench.clips)} clips, one thread"
    return RowOutcome((Figure("", middle(new) / middle(old), "", FIRST),), notes=(note,))


async def repeated(bench: Bench) -> RowOutcome:
    """Row 15: CPU time of the first clip once more, with one parameter changed and the rest in the cache."""
    if bench.against is None:
        return RowOutcome(why_not=NEEDED)
    clip, spent = bench.clips[0], dict[tuple[str, ...], dict[str, list[float]]]()
    programs = ((str(bench.against),), OURS)
    for turn in range(bench.plan.repeats):
        for program in programs:
            bench.notify(f"{'new' if program is OURS else 'old'}, {turn + 1} of {bench.plan.repeats}")
            folder = bench.own_folder(f"repeated-{turn}-{'new' if program is OURS else 'old'}")
            await _cpu_s(program, clip, folder)
            for name, value in CHANGES.items():
                one = await _cpu_s(program, clip, folder, f"{name}={value}")
                spent.setdefault(program, {}).setdefault(name, []).append(one)
    old, new = (spent[program] for program in programs)
    limits = {"th_cc": REPEAT, "th_seq": REPEAT, "th_det": REPEAT_TH_DET}
    figures = tuple(Figure(name, middle(new[name]) / middle(old[name]), "", limits[name]) for name in CHANGES)
    note = "; ".join(f"{name}: old {_list(old[name])} s, new {_list(new[name])} s" for name in CHANGES)
    return RowOutcome(figures, notes=(note,))


async def _cpu_s(program: Sequence[str], clip: Path, folder: Path, *parameters: str) -> float:
    """CPU seconds of one run and all processes that it started.

    Raises:
        Unavailable: it failed.
    """
    words = [
        *program,
        "segment",
        str(clip.absolute()),
        "--out",
        str(folder / "out" / "_".join([clip.stem, *parameters])),
    ]
    for parameter in parameters:
        words += ["-p", parameter]
    own = {"DUALTRACK_DATA_DIR": str(folder / "data"), "DUALTRACK_THREADS": "1", "OMP_NUM_THREADS": "1"}
    before = _children_s()
    # not in a checkout: processes of older versions import packages from the current folder
    done = await asyncio.to_thread(
        subprocess.run, words, env={**os.environ, **own}, cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Unavailable(f"{' '.join(words[:3])}: exit code {done.returncode}: {done.stderr[-300:]}")
    return _children_s() - before


def _children_s() -> float:
    """CPU seconds of all child processes of this one that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _list(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.1f}" for value in values)
