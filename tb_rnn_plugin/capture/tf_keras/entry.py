"""tf_keras models (Keras 2): taps in their training, and probes on a batch of their own.

In TensorFlow 1's graph mode everything runs in a session: `graph_taps` and `graph_pass` see to that.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf
import tf_keras

from tb_rnn_plugin import record
from tb_rnn_plugin.capture import cudnn_weights, taps
from tb_rnn_plugin.capture.fit_callback import detaching
from tb_rnn_plugin.capture.keras import layers as keras_layers
from tb_rnn_plugin.capture.keras.arguments import one_batch, training_optimizer
from tb_rnn_plugin.capture.keras.description import describe
from tb_rnn_plugin.capture.keras.tensorflow.backend import END_OF_DATA
from tb_rnn_plugin.capture.keras.tensorflow.store import to_numpy
from tb_rnn_plugin.capture.recurrences import Derivation
from tb_rnn_plugin.capture.tf_keras import graph as tf1_graph
from tb_rnn_plugin.capture.tf_keras import graph_pass as tf1_graph_pass
from tb_rnn_plugin.capture.tf_keras import graph_taps as tf1_graph_taps
from tb_rnn_plugin.capture.tf_keras.loss import Loss, callable_loss, total_loss
from tb_rnn_plugin.capture.tf_keras.own_pass import TfKerasPass
from tb_rnn_plugin.capture.tf_keras.taps import TfKerasTaps

__all__ = ["attach", "capture", "describe"]

Model: TypeAlias = Any
Tensor: TypeAlias = Any


def attach(
    model: Model,
    *,
    every: int,
    samples: int | None,
    layers: object = None,
    optimizer: Any = None,
    quantities: Sequence[str] | None = None,
    keep_inputs: bool = False,
    bptt: bool = True,
) -> taps.Taps:
    """Taps in the user's own backward pass: in a loop of one's own, eagerly or in a tf.function, and in fit.

    A tf.function records from its first trace on: attach before the training step is called for the first time. Write
    after `optimizer.apply_gradients` or `minimize`, so that the weight gradients are there; the weights written are
    those before the update.

    Where a model has been fitted before, attaching and detaching make tf_keras trace its training step again, and a
    dropout layer's random numbers begin anew, as they do after `compile`.

    In graph mode the taps are on `fit` and `train_on_batch`: the gradients are those of the model's own loss.

    Args:
        model: A tf_keras model.
        every: How often is written, in steps.
        samples: Of how many samples the arrays are kept; None for all.
        layers: Which recurrent layers; see `keras_layers.find`.
        optimizer: The one that is given the gradients; left out: that of `model.compile`, as always in graph mode.
            Where the loss is scaled for mixed precision, this optimizer knows by how much.
        quantities: What is recorded; left out: everything.
        keep_inputs: Whether each layer's input, initial state and mask are kept too, in the `inputs` of the taps; not
            in graph mode.
        bptt: Whether gradients through time, gates and cell states are computed.

    Raises:
        TypeError: If an argument is of the wrong type.
        ValueError: If the model has no recurrent layer, or not the one that is asked for; or, in graph mode, if it
            isn't compiled.
    """
    picked = keras_layers.find(model, layers)
    if tf1_graph.is_graph_model(model):
        return tf1_graph_taps.GraphTaps(model, picked, every=every, samples=samples, quantities=quantities, bptt=bptt)
    optimizer = training_optimizer(model, optimizer, quantities, method="apply_gradients")
    return TfKerasTaps(
        model,
        picked,
        every=every,
        samples=samples,
        optimizer=optimizer,
        quantities=quantities,
        keep_inputs=keep_inputs,
        bptt=bptt,
    )


def capture(
    model: Model,
    x: Any,  # whatever the model takes
    y: Any = None,
    *,
    layers: object = None,
    sample_weight: Any = None,
    training: bool = False,
    loss: Loss | str | None = None,
    clipped: bool = False,
    bptt: bool = True,
) -> list[record.LayerRecord]:
    """Records of one batch, in a pass of its own. The model stays as it was, its metrics and random states too.

    One thing can't be put back: in training mode, the dropout of a model that is compiled with run_eagerly=True draws
    from the random numbers that its next training step would have had.

    Args:
        model: A built tf_keras model; without `loss`, a compiled one.
        x: The batch, as the model takes it.
        y: Its targets.
        layers: Which recurrent layers; see `keras_layers.find`.
        sample_weight: Weights of the samples, as `model.fit` takes them.
        training: Whether the model runs in training mode, with its dropout.
        loss: In place of the compiled loss: a tf_keras loss, its name, or a callable (y, prediction) → loss. What
            layers add by regularisation is added.
        clipped: Whether weight gradients are clipped as the compiled optimizer would clip them.
        bptt: Whether gradients through time, gates and cell states are to be computed.

    Raises:
        TypeError: If an argument is of the wrong type.
        ValueError: If the model has no recurrent layer, not the one that is asked for, or no loss.
    """
    picked = keras_layers.find(model, layers)

    def records_of(
        layers: Sequence[keras_layers.RecordedLayer], derivation: Derivation | None
    ) -> list[record.LayerRecord]:
        if for_a_gpu := _left_to_a_gpu(model):
            warnings.warn(
                f"rnn_summary: only weights are recorded: {for_a_gpu} can't run here, since cuDNN needs a GPU and "
                "TensorFlow sees none. tf_keras loads its weights into an LSTM or GRU (reset_after=True) as well.",
                stacklevel=5,
            )
            return _weights_alone(layers)
        own_pass = _fixed_pass(
            model, layers, (x, y, sample_weight), training=training, loss=loss, derivation=derivation
        )
        return own_pass.records()

    return one_batch(model, picked, records_of, training=training, clipped=clipped, bptt=bptt)


def fit_taps(model: Model, layers: Sequence[keras_layers.RecordedLayer], **options: Any) -> taps.Taps:
    """Taps for a running `fit`; see `fit_callback.FitModule`."""
    if tf1_graph.is_graph_model(model):
        return tf1_graph_taps.GraphTaps(model, layers, **options)
    made = TfKerasTaps(model, layers, optimizer=model.optimizer, **options)
    model.train_function = detaching(model.train_function, made, END_OF_DATA)
    return made


def fit_probe(
    model: Model,
    layers: Sequence[keras_layers.RecordedLayer],
    batch: tuple[Any, Any, Any],
    derivation: Derivation,
) -> Any:
    """The pass over a batch that is always the same; see `fit_callback.FitModule`."""
    return _fixed_pass(model, layers, batch, training=False, loss=None, derivation=derivation)


def batches_trained(model: Model) -> int:
    """How many batches the optimizer has seen."""
    return int(tf_keras.backend.get_value(model.optimizer.iterations))


def steps_per_execution(model: Model) -> int:
    """How many batches lie between two calls of a callback."""
    steps = getattr(model, "_steps_per_execution", None)
    return 1 if steps is None else int(steps)


def _left_to_a_gpu(model: Model) -> str:
    """The name of a layer that can't run on this machine, or ""."""
    if tf.config.list_physical_devices("GPU") or tf1_graph.is_graph_model(model):
        return ""  # of a graph with such a layer TensorFlow can't even read the weights without a GPU
    layers = model._flatten_layers()  # noqa: SLF001  # no public way to the layers of layers
    return next((repr(layer.name) for layer in layers if cudnn_weights.cell(layer) is not None), "")


def _weights_alone(layers: Sequence[keras_layers.RecordedLayer]) -> list[record.LayerRecord]:
    weights = [{key: to_numpy(variable) for key, variable in layer.variables.items()} for layer in layers]
    nothing: list[list[Any]] = [[] for _ in layers]
    return keras_layers.Pass(nothing, weights, [{} for _ in layers]).records(layers)


def _fixed_pass(
    model: Model,
    layers: Sequence[keras_layers.RecordedLayer],
    batch: tuple[Any, Any, Any],
    *,
    training: bool,
    loss: Loss | str | None,
    derivation: Derivation | None,
) -> TfKerasPass | tf1_graph_pass.GraphPass:
    if tf1_graph.is_graph_model(model):
        return tf1_graph_pass.GraphPass(model, layers, batch, training=training, loss=loss, derivation=derivation)
    x, y, sample_weight = (tf.nest.map_structure(_tensor, part) for part in batch)
    of_prediction = _loss_of(model, x, y, sample_weight, loss)
    # A graph has random numbers of its own: those of the user's eager steps stay what they would have been.
    return TfKerasPass(
        model, layers, of_prediction, x, training=training, compiled=not model.run_eagerly, derivation=derivation
    )


def _tensor(array: Any) -> Tensor:
    """A tensor of it, of the type to which tf_keras brings what it is given."""
    if array is None:
        return None
    if isinstance(array, np.ndarray) and array.dtype.kind == "f":
        return tf.convert_to_tensor(array, tf_keras.backend.floatx())
    return tf.convert_to_tensor(array)


def _loss_of(
    model: Model, x: Tensor, y: Tensor, sample_weight: Tensor, loss: Loss | str | None
) -> Callable[[Tensor], Tensor]:
    """The loss as a function of the model's prediction."""
    if loss is None:
        if not getattr(model, "_is_compiled", False):
            raise ValueError("loss: the model isn't compiled, so it has no loss; compile it or pass loss=.")
        return lambda prediction: model.compute_loss(x, y, prediction, sample_weight)
    of_prediction = callable_loss(loss)
    return lambda prediction: total_loss(model, of_prediction, y, prediction, sample_weight)
