"""A model that is compiled anew while taps are on it, in Keras 3 on TensorFlow and in tf_keras."""

from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.record import LayerRecord

pytestmark = pytest.mark.tensorflow
pytest.importorskip("tensorflow")

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

if keras.config.backend() != "tensorflow":
    pytest.skip("for Keras on TensorFlow", allow_module_level=True)
tf_keras = pytest.importorskip("tf_keras")

CASE = "compiled anew while attached"
of_each = pytest.mark.parametrize(
    "framework",
    [
        pytest.param(keras, id="keras", marks=pytest.mark.framework_case("Keras 3 on TensorFlow", CASE)),
        pytest.param(tf_keras, id="tf_keras", marks=pytest.mark.framework_case("tf_keras", CASE)),
    ],
)
X = np.random.default_rng(0).normal(size=(4, 5, 3)).astype(np.float32)
Y = np.random.default_rng(1).normal(size=(4, 2)).astype(np.float32)


def network(framework: Any) -> Any:
    framework.utils.set_random_seed(3)
    layers = framework.layers
    return framework.Sequential([framework.Input((5, 3)), layers.LSTM(4, name="lstm"), layers.Dense(2, name="head")])


def scaled(framework: Any) -> Any:
    """An optimizer whose gradients are 64 times as large."""
    of_precision = framework.optimizers if framework is keras else framework.mixed_precision
    return of_precision.LossScaleOptimizer(framework.optimizers.SGD(0.1), initial_scale=64.0)


def check(records: list[LayerRecord], framework: Any, weights: list[Any], *, matrices: bool = True) -> None:
    """Against a tape, on a model of its own that has these weights."""
    model = network(framework)
    model.set_weights(weights)
    lstm, head = model.get_layer("lstm"), model.get_layer("head")
    with tf.GradientTape() as tape:
        hidden = tf.identity(lstm(X))
        loss = tf.reduce_mean((head(hidden) - Y) ** 2)
    of_hidden, *of_weights = tape.gradient(loss, [hidden, *plain(lstm)])
    (record,) = records
    np.testing.assert_allclose(record.sequences["output_gradient"][:, 0], of_hidden, rtol=1e-5, atol=1e-7)
    recorded = list(record.weight_gradients.get("forward", {}).values())
    assert len(recorded) == (3 if matrices else 0)
    for gradient, expected in zip(recorded, of_weights, strict=False):
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-6)


def plain(layer: Any) -> list[Any]:
    """The variables of TensorFlow."""
    return [v.value if isinstance(v, keras.Variable) else v for v in layer.trainable_variables]


@of_each
def test_gradients_are_those_that_the_new_optimizer_is_given(framework: Any) -> None:
    model = network(framework)
    model.compile(framework.optimizers.SGD(0.1, clipnorm=1e-3), "mse")
    first = model.optimizer
    with rnn_summary.attach(model, every=1, samples=None, bptt=False) as taps:
        for step, optimizer in enumerate((first, scaled(framework), framework.optimizers.Adam(0.1))):
            if step:
                model.compile(optimizer, "mse")
            weights = model.get_weights()
            model.train_on_batch(X, Y)
            check(taps.collect(step), framework, weights)
    assert "compile" not in vars(model)
    for optimizer in (first, model.optimizer):
        assert not {"apply", "apply_gradients"} & set(vars(optimizer))


@of_each
def test_the_loss_scale_is_the_new_optimizers_where_no_weights_are_recorded(framework: Any) -> None:
    model = network(framework)
    model.compile("sgd", "mse")
    with rnn_summary.attach(model, every=1, samples=None, quantities=["output_gradient"]) as taps:
        model.train_on_batch(X, Y)
        taps.collect(0)
        model.compile(scaled(framework), "mse")
        weights = model.get_weights()
        model.train_on_batch(X, Y)
        check(taps.collect(1), framework, weights, matrices=False)


@of_each
def test_a_model_that_is_compiled_after_all(framework: Any) -> None:
    model = network(framework)
    with pytest.warns(UserWarning, match="weight gradients are left out, since no optimizer is known"):
        taps = rnn_summary.attach(model, every=1, samples=None, bptt=False)
    with taps:
        model.compile("sgd", "mse")
        weights = model.get_weights()
        model.train_on_batch(X, Y)
        check(taps.collect(0), framework, weights)


@of_each
def test_an_optimizer_of_ones_own_stays_the_one(framework: Any) -> None:
    model, optimizer = network(framework), framework.optimizers.SGD(0.1)
    model.compile("sgd", "mse")
    with rnn_summary.attach(model, every=1, samples=None, optimizer=optimizer, bptt=False) as taps:
        model.compile("adam", "mse")
        weights = model.get_weights()
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(X, training=True) - Y) ** 2)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        check(taps.collect(0), framework, weights)
