"""What every cell has in common: its weights, a run over time, and the way back.

Everything is time first, and all samples at once: (timesteps, samples, channels). There is a single matrix product in
each timestep, which is most of the time that it takes.
"""

import abc
import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from tb_rnn_plugin.recurrence.activations import Array

KERNEL = "kernel"
RECURRENT_KERNEL = "recurrent_kernel"
BIAS = "bias"
PROJECTION_KERNEL = "projection_kernel"


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Weights:
    """The weights of a cell, in Keras's orientation.

    Attributes:
        kernel: W, (inputs, blocks x units).
        recurrent_kernel: U, (width, blocks x units); the width of the hidden state is `units` unless it is projected.
        input_bias: Added to x W, (blocks x units).
        recurrent_bias: Added to h U, (blocks x units).
        projection: P, (units, width); None where the hidden state isn't projected.
    """

    kernel: Array
    recurrent_kernel: Array
    input_bias: Array | None = None
    recurrent_bias: Array | None = None
    projection: Array | None = None

    @classmethod
    def of(cls, matrices: Mapping[str, Array]) -> "Weights":
        """The matrices of one direction of a LayerRecord. A bias of two rows is that of the input, then of the state.

        Raises:
            KeyError: If the kernel or the recurrent kernel is missing.
        """
        bias = matrices.get(BIAS)
        rows = [None, None] if bias is None else [bias, None] if bias.ndim == 1 else [bias[0], bias[1]]
        return cls(
            kernel=matrices[KERNEL],
            recurrent_kernel=matrices[RECURRENT_KERNEL],
            input_bias=rows[0],
            recurrent_bias=rows[1],
            projection=matrices.get(PROJECTION_KERNEL),
        )

    @property
    def bias(self) -> Array | None:
        """Both biases together, for cells that add them."""
        if self.input_bias is None or self.recurrent_bias is None:
            return self.recurrent_bias if self.input_bias is None else self.input_bias
        return self.input_bias + self.recurrent_bias


@dataclasses.dataclass(frozen=True, eq=False)
class Gradients:
    """The total gradients of the states at every timestep.

    Attributes:
        hidden: dL/dh_t, (timesteps, …, samples, width).
        cell_state: dL/dc_t, (timesteps, …, samples, units); None where the cell has no such state.
    """

    hidden: Array
    cell_state: Array | None = None


class Trajectory(abc.ABC):
    """What a cell went through.

    Attributes:
        hidden: h_t, (timesteps, samples, width).
        recomputed: h_t as it follows from h_{t-1} and x_t; where h is given, what it can be held against.
        gates: Gate to its value, (timesteps, samples, units).
        cell_state: c_t, (timesteps, samples, units), where the cell has it.
    """

    hidden: Array
    recomputed: Array
    gates: Mapping[str, Array]
    cell_state: Array | None = None

    @abc.abstractmethod
    def gradients(self, direct: Array, to_cell_state: Array | None = None) -> Gradients:
        """Goes back through time.

        Args:
            direct: What arrives at each h_t from outside of the recurrence, (timesteps, …, samples, width). Axes
                between the first and the last two are for several losses at once.
            to_cell_state: The same of each c_t, (timesteps, …, samples, units); None for nothing.
        """

    @abc.abstractmethod
    def input_gradient(self, gradients: Gradients) -> Array:
        """dL/dx_t, (timesteps, …, samples, inputs), from the gradients of the states."""


class Cell(abc.ABC):
    """The equations of a cell with its weights."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights

    @property
    def state_widths(self) -> tuple[int, ...]:
        """The width of each state: that of h, and for an LSTM that of c."""
        return (self.weights.recurrent_kernel.shape[0],)

    @abc.abstractmethod
    def run(
        self, x: Array, initial: Sequence[Array], *, mask: Array | None = None, hidden: Array | None = None
    ) -> Trajectory:
        """Runs over time.

        Args:
            x: (timesteps, samples, inputs).
            initial: The states before the first timestep, (samples, width) each.
            mask: (timesteps, samples), False where a step is left out: all states are then held.
            hidden: h_t where it is known at all timesteps: then most of it is a single matrix product. Left out, the
                cell is run step by step.
        """


# OpenBLAS, which numpy comes with, wakes its threads for products of more multiplications than these. When training has
# the processors, their waiting for each other takes four times as long as the work, and is time that training lacks.
_MOST_MULTIPLICATIONS = 4 * 65536
_FEWEST_COLUMNS = 32
_TILE_COLUMNS = 64
_FEWEST_TILE_ROWS = 4


class StepProduct:
    """A matrix by which something is multiplied in each timestep."""

    def __init__(self, matrix: Array, rows: int) -> None:
        """Takes the matrix, and how many rows are multiplied at a time."""
        columns = _MOST_MULTIPLICATIONS // max(rows * len(matrix), 1)
        count = -(-matrix.shape[1] // columns) if columns >= _FEWEST_COLUMNS else 1
        self._parts = [np.ascontiguousarray(part) for part in np.array_split(matrix, count, axis=1)]

    def __call__(self, values: Array) -> Array:
        """The product, along the last axis of the values."""
        parts = [values @ part for part in self._parts]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)


def product(values: Array, matrix: Array) -> Array:
    """Values times a matrix along their last axis, for all timesteps at once."""
    flat = values.reshape(-1, values.shape[-1])
    made = np.empty((len(flat), matrix.shape[-1]), np.result_type(flat, matrix))
    rows = _MOST_MULTIPLICATIONS // (_TILE_COLUMNS * max(len(matrix), 1))
    if rows < _FEWEST_TILE_ROWS:
        np.matmul(flat, matrix, out=made)
    else:
        for column in range(0, matrix.shape[-1], _TILE_COLUMNS):
            columns = slice(column, column + _TILE_COLUMNS)
            part = np.ascontiguousarray(matrix[:, columns])
            for row in range(0, len(flat), rows):
                np.matmul(flat[row : row + rows], part, out=made[row : row + rows, columns])
    return made.reshape(*values.shape[:-1], matrix.shape[-1])


def affine(values: Array, matrix: Array, bias: Array | None) -> Array:
    """`product`, and a bias where there is one."""
    made = product(values, matrix)
    if bias is not None:
        made += bias
    return made


def before(states: Array, initial: Array) -> Array:
    """The state that each timestep starts from, (timesteps, samples, width)."""
    return np.concatenate([initial[None], states[:-1]])


def held(new: Array, old: Array, mask: Array | None) -> Array:
    """The new state, but where a sample's step is left out the old one; both (samples, width), the mask (samples)."""
    return new if mask is None else np.where(mask[:, None], new, old)


def steps(mask: Array | None, timesteps: int) -> Sequence[Array | None]:
    """The mask of each timestep; None where no sample is left out."""
    if mask is None:
        return [None] * timesteps
    return [None if of_step.all() else of_step for of_step in mask]


def left_out(mask: Array | None, factors: Mapping[float, Sequence[Array]]) -> None:
    """Puts into arrays (timesteps, samples, …) a value of their own where a step is left out.

    Args:
        mask: (timesteps, samples), or None.
        factors: The value to the arrays that get it.
    """
    if mask is None or mask.all():
        return
    for value, arrays in factors.items():
        for array in arrays:
            array[~mask] = value
