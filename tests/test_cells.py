"""What is known of the cells."""

import numpy as np
import pytest

from tb_rnn_plugin import cells


@pytest.mark.parametrize("cell", cells.CELLS)
def test_gates_are_split_in_the_order_of_the_blocks(cell: str) -> None:
    gates = cells.KERAS_GATES[cell]
    matrix = np.arange(2 * 3 * cells.block_count(gates), dtype=np.float32).reshape(2, -1)
    split = cells.split_gates(matrix, gates)
    assert tuple(split) == (gates or ("",))
    assert np.array_equal(np.concatenate(list(split.values()), axis=-1), matrix)
    assert all(np.shares_memory(block, matrix) for block in split.values())


def test_a_matrix_that_has_no_such_blocks_is_refused() -> None:
    with pytest.raises(ValueError, match=r"4 equal blocks.*\(2, 6\)"):
        cells.split_gates(np.zeros((2, 6), np.float32), cells.KERAS_GATES["lstm"])
