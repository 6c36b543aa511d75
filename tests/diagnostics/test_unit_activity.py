"""Dead and dormant units, by construction and against plain loops."""

import statistics

import numpy as np
import pytest

from tb_rnn_plugin.diagnostics.unit_activity import dead_units, dormancy
from tb_rnn_plugin.record import FloatArray

RNG = np.random.default_rng(2)


def activation() -> FloatArray:
    return np.tanh(RNG.normal(0, 1, (3, 10, 12))).astype(np.float32)


def dead(h: FloatArray) -> list[int]:
    return np.flatnonzero(dead_units(h, 1e-7, 1e-8)).tolist()


def test_a_healthy_layer_has_none() -> None:
    assert dead(activation()) == []


def test_zero_tiny_constant_and_saturated_units_are_dead() -> None:
    h = activation()
    h[:, :, 0] = 0
    h[:, :, 1] = 1e-9 * h[:, :, 2]
    h[:, :, 3] = 0.731
    h[:, :, 4] = 1 - 1e-7 * (RNG.random((3, 10)) > 0.5)
    h[:, :, 5] = 0.5 + 1e-5 * h[:, :, 2]
    assert dead(h) == [0, 1, 3, 4, 5]


def test_a_small_unit_that_varies_is_alive() -> None:
    h = activation()
    h[:, :, 0] *= 1e-3
    assert dead(h) == []


def test_the_rule_of_variance_against_a_loop() -> None:
    h = activation() * np.logspace(-6, 0, 12, dtype=np.float32)
    variances = [statistics.pvariance(h[:, :, unit].astype(float).ravel().tolist()) for unit in range(12)]
    expected = [unit for unit, one in enumerate(variances) if one < 1e-3 * statistics.median(variances)]
    assert 0 < len(expected) < 12
    assert np.flatnonzero(dead_units(h, 1e-30, 1e-3)).tolist() == expected


def test_units_are_dead_even_where_most_are() -> None:
    h = np.full((2, 5, 6), 0.3, np.float32)
    h[:, :, 5] = activation()[:2, :5, 0]
    assert dead(h) == [0, 1, 2, 3, 4]


def test_one_number_of_a_unit_can_be_zero_but_not_constant() -> None:
    assert dead(np.array([[[0.5, 0, -0.2]]], np.float32)) == [1]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_not_called_dead(bad: float) -> None:
    h = activation()
    h[:, :, 0] = 0
    h[:, :, 1] = bad
    assert dead(h) == [0]


def test_dormancy_against_a_loop() -> None:
    h = activation()
    h[:, :, 0] *= 0.01
    means = [statistics.fmean(abs(v) for v in h[:, :, unit].astype(float).ravel().tolist()) for unit in range(12)]
    found = dormancy(h)
    assert found.tolist() == pytest.approx([mean / statistics.fmean(means) for mean in means])
    assert np.flatnonzero(found <= 0.025).tolist() == [0]


def test_no_dormancy_of_nothing() -> None:
    assert np.isnan(dormancy(np.zeros((1, 2, 3), np.float32))).all()
