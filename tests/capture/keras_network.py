"""`tensorflow_network` in Keras 3 on TensorFlow, with its optimizer and its training step."""

import functools
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import pytest
import tensorflow as tf

from tests.capture import tensorflow_network
from tests.capture.tensorflow_network import Array, Batch, Expected, Step, squared

network = functools.partial(tensorflow_network.network, keras)
clone = functools.partial(tensorflow_network.clone, keras)


def case(what: str) -> pytest.MarkDecorator:
    """Says that a test compares this with an independent computation; docs/frameworks.md lists it."""
    return pytest.mark.framework_case("Keras 3 on TensorFlow", what)


def sgd() -> Any:
    """Clips: that has to leave no trace in what is recorded."""
    return keras.optimizers.SGD(0.1, momentum=0.9, clipnorm=1e-2)


def train_step(model: Any, optimizer: Any) -> Step:
    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = squared(y, model(x, training=True))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    return step


def each_expected(model: Any, batches: Iterable[Batch]) -> Iterator[Expected]:
    """What training `model` on these batches has to give, one after the other."""
    untouched = clone(model)
    return tensorflow_network.each_expected(untouched, train_step(untouched, sgd()), batches)


def variables(model: Any) -> list[Array]:
    """Of everything that training changes."""
    return [v.numpy() for v in model.variables + model.optimizer.variables + model.metrics_variables]


def is_tapped(model: Any) -> bool:
    return any("call" in vars(layer) for layer in model._flatten_layers()) or "apply" in vars(model.optimizer)
