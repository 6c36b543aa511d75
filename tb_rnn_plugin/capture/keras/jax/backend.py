"""Taps on Keras layers whose backend is JAX: in fit, in loops of one's own, jitted or not, and on one batch.

A loop of one's own calls the model with `stateless_call`, differentiates with `jax.value_and_grad`, and updates with
`optimizer.stateless_apply`, as Keras's guide has it. Forward-mode differentiation (jax.jvp) of a recorded layer is an
error of JAX: capture a batch instead.

Recurrent layers are recorded without a trace in the training, to the last bit. With other layers XLA may fuse what it
sends, gradients of weights above all, in another way than what it doesn't.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import jax
import keras

from tb_rnn_plugin import record
from tb_rnn_plugin.capture.keras import calls as keras_calls
from tb_rnn_plugin.capture.keras import taps as keras_taps
from tb_rnn_plugin.capture.keras.jax.recorder import Recorder, arrays, synchronise
from tb_rnn_plugin.capture.keras.layers import RecordedLayer
from tb_rnn_plugin.capture.keras.recurrence import Recurrences
from tb_rnn_plugin.capture.recurrences import Derivation

Model: TypeAlias = Any
Optimizer: TypeAlias = Any
Tensor: TypeAlias = Any
Values: TypeAlias = Mapping[int, Any]


def make_taps(
    model: Model,
    layers: Sequence[RecordedLayer],
    *,
    optimizer: Optimizer | None = None,
    **options: Any,  # those of KerasTaps
) -> keras_taps.KerasTaps:
    """Attaches taps; the first pass is recorded.

    Args:
        model: The Keras model.
        layers: Its layers to be recorded.
        optimizer: Whose `apply` or `stateless_apply` gets the weight gradients; None where it isn't known.
        **options: As `KerasTaps` takes them.
    """
    make_recorder = functools.partial(Recorder, model, layers, optimizer=optimizer)
    return keras_taps.KerasTaps(model, layers, make_recorder, **options)


class FixedPass:
    """A forward and backward pass of its own over one batch; the model stays as it is."""

    def __init__(
        self,
        model: Model,
        layers: Sequence[RecordedLayer],
        loss: Callable[[Tensor], Tensor],
        x: Any,  # whatever the model takes
        *,
        training: bool,
        derivation: Derivation | None = None,
        compiled: bool,  # noqa: ARG002  # uncompiled it takes longer even once: a scan over time is compiled anyway
    ) -> None:
        """Prepares the pass.

        Args:
            model: The Keras model.
            layers: Its layers to be recorded.
            loss: From the model's prediction to a scalar.
            x: The batch, in tensors.
            training: Whether the model runs in training mode.
            derivation: What is computed of recurrent layers; None: nothing.
            compiled: Whether the pass may be compiled. Here it is, unless the model is to run eagerly.
        """
        self._model = model
        self._layers = layers
        self._loss = loss
        self._x = x
        self._training = training
        self._recurrences = Recurrences(layers, derivation)
        self._recorder = Recorder(model, layers, matrices=False, keep_inputs=self._recurrences.wanted)
        self._variables: dict[int, Any] = {}
        self._differentiate: Any = None

    def records(self) -> list[record.LayerRecord]:
        """Runs the pass, with the weights that the model has now."""
        model = self._model
        synchronise(model)
        if not model.built:
            keras_calls.prediction(model, self._x, training=False)
        sources = keras_calls.differentiated(model, self._layers)
        self._variables = {id(variable): variable for variable in (*_variables(model), *sources)}
        values = {key: variable.value for key, variable in self._variables.items()}
        of_sources = {id(variable): values.pop(id(variable)) for variable in sources}
        scale = float(keras_calls.loss_scale(getattr(model, "optimizer", None)) or 1)
        if self._differentiate is None:
            self._differentiate = self._differentiated()
        with self._recorder.alone():
            gradients, *_ = self._differentiate(of_sources, self._x, values, scale)
        if self._recorder.error is not None:
            raise self._recorder.error
        of_pass = keras_taps.Recording(
            calls=self._recorder.take().calls,
            weights=[arrays({k: of_sources[id(v)] for k, v in of.variables.items()}) for of in self._layers],
            weight_gradients=[arrays({k: gradients[id(v)] for k, v in of.variables.items()}) for of in self._layers],
            scale=scale,
        )
        unscaled = of_pass.unscaled()
        inputs = unscaled.inputs(self._layers) if self._recurrences.wanted else {}
        return self._recurrences.added(unscaled.records(self._layers), inputs)

    def _differentiated(self) -> Any:  # a function as jax.grad makes it
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
