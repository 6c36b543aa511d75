"""What will be recorded of a model of Keras 3 or tf_keras: see `rnn_summary.describe`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_rnn_plugin import cells, record
from tb_rnn_plugin.capture import layer_choice
from tb_rnn_plugin.capture.keras import recurrence as keras_recurrence
from tb_rnn_plugin.capture.keras.layers import RecurrentLayer, offered
from tb_rnn_plugin.capture.keras.recorded_layer import (
    Layer,
    RecordedLayer,
    Variable,
    is_sequence,
    keras_of,
)
from tb_rnn_plugin.description import LayerDescription, ModelDescription, Penalty, not_picked
from tb_rnn_plugin.quantity_names import ACTIVATION, OUTPUT_GRADIENT
from tb_rnn_plugin.recurrence.half import CannotDerive
from tb_rnn_plugin.recurrence.layer import default_channels

_KNOWN_REGULARISERS = frozenset({"L1", "L2", "L1L2"})
_REGULARISERS = {record.RECURRENT_KERNEL: "recurrent_regularizer"}
_FUNCTIONS = ("activation", "recurrent_activation", *(f"{m}_initializer" for m in ("kernel", "recurrent", "bias")))
# Worth a word where they are set.
_OPTIONS = ("dropout", "recurrent_dropout", "reset_after", "go_backwards", "stateful")


def describe(model: Layer, layers: object, *, samples: int, timesteps: int) -> ModelDescription:
    """What will be recorded of a model.

    Raises:
        TypeError: If `model` isn't a Keras model, or `layers` is of the wrong type.
        ValueError: If `layers` picks a layer that doesn't exist.
    """
    offer = offered(model)
    picks = layer_choice.checked_picks(layers)
    chosen: frozenset[str] = frozenset()
    if offer.recurrent or None not in picks:
        chosen = layer_choice.picked(layers, offer.recurrent, offer.others)
    left_out = not_picked(layers, chosen, offer.recurrent, offer.others)
    left_out |= {name: reason for name, reason in offer.reasons.items() if name not in chosen}
    return ModelDescription(
        (_description(layer, offer.reasons.get(name, "")) for name, layer in offer.layers.items() if name in chosen),
        left_out,
        samples=samples,
        timesteps=timesteps,
    )


def _description(layer: RecordedLayer, note: str) -> LayerDescription:
    zeros = {key: np.zeros(tuple(variable.shape), np.float32) for key, variable in layer.variables.items()}
    shapes = {direction: {name: a.shape for name, a in of.items()} for direction, of in layer.matrices(zeros).items()}
    if not getattr(layer.tapped[0], "built", True):
        note = "it isn't built: its weights are made when it is first called"
    derived, reason = _derived(layer)
    note = "; ".join(filter(None, (note, reason)))
    return LayerDescription(
        name=layer.name,
        kind=_kind(layer),
        cell=layer.cell,
        units=layer.units,
        directions=layer.directions,
        gates=cells.KERAS_GATES.get(layer.cell or "", ()),
        shapes=shapes,
        sequences=_sequences(layer),
        derived=derived,
        timesteps=_timesteps(layer),
        settings=_settings(layer),
        penalties=_penalties(layer),
        note=note,
    )


def _kind(layer: RecordedLayer) -> str:
    if not isinstance(layer, RecurrentLayer):
        return type(layer.tapped[0]).__name__
    half, holder = next(iter(layer.halves.values())), next(iter(layer.holders.values()))
    kind = type(half).__name__
    if type(half) is keras_of(half).layers.RNN:  # of any cell
        kind = f"{kind}({type(holder).__name__})"
    return kind if len(layer.halves) == 1 else f"Bidirectional({kind})"


def _sequences(layer: RecordedLayer) -> dict[str, int | None]:
    quantities = (ACTIVATION, OUTPUT_GRADIENT)
    if isinstance(layer, RecurrentLayer):
        if not layer.has_output:
            return {}
        is_known = layer.units is not None and layer.data_format is None  # filters have places, too
        return dict.fromkeys(quantities, (layer.units or 0) * len(layer.directions) if is_known else None)
    outputs = _outputs(layer.tapped[0])
    sequences = [tensor for tensor in outputs if is_sequence(tensor)]
    if outputs and not sequences:
        return {}
    axis = 1 if getattr(layer.tapped[0], "data_format", None) == "channels_first" else -1
    return dict.fromkeys(quantities, sequences[0].shape[axis] if sequences else None)


def _derived(layer: RecordedLayer) -> tuple[dict[str, int | None], str]:
    """What is computed of a layer in training, to its channels; and why nothing is, or ""."""
    if not isinstance(layer, RecurrentLayer) or layer.cell is None or layer.units is None:
        return {}, ""
    try:
        keras_recurrence.traits(layer, training=True)
    except CannotDerive as reason:
        return {}, f"its gradient through time, gates and cell state aren't computed in training: {reason}"
    units = layer.units * len(layer.directions)
    return {**default_channels(layer.cell, units, units)}, ""


def _outputs(layer: Layer) -> list[Any]:
    """The symbolic outputs of a layer's first call in a functional model; none where there is none."""
    nodes = layer._inbound_nodes  # noqa: SLF001  # `output` raises for a layer that was called twice
    outputs = nodes[0].outputs if nodes else []
    if isinstance(outputs, Mapping):
        return list(outputs.values())
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]


def _timesteps(layer: RecordedLayer) -> int | None:
    if not isinstance(layer, RecurrentLayer):
        return None
    return None if next(iter(layer.halves.values())).return_sequences else 1


def _holder(layer: RecordedLayer, direction: str) -> Layer:
    """What holds the weights of a direction, and what they were made with."""
    return layer.holders[direction] if isinstance(layer, RecurrentLayer) else layer.tapped[0]


def _settings(layer: RecordedLayer) -> dict[str, str]:
    holder = _holder(layer, layer.directions[0])
    half = layer.halves[layer.directions[0]] if isinstance(layer, RecurrentLayer) else holder
    shown = {name: _name(of) for name in _FUNCTIONS if (of := getattr(holder, name, None)) is not None}
    for name in _OPTIONS:
        value = getattr(holder, name, None) or getattr(half, name, None)
        if isinstance(value, bool | float | int) and value:
            shown[name] = str(value)
    return shown


def _name(value: Any) -> str:  # a function, or an object of Keras
    return getattr(value, "__name__", None) or type(value).__name__


def _penalties(layer: RecordedLayer) -> dict[str, dict[str, Penalty]]:
    made: dict[str, dict[str, Penalty]] = {}
    for (direction, matrix), variable in layer.variables.items():
        regulariser = getattr(variable, "regularizer", None) or getattr(
            _holder(layer, direction), _REGULARISERS.get(matrix, f"{matrix}_regularizer"), None
        )
        if regulariser is not None:
            made.setdefault(direction, {})[matrix] = _penalty(regulariser, variable, keras_of(layer.tapped[0]))
    return made


def _penalty(regulariser: Any, variable: Variable, keras: Any) -> Penalty:
    if type(regulariser).__name__ not in _KNOWN_REGULARISERS:
        return Penalty(value=float(_numbers(regulariser(variable), keras)))
    l1, l2 = (float(getattr(regulariser, name, 0.0)) for name in ("l1", "l2"))
    weights = _numbers(variable, keras)
    return Penalty(l1=l1, l2=l2, value=float(l1 * np.abs(weights).sum() + l2 * (weights**2).sum()))


def _numbers(tensor: Any, keras: Any) -> npt.NDArray[np.float64]:  # a variable or a tensor, of one of the two Keras
    # tf_keras's way works in TensorFlow 1's graph mode too.
    values = keras.ops.convert_to_numpy(tensor) if hasattr(keras, "ops") else keras.backend.get_value(tensor)
    return np.asarray(values, np.float64)
