"""Row 1 (placeholder)."""

from evaluation.bench.bench import Bench
from evaluation.bench.figures import Outcome


async def literal(bench: Bench) -> Outcome:
    """Row 1."""
    return Outcome(why_not="not there yet")
