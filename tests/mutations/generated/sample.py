"""Which of mutmut's mutants are run, and what their outcomes amount to."""

import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

PARTS = 4
"""A part is every fourth mutant or so."""
SAMPLE = (0, 1)
"""The parts that `make mutants` runs: all of their survivors are listed."""
ENOUGH = 0.95
"""Share of a part that must die, of those that can."""
DEAD = frozenset({"killed", "timeout", "segfault"})
"""mutmut's words for a mutant that a test noticed, that ended nowhere, or that broke the interpreter."""


def part_of(name: str) -> int:
    """The part that a mutant is in: by a hash of its name, so that changes elsewhere do not move it."""
    return int(sha256(name.encode()).hexdigest(), 16) % PARTS


def function_of(name: str) -> str:
    """`service.m.xǁClassǁmethod__mutmut_3` -> `service.m.Class.method`, `service.m.x_f__mutmut_3` -> `service.m.f`."""
    module, _, mangled = name.partition("__mutmut_")[0].rpartition(".")
    return f"{module}.{mangled[2:].replace('ǁ', '.') if mangled.startswith('xǁ') else mangled.removeprefix('x_')}"


@dataclass(frozen=True, slots=True)
class Change:
    """What a mutant changes.

    Attributes:
        function: with its module, and its class.
        old: the lines that go, without indentation.
        new: the lines that come.
    """

    function: str
    old: str
    new: str


def change_of(name: str, diff: str) -> Change:
    """The change of a mutant from its unified diff."""
    lines = diff.splitlines()[2:]
    old, new = ("\n".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
    return Change(function_of(name), old, new)


def equivalents(table: Path) -> dict[Change, str]:
    """The changes that no test can notice, with the reason.

    The table is a TOML file of `[[equivalent]]` entries with `function`, `old`, `new` and `reason`; `new` is a list, each
    entry of which replaces `old`.
    """
    listed: dict[Change, str] = {}
    for entry in tomllib.loads(table.read_text()).get("equivalent", []):
        for new in entry["new"]:
            change = Change(entry["function"], entry["old"], new)
            if change in listed:
                raise ValueError(f"{table}: listed twice: {_line(change)}")
            listed[change] = entry["reason"]
    return listed


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mutant that was run.

    Attributes:
        name: mutmut's.
        change: what it changes.
        outcome: in mutmut's words.
    """

    name: str
    change: Change
    outcome: str

    @property
    def dead(self) -> bool:
        """Whether the tests noticed it."""
        return self.outcome in DEAD


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a run.

    Attributes:
        mutants: those that were run.
        listed: changes that are listed as equivalent.
        stale: those of `listed` that no mutant makes.
    """

    mutants: Sequence[Mutant]
    listed: Iterable[Change]
    stale: Sequence[Change]

    @property
    def survivors(self) -> list[Mutant]:
        """Mutants that live and are not listed."""
        return [each for each in self.mutants if not each.dead and each.change not in self.listed]

    @property
    def equivalent(self) -> list[Mutant]:
        """Mutants that live and are listed."""
        return [each for each in self.mutants if not each.dead and each.change in self.listed]

    @property
    def not_equivalent(self) -> list[Mutant]:
        """Mutants that are listed and died all the same."""
        return [each for each in self.mutants if each.dead and each.change in self.listed]

    @property
    def share(self) -> float:
        """Share of the mutants that die, of those that are not equivalent."""
        possible = len(self.mutants) - len(self.equivalent)
        return (possible - len(self.survivors)) / possible if possible else 1.0

    def faults(self, *, all_listed: bool) -> list[str]:
        """What is wrong, a line each; with `all_listed` also every survivor that is not listed."""
        faults = [f"listed, but no mutant makes this change: {_line(change)}" for change in self.stale]
        faults += [f"listed as equivalent, but it dies: {_line(each.change)}" for each in self.not_equivalent]
        if all_listed:
            faults += [f"lives, and is not listed: {each.name}" for each in self.survivors]
        if self.share < ENOUGH:
            faults.append(f"{self.share:.1%} die, wanted {ENOUGH:.0%}")
        return faults

    def summary(self) -> str:
        """Counts, on one line."""
        outcomes = Counter(each.outcome for each in self.mutants if each.dead)
        died = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
        return (
            f"{len(self.mutants)} mutants: {died or 'none died'}; {len(self.survivors)} survived, "
            f"{len(self.equivalent)} equivalent; of the others {self.share:.1%} die"
        )


def _line(change: Change) -> str:
    return f"{change.function}: {change.old!r} -> {change.new!r}"
