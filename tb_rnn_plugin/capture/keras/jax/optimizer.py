"""A tap on the optimizer of a Keras model on JAX: the gradients that it is given, and by how much they are scaled."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import keras

from tb_rnn_plugin.capture.keras.jax import context as keras_jax_context
from tb_rnn_plugin.capture.keras.jax.sink import Matrices, Sink
from tb_rnn_plugin.capture.keras.layers import RecordedLayer
from tb_rnn_plugin.capture.keras.override import Method, Override

Optimizer: TypeAlias = Any
Variable: TypeAlias = Any
Tracer: TypeAlias = Any


class OptimizerTap:
    """On `apply`, as in an eager loop, and on `stateless_apply`, as in `fit` and in jitted functions."""

    def __init__(
        self, optimizer: Optimizer, layers: Sequence[RecordedLayer], sink: Sink, token: object, *, matrices: bool
    ) -> None:
        """Makes the tap, which is not yet on.

        Args:
            optimizer: Of Keras.
            layers: Those whose gradients are sent.
            sink: Where to.
            token: Of the recorder that the tap belongs to; see `keras_jax_context`.
            matrices: Whether gradients are sent, and not just the loss scale.
        """
        self._optimizer = optimizer
        self._layers = layers
        self._sink = sink
        self._token = token
        self._matrices = matrices
        self._within = False  # stateless_apply, which calls apply
        self._overrides: list[Override] = []

    @property
    def scales(self) -> bool:
        """Whether it scales the loss, by a factor that changes from step to step."""
        return isinstance(self._optimizer, keras.optimizers.LossScaleOptimizer)

    def attach(self) -> None:
        """Puts it on, if there is anything to be sent."""
        if self._matrices or self.scales:
            self._overrides.append(Override(self._optimizer, "apply", self._apply_maker))
            self._overrides.append(Override(self._optimizer, "stateless_apply", self._stateless_apply_maker))

    def detach(self) -> None:
        """Takes it off."""
        for override in self._overrides:
            override.undo()
        self._overrides = []

    def _apply_maker(self, apply: Method) -> Method:
        def tapped(grads: Sequence[Tracer], trainable_variables: Sequence[Variable] | None = None) -> Any:
            self._send(
                lambda: (
                    zip(self._variables if trainable_variables is None else trainable_variables, grads, strict=True),
                    lambda variable: variable.value,
                )
            )
            return apply(grads, trainable_variables)

        return tapped

    def _stateless_apply_maker(self, stateless_apply: Method) -> Method:
        def tapped(
            optimizer_variables: Sequence[Tracer], grads: Sequence[Tracer], trainable_variables: Sequence[Tracer]
        ) -> Any:
            def given() -> tuple[Iterable[tuple[Variable, Tracer]], Callable[[Variable], Tracer]]:
                variables = [*self._variables, *self._optimizer.variables]
                values = zip(variables, [*trainable_variables, *optimizer_variables], strict=True)
                value_of = {id(variable): value for variable, value in values}
                return zip(self._variables, grads, strict=True), lambda variable: value_of[id(variable)]

            self._send(given)
            self._within = True
            try:
                return stateless_apply(optimizer_variables, grads, trainable_variables)
            finally:
                self._within = False

        return tapped

    @property
    def _variables(self) -> list[Variable]:
        """What a gradient is of, where it isn't said."""
        variables: list[Variable] = self._optimizer._trainable_variables  # noqa: SLF001  # Keras has no public name for it
        return variables

    def _send(
        self, given: Callable[[], tuple[Iterable[tuple[Variable, Tracer]], Callable[[Variable], Tracer]]]
    ) -> None:
        """Sends gradients, and by how much they are scaled.

        Args:
            given: What makes pairs of a variable and its gradient, and a function from a variable to its value.
        """
        if self._within or not keras_jax_context.traces_for(self._token):
            return
        try:
            pairs, value_of = given()
            gradients, weights = self._matrices_of(pairs, value_of) if self._matrices else ({}, {})
            scale = None
            if self.scales:
                built = self._optimizer.built
                scale = value_of(self._optimizer.dynamic_scale) if built else self._optimizer.initial_scale
            self._sink.apply(gradients, weights, scale)
        except Exception as error:  # noqa: BLE001  # whatever goes wrong here must not end training
            self._sink.error = error

    def _matrices_of(
        self, pairs: Iterable[tuple[Variable, Tracer]], value_of: Callable[[Variable], Tracer]
    ) -> tuple[Matrices, Matrices]:
        """The gradients of the layers' weights, and these."""
        gradient_of = {id(variable): gradient for variable, gradient in pairs if gradient is not None}
        of_layers = {
            (index, *key): variable
            for index, layer in enumerate(self._layers)
            for key, variable in layer.variables.items()
            if id(variable) in gradient_of
        }
        gradients = {key: gradient_of[id(variable)] for key, variable in of_layers.items()}
        return gradients, {key: value_of(variable) for key, variable in of_layers.items()}
