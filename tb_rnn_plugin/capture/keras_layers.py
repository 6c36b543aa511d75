"""The recurrent layers of a Keras model: which there are, what they are called, where their weights are.

Nothing here depends on Keras's backend: tensors have become numpy arrays before they come here.
"""

import dataclasses
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import keras
import numpy as np
import numpy.typing as npt

from tb_rnn_plugin import cells, record
from tb_rnn_plugin.capture import layer_choice

# Keras and its backends come without types: these names say what is meant.
Layer: TypeAlias = Any
Variable: TypeAlias = Any
Array: TypeAlias = npt.NDArray[Any]

#: What one tap on one call leaves behind: "activation", "output_gradient", and more under the names below.
Part: TypeAlias = Mapping[str, Array]
ACTIVATION = "activation"
OUTPUT_GRADIENT = "output_gradient"
STATE_GRADIENT = "state_gradient/"  # + the state's index; where a layer returns its last states
INPUT = "input"
MASK = "mask"
INITIAL_STATE = "initial_state/"

_FRAMEWORK = "keras"
_MATRICES = (record.KERNEL, record.RECURRENT_KERNEL, record.BIAS)
_SEQUENCE_RANK = 3


@dataclasses.dataclass(frozen=True, eq=False)
class RecurrentLayer:
    """One recurrent layer that can be recorded.

    Attributes:
        name: Its path in the model, with "/" between the parts.
        cell: "lstm", "gru" or "rnn".
        units: The width of one direction.
        halves: Direction to the layer that runs in that direction; a layer that isn't bidirectional is its own half.
        tapped: The layers whose outputs are recorded: the layer itself, or its halves where it merges their outputs
            into something that can't be taken apart again.
    """

    name: str
    cell: str
    units: int
    halves: Mapping[str, Layer]
    tapped: tuple[Layer, ...]

    @property
    def variables(self) -> dict[tuple[str, str], Variable]:
        """(direction, matrix name) to variable; empty while the layer isn't built."""
        found = {
            (direction, matrix): getattr(half.cell, matrix, None)
            for direction, half in self.halves.items()
            for matrix in _MATRICES
        }
        return {key: variable for key, variable in found.items() if variable is not None}

    def sequences(self, parts: Sequence[Part]) -> dict[str, Array]:
        """Activation and output gradient (samples, timesteps, channels) of one call, both directions in input time."""
        by_part = [self._in_time(part) for part in parts]
        if len(by_part) == 1:
            return by_part[0]
        forward, backward = by_part
        return {name: np.concatenate([forward[name], backward[name][:, ::-1]], axis=-1) for name in forward}

    def _in_time(self, part: Part) -> dict[str, Array]:
        """The arrays of one tap, with a time axis; a backward half runs still from the end to the beginning."""
        arrays = {}
        for name in (ACTIVATION, OUTPUT_GRADIENT):
            array = part[name]
            arrays[name] = array if array.ndim == _SEQUENCE_RANK else array[:, None, :]
        states = [array for name, array in part.items() if name.startswith(STATE_GRADIENT)]
        if states:
            # h_T is y_T: the gradient of the last hidden state, where it is returned, belongs to the output of that
            # step. Without it an encoder of which only the states are used would seem to get no gradient at all.
            gradient = arrays[OUTPUT_GRADIENT] = arrays[OUTPUT_GRADIENT].copy()
            gradient[:, -1, : self.units] += states[0]
            if len(self.halves) > len(self.tapped):  # merged: the backward half ends at the first step of input time
                gradient[:, 0, self.units :] += states[len(states) // 2]
        return arrays


@dataclasses.dataclass(frozen=True, eq=False)
class Pass:
    """What one forward and backward pass left behind, as numpy arrays.

    Attributes:
        calls: For each layer its calls in order, for each call the parts, one for each tapped layer.
        weights: For each layer (direction, matrix name) to array.
        weight_gradients: As `weights`; empty where there are none.
    """

    calls: Sequence[Sequence[Sequence[Part]]]
    weights: Sequence[Mapping[tuple[str, str], Array]]
    weight_gradients: Sequence[Mapping[tuple[str, str], Array]]

    def records(self, layers: Sequence[RecurrentLayer]) -> list[record.LayerRecord]:
        """A record for each call of each layer, in model order. The weights go with the first call of a layer."""
        made = []
        of_layers = zip(layers, self.calls, self.weights, self.weight_gradients, strict=True)
        for layer, calls, weights, gradients in of_layers:
            for name, call in _named(layer.name, calls or [None]):
                first = name == layer.name
                sequences = {} if call is None else layer.sequences(call)
                if not sequences and not (first and weights):
                    continue
                made.append(
                    record.LayerRecord(
                        name,
                        cell=layer.cell,
                        units=layer.units,
                        directions=tuple(layer.halves),
                        sequences={quantity: _read_only(array) for quantity, array in sequences.items()},
                        weights=_by_direction(weights) if first else {},
                        weight_gradients=_by_direction(gradients) if first else {},
                        framework=_FRAMEWORK,
                    )
                )
        return made

    def inputs(self, layers: Sequence[RecurrentLayer]) -> dict[str, dict[str, Array]]:
        """Record name to what its call was given: see `_inputs`."""
        return {
            name: _inputs(call)
            for layer, calls in zip(layers, self.calls, strict=True)
            for name, call in _named(layer.name, calls)
        }


def _inputs(call: Sequence[Part]) -> dict[str, Array]:
    """What a call was given: "input", and "mask" and "initial_state/0", … where there are any; no states mean zeros.

    "state_gradient/0", … is the gradient of the last states, where the layer returns them. The states of a
    bidirectional layer are the forward ones, then the backward ones.
    """
    inputs: dict[str, Array] = {key: call[0][key] for key in (INPUT, MASK) if key in call[0]}
    for prefix in (INITIAL_STATE, STATE_GRADIENT):
        states = [array for part in call for key, array in part.items() if key.startswith(prefix)]
        inputs.update({f"{prefix}{index}": array for index, array in enumerate(states)})
    return inputs


def _named(name: str, calls: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    for index, call in enumerate(calls):
        yield (f"{name}/call_{index}" if index else name), call


def _by_direction(matrices: Mapping[tuple[str, str], Array]) -> dict[str, dict[str, Array]]:
    by_direction: dict[str, dict[str, Array]] = {}
    for (direction, matrix), array in matrices.items():
        by_direction.setdefault(direction, {})[matrix] = _read_only(array)
    return by_direction


def _read_only(array: Array) -> Array:
    """Arrays that were made here will not change: said so, they aren't copied again."""
    array = np.ascontiguousarray(array, dtype=np.float32)
    array.flags.writeable = False
    return array


def find(model: Layer, layers: object = None) -> list[RecurrentLayer]:
    """The recurrent layers of `model` that `layers` picks, in model order.

    Args:
        model: A Keras model, or any Keras layer.
        layers: None or "*" for all; a layer's full name, or a part of one; an index among the recurrent layers; or a
            list of these.

    Raises:
        TypeError: If `model` isn't a Keras model, or `layers` is of the wrong type.
        ValueError: If there is no recurrent layer, or `layers` picks one that doesn't exist.
    """
    if not isinstance(model, keras.layers.Layer):
        raise TypeError(f"model: expected a Keras model, got {type(model).__name__}.")
    found, unsupported = _all(model)
    if unsupported:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in unsupported.items())
        warnings.warn(f"rnn_summary leaves out recurrent layers that it can't record yet. {reasons}.", stacklevel=4)
    if not found:
        raise ValueError(
            f"model: {model.name!r} has no {'supported ' if unsupported else ''}recurrent layer (LSTM, GRU, SimpleRNN, "
            "or Bidirectional of one). A model that makes its layers in build() has to be built first."
        )
    return [found[index] for index in layer_choice.picked(layers, [layer.name for layer in found])]


def _all(model: Layer) -> tuple[list[RecurrentLayer], dict[str, str]]:
    """The layers that can be recorded, and name to reason of those that can't."""
    found: list[RecurrentLayer] = []
    unsupported: dict[str, str] = {}
    names: set[str] = set()
    for path, layer in _walk(model, "", set()):
        name = path
        count = 0
        while name in names:  # layers of a subclassed model may share a name
            count += 1
            name = f"{path}_{count}"
        names.add(name)
        made = _recurrent_layer(name, layer)
        if isinstance(made, str):
            unsupported[name] = made
        else:
            found.append(made)
    return found, unsupported


def _walk(layer: Layer, parent: str, seen: set[int]) -> Iterator[tuple[str, Layer]]:
    """(path, layer) of every recurrent layer in and below `layer`, each once; the top layer's own name is left out."""
    if id(layer) in seen:
        return
    top = not seen
    seen.add(id(layer))
    path = f"{parent}/{layer.name}" if parent else layer.name
    if _is_recurrent(layer):
        yield path, layer
        return
    # `layers` of a model is in the order of its graph; other layers only have the order in which they were set.
    is_model = isinstance(layer, keras.Model)
    children = layer.layers if is_model else layer._flatten_layers(include_self=False, recursive=False)  # noqa: SLF001
    for child in children:
        yield from _walk(child, "" if top else path, seen)


def _is_recurrent(layer: Layer) -> bool:
    if isinstance(layer, keras.layers.TimeDistributed):
        return any(_is_recurrent(inner) for inner in layer._flatten_layers(include_self=False))  # noqa: SLF001
    return isinstance(
        layer, keras.layers.RNN | keras.layers.Bidirectional | _cell_classes() | keras.layers.StackedRNNCells
    )


def _cell_classes() -> Any:  # a union of classes
    return keras.layers.LSTMCell | keras.layers.GRUCell | keras.layers.SimpleRNNCell


def _cell_kind(half: Layer) -> str | None:
    kinds = {"lstm": keras.layers.LSTMCell, "gru": keras.layers.GRUCell, "rnn": keras.layers.SimpleRNNCell}
    cell = getattr(half, "cell", None)
    return next((kind for kind, cell_class in kinds.items() if isinstance(cell, cell_class)), None)


def _recurrent_layer(name: str, layer: Layer) -> RecurrentLayer | str:
    """The layer, or the reason why it can't be recorded."""
    if isinstance(layer, keras.layers.TimeDistributed):
        return "inside TimeDistributed, which calls it once for many sequences"
    if isinstance(layer, _cell_classes() | keras.layers.StackedRNNCells):
        return f"a {type(layer).__name__} of its own; put it in keras.layers.RNN"
    if isinstance(layer, keras.layers.Bidirectional):
        halves = {cells.FORWARD: layer.forward_layer, cells.BACKWARD: layer.backward_layer}
    else:
        halves = {cells.FORWARD: layer}
    kinds = [_cell_kind(half) for half in halves.values()]
    if None in kinds:
        half = list(halves.values())[kinds.index(None)]
        return f"its cell is a {type(getattr(half, 'cell', half)).__name__}"
    units = {half.cell.units for half in halves.values()}
    if len(units) > 1 or len(set(kinds)) > 1:
        return "its two directions differ in cell or units"
    merges = getattr(layer, "merge_mode", "concat") != "concat"
    tapped = tuple(halves.values()) if merges else (layer,)
    return RecurrentLayer(name, str(kinds[0]), units.pop(), halves, tapped)
