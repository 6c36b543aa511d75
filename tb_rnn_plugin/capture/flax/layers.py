"""One layer of a Flax nnx model: where its weights are, and how what its taps leave behind becomes records.

Nothing here is traced: arrays have become numpy arrays before they come here.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tb_rnn_plugin import record
from tb_rnn_plugin.quantity_names import ACTIVATION, OUTPUT_GRADIENT

# Flax's modules and JAX's arrays are Any here: what is asked of them differs from one version's types to the next.
Module: TypeAlias = Any
Array: TypeAlias = npt.NDArray[Any]
Path: TypeAlias = tuple[str | int, ...]

FRAMEWORK = "flax"
_SEQUENCE_RANK = 3


@dataclasses.dataclass(frozen=True, eq=False)
class Half:
    """A module whose output is recorded: a layer, or one direction of it.

    Attributes:
        path: Where it is in the model.
        parameters: Matrix name to the paths, from this module on, of the parameters that joined along their last axis
            are the matrix.
        cell: "lstm", "gru", "rnn", or None for any other module.
        recurrent: Whether it is an nnx.RNN.
    """

    path: Path
    parameters: Mapping[str, tuple[Path, ...]]
    cell: str | None
    recurrent: bool


@dataclasses.dataclass(frozen=True, eq=False)
class Layer:
    """One layer that can be recorded.

    Attributes:
        name: Its path in the model, with "/" between the parts.
        cell: "lstm", "gru", "rnn", or None for any other layer.
        units: The width of one direction, if it has a cell.
        gates: In the order of the blocks of its weights.
        halves: Direction to the module that runs in that direction.
    """

    name: str
    cell: str | None
    units: int | None
    gates: tuple[str, ...]
    halves: Mapping[str, Half]


@dataclasses.dataclass(frozen=True)
class Call:
    """How a module was called: what has to be known to bring its output into input time.

    Attributes:
        recurrent: Whether it is an nnx.RNN; all else is about these.
        time_major: Whether time is the first axis of what it returns.
        turned_back: Whether it ran backwards and returned its output in input time.
        flipped: Whether the output, as the scan over time made it, has to be turned around.
        last_first: Whether the last state belongs to the first timestep of the input.
    """

    recurrent: bool
    time_major: bool = False
    turned_back: bool = False
    flipped: bool = False
    last_first: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """What one call of one module left behind.

    Attributes:
        call: How it was called.
        output: Of an nnx.RNN as the scan over time made it: (timesteps, …, channels).
        gradient: Of the output.
        state_gradient: Of the last hidden state, where that was returned.
        lengths: Of the sequences, where they were given.
        weights: Matrix name to the arrays that form it.
    """

    call: Call
    output: Any
    gradient: Any
    state_gradient: Any = None
    lengths: Any = None
    weights: Mapping[str, Sequence[Any]] = dataclasses.field(default_factory=dict)

    def sequences(self) -> dict[str, Array]:
        """Activation and output gradient, (samples, timesteps, channels), in input time."""
        output, gradient = self._in_time(self.output), self._in_time(self.gradient)
        if self.state_gradient is not None:
            # h_T is y_T: the gradient of the last hidden state, where it is returned, belongs to the output of that
            # step. Without it an encoder of which only the state is used would seem to get no gradient at all.
            samples = np.arange(len(gradient))
            last = 0 if self.call.last_first else self._lengths(gradient) - 1
            state_gradient = np.asarray(self.state_gradient, np.float32)
            gradient[samples, last] += state_gradient.reshape(len(gradient), -1)
        return {ACTIVATION: output, OUTPUT_GRADIENT: gradient}

    def _in_time(self, values: Any) -> Array:  # an array of JAX
        array = np.array(values, np.float32)
        if not self.call.recurrent:
            return array if array.ndim == _SEQUENCE_RANK else array[:, None, :]
        array = np.moveaxis(array, 0, -2)
        array = array.reshape(math.prod(array.shape[:-2]), *array.shape[-2:])
        if self.call.flipped:
            # Padding stays at the end: only what comes before it is turned around, as in Flax's flip_sequences.
            timesteps = array.shape[1]
            order = (np.arange(timesteps)[::-1] + self._lengths(array)[:, None]) % timesteps
            array = np.take_along_axis(array, order[:, :, None], axis=1)
        return array

    def _lengths(self, array: Array) -> Array:
        if self.lengths is None:
            return np.full(len(array), array.shape[1])
        return np.asarray(self.lengths).reshape(-1)


#: (direction, call) of one layer to what it left behind.
Parts: TypeAlias = Mapping[tuple[str, int], Part]


def records(
    layers: Sequence[tuple[Layer, Parts, Mapping[str, Mapping[str, Sequence[Any]]]]],
) -> Iterator[record.LayerRecord]:
    """A record for each call of each layer.

    Args:
        layers: Each with its parts, and direction to matrix name to the arrays that form the gradient of the weights,
            which belong to the layer and so to the record of its first call, as do the weights.

    Raises:
        ValueError: If arrays don't fit together.
    """
    for layer, parts, gradients in layers:
        calls = sorted({call for _, call in parts})
        whole = [call for call in calls if all((direction, call) in parts for direction in layer.halves)]
        sequences_of = [_joined([parts[d, call].sequences() for d in layer.halves], axis=-1) for call in whole]
        shapes = {arrays[ACTIVATION].shape for arrays in sequences_of}
        if layer.cell is None and len(shapes) == 1 and shapes.pop()[1] == 1:  # the calls of a loop, a timestep each
            sequences_of = [_joined(sequences_of, axis=1)]
        for index, sequences in enumerate(sequences_of):
            halves = {direction: parts[direction, whole[0]] for direction in layer.halves}
            yield record.LayerRecord(
                f"{layer.name}/call_{index}" if index else layer.name,
                cell=layer.cell,
                units=layer.units,
                directions=tuple(layer.halves),
                gates=layer.gates,
                sequences={quantity: _read_only(array) for quantity, array in sequences.items()},
                weights={} if index else _matrices(layer, {d: half.weights for d, half in halves.items()}),
                weight_gradients={} if index else _matrices(layer, gradients),
                framework=FRAMEWORK,
            )


def _joined(by_part: Sequence[Mapping[str, Array]], axis: int) -> Mapping[str, Array]:
    if len(by_part) == 1:
        return by_part[0]
    return {quantity: np.concatenate([part[quantity] for part in by_part], axis=axis) for quantity in by_part[0]}


def _matrices(layer: Layer, by_direction: Mapping[str, Mapping[str, Sequence[Any]]]) -> dict[str, dict[str, Array]]:
    """The blocks of each matrix joined; in the layer's order, since JAX sorts by name what travels through it."""
    return {
        direction: {
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


def parameter(module: Module, path: Path) -> Any:
    """What is at `path` in `module`; None if nothing is."""
    for part in path:
        is_container = isinstance(module, Mapping | list | tuple)
        module = module[part] if is_container else getattr(module, str(part), None)
        if module is None:
            return None
    return module


def variable(module: Module, path: Path) -> Any:
    """The nnx.Param at `path` in `module`.

    Raises:
        ValueError: If it is no longer there.
    """
    found = parameter(module, path)
    if found is None:
        raise ValueError(f"there is no parameter {'/'.join(map(str, path))} any more")
    return found
