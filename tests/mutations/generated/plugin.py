"""How tests run on a mutant: the same every time, and over at the first failure.

Hypothesis neither draws other examples in every run nor looks for a smaller example of a failure, and the tests that
use it come last: most mutants die before.
"""

import pytest
from hypothesis import Phase, settings

settings.register_profile(
    "mutants", deadline=None, derandomize=True, database=None, phases=(Phase.explicit, Phase.generate)
)


def pytest_configure() -> None:
    settings.load_profile("mutants")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: hasattr(getattr(item, "function", None), "hypothesis"))
