"""A layer of a Keras model that isn't recurrent: a convolution, attention, a normalisation, a block of one's own."""

import dataclasses
from collections.abc import Sequence

import keras

from tb_rnn_plugin import cells
from tb_rnn_plugin.capture.keras.recorded_layer import (
    SEQUENCE_RANK,
    Array,
    Layer,
    Part,
    RecordedLayer,
    Tensor,
    Variable,
    is_sequence,
    keras_of,
    named_variables,
)
from tb_rnn_plugin.quantity_names import ACTIVATION, OUTPUT_GRADIENT


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class OtherLayer(RecordedLayer):
    """Any layer but a recurrent one: its weights by their names, and of its calls the first output of rank 3."""

    @property
    def variables(self) -> dict[tuple[str, str], Variable]:
        """("forward", the weight's path in the layer) to variable."""
        return {(cells.FORWARD, name): variable for name, variable in named_variables(self.tapped[0]).items()}

    def kept(self, tensors: Sequence[Tensor]) -> list[int]:
        """The first tensor of floats that is (samples, timesteps, channels)."""
        return [index for index, tensor in enumerate(tensors) if is_sequence(tensor)][:1]

    def sequences(self, parts: Sequence[Part]) -> dict[str, Array]:
        """Activation and output gradient, (samples, timesteps, channels) whatever the layer's data format is."""
        kept = {name: part[name] for part in parts for name in (ACTIVATION, OUTPUT_GRADIENT) if name in part}
        channels_first = getattr(self.tapped[0], "data_format", None) == "channels_first"
        return {
            name: array.swapaxes(1, 2) if channels_first else array
            for name, array in kept.items()
            if array.ndim == SEQUENCE_RANK
        }


def can_be_recorded(layer: Layer) -> bool:
    """Whether a layer has weights, or an output of rank 3; also when that isn't known before it is called."""
    if isinstance(layer, keras_of(layer).layers.InputLayer):
        return False
    nodes = layer._inbound_nodes  # noqa: SLF001  # `output` raises for a layer that was called twice
    outputs = [tensor for node in nodes for tensor in keras.tree.flatten(node.outputs)]
    return not outputs or bool(named_variables(layer)) or any(map(is_sequence, outputs))
