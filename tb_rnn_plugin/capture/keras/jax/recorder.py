"""Taps on the layers of a Keras model on JAX, and what they recorded as numpy arrays."""

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from tb_rnn_plugin.capture.keras import calls as keras_calls
from tb_rnn_plugin.capture.keras.jax import context as keras_jax_context
from tb_rnn_plugin.capture.keras.jax.optimizer import OptimizerTap
from tb_rnn_plugin.capture.keras.jax.sink import Applied, Key, Matrices, Sink, Tensors, scanned, wait
from tb_rnn_plugin.capture.keras.layers import Array, Part, RecordedLayer, RecurrentLayer
from tb_rnn_plugin.capture.keras.override import Method, Override
from tb_rnn_plugin.capture.keras.recorded_pass import Recording

Model: TypeAlias = Any
Optimizer: TypeAlias = Any


class Recorder:
    """Taps on the layers of a Keras model, and on the optimizer that is given the gradients."""

    nothing = (
        "A step that is compiled ahead of time, with jax.jit(…).lower(…).compile(), has to be compiled after attach; "
        "and training has to run in the thread that attaches"
    )

    def __init__(
        self,
        model: Model,
        layers: Sequence[RecordedLayer],
        *,
        optimizer: Optimizer | None = None,
        matrices: bool = True,
        keep_inputs: bool = False,
    ) -> None:
        """Makes the taps, which are not yet on.

        Args:
            model: The Keras model.
            layers: Its layers to be recorded.
            optimizer: Whose `apply` or `stateless_apply` gets the weight gradients; None where it isn't known.
            matrices: Whether weights and their gradients are recorded.
            keep_inputs: Whether each layer's input, initial state and mask are kept too.
        """
        self._model = model
        self._layers = layers
        self._matrices = matrices
        self._keep_inputs = keep_inputs
        self._sink = Sink()
        self._token = object()
        self._overrides: list[Override] = []
        self._factor = float(getattr(optimizer, "loss_scale_factor", None) or 1)
        self._optimizer = None
        if optimizer is not None:
            self._optimizer = OptimizerTap(optimizer, layers, self._sink, self._token, matrices=matrices)

    @property
    def error(self) -> Exception | None:
        """What went wrong at a tap, if something did."""
        return self._sink.error

    def attach(self) -> None:
        """Puts a tap on every layer, and on the optimizer if there is one."""
        for index, layer in enumerate(self._layers):
            for tap, tapped in enumerate(layer.tapped):
                self._overrides.append(Override(tapped, "call", self._maker(index, tap)))
        if self._optimizer is not None:
            self._optimizer.attach()

    def detach(self) -> None:
        """Takes the taps off."""
        for override in reversed(self._overrides):
            override.undo()
        self._overrides = []
        if self._optimizer is not None:
            self._optimizer.detach()

    def arm(self, *, armed: bool) -> None:
        """Turns recording on or off, beginning with the next forward pass, and forgets what was recorded."""
        self._sink.clear()
        self._sink.recording = armed
        keras_jax_context.trace_for(self._token, armed=armed)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Puts the taps on for a pass of their own, in which no others record."""
        self._sink.clear()
        self._sink.recording = True
        self.attach()
        try:
            with keras_jax_context.alone(self._token):
                yield
            wait()
        finally:
            self._sink.recording = False
            self.detach()

    def take(self) -> Recording:
        """What was recorded since it was armed."""
        wait()
        arrived, applied = self._sink.take()
        notices = [] if self.error is None else [f"some layers can't be tapped: {self.error!r}"]
        if arrived and applied is None and self._optimizer is not None and (self._matrices or self._optimizer.scales):
            why = (
                "neither optimizer.apply nor stateless_apply was called between the backward pass and the write; write "
                "after it, and pass the optimizer that trains as optimizer="
            )
            if self._optimizer.scales:
                arrived = {}
                notices.append(f"nothing is recorded, since it isn't known by how much the loss is scaled: {why}")
            else:
                notices.append(f"weight gradients are left out: {why}")
        gradients = applied.gradients if applied else {}
        return Recording(
            calls=[self._calls(index, arrived) for index in range(len(self._layers))],
            weights=[self._weights(index, arrived, applied) for index in range(len(self._layers))],
            weight_gradients=[_of_layer(index, gradients) for index in range(len(self._layers))],
            scale=self._factor if applied is None or applied.scale is None else float(applied.scale),
            notices=notices,
        )

    def _calls(self, index: int, arrived: Mapping[Key, tuple[Tensors, Tensors]]) -> list[tuple[Part, ...]]:
        """The calls of one layer in order, a part for each tap."""
        taps = range(len(self._layers[index].tapped))
        by_tap = [
            [self._part(index, arrived[key][0]) for key in sorted(arrived) if key[:2] == (index, tap)] for tap in taps
        ]
        return list(zip(*by_tap, strict=False))

    def _part(self, index: int, tensors: Tensors) -> dict[str, Array]:
        part = arrays(tensors)
        return {name: scanned(array) for name, array in part.items()} if self._is_scan(index) else part

    def _is_scan(self, index: int) -> bool:
        return isinstance(self._layers[index], RecurrentLayer)

    def _weights(
        self, index: int, arrived: Mapping[Key, tuple[Tensors, Tensors]], applied: Applied | None
    ) -> dict[tuple[str, str], Array]:
        """What the first call of a layer computed with."""
        if not self._matrices or not arrived:
            return {}
        calls = sorted(key for key in arrived if key[:2] == (index, 0))
        if calls:
            return arrays(arrived[calls[0]][1])
        # What isn't trained doesn't change: now is as good as then.
        return self._current_weights(self._layers[index]) | _of_layer(index, applied.weights if applied else {})

    def _current_weights(self, layer: RecordedLayer) -> dict[tuple[str, str], Array]:
        synchronise(self._model)
        # In a loop of one's own the model may hold arrays that were given away; Keras itself takes them out.
        values = {key: variable._value for key, variable in layer.variables.items()}  # noqa: SLF001
        return arrays({key: v for key, v in values.items() if v is not None and not v.is_deleted()})

    def _maker(self, index: int, tap: int) -> Callable[[Method], Method]:
        layer = self._layers[index]

        def make(call: Method) -> Method:
            signature = inspect.signature(call)

            def tapped(*args: Any, **kwargs: Any) -> Any:  # a Keras layer's call
                if not keras_jax_context.traces_for(self._token):
                    return call(*args, **kwargs)
                kept: Tensors = {}
                weights: Tensors = {}
                try:
                    if self._keep_inputs and layer.keeps_inputs:
                        kept = keras_calls.inputs(layer.tapped[tap], signature.bind(*args, **kwargs).arguments)
                    if self._matrices and tap == 0:
                        weights = keras_calls.weights(layer)
                except Exception as error:  # noqa: BLE001  # whatever goes wrong here must not end training
                    self._sink.error = error
                returned = call(*args, **kwargs)
                try:
                    outputs = keras_calls.Outputs.of(layer, returned)
                    if not outputs.tapped:
                        return returned
                    return self._sink.through((index, tap), outputs, kept, weights, is_scan=self._is_scan(index))
                except Exception as error:  # noqa: BLE001
                    self._sink.error = error
                    return returned

            return tapped

        return make


def synchronise(model: Model) -> None:
    """Puts what `fit` has trained so far into the model's variables, which are empty while it runs."""
    if hasattr(model, "jax_state_sync"):
        model.jax_state_sync()


def arrays(tensors: Mapping[Any, Any]) -> dict[Any, Array]:
    """JAX's arrays as those of numpy, numbers as float32."""
    by_name = {name: np.asarray(tensor) for name, tensor in tensors.items()}
    return {name: a if a.dtype == bool else a.astype(np.float32, copy=False) for name, a in by_name.items()}


def _of_layer(index: int, matrices: Matrices) -> dict[tuple[str, str], Array]:
    return arrays({key[1:]: array for key, array in matrices.items() if key[0] == index})
