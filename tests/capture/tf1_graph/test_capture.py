"""One batch in TensorFlow 1's graph mode, and layers of every kind, against gradients taken in a graph of their own."""

from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import rnn_summary

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.own_process,
    pytest.mark.filterwarnings("ignore:`Model.state_updates` will be removed"),  # tf_keras's own, in predict
]
tf_keras = pytest.importorskip("tf_keras")

import tensorflow as tf  # noqa: E402

from tests.capture.tf1_graph.network import TIMESTEPS, case, data, layers, run, with_dropout  # noqa: E402


class Subclassed(tf_keras.Model):  # type: ignore[name-defined]
    def __init__(self) -> None:
        super().__init__(name="top")
        self.lstm = layers.LSTM(4, name="lstm")
        self.head = layers.Dense(2)

    def call(self, x: Any) -> Any:
        return self.head(self.lstm(x))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:rnn_summary. the gradient through time.*what passes between cells stacked")
@case("returned states, merge_mode sum, layers called twice, stacked cells, nested models")
def test_layers_of_all_kinds() -> None:
    shared = layers.GRU(4, return_sequences=True, name="shared")
    inner_input = tf_keras.Input((TIMESTEPS, 4))
    inner = tf_keras.Model(inner_input, shared(inner_input), name="inner")
    inputs = tf_keras.Input((TIMESTEPS, 3))
    _, h, c = layers.LSTM(4, return_state=True, name="encoder")(inputs)
    decoded = layers.LSTM(4, return_sequences=True, name="decoder")(inputs, initial_state=[h, c])
    twice = inner(inner(decoded))
    both = layers.Bidirectional(layers.SimpleRNN(3, return_sequences=True), merge_mode="sum", name="both")
    stacked = layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)], name="stacked")
    model = tf_keras.Model(inputs, layers.Dense(2, name="head")(stacked(both(twice))))
    model.compile(tf_keras.optimizers.legacy.SGD(0.1), "mse")
    x, y = data(3)

    # The same net, called layer by layer on placeholders.
    given, target = tf.compat.v1.placeholder(tf.float32, x.shape), tf.compat.v1.placeholder(tf.float32, y.shape)
    _, h, c = model.get_layer("encoder")(given)
    decoder = model.get_layer("decoder")(given, initial_state=[h, c])
    first = shared(decoder)
    second = shared(first)
    forward, backward = both.forward_layer(second), both.backward_layer(second)
    final = stacked(forward + tf.reverse(backward, [1]))
    loss = tf.reduce_mean((model.get_layer("head")(final) - target) ** 2)
    outputs = {
        "decoder": decoder,
        "inner/shared": first,
        "inner/shared/call_1": second,
        "both": tf.concat([forward, tf.reverse(backward, [1])], -1),
        "stacked/cell_1": final[:, None],
    }
    sources = [decoder, first, second, forward, backward, final, h]
    of_decoder, of_first, of_second, of_forward, of_backward, of_final, of_h = tf.gradients(loss, sources)
    gradients = {
        "decoder": of_decoder,
        "inner/shared": of_first,
        "inner/shared/call_1": of_second,
        "both": tf.concat([of_forward, tf.reverse(of_backward, [1])], -1),
        "stacked/cell_1": of_final[:, None],
    }
    kernels = {"stacked/cell_0": stacked.cell.cells[0].kernel, "both": both.backward_layer.cell.kernel}
    of_kernels = dict(zip(kernels, tf.gradients(loss, list(kernels.values())), strict=True))
    expected, of_outputs, of_weights, of_state = run((outputs, gradients, of_kernels, of_h), {given: x, target: y})

    captured = rnn_summary.capture(model, x, y)
    with rnn_summary.attach(model, every=1, samples=None) as taps:
        model.train_on_batch(x, y)
        tapped = taps.collect(0)
    names = ["encoder", "decoder", "inner/shared", "inner/shared/call_1", "both", "stacked/cell_0", "stacked/cell_1"]
    for records in (captured, tapped):
        by_name = {record.name: record for record in records}
        assert sorted(by_name) == sorted(names)
        for name, output in expected.items():
            sequences = by_name[name].sequences
            np.testing.assert_allclose(sequences["activation"], output, rtol=1e-5, atol=1e-6, err_msg=name)
            np.testing.assert_allclose(
                sequences["output_gradient"], of_outputs[name], rtol=1e-4, atol=1e-7, err_msg=name
            )
        np.testing.assert_allclose(
            by_name["encoder"].sequences["output_gradient"][:, 0], of_state, rtol=1e-4, atol=1e-7
        )
        for name, direction in (("stacked/cell_0", "forward"), ("both", "backward")):
            matrix = by_name[name].weight_gradients[direction]["kernel"]
            np.testing.assert_allclose(matrix, of_weights[name], rtol=1e-4, atol=1e-7)


@case("capture with a loss by name, as an object or a callable")
def test_a_loss_of_the_users_own() -> None:
    inputs = tf_keras.Input((TIMESTEPS, 3))
    model = tf_keras.Model(inputs, layers.Dense(2)(layers.LSTM(4, name="lstm")(inputs)))
    x, y = data(4)
    prediction = model.predict(x)
    model.compile("sgd", "mse")
    (expected,) = rnn_summary.capture(model, x, y)
    for loss in ("mse", tf_keras.losses.MeanSquaredError(), lambda y, p: (y - p) ** 2):
        (record,) = rnn_summary.capture(model, x, y, loss=loss)
        for quantity, array in expected.sequences.items():
            np.testing.assert_allclose(record.sequences[quantity], array, rtol=1e-5, atol=1e-7)
    (doubled,) = rnn_summary.capture(model, x, y, loss=lambda y, p: (y - p) ** 2, sample_weight=np.full(4, 2.0))
    for matrix, gradient in expected.weight_gradients["forward"].items():
        np.testing.assert_allclose(doubled.weight_gradients["forward"][matrix], 2 * gradient, rtol=1e-4, atol=1e-7)
    np.testing.assert_array_equal(model.predict(x), prediction)


@case("capture of a subclassed model")
def test_a_subclassed_model_can_be_captured_but_not_tapped() -> None:
    model = Subclassed()
    model.compile(tf_keras.optimizers.legacy.SGD(0.1), "mse")
    x, y = data(4)
    with pytest.raises(ValueError, match=r"model: 'top' has no tensors yet: .* trained, or to predict, once"):
        rnn_summary.capture(model, x, y, loss="mse")
    with rnn_summary.attach(model, every=1) as taps:
        model.train_on_batch(x, y)
        with pytest.warns(UserWarning, match="no gradient reached 'lstm': .* subclassed"):
            (record,) = taps.collect(0)
    assert not record.sequences
    assert record.weights
    (captured,) = rnn_summary.capture(model, x, y)
    given, target = tf.compat.v1.placeholder(tf.float32, x.shape), tf.compat.v1.placeholder(tf.float32, y.shape)
    hidden = model.lstm(given)
    gradient = tf.gradients(tf.reduce_mean((model.head(hidden) - target) ** 2), hidden)[0]
    activation, of_activation = run((hidden, gradient), {given: x, target: y})
    np.testing.assert_allclose(captured.sequences["activation"][:, 0], activation, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(captured.sequences["output_gradient"][:, 0], of_activation, rtol=1e-4, atol=1e-7)


def test_capture_leaves_the_model_as_it_was() -> None:
    model = with_dropout()
    x, y = data(8)
    model.train_on_batch(x, y)
    lists = ("_updates", "_losses", "_inbound_nodes", "_outbound_nodes")

    def state() -> object:
        found = list(model._flatten_layers())
        lengths = [(len(getattr(layer, name, None) or []) for name in lists) for layer in found]
        return [set(vars(layer)) for layer in found], [list(of) for of in lengths], model.train_function

    before, weights = state(), model.get_weights()
    rnn_summary.capture(model, x, y, training=True, sample_weight=np.ones(8))
    rnn_summary.capture(model, x, y, loss="mse")
    assert state() == before
    for old, new in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert model.get_layer("lstm").output is not None  # it has one still


@pytest.mark.slow
def test_captures_leave_training_as_it_was() -> None:
    x, y = data(8)
    weights = []
    for captured in (False, True):
        model = with_dropout()
        for step in range(6):
            model.train_on_batch(x, y)
            if captured and step in {1, 3}:
                rnn_summary.capture(model, x[:2], y[:2], training=True)
        weights.append(model.get_weights() + model.optimizer.get_weights())
    for without, with_capture in zip(*weights, strict=True):
        np.testing.assert_array_equal(without, with_capture)


@pytest.mark.parametrize("intermediates", [None], indirect=True, ids=["as TensorFlow makes loops"])
def test_a_model_can_be_trained_after_a_capture() -> None:
    """A session that runs before Keras takes its gradients would make training impossible from then on."""
    model = with_dropout()
    x, y = data(8)
    assert rnn_summary.capture(model, x, y)
    with rnn_summary.attach(model, every=1) as taps:
        model.train_on_batch(x, y)
        assert all(record.sequences and record.weight_gradients for record in taps.collect(0))


@pytest.mark.parametrize("intermediates", [None], indirect=True, ids=["as TensorFlow makes loops"])
def test_a_model_that_was_run_before_can_be_captured() -> None:
    model = with_dropout()
    x, y = data(8)
    model.set_weights([weight + 0.1 for weight in model.get_weights()])  # from here on Keras itself can't train it
    for _ in range(2):
        assert all(record.sequences and record.weight_gradients for record in rnn_summary.capture(model, x, y))
