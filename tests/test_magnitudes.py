"""Means and ends of what is finite, against plain loops."""

import math

import numpy as np
import pytest

from tb_rnn_plugin.record import FloatArray
from tb_rnn_plugin.serving.magnitudes import FiniteRange, finite_range, magnitude_sums


def special(seed: int, rows: int, columns: int) -> FloatArray:
    rng = np.random.default_rng(seed)
    array = rng.normal(size=(rows, columns)).astype(np.float32)
    array[rng.random(array.shape) < 0.2] = np.nan
    array[rng.random(array.shape) < 0.1] = np.inf
    array[rng.random(array.shape) < 0.1] = -np.inf
    array[2] = np.nan
    return array


def mean_magnitude(values: list[float]) -> float:
    finite = [abs(value) for value in values if math.isfinite(value)]
    return math.fsum(finite) / len(finite) if finite else math.nan


@pytest.mark.parametrize("block", [1, 2, 5, 100])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("finite", [True, False])
def test_means_leave_out_what_is_not_finite(block: int, axis: int, finite: bool) -> None:
    array = np.nan_to_num(special(0, 11, 7)) if finite else special(0, 11, 7)
    along = array if axis == 1 else array.T
    expected = [mean_magnitude(along[first : first + block].ravel().tolist()) for first in range(0, len(along), block)]
    assert magnitude_sums(array, axis).means(block) == pytest.approx(expected, rel=1e-6, nan_ok=True)


def test_means_hold_what_squares_would_not() -> None:
    for size in (1e-40, 1e38):
        array = np.full((4, 3), size, np.float32)
        assert magnitude_sums(array, 0).means() == pytest.approx([size] * 3, rel=1e-4)


def test_the_array_is_left_as_it_was() -> None:
    array = special(1, 5, 4)
    before = array.copy()
    magnitude_sums(array, 0)
    finite_range(array)
    assert np.array_equal(array, before, equal_nan=True)


def test_ends_of_what_is_finite() -> None:
    array = special(2, 9, 6)
    finite = [value for value in array.ravel().tolist() if math.isfinite(value)]
    found = finite_range(array)
    assert (found.low, found.high) == (min(finite), max(finite))
    assert found.nan == sum(math.isnan(value) for value in array.ravel().tolist())
    assert found.inf == sum(math.isinf(value) for value in array.ravel().tolist())


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[1.0, -3.0]], FiniteRange(0, 0, -3.0, 1.0)),
        ([[np.nan, 2.0]], FiniteRange(1, 0, 2.0, 2.0)),
        ([[np.inf, 2.0]], FiniteRange(0, 1, 2.0, 2.0)),
        ([[np.nan, -np.inf]], FiniteRange(1, 1, None, None)),
        ([[]], FiniteRange(0, 0, None, None)),
    ],
)
def test_ends_of_little(values: list[list[float]], expected: FiniteRange) -> None:
    assert finite_range(np.array(values, np.float32)) == expected
