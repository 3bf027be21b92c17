import pytest

from service.structures.categories import plain_name


@pytest.mark.parametrize("name", ["giant panda", "giant_panda", "Giant Panda", " GIANT_panda "])
def test_spellings_of_one_name(name: str) -> None:
    assert plain_name(name) == "giant panda"
