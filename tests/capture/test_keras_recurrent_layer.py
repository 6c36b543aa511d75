"""What becomes of the calls of a recurrent layer: states, several calls, inputs, cells of one's own."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.filterwarnings("ignore:rnn_summary. the gradient through time"),
]
pytest.importorskip("tensorflow")

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

if keras.config.backend() != "tensorflow":
    pytest.skip("for Keras on TensorFlow", allow_module_level=True)

from tb_rnn_plugin.capture.keras import entry as capture_keras  # noqa: E402
from tb_rnn_plugin.capture.keras import layers as keras_layers  # noqa: E402
from tests.capture.keras_network import train_step  # noqa: E402
from tests.capture.tensorflow_network import Array, noise, squared  # noqa: E402

layers = keras.layers
TIMESTEPS = 4
FRAMEWORK = "Keras 3 on TensorFlow"


def close(actual: Array, wanted: Any) -> None:
    np.testing.assert_allclose(actual, wanted, rtol=1e-4, atol=1e-5)


def stack(**options: Any) -> Any:
    return layers.RNN([layers.LSTMCell(3), layers.GRUCell(4)], return_sequences=True, name="rnn", **options)


@pytest.mark.framework_case(FRAMEWORK, "RNN of StackedRNNCells, return_state")
@pytest.mark.parametrize("bidirectional", [False, True])
def test_of_stacked_cells_the_last_ones_state_belongs_to_its_output(bidirectional: bool) -> None:
    """The states of all cells are used: those of the first cell are no output of the last one's."""
    layer = stack(return_state=True)
    layer = layers.Bidirectional(layer, name="rnn") if bidirectional else layer
    inputs = keras.Input((TIMESTEPS, 2))
    states = keras.tree.flatten(layer(inputs)[1:])
    model = keras.Model(inputs, layers.Dense(2)(layers.Concatenate()(states)))
    x, y = noise(3, TIMESTEPS, 2), noise(3, 2)
    with tf.GradientTape() as tape:
        returned = [tf.identity(state) for state in keras.tree.flatten(layer(x)[1:])]
        loss = squared(y, model.layers[-1](tf.concat(returned, -1)))
    gradients = tape.gradient(loss, returned)
    *_, record = capture_keras.capture(model, x, y, loss=squared)
    assert record.name == "rnn/cell_1"
    wanted = np.zeros((3, TIMESTEPS, 8 if bidirectional else 4), np.float32)
    wanted[:, -1, :4] = gradients[2]  # h and c of the LSTM, then h of the GRU
    if bidirectional:
        wanted[:, 0, 4:] = gradients[5]
    close(record.sequences["output_gradient"], wanted)


@pytest.mark.framework_case(FRAMEWORK, "Bidirectional of two different layers, return_state")
def test_of_different_directions_each_has_its_own_state() -> None:
    options = {"return_sequences": True, "return_state": True}
    both = layers.Bidirectional(
        layers.LSTM(3, name="lstm", **options),
        backward_layer=layers.GRU(3, go_backwards=True, name="gru", **options),
        name="both",
    )
    head = layers.Dense(2)

    class Encoder(keras.Model):  # Keras infers a wrong number of states for a functional one
        def __init__(self) -> None:
            super().__init__()
            self.both, self.head = both, head

        def call(self, x: Any) -> Any:
            _, h, _, backward_h = both(x)
            return head(keras.ops.concatenate([h, backward_h], axis=-1))

    model = Encoder()
    x, y = noise(3, TIMESTEPS, 2), noise(3, 2)
    with tf.GradientTape() as tape:
        last = [tf.identity(both(x)[1]), tf.identity(both(x)[3])]
        loss = squared(y, head(tf.concat(last, -1)))
    gradients = tape.gradient(loss, last)
    forward, backward = capture_keras.capture(model, x, y, loss=squared)
    assert (forward.name, backward.name) == ("both/forward_lstm", "both/gru")
    wanted = np.zeros((2, 3, TIMESTEPS, 3), np.float32)
    wanted[0, :, -1], wanted[1, :, 0] = gradients
    close(forward.sequences["output_gradient"], wanted[0])
    close(backward.sequences["output_gradient"], wanted[1])


def conv() -> Any:
    return layers.ConvLSTM1D(2, 2, return_sequences=True, name="shared")


SHARED: dict[str, tuple[Callable[[], Any], tuple[int, ...], list[str]]] = {
    "stack": (stack, (TIMESTEPS, 2), ["rnn/cell_0", "rnn/cell_1", "rnn/cell_1/call_1"]),
    "TimeDistributed": (
        lambda: layers.TimeDistributed(layers.SimpleRNN(3, return_sequences=True), name="shared"),
        (2, TIMESTEPS, 2),
        ["shared", "shared/call_1"],
    ),
    "ConvLSTM1D": (conv, (TIMESTEPS, 5, 2), ["shared", "shared/call_1"]),
}


@pytest.mark.parametrize("kind", SHARED)
@pytest.mark.parametrize("wrap", [lambda step: step, tf.function], ids=["eager", "function"])
def test_a_layer_called_twice_has_a_record_a_call(kind: str, wrap: Callable[[Any], Any]) -> None:
    make, shape, names = SHARED[kind]
    shared = make()
    left, right = keras.Input(shape), keras.Input(shape)
    head = layers.Dense(2)
    model = keras.Model([left, right], head(layers.Concatenate()([shared(left), shared(right)])))
    x = [tf.constant(noise(3, *shape, seed=seed)) for seed in (1, 2)]

    with tf.GradientTape() as tape:
        outputs = [shared(one) for one in x]
        loss = squared(0.0, head(tf.concat(outputs, -1)))
    gradients = tape.gradient(loss, outputs)

    optimizer = keras.optimizers.SGD(0.1)

    @wrap
    def step() -> None:
        with tf.GradientTape() as tape:
            loss = squared(0.0, model(x, training=True))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)

    with capture_keras.attach(model, every=1, samples=None, optimizer=optimizer) as taps:
        model.predict_on_batch(x)  # no backward pass
        step()
        records = taps.collect(0)
    assert [record.name for record in records] == names
    of_calls = [record for record in records if record.sequences]
    for record, output, gradient in zip(of_calls, outputs, gradients, strict=True):
        for quantity, of_layer in (("activation", output), ("output_gradient", gradient)):
            wanted = np.asarray(of_layer)
            if kind == "ConvLSTM1D":
                wanted = np.moveaxis(wanted, -1, 2).reshape(3, TIMESTEPS, -1)
            close(record.sequences[quantity], wanted.reshape(-1, *wanted.shape[-2:]))
    assert bool(of_calls[0].weights) != bool(of_calls[1].weights)


def inputs_of(model: Any, x: Any, y: Any) -> dict[str, dict[str, Array]]:
    optimizer = keras.optimizers.SGD(0.1)
    with capture_keras.attach(model, every=1, samples=None, optimizer=optimizer, keep_inputs=True) as taps:
        tf.function(train_step(model, optimizer))(tf.constant(x), tf.constant(y))
        taps.take()
        inputs: dict[str, dict[str, Array]] = taps.inputs  # type: ignore[attr-defined]
    return inputs


def test_of_stacked_cells_the_first_has_the_input_and_each_its_states() -> None:
    inputs = keras.Input((TIMESTEPS, 2))
    given = [layers.Dense(units)(inputs[:, 0]) for units in (3, 3, 4)]
    model = keras.Model(inputs, stack()(inputs, initial_state=[given[:2], given[2]]))
    x = noise(3, TIMESTEPS, 2)
    states = keras.Model(inputs, given)(x)
    kept = inputs_of(model, x, noise(3, TIMESTEPS, 4))
    assert {name: list(of) for name, of in kept.items()} == {
        "rnn/cell_0": ["input", "initial_state/0", "initial_state/1"],
        "rnn/cell_1": ["initial_state/0"],
    }
    np.testing.assert_array_equal(kept["rnn/cell_0"]["input"], x)
    close(kept["rnn/cell_0"]["initial_state/1"], states[1])
    close(kept["rnn/cell_1"]["initial_state/0"], states[2])


def test_of_stacked_cells_each_has_the_mask() -> None:
    model = keras.Sequential([keras.Input((TIMESTEPS, 2)), layers.Masking(), stack()])
    x = noise(3, TIMESTEPS, 2)
    x[1, 2:] = 0
    kept = inputs_of(model, x, noise(3, TIMESTEPS, 4))
    assert {name: list(of) for name, of in kept.items()} == {"rnn/cell_0": ["input", "mask"], "rnn/cell_1": ["mask"]}
    np.testing.assert_array_equal(kept["rnn/cell_1"]["mask"], (x != 0).any(-1))


def test_the_inputs_of_frames_are_samples() -> None:
    model = keras.Sequential(
        [keras.Input((2, TIMESTEPS, 3)), layers.TimeDistributed(layers.GRU(4), name="each"), layers.Dense(1)]
    )
    x = noise(3, 2, TIMESTEPS, 3)
    kept = inputs_of(model, x, noise(3, 2, 1))
    assert list(kept["each"]) == ["input"]
    np.testing.assert_array_equal(kept["each"]["input"], x.reshape(6, TIMESTEPS, 3))


def test_no_inputs_are_kept_that_can_not_be_followed() -> None:
    """Of a cell that isn't known."""
    both = layers.Bidirectional(
        layers.LSTM(2, name="lstm"), backward_layer=layers.GRU(2, go_backwards=True, name="gru"), name="both"
    )
    inputs = keras.Input((TIMESTEPS, 2))
    own = layers.RNN(Own(2), name="own")(inputs)
    model = keras.Model(inputs, layers.Add()([own, layers.Dense(2)(both(inputs))]))
    assert list(inputs_of(model, noise(3, TIMESTEPS, 2), noise(3, 2))) == ["both/forward_lstm", "both/gru"]


@pytest.mark.framework_case(FRAMEWORK, "ConvLSTM2D, stateful")
def test_a_stateful_convolutional_layer_goes_on_from_its_states() -> None:
    layer = layers.ConvLSTM2D(2, 2, stateful=True, name="conv")
    model = keras.Sequential([keras.Input((TIMESTEPS, 3, 4, 1), batch_size=2), layer, layers.Dense(1)])
    x, y = noise(2, TIMESTEPS, 3, 4, 1), noise(2, 2, 3, 1)
    for _ in range(2):
        before = [state.numpy() for state in layer.states]
        (record,) = capture_keras.capture(model, x, y, loss=squared)
        for state, value in zip(layer.states, before, strict=True):
            np.testing.assert_array_equal(state, value)
        wanted = layer(x)  # which moves the states on
        close(record.sequences["activation"], np.moveaxis(np.asarray(wanted), -1, 1).reshape(2, 1, -1))


@keras.saving.register_keras_serializable()
class Own(keras.layers.Layer):
    """A cell of one's own, with what it should not be recorded by: a counter, and a scale without an axis."""

    def __init__(self, units: int, outputs: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.units = self.state_size = units
        self.outputs = outputs
        if outputs is not None:
            self.output_size = outputs

    def build(self, shape: Any) -> None:
        self.inner = layers.Dense(self.units, name="inner")
        self.inner.build(shape)
        self.u = self.add_weight(shape=(self.units, self.units), name="u")
        self.scale = self.add_weight(shape=(), name="scale", initializer="ones")
        self.count = self.add_weight(shape=(1,), dtype="int32", name="count", trainable=False)
        if self.outputs is not None:
            self.out = self.add_weight(shape=(self.units, self.outputs), name="out")

    def call(self, x: Any, states: Any) -> Any:
        h = keras.ops.tanh(self.scale * self.inner(x) + keras.ops.matmul(states[0], self.u))
        return (h if self.outputs is None else keras.ops.matmul(h, self.out)), [h]


@pytest.mark.framework_case(FRAMEWORK, "RNN of a cell of one's own")
@pytest.mark.parametrize("outputs", [None, 2])
def test_a_cell_of_ones_own_has_its_weights_by_name(outputs: int | None) -> None:
    layer = layers.RNN(Own(3, outputs), return_sequences=True, return_state=True, name="own")
    inputs = keras.Input((TIMESTEPS, 2))
    sequence, state = layer(inputs)
    model = keras.Model(inputs, [layers.Dense(1, name="head")(sequence), state])
    cell, head = layer.cell, model.get_layer("head")
    x, y = noise(3, TIMESTEPS, 2), noise(3, TIMESTEPS, 1)

    def loss_of(_: Any, outputs: Any) -> Any:
        return squared(y, outputs[0]) + tf.reduce_mean(outputs[1] ** 2)

    weights = {"u": cell.u, "inner/kernel": cell.inner.kernel, "inner/bias": cell.inner.bias}
    weights |= {} if outputs is None else {"out": cell.out}
    values = {name: tf.Variable(weight.value) for name, weight in weights.items()}
    with tf.GradientTape() as tape:
        h, steps = tf.zeros((3, 3)), []
        for t in range(TIMESTEPS):
            h = tf.tanh(x[:, t] @ values["inner/kernel"] + values["inner/bias"] + h @ values["u"])
            steps.append(h if outputs is None else h @ values["out"])
        activation = tf.stack(steps, 1)
        loss = loss_of(None, [activation @ head.kernel.value + head.bias.value, h])
    gradient, weight_gradients = tape.gradient(loss, (activation, values))

    (record,) = capture_keras.capture(model, x, y, loss=loss_of)
    assert (record.cell, record.units, record.gates) == (None, 3 if outputs is None else None, ())
    close(record.sequences["activation"], activation)
    close(record.sequences["output_gradient"], gradient)
    assert set(record.weights["forward"]) == set(weights)
    for name, weight in values.items():
        close(record.weights["forward"][name], weight)
        close(record.weight_gradients["forward"][name], weight_gradients[name])


def test_cells_of_ones_own_are_stacked_and_run_both_ways() -> None:
    stacked = layers.RNN([layers.LSTMCell(2), Own(3)], name="rnn")
    assert [(one.cell, one.units) for one in keras_layers.find(stacked)] == [("lstm", 2), (None, 3)]
    both = layers.Bidirectional(layers.RNN(Own(3), return_sequences=True), name="both")
    model = keras.Sequential([keras.Input((TIMESTEPS, 2)), both, stacked, layers.Dense(1)])
    x, y = noise(3, TIMESTEPS, 2), noise(3, 1)
    records = {record.name: record for record in capture_keras.capture(model, x, y, loss=squared)}
    close(records["both"].sequences["activation"], both(x))
    assert records["both"].directions == ("forward", "backward")
    assert list(records) == ["both", "rnn/cell_0", "rnn/cell_1"]
    close(records["rnn/cell_1"].sequences["activation"][:, 0], stacked(both(x)))
    assert set(records["rnn/cell_1"].weights["forward"]) == {"u", "inner/kernel", "inner/bias"}


class Plain:
    """A cell that is no layer."""

    state_size = 2
    compute_dtype = "float32"

    def call(self, x: Any, states: Any) -> Any:
        return x + states[0], [x + states[0]]

    __call__ = call


def test_a_cell_that_is_no_layer_has_sequences_only() -> None:
    model = keras.Sequential([keras.Input((TIMESTEPS, 2)), layers.RNN(Plain(), name="sum"), layers.Dense(1)])
    x, y = noise(3, TIMESTEPS, 2), noise(3, 1)
    optimizer = keras.optimizers.SGD(0.1)
    (record,) = capture_keras.capture(model, x, y, loss=squared)
    with capture_keras.attach(model, every=1, samples=None, optimizer=optimizer) as taps:
        with tf.GradientTape() as tape:
            tape.watch(sources := tf.constant(x))
            loss = squared(y, model(sources))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        (tapped,) = taps.collect(0)
    for one in (record, tapped):
        close(one.sequences["activation"][:, 0], x.sum(axis=1))
        assert not one.weights


@keras.saving.register_keras_serializable()
class Sums(keras.layers.Layer):
    """What Bidirectional takes besides an RNN: a layer that runs through a sequence, without a cell."""

    return_sequences, return_state, stateful = True, False, False

    def __init__(self, go_backwards: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.go_backwards = go_backwards
        self.scale = self.add_weight(shape=(1,), name="scale", initializer="ones")

    def call(self, x: Any, initial_state: Any = None) -> Any:  # noqa: ARG002  # Bidirectional passes it
        return keras.ops.cumsum(self.scale * (keras.ops.flip(x, axis=1) if self.go_backwards else x), axis=1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "go_backwards": self.go_backwards}


@pytest.mark.parametrize("mode", ["concat", "sum"])
def test_directions_without_a_cell_are_recorded_too(mode: str) -> None:
    both = layers.Bidirectional(Sums(), merge_mode=mode, name="both")
    model = keras.Sequential([keras.Input((TIMESTEPS, 2)), both, layers.Dense(1)])
    x, y = noise(3, TIMESTEPS, 2), noise(3, TIMESTEPS, 1)
    (record,) = capture_keras.capture(model, x, y, loss=squared)
    assert (record.cell, record.directions) == (None, ("forward", "backward"))
    assert [set(record.weights[direction]) for direction in record.directions] == [{"scale"}, {"scale"}]
    wanted = np.concatenate([x.cumsum(1), x[:, ::-1].cumsum(1)[:, ::-1]], axis=-1)
    close(record.sequences["activation"], wanted)
