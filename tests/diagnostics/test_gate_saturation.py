"""Saturation of gates, counted one by one."""

import numpy as np
import pytest

from tb_rnn_plugin.diagnostics.gate_saturation import Saturation, saturated_shares, saturation

GATE = (1 / (1 + np.exp(-np.random.default_rng(1).normal(0, 3, (3, 7, 5))))).astype(np.float32)


def test_against_a_loop() -> None:
    found = saturation(GATE, 0.1, 0.9)
    for unit in range(5):
        values = GATE[:, :, unit].ravel().tolist()
        assert found.low[unit] == pytest.approx(sum(value < 0.1 for value in values) / len(values))
        assert found.high[unit] == pytest.approx(sum(value > 0.9 for value in values) / len(values))


def test_shares_of_units() -> None:
    of_time = Saturation(low=np.array([1.0, 0.95, 0.5, 0.0, 0.3]), high=np.array([0.0, 0.0, 0.5, 0.99, 0.3]))
    assert saturated_shares(of_time, 0.95) == pytest.approx((2 / 5, 1 / 5, 4 / 5))


def test_padding_does_not_count() -> None:
    """Of two timesteps of padding before one sample, and five behind another, the gates are 0."""
    padded = GATE.copy()
    padded[0, :2] = padded[1, 2:] = 0
    found = saturation(padded, 0.1, 0.9)
    for unit in range(5):
        seen = [*GATE[0, 2:, unit].tolist(), *GATE[1, :2, unit].tolist(), *GATE[2, :, unit].tolist()]
        assert found.low[unit] == pytest.approx(sum(value < 0.1 for value in seen) / len(seen))
        assert found.high[unit] == pytest.approx(sum(value > 0.9 for value in seen) / len(seen))


def test_a_gate_that_is_zero_throughout_is_shut() -> None:
    found = saturation(np.zeros((2, 3, 2), np.float32), 0.1, 0.9)
    assert (found.low.tolist(), found.high.tolist()) == ([1, 1], [0, 0])


def test_nan_counts_as_neither() -> None:
    gate = np.full((1, 2, 1), np.nan, np.float32)
    gate[0, 0] = 0.01
    found = saturation(gate, 0.1, 0.9)
    assert (found.low.tolist(), found.high.tolist()) == ([0.5], [0])
