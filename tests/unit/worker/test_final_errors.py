"""Which errors another attempt can't mend."""

import pytest

from dualtrack import errors, protocol
from service.worker.engine_main import Reporter


@pytest.mark.parametrize(
    ("error", "final"),
    [
        (errors.InvalidVideo("x", code="malformed"), True),
        (errors.InvalidDetections("x"), True),
        (errors.ContractViolation("x"), True),
        (errors.Canceled("x"), True),
        (errors.InvalidResult("x"), False),
        (errors.Unavailable("x", code="disk-full"), False),
        (errors.InferenceTimeout("x"), False),
        (errors.InferenceError("x"), False),
    ],
)
def test_what_is_final(error: errors.DualtrackError, final: bool) -> None:
    said: list[protocol.Answer] = []
    Reporter(said.append).failed(error)
    assert said == [protocol.Failed(0, error.code, "x", final)]
