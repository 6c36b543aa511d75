"""Weights that are gone, that are too large, and how fast they move. Pure functions on arrays."""

import numpy as np

from tb_rnn_plugin.record import FloatArray
from tb_rnn_plugin.statistics.row_sums import row_squares, rows_of

# Numbers that are worked on at once: they stay in the processor's cache from one operation to the next.
_CHUNK = 64 * 1024


def count_dead(weights: FloatArray, magnitude: float) -> int:
    """How many |w| < magnitude: 1e-7 in deeptrain's introspection. A matrix that begins at zero is dead until it moves.

    Args:
        weights: In any shape. NaN does not count.
        magnitude: Of |w|.
    """
    return int(np.count_nonzero(np.abs(weights) < magnitude))


def count_large(weights: FloatArray, magnitude: float) -> int:
    """How many |w| > magnitude: 3 in deeptrain's introspection.

    Args:
        weights: In any shape. NaN does not count.
        magnitude: Of |w|.
    """
    return int(np.count_nonzero(np.abs(weights) > magnitude))


def update_ratio(before: FloatArray, after: FloatArray) -> float:
    """‖after − before‖₂ / ‖before‖₂: the real update, after the optimizer. CS231n: about 1e-3 a step is usual.

    Args:
        before: In any shape.
        after: In the same shape.

    Returns:
        NaN where `before` is zero, as a bias that has not moved yet, or something is not finite.
    """
    size = _norm(before)
    if not (np.isfinite(size) and size > 0):
        return float("nan")
    old, new = before.ravel(), after.ravel()
    with np.errstate(over="ignore", invalid="ignore"):
        moved = sum(
            float(np.square(_norm(new[start : start + _CHUNK] - old[start : start + _CHUNK])))
            for start in range(0, old.size, _CHUNK)
        )
    ratio = float(np.sqrt(moved)) / size
    return ratio if np.isfinite(ratio) else float("nan")


def _norm(weights: FloatArray) -> float:
    return float(
        np.sqrt(sum(float(row_squares(rows).sum()) for rows in rows_of(np.ascontiguousarray(weights).ravel())))
    )
