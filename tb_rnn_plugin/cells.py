"""What is known of every recurrent cell: its gates, their order, and the shapes of its weights.

All weights are in Keras's orientation: inputs (or units) along the first axis, gates x units along the last one.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

FORWARD = "forward"
BACKWARD = "backward"

#: Gates of each cell in the order of Keras's weight blocks. A plain RNN has no gates.
KERAS_GATES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "lstm": ("input", "forget", "cell", "output"),
        "gru": ("update", "reset", "candidate"),
        "rnn": (),
    }
)

#: The same in the order of the blocks of PyTorch and Flax, whose GRU has reset and update the other way round.
TORCH_GATES: Mapping[str, tuple[str, ...]] = MappingProxyType({**KERAS_GATES, "gru": ("reset", "update", "candidate")})
FLAX_GATES = TORCH_GATES

CELLS: tuple[str, ...] = tuple(KERAS_GATES)

#: Every gate name that a cell may have; the order in a layer's weights is the layer's own.
GATE_NAMES: Mapping[str, frozenset[str]] = MappingProxyType(
    {cell: frozenset(gates) for cell, gates in KERAS_GATES.items()}
)


def block_count(gates: Sequence[str]) -> int:
    """The number of unit-wide blocks along the last axis of a layer's weights: one a gate, one where there are none."""
    return max(len(gates), 1)


def split_gates(matrix: npt.NDArray[np.float32], gates: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
    """Splits a weight array into its gates.

    Args:
        matrix: A kernel, recurrent kernel or bias, (..., gates x units).
        gates: The names of the blocks along the last axis, in their order.

    Returns:
        Gate name to a view of its block, (..., units). A layer without gates has one block, named "".

    Raises:
        ValueError: If the last axis can't be cut into as many equal blocks as there are gates.
    """
    blocks = block_count(gates)
    if matrix.shape[-1] % blocks:
        raise ValueError(
            f"matrix: expected a last axis of {blocks} equal blocks, one for each of the gates {tuple(gates)}, "
            f"but its shape is {matrix.shape}."
        )
    return dict(zip(gates or ("",), np.split(matrix, blocks, axis=-1), strict=True))
