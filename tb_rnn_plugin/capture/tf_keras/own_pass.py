"""A forward and backward pass of its own over one batch of a tf_keras model, which stays as it was."""

import contextlib
from collections.abc import Iterator
from typing import Any, TypeAlias

import tensorflow as tf

from tb_rnn_plugin.capture.keras.tensorflow.own_pass import FixedPass
from tb_rnn_plugin.capture.tf_keras.taps import TfKerasRecorder

Model: TypeAlias = Any


class TfKerasPass(FixedPass):
    """One batch of a tf_keras model."""

    recorder_class = TfKerasRecorder
    autograph = True  # as in tf_keras's own training step: a model may have control flow that needs it

    @contextlib.contextmanager
    def _untouched(self) -> Iterator[None]:
        """Puts back what isn't a weight: metrics, random generators, running averages, the states of layers."""
        model = self._model
        metrics = {id(metric) for metric in model.metrics}
        generators = random_generators(model)
        seeds = [generator._seed for generator in generators]  # noqa: SLF001  # there is no public way to it
        variables = [*_states(model), *(v for metric in model.metrics for v in metric.variables)]
        variables += [g._generator.state for g in generators if g._generator is not None]  # noqa: SLF001
        before = [(variable, tf.identity(variable)) for variable in variables]
        try:
            yield
        finally:
            for variable, value in before:
                variable.assign(value)
            for generator, seed in zip(generators, seeds, strict=True):
                generator._seed = seed  # noqa: SLF001
            for metric in model.metrics:
                if id(metric) not in metrics:  # made by this pass, as the first step of training makes them
                    metric.reset_state()
            model._clear_losses()  # noqa: SLF001  # those of add_loss, as the next call would do


def _states(model: Model) -> list[Any]:
    """Running averages, and the states of stateful layers, which are in no list of variables."""
    of_layers = [getattr(layer, "states", None) for layer in model._flatten_layers()]  # noqa: SLF001  # no public way
    states = [state for state in tf.nest.flatten(of_layers) if state is not None]
    return [*model.non_trainable_variables, *states]


def random_generators(model: Model) -> list[Any]:
    """The random generators of its layers, for dropout. A generator without variables counts its calls in its seed."""
    generators = (getattr(layer, "_random_generator", None) for layer in model._flatten_layers())  # noqa: SLF001
    return [generator for generator in generators if generator is not None]
