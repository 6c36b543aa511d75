"""Sums over rows and columns, against sums of Python's own floats."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from tb_rnn_plugin.record import FloatArray
from tb_rnn_plugin.statistics import row_sums

RNG = np.random.default_rng(5)
NORMAL = RNG.normal(size=(9, 300)).astype(np.float32)
VANISHING = (NORMAL * 10.0 ** -np.arange(0, 45, 5)[:, None]).astype(np.float32)
ROWS: dict[str, FloatArray] = {
    "normal": NORMAL,
    "from large to vanished": VANISHING,
    "wide rows": RNG.normal(size=(2, 5000)).astype(np.float32),
    "overflowing": np.full((3, 40), np.finfo(np.float32).max, np.float32),
    "one column": NORMAL[:, :1],
    "zero": np.zeros((3, 7), np.float32),
    "many rows": np.tile(NORMAL, (40, 1)),
    "vanished among others": np.concatenate([NORMAL[:, :4], VANISHING[:, :4] * np.float32(1e-20)], axis=1),
}
FUNCTIONS: dict[str, tuple[Callable[[FloatArray], row_sums.Sums], Callable[[float], float]]] = {
    "sums": (row_sums.row_sums, lambda value: value),
    "magnitudes": (row_sums.row_magnitudes, abs),
    "squares": (row_sums.row_squares, lambda value: value * value),
    "squares of columns": (lambda rows: row_sums.column_squares(np.ascontiguousarray(rows.T)), lambda v: v * v),
}


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("what", FUNCTIONS)
def test_against_python(name: str, what: str) -> None:
    function, of_value = FUNCTIONS[what]
    rows = ROWS[name]
    sums = function(rows)
    assert sums.dtype == np.float64
    for found, row in zip(sums, rows.tolist(), strict=True):
        terms = [of_value(value) for value in row]
        # A sum of both signs is as right as the numbers in it are large.
        assert found == pytest.approx(math.fsum(terms), rel=1e-6, abs=1e-6 * math.fsum(map(abs, terms)) or 0.0)


def test_rows_of_hold_every_number_once() -> None:
    flat = np.arange(1000, dtype=np.float32)
    assert np.concatenate([rows.ravel() for rows in row_sums.rows_of(flat)]).tolist() == flat.tolist()
    assert [rows.shape for rows in row_sums.rows_of(flat)] == [(3, 256), (1, 232)]
    assert [rows.shape for rows in row_sums.rows_of(flat[:256])] == [(1, 256)]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_in_its_row(bad: float) -> None:
    rows = NORMAL.copy()
    rows[3, 7] = bad
    squares = row_sums.row_squares(rows)
    assert np.isfinite(squares).tolist() == [index != 3 for index in range(9)]
    squares = row_sums.column_squares(rows)
    assert np.isfinite(squares).tolist() == [index != 7 for index in range(300)]


def test_deviations_from_a_mean_that_is_much_larger() -> None:
    flat = (1e6 + NORMAL.ravel()).astype(np.float32)
    mean = math.fsum(flat.tolist()) / flat.size
    assert row_sums.exact_sum(flat) == pytest.approx(math.fsum(flat.tolist()), rel=1e-14)
    expected = math.fsum((value - mean) ** 2 for value in flat.tolist())
    assert row_sums.squared_deviations(flat, mean) == pytest.approx(expected, rel=1e-12)
