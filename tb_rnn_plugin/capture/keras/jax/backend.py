"""Taps on Keras layers whose backend is JAX: in fit, in loops of one's own, jitted or not, and on one batch.

A loop of one's own calls the model with `stateless_call`, differentiates with `jax.value_and_grad`, and updates with
`optimizer.stateless_apply`, as Keras's guide has it. Forward-mode differentiation (jax.jvp) of a recorded layer is an
error of JAX: capture a batch instead.

Recurrent layers are recorded without a trace in the training, to the last bit. With other layers XLA may fuse what it
sends, gradients of weights above all, in another way than what it doesn't.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import jax
import keras

from tb_rnn_plugin.capture.keras import calls as keras_calls
from tb_rnn_plugin.capture.keras import taps as keras_taps
from tb_rnn_plugin.capture.keras.jax.recorder import Recorder, arrays, synchronise
from tb_rnn_plugin.capture.keras.layers import RecordedLayer
from tb_rnn_plugin.capture.keras.own_pass import OwnPass
from tb_rnn_plugin.capture.keras.recorded_pass import Recording

#: What a training function raises where an epoch ends, if its length wasn't known.
END_OF_DATA = (StopIteration,)

Model: TypeAlias = Any
Tensor: TypeAlias = Any
Values: TypeAlias = Mapping[int, Any]


def make_taps(model: Model, layers: Sequence[RecordedLayer], **options: Any) -> keras_taps.KerasTaps:
    """Attaches taps, with the options of KerasTaps; the first pass is recorded."""
    return keras_taps.KerasTaps(model, layers, functools.partial(Recorder, model, layers), **options)


class FixedPass(OwnPass):
    """Of a model on JAX: compiled, even where it runs once, unless the model is to run eagerly."""

    _variables: Mapping[int, Any]  # by id, those of the present run

    def _run(self) -> Recording:
        model = self._model
        synchronise(model)
        if not model.built:
            keras_calls.prediction(model, self._x, training=False)
        sources = keras_calls.differentiated(model, self._layers)
        self._variables = {id(variable): variable for variable in (*_variables(model), *sources)}
        values = {key: variable.value for key, variable in self._variables.items()}
        of_sources = {id(variable): values.pop(id(variable)) for variable in sources}
        scale = float(keras_calls.loss_scale(getattr(model, "optimizer", None)) or 1)
        with self._recorder.alone():
            gradients, *_ = self._differentiate(of_sources, self._x, values, scale)
        if self._recorder.error is not None:
            raise self._recorder.error
        return Recording(
            calls=self._recorder.take().calls,
            weights=[arrays({k: of_sources[id(v)] for k, v in of.variables.items()}) for of in self._layers],
            weight_gradients=[arrays({k: gradients[id(v)] for k, v in of.variables.items()}) for of in self._layers],
            scale=scale,
        )

    @functools.cached_property
    def _recorder(self) -> Recorder:
        return Recorder(self._model, self._layers, matrices=False, keep_inputs=self._recurrences.wanted)

    @functools.cached_property
    def _differentiate(self) -> Any:  # a function as jax.grad makes it
        with_input = (1,) if keras_calls.has_weightless(self._layers) else ()
        differentiate = jax.grad(self._scaled_loss, argnums=(0, *with_input), allow_int=True)
        return differentiate if getattr(self._model, "run_eagerly", False) else jax.jit(differentiate)

    def _scaled_loss(self, sources: Values, x: Any, others: Values, scale: Tensor) -> Tensor:
        """The loss, with these values of the variables, which are given by their ids."""
        values = [(self._variables[key], value) for key, value in (*sources.items(), *others.items())]
        with keras_calls.stateless(self._model, values):
            loss = keras.ops.mean(self._loss(keras_calls.prediction(self._model, x, training=self._training)))
            return loss * keras.ops.cast(scale, loss.dtype)


def _variables(model: Model) -> list[Any]:
    """Everything that a pass may read: weights, random states, running averages, and the states of layers."""
    states = [getattr(layer, "states", None) or [] for layer in model._flatten_layers()]  # noqa: SLF001  # no public way
    return [*model.variables, *keras.tree.flatten(states)]
