"""The gradient through time of a tf_keras layer, against autograd through the loop written out."""

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow
tf_keras = pytest.importorskip("tf_keras")

import tensorflow as tf  # noqa: E402

from tb_rnn_plugin import rnn_summary  # noqa: E402


@pytest.mark.framework_case("tf_keras", "gradient through time: LSTM with the hard_sigmoid of tf_keras")
def test_as_autograd_through_the_unrolled_loop() -> None:
    x = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)
    layer = tf_keras.layers.LSTM(4, return_sequences=True, recurrent_activation="hard_sigmoid")
    model = tf_keras.Sequential([tf_keras.Input((4, 3)), layer])
    model.compile("sgd", loss=lambda _, prediction: tf.reduce_sum(prediction**2))
    (record,) = rnn_summary.capture(model, x, np.zeros((2, 1), np.float32))
    kernel, recurrent, bias = (tf.constant(weight) for weight in layer.get_weights())
    with tf.GradientTape() as tape:
        h = c = tf.zeros((2, 4))
        tape.watch(h)
        hidden = []
        for t in range(4):
            z = tf.split(x[:, t] @ kernel + h @ recurrent + bias, 4, axis=-1)
            i, f, o = (tf.clip_by_value(0.2 * z[index] + 0.5, 0, 1) for index in (0, 1, 3))
            c = f * c + i * tf.tanh(z[2])
            h = o * tf.tanh(c)
            hidden.append(h)
        loss = tf.add_n([tf.reduce_sum(state**2) for state in hidden])
    wanted = np.stack(tape.gradient(loss, hidden), axis=1)
    np.testing.assert_allclose(record.sequences["bptt_gradient"], wanted, rtol=1e-5, atol=1e-5)
