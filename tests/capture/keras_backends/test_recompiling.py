"""A model of Keras on JAX or on PyTorch that is compiled anew while taps are on it."""

import pytest

from tests.capture.keras_backends.backends import on_each

pytest.importorskip("keras")

import keras

from tb_rnn_plugin.capture.keras import entry as capture_keras
from tests.capture.keras_backends.network import Expected, data, sgd, small_network


@on_each(case="compiled anew while attached")
def test_gradients_are_those_that_the_new_optimizer_is_given(backend: str) -> None:
    model, (x, y) = small_network(), data(4)
    first, scaled = sgd(), keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), initial_scale=64.0)
    model.compile(first, "mse")
    with capture_keras.attach(model, every=1, samples=None) as taps:
        for step, optimizer in enumerate((first, scaled, keras.optimizers.Adam(0.1))):
            if step:
                model.compile(optimizer, "mse")
            expected = Expected(model, x, y)
            model.train_on_batch(x, y)
            expected.check(taps.collect(step))
    assert "compile" not in vars(model)
    for optimizer in (first, scaled, model.optimizer):
        assert not {"apply", "stateless_apply", "scale_loss"} & set(vars(optimizer))
