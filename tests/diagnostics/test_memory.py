"""Timescales and cell paths, against plain loops."""

import math
import statistics

import numpy as np
import pytest

from tb_rnn_plugin.diagnostics.memory import cell_path, cell_path_horizon, timescale

KEEP = np.random.default_rng(4).uniform(0.3, 1, (3, 9, 4)).astype(np.float32)


def test_timescale_against_a_loop() -> None:
    found = timescale(KEEP)
    for unit in range(4):
        assert found[unit] == pytest.approx(1 / (1 - statistics.median(KEEP[:, :, unit].ravel().tolist())), rel=1e-5)


def test_a_gate_that_is_always_open_remembers_for_ever() -> None:
    assert timescale(np.ones((1, 3, 1), np.float32)) == math.inf


def test_cell_path_against_a_loop() -> None:
    found = cell_path(KEEP)
    assert found.shape == KEEP.shape
    for sample in range(3):
        for unit in range(4):
            for t in range(9):
                assert found[sample, t, unit] == pytest.approx(
                    math.prod(KEEP[sample, t + 1 :, unit].astype(float).tolist())
                )


def test_padding_does_not_count() -> None:
    """Of two timesteps of padding before one sample, and five behind another, the gates are 0."""
    padded = KEEP.copy()
    padded[0, :2] = padded[1, 4:] = 0
    found = timescale(padded)
    path = cell_path(padded)
    for unit in range(4):
        seen = [*KEEP[0, 2:, unit].tolist(), *KEEP[1, :4, unit].tolist(), *KEEP[2, :, unit].tolist()]
        assert found[unit] == pytest.approx(1 / (1 - statistics.median(seen)), rel=1e-5)
        for t in range(4):
            assert path[1, t, unit] == pytest.approx(math.prod(KEEP[1, t + 1 : 4, unit].astype(float).tolist()))
        assert path[1, 4:, unit].tolist() == [1] * 5


def test_a_gate_that_is_shut_throughout_is_no_padding() -> None:
    shut = np.zeros((2, 5, 3), np.float32)
    assert timescale(shut).tolist() == [1, 1, 1]
    assert cell_path_horizon(shut, 0.01).tolist() == [0, 0, 0]


def test_nothing_is_said_of_a_unit_whose_gate_is_nan() -> None:
    keep = KEEP.copy()
    keep[1, 3, 2] = np.nan
    assert np.isnan(cell_path_horizon(keep, 0.01)).tolist() == [False, False, True, False]
    assert np.isnan(timescale(keep)).tolist() == [False, False, True, False]


def test_cell_path_of_one_timestep() -> None:
    assert cell_path(KEEP[:, :1]).tolist() == np.ones((3, 1, 4)).tolist()


@pytest.mark.parametrize("share", [0.01, 0.5])
def test_cell_path_horizon_against_a_loop(share: float) -> None:
    found = cell_path_horizon(KEEP, share)
    for unit in range(4):
        lags = []
        for sample in range(3):
            lag = 0
            while lag < 8 and math.prod(KEEP[sample, 8 - lag :, unit].astype(float).tolist()) >= share:
                lag += 1
            lags.append(lag)
        assert found[unit] == statistics.median(lags)
