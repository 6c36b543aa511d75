"""What recurrent layers of Keras start from and hand on: inputs, masks, initial and returned states."""

from typing import Any

import numpy as np
import pytest

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.usefixtures("seeded_keras"),
    pytest.mark.filterwarnings("ignore:rnn_summary. the gradient through time"),
]
pytest.importorskip("tensorflow")

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

if keras.config.backend() != "tensorflow":
    pytest.skip("for Keras on TensorFlow", allow_module_level=True)

from tb_rnn_plugin.capture.keras import entry as capture_keras  # noqa: E402
from tests.capture.keras_network import case, clone, sgd, train_step  # noqa: E402
from tests.capture.tensorflow_network import LOOPS, TIMESTEPS, check_kept_inputs, data, encoder_and_decoder  # noqa: E402

layers = keras.layers


def taps_with_inputs(model: Any, optimizer: Any) -> Any:
    return capture_keras.attach(model, every=1, samples=4, optimizer=optimizer, keep_inputs=True)


@pytest.mark.parametrize("loop", ["eager", "function"])
def test_inputs_masks_and_initial_states_are_kept(loop: str) -> None:
    model, (x, y), optimizer = encoder_and_decoder(keras), data(3), sgd()
    x[1, 4:] = 0
    untouched = clone(model)
    with taps_with_inputs(model, optimizer) as taps:
        LOOPS[loop](train_step(model, optimizer))(x, y)
        taps.take()
        check_kept_inputs(keras, taps.inputs, untouched, x)


def test_a_stateful_layer_goes_on_from_its_states() -> None:
    model = keras.Sequential(
        [keras.Input((TIMESTEPS, 3), batch_size=2), layers.GRU(4, stateful=True, name="gru"), layers.Dense(2)]
    )
    (x, y), optimizer = data(2), sgd()
    with taps_with_inputs(model, optimizer) as taps:
        for step in range(2):
            before = model.layers[0].states[0].numpy()
            train_step(model, optimizer)(x, y)
            taps.collect(step)
            np.testing.assert_array_equal(taps.inputs["gru"]["initial_state/0"], before)
    before = model.layers[0].states[0].numpy()
    assert before.any()
    capture_keras.capture(model, x, y, loss="mse", training=True)
    np.testing.assert_array_equal(model.layers[0].states[0].numpy(), before)


@case("GRU, return_state")
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_gradient_of_returned_states_belongs_to_the_output_of_their_step(bidirectional: bool) -> None:
    encoder = layers.GRU(4, return_state=True, return_sequences=True)
    encoder = layers.Bidirectional(encoder, name="encoder") if bidirectional else encoder
    inputs = keras.Input((TIMESTEPS, 3))
    _, *last = encoder(inputs)
    model = keras.Model(inputs, layers.Dense(2)(layers.Concatenate()(last) if bidirectional else last[0]))
    x, y = data(3)
    with tf.GradientTape() as tape:
        states = clone(model).layers[1](x)[1:]
        tape.watch(states)
        loss = tf.reduce_mean((model.layers[-1](tf.concat(states, -1)) - y) ** 2)
    forward, *backward = tape.gradient(loss, states)
    (record,) = capture_keras.capture(model, x, y, loss="mse")
    expected = np.zeros(record.sequences["output_gradient"].shape, np.float32)
    expected[:, -1, :4] = forward
    if bidirectional:
        expected[:, 0, 4:] = backward[0]
    np.testing.assert_allclose(record.sequences["output_gradient"], expected, rtol=1e-4, atol=1e-6)
