"""What taps on Flax modules left behind, as LayerRecords.

Nothing here is traced: arrays have become numpy arrays before they come here.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from tb_rnn_plugin import cells, record
from tb_rnn_plugin.capture import recurrences
from tb_rnn_plugin.capture.flax import recurrence as flax_recurrence
from tb_rnn_plugin.capture.flax.calls import CELL_STATE, STATE, Arrived, Call, Kept
from tb_rnn_plugin.capture.flax.layers import FRAMEWORK, Array, Layer
from tb_rnn_plugin.capture.flax.sample_order import Sample, in_order
from tb_rnn_plugin.capture.recurrences import Derivation
from tb_rnn_plugin.quantity_names import ACTIVATION, OUTPUT_GRADIENT
from tb_rnn_plugin.recurrence.half import CannotDerive
from tb_rnn_plugin.recurrence.layer import Recurrence


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """What one call of one module left behind.

    Attributes:
        call: How it was called.
        arrived: What arrived, of all samples.
    """

    call: Call
    arrived: Arrived

    @classmethod
    def of(cls, call: Call, samples: Sequence[Sample]) -> "Part":
        """One call of a batch, or of each of its samples, in the order in which they came back."""
        if len(samples) == 1:
            return cls(call, samples[0].arrived)
        arrived = in_order(samples)

        def stacked(values: Sequence[Any], axis: int = 0) -> Any:
            return None if values[0] is None else np.stack(values, axis=axis)

        def each(states: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
            return {name: stacked([state[name] for state in states]) for name in states[0]}

        kept = [of_sample.kept for of_sample in arrived]
        return cls(
            call,
            Arrived(
                stacked([of_sample.output for of_sample in arrived], axis=1),
                stacked([of_sample.gradient for of_sample in arrived], axis=1),
                each([of_sample.state_gradients for of_sample in arrived]),
                Kept(
                    kept[-1].weights,
                    stacked([of_sample.lengths for of_sample in kept]),
                    stacked([of_sample.inputs for of_sample in kept], axis=1),
                    each([of_sample.initial for of_sample in kept]),
                ),
            ),
        )

    def sequences(self) -> dict[str, Array]:
        """Activation and output gradient, (samples, timesteps, channels), in input time."""
        output, gradient = self._in_time(self.arrived.output), self._in_time(self.arrived.gradient)
        if STATE in self.arrived.state_gradients:
            # h_T is y_T: the gradient of the last hidden state, where it is returned, belongs to the output of that
            # step. Without it an encoder of which only the state is used would seem to get no gradient at all.
            samples = np.arange(len(gradient))
            last = 0 if self.call.last_first else self._lengths(gradient) - 1
            gradient[samples, last] += _of_samples(self.arrived.state_gradients[STATE])
        return {ACTIVATION: output, OUTPUT_GRADIENT: gradient}

    def _in_time(self, values: Any) -> Array:  # an array of JAX
        if not self.call.recurrent:
            array = np.array(values, np.float32)
            return array.reshape(-1, *array.shape[-2:]) if array.ndim > 2 else array[:, None, :]
        array = _samples_first(values)
        if self.call.flipped:
            # Padding stays at the end: only what comes before it is turned around, as in Flax's flip_sequences.
            timesteps = array.shape[1]
            order = (np.arange(timesteps)[::-1] + self._lengths(array)[:, None]) % timesteps
            array = np.take_along_axis(array, order[:, :, None], axis=1)
        return array

    def _lengths(self, array: Array) -> Array:
        lengths = self.arrived.kept.lengths
        return np.full(len(array), array.shape[1]) if lengths is None else np.asarray(lengths).reshape(-1)


#: (direction, call) of one layer to what it left behind.
Parts: TypeAlias = Mapping[tuple[str, int], Part]
#: Takes the name of a layer, and why nothing is computed of it.
LeaveOut: TypeAlias = Callable[[str, str], object]


def records(
    layer: Layer,
    parts: Parts,
    gradients: Mapping[str, Mapping[str, Sequence[Any]]],
    derivation: Derivation,
    leave_out: LeaveOut,
) -> Iterator[record.LayerRecord]:
    """A record for each call of a layer.

    Args:
        layer: The layer.
        parts: What its calls left behind.
        gradients: Direction to matrix name to the arrays that form the gradient of the weights, which belong to the
            layer and so to the record of its first call, as do the weights.
        derivation: What is to be computed of it.
        leave_out: Is told where nothing can be.

    Raises:
        ValueError: If arrays don't fit together.
    """
    calls = sorted({call for _, call in parts})
    whole = [call for call in calls if all((direction, call) in parts for direction in layer.halves)]
    sequences_of = [_joined([parts[d, call].sequences() for d in layer.halves], axis=-1) for call in whole]
    shapes = {arrays[ACTIVATION].shape for arrays in sequences_of}
    if layer.cell is None and len(shapes) == 1 and shapes.pop()[1] == 1:  # the calls of a loop, a timestep each
        sequences_of = [_joined(sequences_of, axis=1)]
    for index, arrays in enumerate(sequences_of):
        ran = {d: _ran(layer, d, parts[d, whole[index]].call) for d in layer.halves}
        halves = {ran[d]: parts[d, whole[index]] for d in layer.halves}
        sequences = {quantity: _read_only(array) for quantity, array in arrays.items()}
        weights = _matrices(layer, {d: parts[d, whole[index]].arrived.kept.weights for d in layer.halves}, ran)
        recurrence = None
        if derivation.quantities and all(half.recurrent for half in layer.halves.values()):
            try:
                recurrence = _recurrence(halves, sequences, weights, derivation)
            except ValueError as reason:
                leave_out(layer.name, str(reason))
        yield record.LayerRecord(
            f"{layer.name}/call_{index}" if index else layer.name,
            cell=layer.cell,
            units=layer.units,
            directions=tuple(halves),
            gates=layer.gates,
            sequences=sequences,
            weights={} if index else weights,
            weight_gradients={} if index else _matrices(layer, gradients, ran),
            framework=FRAMEWORK,
            recurrence=recurrence,
        )


def _recurrence(
    halves: Mapping[str, Part],
    sequences: Mapping[str, Array],
    weights: Mapping[str, Mapping[str, Array]],
    derivation: Derivation,
) -> Recurrence:
    """What can be computed of one call of an nnx.RNN, or of both of an nnx.Bidirectional.

    Raises:
        CannotDerive: If what its cell computes, or what it was given, isn't known.
        ValueError: If arrays don't fit together.
    """
    unknown = [half.call.unknown for half in halves.values() if half.call.traits is None]
    if unknown:
        raise CannotDerive(unknown[0])
    return recurrences.recurrence_of(
        {direction: half.call.traits for direction, half in halves.items() if half.call.traits is not None},
        sequences=sequences,
        inputs=_inputs(list(halves.values())),
        weights={
            direction: flax_recurrence.with_residual(of) if halves[direction].call.residual else of
            for direction, of in weights.items()
        },
        derivation=derivation,
    )


def _inputs(halves: Sequence[Part]) -> dict[str, Array]:
    """What a call was given, and the gradients of its last states, by the names of `recurrences`."""
    kept = halves[0].arrived.kept  # both directions are given the same
    if kept.inputs is None:
        return {}
    made = {recurrences.INPUT: _samples_first(kept.inputs)}
    if kept.lengths is not None:
        made[recurrences.LENGTHS] = np.asarray(kept.lengths).reshape(-1)
    for prefix, of_halves in (
        (recurrences.INITIAL_STATE, [half.arrived.kept.initial for half in halves]),
        (recurrences.STATE_GRADIENT, [half.arrived.state_gradients for half in halves]),
    ):
        given = next((states for states in of_halves if states), {})
        names = [name for name in (STATE, CELL_STATE) if name in given]
        for index, (states, name) in enumerate(itertools.product(of_halves, names)):
            made[f"{prefix}{index}"] = _of_samples(states[name] if states else np.zeros_like(given[name]))
    return made


def _samples_first(values: Any) -> Array:
    """(timesteps, …, channels) to (samples, timesteps, channels)."""
    array = np.moveaxis(np.array(values, np.float32), 0, -2)
    return array.reshape(math.prod(array.shape[:-2]), *array.shape[-2:])


def _of_samples(values: Any) -> Array:
    """(…, channels) to (samples, channels)."""
    array = np.asarray(values, np.float32)
    return array.reshape(-1, array.shape[-1])


def _joined(by_part: Sequence[Mapping[str, Array]], axis: int) -> Mapping[str, Array]:
    if len(by_part) == 1:
        return by_part[0]
    return {quantity: np.concatenate([part[quantity] for part in by_part], axis=axis) for quantity in by_part[0]}


def _ran(layer: Layer, direction: str, call: Call) -> str:
    """Which way a direction of a layer ran: a layer on its own may be called to run another way than it was made."""
    if len(layer.halves) > 1 or not call.recurrent:
        return direction
    return cells.BACKWARD if call.last_first else cells.FORWARD


def _matrices(
    layer: Layer, by_direction: Mapping[str, Mapping[str, Sequence[Any]]], ran: Mapping[str, str]
) -> dict[str, dict[str, Array]]:
    """The blocks of each matrix joined; in the layer's order, since JAX sorts by name what travels through it."""
    return {
        ran[direction]: {
            matrix: _read_only(np.concatenate([np.asarray(a, np.float32) for a in blocks[matrix]], axis=-1))
            for matrix in half.parameters
            if matrix in blocks
        }
        for direction, half in layer.halves.items()
        if (blocks := by_direction.get(direction))
    }


def _read_only(array: Array) -> Array:
    """Arrays that were made here will not change: said so, they aren't copied again."""
    array = np.ascontiguousarray(array, dtype=np.float32)
    array.flags.writeable = False
    return array
