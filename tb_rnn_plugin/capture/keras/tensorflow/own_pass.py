"""A forward and backward pass of its own over one batch of a Keras model on TensorFlow, which stays as it was."""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from tb_rnn_plugin.capture.keras.layers import Layer, is_float
from tb_rnn_plugin.capture.keras.override import Method
from tb_rnn_plugin.capture.keras.own_pass import OwnPass
from tb_rnn_plugin.capture.keras.recorded_pass import Recording
from tb_rnn_plugin.capture.keras.tensorflow.recorder import Recorder
from tb_rnn_plugin.capture.keras.tensorflow.replicas import copies, outside_strategies, tf_variable
from tb_rnn_plugin.capture.keras.tensorflow.scale import loss_scale
from tb_rnn_plugin.capture.keras.tensorflow.store import to_numpy

Tensor: TypeAlias = Any


class FixedPass(OwnPass):
    """Of a model on TensorFlow: eagerly, or as a tf.function that is traced with the taps on, at its first run only."""

    recorder_class = Recorder
    autograph = False
    _concrete: Method | None = None

    @functools.cached_property
    def _recorder(self) -> Recorder:
        return self.recorder_class(self._layers, keep_inputs=self._recurrences.wanted)

    def _run(self) -> Recording:
        """By itself, whatever strategy trains the model."""
        return outside_strategies(self._run_alone)

    def _run_alone(self) -> Recording:
        if not self._model.built:
            _called(self._model, self._x, training=False)
        with self._untouched():
            self._recorder.arm(armed=True)
            if self._compiled:
                if self._concrete is None:
                    with self._recorder.attached_alone():
                        function = tf.function(self._gradients, autograph=self.autograph)
                        self._concrete = function.get_concrete_function()
                gradients, scale = self._concrete()
            else:
                with self._recorder.attached_alone():
                    gradients, scale = self._gradients()
            taken = self._recorder.take()
            calls = taken[0] if taken else [[] for _ in self._layers]
            self._recorder.arm(armed=False)
        if self._recorder.error is not None:
            raise self._recorder.error
        return Recording(
            calls=calls,
            weights=[{key: to_numpy(copies(v)[0]) for key, v in layer.variables.items()} for layer in self._layers],
            weight_gradients=[{key: to_numpy(g) for key, g in of.items() if g is not None} for of in gradients],
            scale=float(scale),
        )

    def _gradients(self) -> tuple[list[dict[tuple[str, str], Tensor]], Tensor]:
        """The weight gradients of each layer, and the loss scale that is in them."""
        variables = [{key: tf_variable(v) for key, v in layer.variables.items()} for layer in self._layers]
        optimizer = getattr(self._model, "optimizer", None)
        factor = loss_scale(optimizer)
        scale = tf.cast(1.0 if factor is None else factor, tf.float32)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)  # frozen ones too: then a gradient reaches every tap
            if not all(variables):  # the tap of a layer without weights is reached through what lies below it
                below = [self._x, *map(tf_variable, self._model.variables)]
                tape.watch([tensor for tensor in keras.tree.flatten(below) if is_float(tensor)])
            loss = tf.reduce_mean(self._loss(_called(self._model, self._x, training=self._training)))
            scaled = loss * tf.cast(scale, loss.dtype)
        gradients = tape.gradient(scaled, variables)
        return [{k: None if g is None else tf.convert_to_tensor(g) for k, g in of.items()} for of in gradients], scale

    def _untouched(self) -> contextlib.AbstractContextManager[None]:
        return _untouched(self._model)


@contextlib.contextmanager
def _untouched(model: Layer) -> Iterator[None]:
    """Puts back what isn't a weight: metrics, states of random generators, running averages, states of layers."""
    variables = [v for v in model.variables if not v.trainable] + list(getattr(model, "metrics_variables", []))
    for layer in model._flatten_layers():  # noqa: SLF001  # Keras has no public way to the layers of a layer
        # Those of a stateful layer are in no list of variables.
        variables += keras.tree.flatten(getattr(layer, "states", None) or [])
    # Each replica's own: to read them as one may wait for other workers.
    before = [(copy, tf.identity(copy)) for variable in variables for copy in copies(variable)]
    try:
        yield
    finally:
        for copy, value in before:
            copy.assign(value)
        model._clear_losses()  # noqa: SLF001  # those of add_loss, as the next call would do


def _called(model: Layer, x: Any, *, training: bool) -> Tensor:
    if getattr(model, "_call_has_training_arg", True):
        return model(x, training=training)
    return model(x)
