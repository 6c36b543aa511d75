"""Keras models: taps in their training, probes on a batch of their own, and a callback for fit."""

import functools
import importlib
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import keras
import numpy as np

from tb_rnn_plugin import record
from tb_rnn_plugin.capture import taps
from tb_rnn_plugin.capture.fit_callback import FitCallback, detaching
from tb_rnn_plugin.capture.keras import layers as keras_layers
from tb_rnn_plugin.capture.keras.arguments import one_batch, training_optimizer
from tb_rnn_plugin.capture.keras.description import describe
from tb_rnn_plugin.capture.recurrences import Derivation

__all__ = ["KerasCallback", "attach", "capture", "describe"]

Model: TypeAlias = Any
Tensor: TypeAlias = Any
Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]

_BACKENDS = {
    "tensorflow": "tb_rnn_plugin.capture.keras.tensorflow.backend",
    "jax": "tb_rnn_plugin.capture.keras.jax.backend",
    "torch": "tb_rnn_plugin.capture.keras.torch.backend",
}


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
    after `optimizer.apply`, so that the weight gradients are there; the weights written are those before the update.

    On TensorFlow, in a train_step of the model's own too: weight gradients are what `optimizer.apply` or
    `apply_gradients` is given, so where the step clips them itself they are clipped, and where the optimizer clips them
    they are not. Optimizers that the model holds in attributes, as that of a generator and that of a discriminator,
    count all: the gradients of a layer are those of the optimizer that trains it.

    With tf.distribute.MirroredStrategy, and in a loop of one's own with MultiWorkerMirroredStrategy (the `fit` of Keras
    3 does not run with it), records are of the joined batch: the samples of the replicas in their order, gradients of
    the whole loss, weight gradients summed as the optimizer sums them, before it clips. Attach and write in every
    worker: the chief alone makes a file.

    Args:
        model: A Keras model.
        every: How often is written, in steps.
        samples: Of how many samples the arrays are kept; None for all.
        layers: Which recurrent layers; see `keras_layers.find`.
        optimizer: Whose `apply` gets the gradients; left out: that of `model.compile`. Where gradients are scaled for
            mixed precision, this optimizer knows by how much.
        quantities: What is recorded; left out: everything.
        keep_inputs: Whether each layer's input, initial state and mask are kept too, in the `inputs` of the taps.
        bptt: Whether gradients through time, gates and cell states are computed.

    Raises:
        TypeError: If an argument is of the wrong type.
        ValueError: If the model has no recurrent layer, or not the one that is asked for; or if it is trained with a
            strategy of tf.distribute that can't be recorded.
    """
    picked = keras_layers.find(model, layers)
    in_parameters = keras.config.backend() == "torch"  # whose parameters hold their gradients
    optimizer = training_optimizer(model, optimizer, quantities, method="apply", needed=not in_parameters)
    made: taps.Taps = _backend().make_taps(
        model,
        picked,
        every=every,
        samples=samples,
        optimizer=optimizer,
        quantities=quantities,
        keep_inputs=keep_inputs,
        bptt=bptt,
    )
    return made


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

    Args:
        model: A built Keras model; without `loss`, a compiled one.
        x: The batch, as the model takes it.
        y: Its targets.
        layers: Which recurrent layers; see `keras_layers.find`.
        sample_weight: Weights of the samples, as `model.fit` takes them.
        training: Whether the model runs in training mode, with its dropout.
        loss: In place of the compiled loss: a Keras loss, its name, or a callable (y, prediction) → loss. What
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
        batch = (x, y, sample_weight)
        own_pass = _fixed_pass(
            model, layers, batch, training=training, loss=loss, compiled=False, derivation=derivation
        )
        records: list[record.LayerRecord] = own_pass.records()
        return records

    return one_batch(model, picked, records_of, training=training, clipped=clipped, bptt=bptt)


def _backend() -> Any:  # a module of this package
    name = keras.config.backend()
    if name not in _BACKENDS:
        raise ValueError(
            f"model: Keras runs on the {name} backend, which can't be recorded yet; can be: {', '.join(_BACKENDS)}."
        )
    return importlib.import_module(_BACKENDS[name])


def _fixed_pass(
    model: Model,
    layers: Sequence[keras_layers.RecordedLayer],
    batch: tuple[Any, Any, Any],
    *,
    training: bool,
    loss: Loss | str | None,
    compiled: bool,
    derivation: Derivation | None,
) -> Any:  # the backend's FixedPass
    x, y, sample_weight = (_tensors(part) for part in batch)
    of_prediction = _loss_of(model, x, y, sample_weight, training=training, loss=loss)
    return _backend().FixedPass(
        model, layers, of_prediction, x, training=training, compiled=compiled, derivation=derivation
    )


def _tensors(arrays: Any) -> Any:  # a tensor or a structure of them
    return keras.tree.map_structure(lambda array: None if array is None else _tensor(array), arrays)


def _tensor(array: Any) -> Tensor:
    """A tensor of it, of the type to which `fit` brings what it is given."""
    is_float = isinstance(array, np.ndarray) and array.dtype.kind == "f"
    return keras.ops.convert_to_tensor(array, keras.config.floatx() if is_float else None)


def _loss_of(
    model: Model, x: Tensor, y: Tensor, sample_weight: Tensor, *, training: bool, loss: Loss | str | None
) -> Callable[[Tensor], Tensor]:
    """The loss as a function of the model's prediction."""
    if loss is None:
        if not getattr(model, "compiled", False):
            raise ValueError("loss: the model isn't compiled, so it has no loss; compile it or pass loss=.")
        compute = model.compute_loss
        takes_training = "training" in inspect.signature(compute).parameters
        if takes_training:
            compute = functools.partial(compute, training=training)
        return lambda prediction: compute(x=x, y=y, y_pred=prediction, sample_weight=sample_weight)
    if isinstance(loss, str):
        loss = keras.losses.get(loss)
    if not callable(loss):
        raise TypeError(f"loss: expected a callable (y, prediction) → loss or its name, got {type(loss).__name__}.")

    def of(prediction: Tensor) -> Tensor:
        if isinstance(loss, keras.losses.Loss):
            value = loss(y, prediction, sample_weight=sample_weight)
        else:
            value = loss(y, prediction)
            if sample_weight is not None:
                weight = keras.ops.cast(sample_weight, value.dtype)
                value *= keras.ops.reshape(weight, weight.shape + (1,) * (len(value.shape) - len(weight.shape)))
        value = keras.ops.mean(value)
        return value + sum(keras.ops.cast(term, value.dtype) for term in model.losses)

    return of


def fit_taps(model: Model, layers: Sequence[keras_layers.RecordedLayer], **options: Any) -> taps.Taps:
    """Taps for a running `fit`; see `fit_callback.FitModule`."""
    backend = _backend()
    made: taps.Taps = backend.make_taps(model, layers, optimizer=model.optimizer, **options)
    made.passes_told = type(model).train_step is keras.Model.train_step and steps_per_execution(model) == 1
    model.train_function = detaching(model.train_function, made, backend.END_OF_DATA)
    return made


def fit_probe(
    model: Model,
    layers: Sequence[keras_layers.RecordedLayer],
    batch: tuple[Any, Any, Any],
    derivation: Derivation,
) -> Any:
    """The pass over a batch that is always the same; see `fit_callback.FitModule`."""
    compiled = not getattr(model, "run_eagerly", False)
    return _fixed_pass(model, layers, batch, training=False, loss=None, compiled=compiled, derivation=derivation)


def batches_trained(model: Model) -> int:
    """How many batches the optimizer has seen."""
    optimizer: Any = getattr(model, "optimizer", None)
    while hasattr(optimizer, "inner_optimizer"):  # that of mixed precision scales the loss, and counts nothing
        optimizer = optimizer.inner_optimizer
    if optimizer is None:
        return 0
    # Of accumulated gradients `iterations` are the updates. And of a variable of tf.distribute int() makes none.
    return int(keras.ops.add(optimizer._iterations, 0))  # noqa: SLF001  # no public way


def steps_per_execution(model: Model) -> int:
    """How many batches lie between two calls of a callback."""
    return int(getattr(model, "steps_per_execution", 1))


class KerasCallback(FitCallback, keras.callbacks.Callback):
    """Writes the recurrent layers of a model while `fit` trains it; in the `fit` of tf_keras too.

    Without `probe` it records the training passes themselves. With `probe`, a batch of its own is recorded instead, in
    a pass of its own: the same data at each step and in each run. Either way training goes on exactly as without it.

    A failure to record never ends the training: it is said once, and nothing more is written. Only what is wrong before
    the first batch raises: a wrong argument here, a layer that isn't there or a model without any as `fit` begins.

    `fit` does not call its callbacks when it raises: an error in the training step takes the taps off on its way
    through, and after any other they come off as soon as the callback is gone, or is used again.
    """
