"""`tensorflow_network` in tf_keras, with its optimizers and its training step."""

import functools
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import tensorflow as tf
import tf_keras

from tests.capture import tensorflow_network
from tests.capture.tensorflow_network import Batch, Expected, Step, squared

network = functools.partial(tensorflow_network.network, tf_keras)
clone = functools.partial(tensorflow_network.clone, tf_keras)


def case(what: str) -> pytest.MarkDecorator:
    """Says that a test compares this with an independent computation; docs/frameworks.md lists it."""
    return pytest.mark.framework_case("tf_keras", what)


def slow(*values: object) -> Any:
    return pytest.param(*values, marks=pytest.mark.slow)


def sgd(legacy: bool = False) -> Any:
    """Clips: that has to leave no trace in what is recorded."""
    optimizers = tf_keras.optimizers.legacy if legacy else tf_keras.optimizers
    return optimizers.SGD(0.1, momentum=0.9, clipnorm=1e-2)


def train_step(model: Any, optimizer: Any, *, minimize: bool = False) -> Step:
    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = squared(y, model(x, training=True))
        variables = model.trainable_variables
        if minimize:
            optimizer.minimize(loss, variables, tape=tape)
        else:
            optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    return step


def each_expected(model: Any, batches: Iterable[Batch], *, legacy: bool = False) -> Iterator[Expected]:
    """What training `model` on these batches has to give, one after the other."""
    untouched = clone(model)
    return tensorflow_network.each_expected(untouched, train_step(untouched, sgd(legacy)), batches)


def is_tapped(model: Any) -> bool:
    """Whether a method of a layer or of the optimizer is ours; tf_keras itself sets some when it makes a SavedModel."""
    methods = [getattr(layer, "call", None) for layer in model._flatten_layers()] + [model.optimizer.apply_gradients]
    return any(hasattr(method, "rnn_summary_override") for method in methods)
