"""tf_keras models in TensorFlow 1's graph mode: the tensors that their layers' records are made of, and the session.

A graph only ever grows, and a loop in it can't be changed once a session has run: TensorFlow then fails in every run to
come. A loop is changed when gradients are taken through it that no one took before, unless it was made under
`tf.compat.v1.experimental.output_all_intermediates(True)`. So no session is run here before Keras has its own
gradients, and no gradient is taken through a loop of the user's that Keras takes none through.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import tensorflow as tf
from tf_keras.api._v1.keras.backend import get_session

from tb_rnn_plugin import record
from tb_rnn_plugin.capture.keras import layers as keras_layers
from tb_rnn_plugin.capture.keras.layers import Array, RecordedLayer
from tb_rnn_plugin.capture.keras.recurrence import Recurrences
from tb_rnn_plugin.quantity_names import ACTIVATION, OUTPUT_GRADIENT

Model: TypeAlias = Any
Tensor: TypeAlias = Any
Variable: TypeAlias = Any
Session: TypeAlias = Any
Matrices: TypeAlias = Mapping[tuple[str, str], Array]
#: For each layer, each of its tapped layers and each call of that: the tensors that are recorded.
Outputs: TypeAlias = list[list[list[list[Tensor]]]]
#: In the same order: what each call was given, by the names of `keras_layers`; nothing where that is of no use.
Given: TypeAlias = list[list[list[Mapping[str, Tensor]]]]

_TRAINING_MODULE = "tf_keras.src.engine.training_v1"


def is_graph_model(model: object) -> bool:
    """Whether a tf_keras model was made in graph mode."""
    return any(base.__module__ == _TRAINING_MODULE for base in type(model).__mro__)


def session_of(model: Model) -> Session:
    """The session in which Keras runs the model, with all variables initialised."""
    with model.inputs[0].graph.as_default():
        return get_session()


def weights_of(model: Model, layers: Sequence[RecordedLayer]) -> list[dict[tuple[str, str], Array]]:
    """For each layer (direction, matrix name) to what its variables are now."""
    weights: list[dict[tuple[str, str], Array]] = session_of(model).run([layer.variables for layer in layers])
    return weights


class Gradients:
    """The tensors that the records of some layers are made of.

    Attributes:
        tensors: All of them, as a flat list; `records` knows which is which.
        reached: For each layer whether a gradient reaches its output.
    """

    def __init__(
        self,
        layers: Sequence[RecordedLayer],
        outputs: Outputs,
        given: Given,
        variables: Sequence[Mapping[tuple[str, str], Variable]],
        loss: Tensor,
        scale: Tensor | None,
        *,
        samples: int | None,
    ) -> None:
        """Adds gradients to the graph.

        Args:
            layers: The layers to be recorded.
            outputs: What they gave out.
            given: What they were given.
            variables: For each layer those of which the gradient is wanted.
            loss: What the gradients are of.
            scale: By what the loss is multiplied against underflow; None for 1.
            samples: Of how many samples it is to be told what the layers were given; None: of all. Statistics are of
                outputs and gradients, so of these the whole batch is.
        """
        self._layers = layers
        with loss.graph.as_default():
            gradients = _gradients(loss, tf.nest.flatten((outputs, list(variables))), scale)
            parts = [
                [
                    [_part(*call, gradients, layer, samples) for call in zip(*of_part, strict=True)]
                    for of_part in zip(of_outputs, of_given, strict=True)
                ]
                for layer, of_outputs, of_given in zip(layers, outputs, given, strict=True)
            ]
        calls = [[call for call in zip(*of_layer, strict=True) if all(call)] for of_layer in parts]
        of_variables = [
            {key: gradients[id(variable)] for key, variable in of_layer.items() if id(variable) in gradients}
            for of_layer in variables
        ]
        self.reached = [bool(of_layer) for of_layer in calls]
        self._structure = calls, of_variables
        self.tensors: list[Tensor] = tf.nest.flatten(self._structure)

    def records(
        self, values: Sequence[Array], weights: Sequence[Matrices], recurrences: Recurrences
    ) -> list[record.LayerRecord]:
        """The records of a run.

        Args:
            values: What the `tensors` were, in their order.
            weights: What the layers' variables were.
            recurrences: What is computed of the layers.
        """
        calls, gradients = tf.nest.pack_sequence_as(self._structure, list(values))
        made = keras_layers.Pass(calls, weights, gradients)
        inputs = made.inputs(self._layers) if recurrences.wanted else {}
        return recurrences.added(made.records(self._layers), inputs)


def loss_scale(model: Model) -> Tensor | None:
    """One reading of the scale against underflow in mixed precision: a training step may change it meanwhile."""
    scale = getattr(getattr(model, "optimizer", None), "loss_scale", None)
    return None if scale is None else tf.identity(scale)


def _gradients(loss: Tensor, sources: Sequence[Tensor], scale: Tensor | None) -> dict[int, Tensor]:
    """The gradients with respect to tensors and variables, by their id; none where the loss doesn't depend on them."""
    by_id = {id(source): source for source in sources}
    scaled = loss if scale is None else loss * tf.cast(scale, loss.dtype)
    gradients = tf.compat.v1.gradients(scaled, list(by_id.values()))
    found = {key: tf.convert_to_tensor(g) for key, g in zip(by_id, gradients, strict=True) if g is not None}
    return found if scale is None else {key: tf.cast(gradient, scale.dtype) / scale for key, gradient in found.items()}


def _part(
    outputs: Sequence[Tensor],
    given: Mapping[str, Tensor],
    gradients: Mapping[int, Tensor],
    layer: RecordedLayer,
    samples: int | None,
) -> dict[str, Tensor]:
    """The tensors of one call; none if the loss doesn't depend on it, or nothing is recorded of it."""
    if not any(id(output) in gradients for output in outputs):
        return {}
    of_output, *of_states = (gradients[id(o)] if id(o) in gradients else tf.zeros_like(o) for o in outputs)
    states = {f"{keras_layers.STATE_GRADIENT}{index}": gradient for index, gradient in enumerate(of_states)}
    # A copy, since a session fetches nothing that it is fed.
    copies = {name: tf.identity(layer.first_samples(name, tensor, samples)) for name, tensor in given.items()}
    return {ACTIVATION: outputs[0], OUTPUT_GRADIENT: of_output, **states, **copies}
