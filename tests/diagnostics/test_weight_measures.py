"""Dead and large weights, updates and norms, against plain loops."""

import math

import numpy as np
import pytest

from tb_rnn_plugin.diagnostics.weight_measures import count_dead, count_large, update_ratio
from tb_rnn_plugin.record import FloatArray

RNG = np.random.default_rng(6)
WEIGHTS: FloatArray = (RNG.normal(0, 2, (7, 12)) * 10.0 ** RNG.integers(-9, 1, (7, 12))).astype(np.float32)


def test_counts_against_a_loop() -> None:
    values = WEIGHTS.ravel().tolist()
    assert count_dead(WEIGHTS, 1e-7) == sum(abs(value) < 1e-7 for value in values) > 0
    assert count_large(WEIGHTS, 3) == sum(abs(value) > 3 for value in values) > 0


def test_nan_is_neither_dead_nor_large() -> None:
    weights = np.array([np.nan, 0, 5], np.float32)
    assert (count_dead(weights, 1e-7), count_large(weights, 3)) == (1, 1)


@pytest.mark.parametrize("shape", [(5,), (40, 3000)])
def test_update_ratio_against_a_loop(shape: tuple[int, ...]) -> None:
    before = RNG.normal(size=shape).astype(np.float32)
    after = (before * np.float32(1.001) + RNG.normal(0, 1e-3, shape)).astype(np.float32)
    old, new = before.astype(float).ravel(), after.astype(float).ravel()
    expected = math.sqrt(math.fsum((new - old) ** 2) / math.fsum(old**2))
    assert update_ratio(before, after) == pytest.approx(expected, rel=1e-4)


def test_a_transposed_matrix_is_compared_with_its_like() -> None:
    before = RNG.normal(size=(30, 40)).astype(np.float32)
    after = (2 * before).T.copy().T
    assert update_ratio(before, after) == pytest.approx(1)


def test_there_is_no_update_ratio_of_zero_or_nan() -> None:
    zero, one = np.zeros(3, np.float32), np.ones(3, np.float32)
    assert math.isnan(update_ratio(zero, one))
    assert math.isnan(update_ratio(one, one * np.float32(np.nan)))
    assert update_ratio(one, one) == 0
