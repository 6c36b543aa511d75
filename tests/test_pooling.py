"""Pooling keeps the largest magnitude of every block, with its sign."""

import math

import numpy as np
import pytest

from tb_rnn_plugin.record import FloatArray
from tb_rnn_plugin.serving.pooling import block_length, pool


def brute_force(array: FloatArray, row_block: int, column_block: int) -> FloatArray:
    rows, columns = array.shape
    pooled = np.empty((math.ceil(rows / row_block), math.ceil(columns / column_block)), np.float32)
    for i, j in np.ndindex(*pooled.shape):
        block = array[i * row_block : (i + 1) * row_block, j * column_block : (j + 1) * column_block].ravel()
        pooled[i, j] = max(block.tolist(), key=lambda v: (math.isnan(v), 0.0 if math.isnan(v) else abs(v)))
    return pooled


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (7, 5), (12, 8), (1, 33), (40, 3)])
@pytest.mark.parametrize("blocks", [(1, 1), (1, 4), (3, 1), (2, 2), (5, 7), (100, 100)])
def test_against_brute_force(rows: int, columns: int, blocks: tuple[int, int]) -> None:
    rng = np.random.default_rng(rows * columns)
    array = (rng.normal(size=(rows, columns)) * 10.0 ** rng.integers(-44, 38, size=(rows, columns))).astype(np.float32)
    special = rng.random(array.shape)
    array[special < 0.1] = np.inf
    array[special < 0.05] = -np.inf
    array[special < 0.02] = np.nan
    pooled = pool(array, *blocks)
    expected = brute_force(array, *blocks)
    assert pooled.dtype == np.float32
    assert np.array_equal(np.isnan(pooled), np.isnan(expected))
    assert np.array_equal(np.abs(pooled), np.abs(expected), equal_nan=True)
    ties = np.isinf(expected)  # of +Inf and -Inf in one block either may be taken
    assert np.array_equal(pooled[~ties], expected[~ties], equal_nan=True)


def test_a_view_that_is_not_contiguous() -> None:
    array = np.random.default_rng(0).normal(size=(20, 30)).astype(np.float32)[::2, ::-3]
    assert np.array_equal(pool(array, 3, 4), brute_force(array, 3, 4))


@pytest.mark.parametrize("length", range(1, 40))
def test_a_block_length_leaves_at_most_as_many_as_asked_for(length: int) -> None:
    assert block_length(length, None) == 1
    for most in range(1, 50):
        block = block_length(length, most)
        assert math.ceil(length / block) <= most
        assert block == 1 or math.ceil(length / (block - 1)) > most
