"""The weights of tf_keras's CuDNNLSTM and CuDNNGRU, in Keras's layout.

These layers hold their matrices as cuDNN reads them from one long vector: each gate's block transposed, and a bias for
the input and one for the state side by side. Their gates stand in Keras's order.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from tb_rnn_plugin import cells, record

#: The cells that the layers compute, by the name of their class.
CELLS = {"CuDNNLSTM": "lstm", "CuDNNGRU": "gru"}

_BIASES = 2  # of the input, and of the state


def cell(layer: object) -> str | None:
    """The cell that a layer computes with cuDNN's weights; None if it is no such layer."""
    return next(
        (CELLS[base.__name__] for base in type(layer).__mro__ if base.__name__ in CELLS and _of_keras(base)), None
    )


def in_keras_layout(array: npt.NDArray[Any], matrix: str, of_cell: str) -> npt.NDArray[Any]:
    """A matrix of such a layer, or the gradient of one, as a Keras LSTM or GRU (reset_after=True) has it.

    For a block K of a kernel, (inputs, units), that is Kᵀ with its numbers filled into (inputs, units) column by
    column; for a block of a recurrent kernel, (units, units), the transpose. Every number only moves, so a gradient
    moves as its matrix does.

    Args:
        array: A kernel (inputs, gates x units), recurrent kernel (units, gates x units) or bias (2 x gates x units).
        matrix: Which of them: "kernel", "recurrent_kernel" or "bias".
        of_cell: "lstm" or "gru".

    Returns:
        The kernel or recurrent kernel in the same shape; the bias as (2, gates x units), of the input and of the state.
        An LSTM adds the two up.
    """
    if matrix == record.BIAS:
        return array.reshape(_BIASES, -1)
    blocks = np.split(array, cells.block_count(cells.KERAS_GATES[of_cell]), axis=1)
    if matrix == record.RECURRENT_KERNEL:
        return np.concatenate([block.T for block in blocks], axis=1)
    return np.concatenate([block.T.reshape(block.shape, order="F") for block in blocks], axis=1)


def _of_keras(layer_class: type) -> bool:
    return layer_class.__module__.partition(".")[0] == "tf_keras"
