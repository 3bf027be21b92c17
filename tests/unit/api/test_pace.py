"""How slow a body may be, in seconds that the test makes."""

from collections.abc import Sequence

import pytest

from dualtrack.errors import InvalidInput, Overloaded
from service.api.intake.pace import LEAST_RATE, MOST_SLOW, SLOW_RATE, Pace, SlowBodies


def feed(pace: Pace, chunks: Sequence[tuple[int, float]]) -> None:
    for size, waited_s in chunks:
        pace.came(size, waited_s)


@pytest.mark.parametrize(
    ("chunks", "wanted"),
    [
        ([(1, 1.0)] * 40, "at least 1024 bytes/s"),
        ([(1 << 20, 1.0), *[(1, 1.0)] * 60], "at least 1024 bytes/s"),
        ([(1 << 20, 100.0)] * 11, "within 1000 s"),
        ([(1000, 0.1)] * 9, None),
        ([(1, 29.0), (1 << 20, 1.0)] * 5, None),
        ([(LEAST_RATE, 1.0)] * 200, None),
    ],
    ids=["a byte a second", "fast, then slow", "never ending", "short", "pauses", "least rate"],
)
def test_a_body_is_ended_that_only_holds_a_slot(chunks: list[tuple[int, float]], wanted: str | None) -> None:
    pace = Pace("client", SlowBodies(), deadline_s=1000)
    if wanted is None:
        feed(pace, chunks)
        return
    with pytest.raises(InvalidInput, match=wanted) as ended:
        feed(pace, chunks)
    assert ended.value.code == "upload-stalled"


def test_one_client_has_a_few_slow_bodies_and_any_number_of_fast_ones() -> None:
    slow = SlowBodies()
    trickle, stream = [(LEAST_RATE * 2, 1.0)] * 6, [(SLOW_RATE, 1.0)] * 6
    for _ in range(3 * MOST_SLOW):
        feed(Pace("client", slow, deadline_s=1000), stream)
    kept = [Pace("client", slow, deadline_s=1000) for _ in range(MOST_SLOW)]
    for pace in kept:
        feed(pace, trickle)
    one_more = Pace("client", slow, deadline_s=1000)
    with pytest.raises(Overloaded, match="of one client"), one_more.followed():
        feed(one_more, trickle)
    feed(Pace("another", slow, deadline_s=1000), trickle)
    feed(Pace("client", slow, deadline_s=1000), stream)
    # one that becomes faster, and one that ends, make room
    feed(kept[0], [(SLOW_RATE * 20, 1.0)])
    with kept[1].followed():
        pass
    for _ in range(2):
        feed(Pace("client", slow, deadline_s=1000), trickle)
