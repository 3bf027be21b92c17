"""Samples made by other processes."""

from collections.abc import Iterator
from itertools import count, islice

import pytest
import torch
from torch import Tensor

from training.data.sample_stream import sample_stream

pytestmark = pytest.mark.models


def numbered(seed: int) -> Iterator[Tensor]:
    """The seed, then 1, 2, ... more."""
    for number in count():
        yield torch.tensor(seed + number)


def test_without_workers_samples_are_made_here():
    assert [int(sample) for sample in islice(sample_stream(numbered, 5, 0), 3)] == [5, 6, 7]


def test_workers_share_the_work_with_seeds_of_their_own_in_a_stable_order():
    runs = [[int(sample) for sample in islice(sample_stream(numbered, 5, 2), 6)] for _ in range(2)]
    assert runs[0] == runs[1]
    first, second = runs[0][::2], runs[0][1::2]
    assert first == list(range(first[0], first[0] + 3))
    assert second == list(range(second[0], second[0] + 3))
    assert abs(first[0] - second[0]) > 1000


def failing(_: int) -> Iterator[Tensor]:
    """A sample, then a picture that cannot be read."""
    yield torch.zeros(1)
    raise FileNotFoundError("pictures/1.jpg")


def test_errors_in_a_worker_are_raised_here():
    with pytest.raises(FileNotFoundError, match=r"pictures/1\.jpg"):
        list(sample_stream(failing, 0, 1))
