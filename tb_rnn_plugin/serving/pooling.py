"""Pooling an array down to the size it has on screen, without losing what is largest in it."""

import numpy as np
import numpy.typing as npt

from tb_rnn_plugin.record import FloatArray


def pool(array: FloatArray, row_block: int, column_block: int) -> FloatArray:
    """From every block of cells the one of the largest magnitude, with its sign; NaN counts as larger than Inf.

    Args:
        array: (rows, columns).
        row_block: Rows a block; the last may hold fewer.
        column_block: Columns a block; the last may hold fewer.

    Returns:
        (ceil(rows / row_block), ceil(columns / column_block)).
    """
    if row_block == column_block == 1:
        return array
    # A float's bits without the sign order as integers just as its magnitude does, with Inf above every number and NaN
    # above Inf. Rotated left by one the sign is the lowest bit, so that a plain maximum finds the cell and keeps its
    # sign.
    bits = np.ascontiguousarray(array).view(np.uint32)
    rotated = (bits << np.uint32(1)) | (bits >> np.uint32(31))
    rotated = _maximum_of_blocks(_maximum_of_blocks(rotated, row_block, axis=0), column_block, axis=1)
    return ((rotated >> np.uint32(1)) | (rotated << np.uint32(31))).view(np.float32)


def _maximum_of_blocks(bits: npt.NDArray[np.uint32], block: int, *, axis: int) -> npt.NDArray[np.uint32]:
    if block == 1:
        return bits
    return np.maximum.reduceat(bits, np.arange(0, bits.shape[axis], block), axis=axis)


def block_length(length: int, most: int | None) -> int:
    """How many cells one pooled cell stands for, so that at most `most` are left; None: all are left."""
    return 1 if most is None else max(1, -(-length // most))
