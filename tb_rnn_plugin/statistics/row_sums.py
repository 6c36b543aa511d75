"""Sums over rows or columns of a matrix, as fast as float32 and as right as float64. Pure functions on arrays."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from tb_rnn_plugin.record import FloatArray

Sums: TypeAlias = npt.NDArray[np.float64]

# Wider rows would add up more of float32's rounding than 1e-6.
_WIDEST = 4096

# Squares of float32 that lie between these have lost nothing that counts to underflow, and none to overflow.
_LEAST, _MOST = 1e-30, 1e37

# Of more rows, one after the other, the same holds of a column.
_MOST_ROWS = 256

# Numbers that are worked on at once: they stay in the processor's cache from one operation to the next.
_CHUNK = 64 * 1024


def rows_of(flat: FloatArray) -> list[FloatArray]:
    """The numbers of a flat array in rows of 256, and a shorter one where some are left over."""
    whole = flat.size - flat.size % 256
    return [rows for rows in (flat[:whole].reshape(-1, 256), flat[None, whole:]) if rows.size]


def row_sums(rows: FloatArray) -> Sums:
    """The sum of each row, of (rows, columns)."""
    return _summed(rows, lambda block: np.einsum("rc->r", block), np.isfinite)


def row_magnitudes(rows: FloatArray) -> Sums:
    """The sum of the magnitudes in each row, of (rows, columns)."""
    return _summed(rows, lambda block: np.einsum("rc->r", np.abs(block)), np.isfinite)


def row_squares(rows: FloatArray) -> Sums:
    """The sum of the squares in each row, of (rows, columns).

    Gradients that have vanished square to less than float32 can hold: such rows are summed in float64.
    """
    # Not a BLAS product, which would wake threads that the training needs.
    return _summed(rows, lambda block: np.einsum("rc,rc->r", block, block), _squares_are_right)


def column_squares(columns: FloatArray) -> Sums:
    """The sum of the squares in each column, of (rows, columns); as `row_squares` does it."""
    sums = np.zeros(columns.shape[1])
    at_once = min(max(_CHUNK // max(columns.shape[1], 1), 1), _MOST_ROWS)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for start in range(0, len(columns), at_once):
            block = columns[start : start + at_once]
            of_block = np.einsum("rc,rc->c", block, block)
            if not _squares_are_right(of_block).all():
                wide = block.astype(np.float64)
                of_block = np.einsum("rc,rc->c", wide, wide)
            sums += of_block
    return sums


def _squares_are_right(sums: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    return (sums > _LEAST) & (sums < _MOST)


def squared_deviations(flat: FloatArray, mean: float) -> float:
    """The sum of (x - mean)² over all numbers, in float64."""
    return sum(float(np.square(block.astype(np.float64) - mean).sum()) for block in _blocks(flat))


def exact_sum(flat: FloatArray) -> float:
    """The sum of all numbers, in float64."""
    return sum(float(block.sum(dtype=np.float64)) for block in _blocks(flat))


def _summed(
    rows: FloatArray,
    sum_rows: Callable[[npt.NDArray[np.floating]], npt.NDArray[np.floating]],
    right: Callable[[Sums], npt.NDArray[np.bool_]],
) -> Sums:
    """The sums of rows: in float32, and once more in float64 where those aren't right."""
    sums = np.empty(len(rows))
    wide = rows.shape[1] > _WIDEST
    at_once = max(_CHUNK // max(rows.shape[1], 1), 1)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):  # a signalling NaN is no news
        for start in range(0, len(rows), at_once):
            block = slice(start, start + at_once)
            if not wide:
                sums[block] = sum_rows(rows[block])
                if right(sums[block]).all():
                    continue
            sums[block] = sum_rows(rows[block].astype(np.float64))
    return sums


def _blocks(flat: FloatArray) -> Iterator[FloatArray]:
    for start in range(0, flat.size, _CHUNK):
        yield flat[start : start + _CHUNK]
