"""Where a gate was there, of gates with padding in them."""

import numpy as np

from tb_rnn_plugin.diagnostics.padding import acting

GATE = np.random.default_rng(6).uniform(0.1, 0.9, (2, 4, 3)).astype(np.float32)


def test_where_all_units_are_zero_is_padding() -> None:
    gate = GATE.copy()
    gate[0, 2:] = 0
    gate[1, 1, :2] = 0  # but not the third unit
    assert acting(gate).tolist() == [[True, True, False, False], [True] * 4]


def test_a_gate_that_is_zero_throughout_is_there() -> None:
    assert acting(np.zeros_like(GATE)).all()


def test_nan_is_no_padding() -> None:
    gate = GATE.copy()
    gate[0, 1] = np.nan
    assert acting(gate).all()
