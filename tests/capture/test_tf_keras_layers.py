"""Models and layers that only tf_keras has, or makes in its own way, against a GradientTape."""

from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import rnn_summary

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.usefixtures("seeded_tf_keras"),
    pytest.mark.filterwarnings("ignore:rnn_summary. the gradient through time"),
]
tf_keras = pytest.importorskip("tf_keras")

import tensorflow as tf  # noqa: E402

from tests.capture.tensorflow_network import TIMESTEPS, data  # noqa: E402
from tests.capture.tf_keras_network import case, sgd  # noqa: E402

layers = tf_keras.layers


class UserLSTM(layers.LSTM):  # type: ignore[name-defined]
    """A layer of a user's own, whose control flow only AutoGraph makes a graph of."""

    def call(self, inputs: Any, **options: Any) -> Any:
        outputs = super().call(inputs, **options)
        if tf.reduce_sum(outputs) > 0:
            outputs *= 2.0
        return outputs


class Subclassed(tf_keras.Model):  # type: ignore[name-defined]
    """A model whose layers are made in its constructor, and called as it pleases."""

    def __init__(self) -> None:
        super().__init__(name="top")
        self.rnn = layers.RNN(layers.GRUCell(3), return_sequences=True, name="of_cell")
        self.own = UserLSTM(4, name="own")
        self.head = layers.Dense(2)

    def call(self, x: Any, training: bool | None = None) -> Any:
        hidden = self.rnn(x, training=training)
        if tf.reduce_mean(hidden) > 10:
            hidden = hidden * 0.0
        return self.head(self.own(hidden))


@case("a subclassed model with layers of one's own, and RNN of a GRUCell")
def test_subclassed_models_and_layers_are_converted_as_without_taps() -> None:
    (x, y), model, untouched = data(4), Subclassed(), Subclassed()
    model(x)
    untouched(x)
    untouched.set_weights(model.get_weights())
    with tf.GradientTape() as tape:
        hidden = untouched.rnn(x)
        final = untouched.own(hidden)
        loss = tf.reduce_mean((untouched.head(final) - y) ** 2)
    expected = dict(
        zip(["of_cell", "own"], zip((hidden, final), tape.gradient(loss, [hidden, final]), strict=True), strict=True)
    )
    model.compile(sgd(), "mse")
    captured = rnn_summary.capture(model, x, y)
    with rnn_summary.attach(model, every=1, samples=None) as taps:
        model.train_on_batch(x, y)
        tapped = taps.collect(0)
    for records in (captured, tapped):
        assert [(record.name, record.cell) for record in records] == [("of_cell", "gru"), ("own", "lstm")]
        for record in records:
            activation, gradient = (array.numpy().reshape(4, -1, record.units) for array in expected[record.name])
            np.testing.assert_allclose(record.sequences["activation"], activation, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(record.sequences["output_gradient"], gradient, rtol=1e-4, atol=1e-6)


@case("RNN of stacked cells")
def test_stacked_cells_have_a_record_each() -> None:
    inputs = tf_keras.Input((TIMESTEPS, 3))
    stacked = layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)], return_sequences=True, name="rnn")
    model = tf_keras.Model(inputs, layers.Dense(2)(layers.Flatten()(stacked(inputs))))
    (x, y) = data(3)
    with tf.GradientTape() as tape:
        output = stacked(x)
        loss = tf.reduce_mean((model.layers[-1](tf.reshape(output, (3, -1))) - y) ** 2)
    kernels = [cell.kernel for cell in stacked.cell.cells]
    gradient, *of_kernels = tape.gradient(loss, [output, *kernels])
    lower, upper = rnn_summary.capture(model, x, y, loss="mse")
    assert [(r.name, r.cell, bool(r.sequences)) for r in (lower, upper)] == [
        ("rnn/cell_0", "lstm", False),
        ("rnn/cell_1", "gru", True),
    ]
    np.testing.assert_allclose(upper.sequences["output_gradient"], gradient, rtol=1e-4, atol=1e-7)
    for record, expected in zip((lower, upper), of_kernels, strict=True):
        np.testing.assert_allclose(record.weight_gradients["forward"]["kernel"], expected, rtol=1e-4, atol=1e-7)


@case("time_major")
def test_a_layer_with_its_timesteps_first() -> None:
    plain = layers.LSTM(4, return_sequences=True, name="lstm")
    inputs = tf_keras.Input((TIMESTEPS, 3))
    model = tf_keras.Model(inputs, layers.Dense(2)(plain(inputs)))
    timed = layers.LSTM(4, return_sequences=True, time_major=True, name="lstm")
    outputs = tf.transpose(timed(tf.transpose(inputs, (1, 0, 2))), (1, 0, 2))
    other = tf_keras.Model(inputs, layers.Dense(2)(outputs))
    other.set_weights(model.get_weights())
    x, y = data(3)
    (expected,) = rnn_summary.capture(model, x, np.repeat(y[:, None], TIMESTEPS, 1), loss="mse")
    (record,) = rnn_summary.capture(other, x, np.repeat(y[:, None], TIMESTEPS, 1), loss="mse")
    for quantity, array in expected.sequences.items():
        np.testing.assert_allclose(record.sequences[quantity], array, rtol=1e-5, atol=1e-7)
