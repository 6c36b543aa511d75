"""Gradients by which the loss is scaled, and gradients that a layer or an optimizer never gets."""

from typing import Any

import numpy as np
import pytest

from tests.capture.keras_backends.backends import on_each, on_each_with

pytest.importorskip("keras")

import keras

from tb_rnn_plugin.capture.keras import entry as capture_keras
from tests.capture.keras_backends.network import TIMESTEPS, Expected, data, sgd, small_network

layers = keras.layers


def half_precision() -> tuple[Any, Expected]:
    """A model that computes in float16, and what it would give in float32."""
    model, exact = small_network("LSTM", "mixed_float16"), small_network("LSTM")
    exact.set_weights(model.get_weights())
    return model, Expected(exact, *data(4))


def doubling() -> Any:
    """The scale doubles after each step: dividing by the one after it would be wrong by a factor of two."""
    return keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.0), initial_scale=8, dynamic_growth_steps=1)


@on_each(case="mixed_float16 with LossScaleOptimizer")
def test_the_loss_scale_is_taken_out(backend: str) -> None:
    model, expected = half_precision()
    optimizer = doubling()
    model.compile(optimizer, "mse")
    with capture_keras.attach(model, every=1, samples=4) as taps:
        for step in range(2):
            model.train_on_batch(*data(4))
            expected.check(taps.collect(step), rtol=1e-2, atol=1e-3)
    assert int(keras.ops.convert_to_numpy(optimizer.dynamic_scale)) == 32
    expected.check(capture_keras.capture(model, *data(4)), rtol=1e-2, atol=1e-3)


@on_each(case="mixed_float16 with LossScaleOptimizer, output gradients alone")
def test_the_loss_scale_is_taken_out_where_no_weights_are_recorded(backend: str) -> None:
    model, expected = half_precision()
    model.compile(doubling(), "mse")
    with capture_keras.attach(model, every=1, samples=4, quantities=["output_gradient"]) as taps:
        for step in range(2):
            model.train_on_batch(*data(4))
            (record,) = taps.collect(step)
            assert (list(record.sequences), record.weights, record.weight_gradients) == (["output_gradient"], {}, {})
            np.testing.assert_allclose(record.sequences["output_gradient"], expected.gradients["last"], 1e-2, 1e-3)


@on_each_with(
    "options",
    {
        "loss_scale_factor": "loss_scale_factor",
        "gradient_accumulation_steps": "gradient_accumulation_steps",
        "global_clipnorm": "clipping by the optimizer",
    },
)
def test_what_the_optimizer_does_leaves_no_trace(backend: str, options: str) -> None:
    value = {"loss_scale_factor": 16.0, "gradient_accumulation_steps": 2, "global_clipnorm": 1e-3}[options]
    model = small_network()
    model.compile(keras.optimizers.SGD(0.1, **{options: value}), "mse")
    x, y = data(4)
    with capture_keras.attach(model, every=1, samples=4) as taps:
        for step in range(2):
            expected = Expected(model, x, y)
            model.train_on_batch(x, y)
            expected.check(taps.collect(step))


@on_each(case="frozen layers: rnn_summary.capture")
def test_a_pass_of_its_own_sees_frozen_layers_too(backend: str) -> None:
    model = small_network()
    expected = Expected(model, *data(4))
    model.trainable = False
    model.compile("sgd", "mse")
    expected.check(capture_keras.capture(model, *data(4)))
    assert not any(variable.trainable for variable in model.variables)


@on_each(case="frozen layers: their weights alone")
def test_of_a_frozen_layer_the_weights_are_written(backend: str) -> None:
    inputs = keras.Input((TIMESTEPS, 3))
    frozen = layers.LSTM(4, return_sequences=True, name="frozen", trainable=False)
    above = layers.GRU(4, name="above", trainable=False)
    model = keras.Model(inputs, layers.Dense(2)(above(layers.Dense(3)(frozen(inputs)))))
    model.compile("sgd", "mse")
    with capture_keras.attach(model, every=1, samples=4) as taps:
        model.fit(*data(4), verbose=0)
        with pytest.warns(UserWarning, match="no gradient reached 'frozen'"):
            taps.collect(0)
        model.fit(*data(4), verbose=0)
        of_frozen, of_above = taps.collect(1)  # it is said once
    assert not of_frozen.sequences
    for record, layer in ((of_frozen, frozen), (of_above, above)):
        assert not record.weight_gradients
        for matrix, array in record.weights["forward"].items():
            np.testing.assert_array_equal(array, keras.ops.convert_to_numpy(getattr(layer.cell, matrix)))
    assert of_above.sequences  # on the way to trained weights below it


@on_each()
def test_an_optimizer_is_left_alone_where_nothing_is_asked_of_it(backend: str) -> None:
    model = small_network()
    optimizer = sgd()
    with capture_keras.attach(model, every=1, samples=4, optimizer=optimizer, quantities=["activation"]):
        assert "apply" not in vars(optimizer)
    with capture_keras.attach(model, every=1, samples=4, optimizer=optimizer, quantities=["weights"]):
        assert "apply" in vars(optimizer)
    assert "apply" not in vars(optimizer)
