"""One call of a Keras layer, on any backend: which of its tensors are recorded, and under which names."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import keras
from keras.src.backend import AutocastScope  # Keras has no public way to a weight that isn't cast

from tb_rnn_plugin.capture.keras import layers as keras_layers
from tb_rnn_plugin.capture.keras.layers import Layer, RecordedLayer
from tb_rnn_plugin.capture.keras.recorded_layer import is_float
from tb_rnn_plugin.quantity_names import ACTIVATION, OUTPUT_GRADIENT

Tensor: TypeAlias = Any
Model: TypeAlias = Any
Optimizer: TypeAlias = Any
Variable: TypeAlias = Any


@dataclasses.dataclass(frozen=True, eq=False)
class Outputs:
    """What a call returned.

    Attributes:
        whole: As it was returned: a tensor, or a structure of them.
        flat: Its tensors.
        tapped: The indexes of those that get a tap.
        kept: How many of these are recorded, the first ones: the output, and after it the last states.
    """

    whole: Any
    flat: Sequence[Tensor]
    tapped: Sequence[int]
    kept: int

    @classmethod
    def of(cls, layer: RecordedLayer, outputs: Any) -> "Outputs":
        """What a call of one of the layer's tapped layers returned."""
        flat = keras.tree.flatten(outputs)
        kept = layer.kept(flat)
        # That a gradient came through is worth knowing even where no tensor is recorded.
        tapped = kept or [index for index, tensor in enumerate(flat) if is_float(tensor)][:1]
        return cls(outputs, flat, tapped, len(kept))

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Those that get a tap."""
        return tuple(self.flat[index] for index in self.tapped)

    def replaced(self, tensors: Sequence[Tensor]) -> Any:
        """What was returned, with other tensors in place of those that get a tap."""
        by_index = dict(zip(self.tapped, tensors, strict=True))
        flat = [by_index.get(index, tensor) for index, tensor in enumerate(self.flat)]
        return keras.tree.pack_sequence_as(self.whole, flat)


def part(tensors: Sequence[Tensor], gradients: Sequence[Tensor]) -> dict[str, Tensor]:
    """The part that a tap leaves behind: the output, its gradient, and those of the last states.

    Args:
        tensors: What is recorded of what the call returned: the output, and after it the last states.
        gradients: Theirs.
    """
    if not tensors:
        return {}
    of_output, *of_states = gradients
    states = {f"{keras_layers.STATE_GRADIENT}{index}": gradient for index, gradient in enumerate(of_states)}
    return {ACTIVATION: tensors[0], OUTPUT_GRADIENT: of_output, **states}


def inputs(layer: Layer, arguments: Mapping[str, Any]) -> dict[str, Tensor]:
    """What a call of a recurrent layer was given: its input, mask and initial states, where there are any.

    Args:
        layer: The Keras layer that is called.
        arguments: Of its `call`, by name; the sequences first.
    """
    kept = {keras_layers.INPUT: next(iter(arguments.values()))}
    mask = arguments.get("mask")
    if mask is not None:
        kept[keras_layers.MASK] = mask
    states = arguments.get("initial_state")
    if states is None:  # a stateful layer goes on from the last batch
        halves = [layer.forward_layer, layer.backward_layer] if hasattr(layer, "forward_layer") else [layer]
        states = [half.states for half in halves if getattr(half, "stateful", False) and half.states is not None]
    for index, state in enumerate(keras.tree.flatten(states)):
        kept[f"{keras_layers.INITIAL_STATE}{index}"] = keras.ops.convert_to_tensor(state)
    return kept


def weights(layer: RecordedLayer) -> dict[tuple[str, str], Tensor]:
    """(direction, matrix name) to what a call computes with; with mixed precision, before it is cast."""
    with AutocastScope(None):
        return {key: variable.value for key, variable in layer.variables.items()}


def prediction(model: Model, x: Any, *, training: bool) -> Tensor:
    """What the model predicts."""
    if getattr(model, "_call_has_training_arg", True):
        return model(x, training=training)
    return model(x)


def loss_scale(optimizer: Optimizer | None) -> Tensor | float | None:
    """By what this step's loss is multiplied before its gradients are computed; None where it isn't."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return optimizer.dynamic_scale.value if optimizer.built else optimizer.initial_scale
    return getattr(optimizer, "loss_scale_factor", None)


def has_weightless(layers: Sequence[RecordedLayer]) -> bool:
    """Whether a gradient may come to some layer without going on to weights of one that is recorded."""
    return any(not layer.variables for layer in layers)


def differentiated(model: Model, layers: Sequence[RecordedLayer]) -> list[Variable]:
    """The weights whose gradients a pass of its own asks for, so that a gradient comes to every layer.

    Those of the layers themselves, frozen ones too; where some layer has none, all of the model, and the caller adds
    the input.
    """
    of_layers = {id(variable): variable for layer in layers for variable in layer.variables.values()}
    if has_weightless(layers):
        of_layers |= {id(variable): variable for variable in model.variables if is_float(variable)}
    return list(of_layers.values())


@contextlib.contextmanager
def stateless(model: Model, values: Sequence[tuple[Variable, Tensor]]) -> Iterator[None]:
    """Runs a model with these values of its variables; what a run changes stays as it is.

    That is metrics, random states, running averages, states of layers, and losses that layers add.
    """
    try:
        with keras.StatelessScope(values, collect_losses=True):
            yield
    finally:
        model._clear_losses()  # noqa: SLF001  # as the next call would do
