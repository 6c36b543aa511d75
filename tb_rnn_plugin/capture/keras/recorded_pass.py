"""What one forward and backward pass of a Keras model left behind, and the records of it."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tb_rnn_plugin import record
from tb_rnn_plugin.capture.keras.recorded_layer import Array, Part, RecordedLayer, read_only


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

    def records(self, layers: Sequence[RecordedLayer]) -> list[record.LayerRecord]:
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
                        directions=layer.directions,
                        sequences={quantity: read_only(array) for quantity, array in sequences.items()},
                        weights=layer.matrices(weights) if first else {},
                        weight_gradients=layer.matrices(gradients) if first else {},
                        framework=layer.framework,
                        space=layer.space(call) if sequences else (),
                    )
                )
        return made

    def inputs(self, layers: Sequence[RecordedLayer]) -> dict[str, dict[str, Array]]:
        """Record name to what its call was given, where that is of use: see `RecurrentLayer.inputs`."""
        return {
            name: layer.inputs(call)
            for layer, calls in zip(layers, self.calls, strict=True)
            for name, call in _named(layer.name, calls)
            if layer.keeps_inputs
        }


def _named(name: str, calls: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    for index, call in enumerate(calls):
        yield (f"{name}/call_{index}" if index else name), call
