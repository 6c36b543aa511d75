"""How the cells of Keras's recurrent layers are made, and what can be computed of their calls; Keras 3 and tf_keras."""

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from tb_rnn_plugin import cells
from tb_rnn_plugin.capture import cudnn_weights, recurrences
from tb_rnn_plugin.capture.keras.recorded_layer import (
    DIFFERENTIATED,
    Array,
    Layer,
    RecordedLayer,
    framework_of,
    keras_of,
)
from tb_rnn_plugin.capture.keras.recurrent_layer import RecurrentLayer
from tb_rnn_plugin.capture.recurrences import Derivation
from tb_rnn_plugin.derivation import left_out_of_all
from tb_rnn_plugin.quantity_names import OUTPUT_GRADIENT
from tb_rnn_plugin.record import LayerRecord
from tb_rnn_plugin.recurrence.activations import ACTIVATIONS
from tb_rnn_plugin.recurrence.half import CannotDerive, Traits

# Of which tf_keras has a function of its own.
_KERAS_2_NAMES = {"hard_sigmoid": "hard_sigmoid_keras_2"}


class Recurrences:
    """Gives the records of a model's layers what their derived quantities are computed from."""

    def __init__(self, layers: Sequence[RecordedLayer], derivation: Derivation | None) -> None:
        """Takes the layers, and what is to be computed; None: nothing."""
        self._layers = layers
        self._derivation = derivation
        self._said: set[str] = set()

    @property
    def wanted(self) -> bool:
        """Whether anything is to be computed, so that what the calls were given has to be kept."""
        return self._derivation is not None and bool(self._derivation.quantities)

    def added(self, records: Sequence[LayerRecord], inputs: Mapping[str, Mapping[str, Array]]) -> list[LayerRecord]:
        """The records, each with its recurrence where there is one. What can't be computed is said, once a layer.

        Args:
            records: Of all layers, with their weights.
            inputs: Record name to what its call was given.
        """
        if self._derivation is None or not self.wanted:
            return list(records)
        by_name = {record.name: record for record in records}
        reasons: dict[str, list[str]] = {}
        differentiated: list[str] = []
        for layer in self._layers:
            if not isinstance(layer, RecurrentLayer):
                continue
            try:
                for name in _calls(layer.name, by_name):
                    weights = by_name[layer.name].weights
                    by_name[name] = _with_recurrence(
                        layer, by_name[name], inputs.get(name, {}), weights, self._derivation
                    )
                    if DIFFERENTIATED in inputs.get(name, {}) and name not in self._said:
                        self._said.add(name)
                        differentiated.append(name)
            except CannotDerive as reason:
                if layer.name not in self._said:
                    self._said.add(layer.name)
                    reasons.setdefault(str(reason), []).append(layer.name)
        if reasons:
            said = " ".join(left_out_of_all(names, reason) for reason, names in reasons.items())
            warnings.warn(f"rnn_summary: {said}", stacklevel=4)
        if differentiated:
            warnings.warn(
                f"rnn_summary: the gradient through time of {', '.join(map(repr, differentiated))} is left out: the "
                "loss holds gradients of it, and how they come back inside the layer isn't known.",
                stacklevel=4,
            )
        return list(by_name.values())


def _calls(name: str, records: Mapping[str, LayerRecord]) -> list[str]:
    """The names of the records of a layer's calls."""
    later = (f"{name}/call_{index}" for index in range(1, len(records)))
    return [call for call in (name, *later) if call in records]


def _with_recurrence(
    layer: RecurrentLayer,
    record: LayerRecord,
    inputs: Mapping[str, Array],
    weights: Mapping[str, Mapping[str, Array]],
    derivation: Derivation,
) -> LayerRecord:
    if not record.sequences and layer.has_output:
        return record  # no gradient reached it, and its taps say so
    sequences = dict(record.sequences)
    if DIFFERENTIATED in inputs:  # what comes back through time doesn't all begin at the output
        sequences.pop(OUTPUT_GRADIENT, None)
    made = recurrences.recurrence_of(
        traits(layer, training=derivation.training),
        sequences=sequences,
        inputs=inputs,
        weights=weights,
        derivation=derivation,
    )
    return dataclasses.replace(record, recurrence=made)


def traits(layer: RecurrentLayer, *, training: bool) -> dict[str, Traits]:
    """Direction to how its cell was made.

    Args:
        layer: A recurrent layer.
        training: Whether it runs in training mode.

    Raises:
        CannotDerive: If what its cell computes isn't known.
    """
    if layer.data_format is not None:
        raise CannotDerive("its cell is convolutional")
    if layer.cell is None:
        kind = type(next(iter(layer.holders.values()))).__name__
        raise CannotDerive(f"what a {kind} computes isn't known")
    if layer.states != slice(None):
        raise CannotDerive("what passes between cells stacked in one layer isn't recorded; stack layers instead")
    if not layer.has_output:
        raise CannotDerive("its sequences aren't recorded")
    if not layer.keeps_inputs:
        raise CannotDerive("inside TimeDistributed a stateful layer starts from states that aren't recorded")
    return {
        direction: _traits(layer, direction, half, layer.holders[direction], training=training)
        for direction, half in layer.halves.items()
    }


def _traits(layer: RecurrentLayer, direction: str, half: Layer, cell: Layer, *, training: bool) -> Traits:
    kind = str(layer.cell)
    layers = keras_of(half).layers
    known = {"lstm": layers.LSTMCell, "gru": layers.GRUCell, "rnn": layers.SimpleRNNCell}[kind]
    is_cudnn = cudnn_weights.cell(half) is not None
    if not is_cudnn and type(cell).call is not known.call:
        raise CannotDerive(f"what a {type(cell).__name__} computes isn't known, since it has a call of its own")
    for name in ("dropout", "recurrent_dropout"):
        rate = getattr(cell, name, 0)
        if rate and training:
            raise CannotDerive(
                f"{name}={rate} acts inside the cell, and which numbers it drops isn't known. A dropout layer in front "
                "of it can be computed with, and so can a probe, which is not in training mode"
            )
    return Traits(
        cell=kind,
        gates=cells.KERAS_GATES[kind],
        activation="tanh" if is_cudnn else _name(cell, "activation"),
        recurrent_activation="sigmoid" if is_cudnn or kind == "rnn" else _name(cell, "recurrent_activation"),
        reset_after=bool(getattr(cell, "reset_after", True)),
        input_reversed=bool(half.go_backwards),
        output_reversed=direction == cells.BACKWARD or layer.backwards,
        zero_output_for_mask=bool(getattr(half, "zero_output_for_mask", False)),
    )


def _name(cell: Layer, attribute: str) -> str:
    """The name under which we know a function of Keras's own."""
    function: Any = getattr(cell, attribute)
    framework = framework_of(cell)
    activations = keras_of(cell).activations
    for name in dir(activations):
        if getattr(activations, name) is function:
            ours = _KERAS_2_NAMES.get(name, name) if framework != "keras" else name
            if ours in ACTIVATIONS:
                return ours
    said = getattr(function, "__name__", None) or type(function).__name__
    raise CannotDerive(f"the derivative of its {attribute}, {said}, isn't known")
