"""One direction of a recurrent layer in one pass: what it was given and gave back, and its run anew from that.

Arrays come and go as a LayerRecord has them, samples first; inside, time is first and runs as the layer ran.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import numpy as np

from tb_rnn_plugin.recurrence.activations import ACTIVATIONS, Array
from tb_rnn_plugin.recurrence.cell import Cell, Gradients, Trajectory, Weights
from tb_rnn_plugin.recurrence.gru import GRUCell
from tb_rnn_plugin.recurrence.lstm import LSTMCell
from tb_rnn_plugin.recurrence.plain import PlainCell

# How far the activation that follows from the input may be from the recorded one, in units of the largest: far above
# the rounding of a GPU's TF32, far below what dropout or another function does. Then that of half precision.
_TOLERANCE = 5e-3
_HALF_TOLERANCE = 5e-2
# Sums of products of larger numbers leave the range of float32, in one order of adding them up and not in another.
_OVERFLOWS = 1e30
# The bits of a float32's mantissa that a float16 doesn't have.
_BEYOND_HALF = np.uint32(0x1FFF)


class CannotDerive(ValueError):  # noqa: N818  # it says what happened
    """Nothing can be computed of a layer, or what is computed would be wrong. The message is the reason."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Traits:
    """How a cell was made, and which way it ran.

    Attributes:
        cell: "lstm", "gru" or "rnn".
        gates: In the order of the blocks of its weights.
        activation: The name of φ in `ACTIVATIONS`.
        recurrent_activation: That of σ, which an "rnn" doesn't have.
        reset_after: Of a GRU, whether the reset gate comes after the matrix product.
        input_reversed: Whether it ran from the last timestep of its input to the first.
        output_reversed: Whether its sequences, as they are recorded, run against the way it ran. A bidirectional
            layer's backward half has both, a go_backwards=True layer on its own only the first.
        zero_output_for_mask: Whether the output of a masked step is zeros; if not, it is that of the step before.
        padded: Whether what is masked isn't there at all, as behind the end of a packed sequence.
        half: Whether it computes with numbers of half precision, though its states may be of more.
    """

    cell: str
    gates: tuple[str, ...] = ()
    activation: str = "tanh"
    recurrent_activation: str = "sigmoid"
    reset_after: bool = True
    input_reversed: bool = False
    output_reversed: bool = False
    zero_output_for_mask: bool = False
    padded: bool = False
    half: bool = False

    def equations(self, weights: Weights) -> Cell:
        """The cell with its weights."""
        activation, recurrent = ACTIVATIONS[self.activation], ACTIVATIONS[self.recurrent_activation]
        if self.cell == "lstm":
            return LSTMCell(weights, self.gates, activation, recurrent)
        if self.cell == "gru":
            return GRUCell(weights, self.gates, activation, recurrent, reset_after=self.reset_after)
        return PlainCell(weights, activation)


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Half:
    """One direction of a recurrent layer in one pass.

    Attributes:
        traits: How its cell was made, and which way it ran.
        weights: Matrix name to array, as in a LayerRecord.
        inputs: (samples, timesteps, inputs), in input time.
        mask: (samples, timesteps), in input time, False where a step was left out; or None.
        initial: The states before the first step, (samples, width) each; none for zeros.
        output: (samples, timesteps, width) as recorded, or one timestep where only the last was returned.
        output_gradient: What arrived there, and at the last hidden state; None where no gradient came.
        state_gradients: What arrived at the last states, (samples, width) each, where they were returned.
        lengths: (samples), how long each sequence is, where the layer runs on through the padding behind it, as Flax
            does: there is no mask then. The last states are those at a sequence's end, and a layer that runs from the
            last timestep to the first begins at a sequence's end, and comes to the padding after it.
    """

    traits: Traits
    weights: Mapping[str, Array]
    inputs: Array
    output: Array
    mask: Array | None = None
    initial: Sequence[Array] = ()
    output_gradient: Array | None = None
    state_gradients: Sequence[Array] = ()
    lengths: Array | None = None

    @property
    def timesteps(self) -> int:
        """How many there are."""
        return int(self.inputs.shape[1])

    @property
    def last(self) -> Array:
        """Which of its steps was a sequence's last, (samples)."""
        return (np.full(len(self.inputs), self.timesteps) if self.lengths is None else self.lengths) - 1

    @functools.cached_property
    def trajectory(self) -> Trajectory:
        """What the cell went through.

        Raises:
            CannotDerive: If the activation that follows isn't the recorded one, or arrays don't fit together.
        """
        try:
            cell = self.traits.equations(Weights.of(self.weights))
            x = self._processed(self.inputs, reverse=self.traits.input_reversed)
            initial = self.initial or [np.zeros((x.shape[1], width), x.dtype) for width in cell.state_widths]
            initial = initial[: len(cell.state_widths)]
            made = cell.run(x, initial, mask=self._mask, hidden=self._known(initial[0]))
        except (KeyError, ValueError, TypeError, IndexError) as error:
            raise CannotDerive(f"what was recorded of it doesn't fit together ({error})") from error
        self._check(made)
        return made

    @functools.cached_property
    def gradients(self) -> Gradients:
        """The total gradients of its states.

        Raises:
            CannotDerive: As `trajectory`; or if no gradient came.
        """
        direct = self._direct()
        if len(self.state_gradients) < 2 or self.trajectory.cell_state is None:
            return self.trajectory.gradients(direct)
        to_cell_state = np.zeros_like(self.trajectory.cell_state)
        to_cell_state[self.last, np.arange(len(self.last))] = self.state_gradients[1]
        return self.trajectory.gradients(direct, to_cell_state)

    def hidden_gradient(self) -> Array:
        """dL/dh_t, (samples, timesteps, width)."""
        return self.recorded(self.gradients.hidden)

    def cell_state_gradient(self) -> Array | None:
        """dL/dc_t, (samples, timesteps, units); None where there is no cell state."""
        found = self.gradients.cell_state
        return None if found is None else self.recorded(found)

    def input_gradient(self) -> Array:
        """dL/dx_t by way of this direction, (samples, timesteps, inputs), in input time."""
        return self.input_time(self.trajectory.input_gradient(self.gradients))

    def gates(self) -> dict[str, Array]:
        """Gate to its value, (samples, timesteps, units); zeros where a step was left out."""
        made = {}
        for gate, values in self.trajectory.gates.items():
            acting = values if self._mask is None else np.where(self._mask[:, :, None], values, 0).astype(values.dtype)
            made[gate] = self.recorded(acting)
        return made

    def cell_state(self) -> Array | None:
        """c_t, (samples, timesteps, units); held where a step was left out."""
        found = self.trajectory.cell_state
        return None if found is None else self.recorded(found)

    def place(self, timestep: int) -> Array:
        """When the layer came to a timestep of its recorded sequences, (samples)."""
        steps = np.repeat(np.arange(self.timesteps)[:, None], len(self.inputs), axis=1)
        made: Array = (self._turned(steps) if self.traits.output_reversed else steps)[timestep]
        return made

    def exists(self, place: Array) -> Array:
        """Which samples have what the layer came to then, (samples): behind the end of a packed sequence is nothing."""
        mask = self._mask if self.traits.padded else None
        return np.ones(len(self.inputs), bool) if mask is None else mask[place, np.arange(len(place))]

    def input_time(self, values: Array) -> Array:
        """(timesteps, …, samples, inputs) as the layer ran, to (…, samples, timesteps, inputs) in input time."""
        return np.ascontiguousarray(np.moveaxis(self._turned(values) if self.traits.input_reversed else values, 0, -2))

    def recorded(self, values: Array) -> Array:
        """(timesteps, …, samples, channels) as the layer ran, to (…, samples, timesteps, channels) as is recorded."""
        if self.traits.padded and self._mask is not None:
            there = self._mask.reshape(len(values), *[1] * (values.ndim - 3), -1, 1)
            values = np.where(there, values, 0).astype(values.dtype)
        if self.traits.output_reversed:
            values = self._turned(values)
        return np.ascontiguousarray(np.moveaxis(values, 0, -2))

    @functools.cached_property
    def _mask(self) -> Array | None:
        if self.mask is None or self.mask.all():
            return None
        return self._processed(np.asarray(self.mask, bool), reverse=self.traits.input_reversed)

    def _processed(self, values: Array, *, reverse: bool) -> Array:
        """(samples, timesteps, …) to (timesteps, samples, …), as the layer ran."""
        values = values.swapaxes(0, 1)
        return np.ascontiguousarray(self._turned(values) if reverse else values)

    def _turned(self, values: Array) -> Array:
        """(timesteps, …, samples, channels), or (timesteps, samples), from the last timestep to the first, or back.

        Where there are lengths, a sequence is turned around for itself, and so is the padding behind it.
        """
        if self.lengths is None:
            return values[::-1]
        order = (np.arange(self.timesteps)[::-1, None] + self.lengths) % self.timesteps
        if values.ndim > 2:
            order = order.reshape(len(values), *[1] * (values.ndim - 3), -1, 1)
        return np.take_along_axis(values, order, axis=0)

    @property
    def _is_whole(self) -> bool:
        """Whether the output is known at all timesteps."""
        return bool(self.output.shape[1] == self.timesteps)

    def _known(self, initial: Array) -> Array | None:
        """h_t, from the output: a step that was left out holds the state, whatever it gave out."""
        if not self._is_whole:
            return None
        hidden = self._processed(self.output, reverse=self.traits.output_reversed)
        if self._mask is not None:
            hidden = hidden.copy()  # of one sample it may still be the recorded array itself
            now = initial
            for t, there in enumerate(self._mask):
                now = hidden[t] = np.where(there[:, None], hidden[t], now)
        return hidden

    def _check(self, made: Trajectory) -> None:
        """Holds what follows from the input against what was recorded."""
        if self._is_whole:
            recomputed, recorded = made.recomputed, made.hidden
            if self._mask is not None:
                recomputed, recorded = recomputed[self._mask], recorded[self._mask]
        else:
            recomputed, recorded = made.hidden[-1], self.output[:, 0]
            if self._mask is not None:
                ended = self._mask[-1] if self.traits.zero_output_for_mask else self._mask.any(axis=0)
                recomputed, recorded = recomputed[ended], recorded[ended]
        finite = np.isfinite(recorded) & np.isfinite(recomputed)
        if not finite.any():
            return
        difference = float(np.abs(recomputed[finite] - recorded[finite]).max())
        largest = float(np.abs(recorded[finite]).max())
        tolerance = _HALF_TOLERANCE if self.traits.half or _is_half(recorded) else _TOLERANCE
        if difference > tolerance * largest:
            if largest > _OVERFLOWS:
                raise CannotDerive(f"its activation is too large for float32 to compute with ({largest:.2g})")
            raise CannotDerive(
                "the activation that follows from its input and weights is not the recorded one (off by "
                f"{difference:.2g}, of {largest:.2g}): there is something in the cell that isn't known, such as "
                "dropout or a call of its own"
            )

    def _direct(self) -> Array:
        """What arrives at each h_t from outside of the recurrence, (timesteps, samples, width)."""
        if self.output_gradient is None:
            raise CannotDerive("no gradient reached it")
        hidden = self.trajectory.hidden
        if not self._is_whole:
            direct = np.zeros_like(hidden)
            direct[-1] = self.output_gradient[:, 0]
        else:
            direct = self._processed(self.output_gradient, reverse=self.traits.output_reversed)
        if self._mask is None:
            return direct
        # Where a step is left out, the output is h_t or zeros; before the first step that isn't, always zeros.
        is_state = self._mask if self.traits.zero_output_for_mask else np.logical_or.accumulate(self._mask)
        of_last = self.state_gradients[0] if self.state_gradients else np.zeros_like(direct[-1])
        last = np.where(is_state[-1][:, None], direct[-1], of_last)
        direct = np.where(is_state[:, :, None], direct, 0).astype(hidden.dtype)
        direct[-1] = last
        return direct


def _is_half(values: Array) -> bool:
    """Whether these are numbers of half precision."""
    if values.dtype != np.float32:
        return False
    return not (np.ascontiguousarray(values).view(np.uint32) & _BEYOND_HALF).any()
