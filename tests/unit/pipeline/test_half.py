"""float16 conversion gives numpy's bits."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from service.pipeline.features.half import to_half, to_single

ALL = np.arange(1 << 16, dtype=np.uint16).view(np.float16)


def test_every_half_comes_back() -> None:
    finite = ALL[np.isfinite(ALL)].reshape(2, -1)
    single = to_single(finite)
    assert single.dtype == np.float32
    assert single.shape == finite.shape
    assert single.tobytes() == finite.astype(np.float32).tobytes()
    assert to_half(single).tobytes() == finite.tobytes()


@given(arrays.arrays(np.float32, (3, 7), elements=st.floats(-65504, 65504, width=32)))
def test_rounded_as_numpy_rounds(values: np.ndarray) -> None:
    assert to_half(values).tobytes() == values.astype(np.float16).tobytes()


def test_ties_go_to_even_and_small_ones_below_the_normal_range() -> None:
    ties = np.array([1 + 2.0**-11, 1 + 3 * 2.0**-11, 2.0**-25, 3 * 2.0**-25, 2.0**-24], np.float32)
    assert to_half(ties).tobytes() == ties.astype(np.float16).tobytes()


def test_beyond_the_range_is_infinite() -> None:
    assert to_half(np.array([1e6, -1e6], np.float32)).tolist() == [np.inf, -np.inf]
