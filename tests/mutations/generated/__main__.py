"""Runs a sample of the mutants that mutmut makes of the pure core.

python -m tests.mutations.generated                      the fixed sample, parts 0 and 1 of 4
python -m tests.mutations.generated --parts 2            another part: how good are the tests where nobody looked?
python -m tests.mutations.generated stitching _pairs     all mutants whose function contains a word
python -m tests.mutations.generated chunks --parts 0 1   those of them that are in the sample

Exit code 0: enough die, and of the fixed sample all survivors are listed in `equivalent.toml`. 1: not so. 2: mutmut
could not run. `mutants/` has mutmut's files afterwards: `mutmut show NAME`, `mutmut browse`.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.mutation.file_mutation import mutate_file_contents
from mutmut.stats import status_by_exit_code
from mutmut.utils.file_utils import walk_mutatable_files
from mutmut.utils.format_utils import get_mutant_name

from tests.mutations.generated.sample import (
    PARTS,
    SAMPLE,
    Change,
    Mutant,
    Report,
    change_of,
    equivalents,
    function_of,
    part_of,
)

ROOT = Path(__file__).parents[3]
TABLE = Path(__file__).with_name("equivalent.toml")
WORK = Path("mutants")
"""mutmut's folder, in the current one, which is the root."""
MOST_MEMORY = 6 << 30
"""Address space of a child: a loop that never ends may fill a list."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw, run and report; the exit code."""
    parser = argparse.ArgumentParser(description="Run a sample of mutmut's mutants of the pure core.")
    parser.add_argument(
        "words", nargs="*", help="only mutants whose function contains one of these, by default of all parts"
    )
    parser.add_argument("--parts", type=int, nargs="+", choices=range(PARTS), help="which parts (default 0 1)")
    parser.add_argument("--children", type=int, default=2, help="mutants that run at the same time (default 2)")
    given = parser.parse_args(arguments)
    parts = set(given.parts or (range(PARTS) if given.words else SAMPLE))
    os.chdir(ROOT)
    files = _names()
    chosen = {name for name in files if _is_chosen(name, parts, given.words)}
    print(f"{len(chosen)} of {len(files)} mutants; mutmut writes to {WORK}.log", flush=True)
    start, cpu = time.monotonic(), _cpu_s()
    if code := _run(sorted(chosen), given.children):
        print(f"error: mutmut ended with {code}, see {WORK}.log", file=sys.stderr)
        return 2
    listed = equivalents(TABLE)
    report = Report(_outcomes(chosen, files), listed, _stale(listed, files))
    for mutant in report.survivors:
        print(f"\n{mutant.name}: {mutant.outcome}")
        print("\n".join(get_diff_for_mutant(mutant.name, path=files[mutant.name]).splitlines()[2:]))
    print(f"\n{report.summary()}; {time.monotonic() - start:.0f} s, {_cpu_s() - cpu:.0f} s of CPU time")
    faults = report.faults(all_listed=parts <= set(SAMPLE))
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


def _names() -> dict[str, Path]:
    """The names of all mutants, with their files."""
    made = {path: mutate_file_contents(str(path), path.read_text()).mutant_names for path in walk_mutatable_files()}
    return {get_mutant_name(path, each): path for path, names in sorted(made.items()) for each in names}


def _is_chosen(name: str, parts: set[int], words: Sequence[str]) -> bool:
    return part_of(name) in parts and (not words or any(word in function_of(name) for word in words))


def _run(names: Sequence[str], children: int) -> int:
    # results of another version of the tests would stay
    shutil.rmtree(WORK, ignore_errors=True)
    command = [sys.executable, "-c", "from mutmut.__main__ import cli; cli()", "run", "--max-children", str(children)]
    # of pytest's plugins only those that these tests need: some take a second to import
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "OMP_NUM_THREADS": "1"}
    with Path(f"{WORK}.log").open("wb") as log:
        return subprocess.run(
            [*command, *names], env=environment, stdout=log, stderr=log, check=False, preexec_fn=_limited
        ).returncode


def _limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _outcomes(names: set[str], files: dict[str, Path]) -> list[Mutant]:
    codes: dict[str, int | None] = {}
    for path in {files[name] for name in names}:
        codes |= json.loads((WORK / f"{path}.meta").read_text())["exit_code_by_key"]
    return [Mutant(name, _change(name, files), status_by_exit_code[codes[name]]) for name in sorted(names)]


def _stale(listed: dict[Change, str], files: dict[str, Path]) -> list[Change]:
    functions = {change.function for change in listed}
    made = {_change(name, files) for name in files if function_of(name) in functions}
    return [change for change in listed if change not in made]


def _change(name: str, files: dict[str, Path]) -> Change:
    return change_of(name, get_diff_for_mutant(name, path=files[name]))


if __name__ == "__main__":
    sys.exit(main())
