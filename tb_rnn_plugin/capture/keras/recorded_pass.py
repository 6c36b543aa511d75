"""What one forward and backward pass of a Keras model left behind, and the records of it."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from tb_rnn_plugin import record
from tb_rnn_plugin.capture.keras.recorded_layer import STATE_GRADIENT, Array, Part, RecordedLayer, read_only
from tb_rnn_plugin.quantity_names import OUTPUT_GRADIENT

Matrices: TypeAlias = Mapping[tuple[str, str], Array]

_SCALED = (OUTPUT_GRADIENT, STATE_GRADIENT)


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


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Recording:
    """What a recorder has of one forward and backward pass.

    Attributes:
        calls: As in `Pass`.
        weights: As in `Pass`.
        weight_gradients: As in `Pass`.
        scale: By what the loss was multiplied before its gradients were computed.
        notices: What is left out, and why; each a sentence without its full stop.
    """

    calls: Sequence[Sequence[Sequence[Part]]]
    weights: Sequence[Matrices]
    weight_gradients: Sequence[Matrices]
    scale: float = 1.0
    notices: Sequence[str] = ()

    def unscaled(self) -> Pass:
        """The pass, with the loss scale taken out of its gradients."""
        return Pass(
            [[[self._divided(part, _SCALED) for part in call] for call in of_layer] for of_layer in self.calls],
            self.weights,
            [self._divided(gradients) for gradients in self.weight_gradients],
        )

    def _divided(self, arrays: Mapping[Any, Array], prefixes: tuple[str, ...] | None = None) -> dict[Any, Array]:
        """With those arrays divided by the loss scale whose names begin so; or all."""
        if self.scale == 1:
            return dict(arrays)
        return {
            key: array / self.scale if prefixes is None or key.startswith(prefixes) else array
            for key, array in arrays.items()
        }


def _named(name: str, calls: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    for index, call in enumerate(calls):
        yield (f"{name}/call_{index}" if index else name), call
