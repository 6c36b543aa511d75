"""Layers that aren't recurrent, against the same computations in plain TensorFlow."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import pytest

from tb_rnn_plugin.record import LayerRecord

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
Tensor: TypeAlias = Any
#: Weight by name, of one layer.
Weights: TypeAlias = Mapping[str, Tensor]
SAMPLES, TIMESTEPS, INPUTS = 3, 5, 4
FRAMEWORK = "Keras 3 on TensorFlow"


def close(actual: Array, wanted: Any, what: str = "") -> None:
    assert actual.shape == tuple(wanted.shape), what
    np.testing.assert_allclose(actual, wanted, rtol=1e-4, atol=1e-5, err_msg=what)


class Diagonal(keras.layers.Layer):
    """A state space of one's own, without a gate: s_t = decay · s_{t−1} + mix(x_t)."""

    def build(self, shape: Any) -> None:
        self.decay = self.add_weight(shape=(shape[-1],), name="decay", initializer="uniform")
        self.count = self.add_weight(shape=(), dtype="int32", name="count", trainable=False)
        self.mix = layers.Dense(shape[-1], name="mix")
        self.mix.build(shape)

    def call(self, x: Any) -> Any:
        mixed = self.mix(x)
        state, states = keras.ops.zeros_like(mixed[:, 0]), []
        for t in range(TIMESTEPS):
            state = self.decay * state + mixed[:, t]
            states.append(state)
        return keras.ops.stack(states, axis=1)


def conv(w: Weights, x: Tensor) -> Tensor:
    return tf.nn.conv1d(x, w["kernel"], 1, "SAME") + w["bias"]


def norm(w: Weights, x: Tensor) -> Tensor:
    mean, variance = tf.nn.moments(x, [-1], keepdims=True)
    return (x - mean) / tf.sqrt(variance + 1e-3) * w["gamma"] + w["beta"]


def attention(w: Weights, x: Tensor) -> Tensor:
    query, key, value = (
        tf.einsum("bti,ihk->bhtk", x, w[f"{name}/kernel"]) + w[f"{name}/bias"][:, None]
        for name in ("query", "key", "value")
    )
    scores = tf.nn.softmax(query @ tf.linalg.matrix_transpose(key) / np.sqrt(key.shape[-1]))
    together = tf.einsum("bhtk,hko->bto", scores @ value, w["attention_output/kernel"])
    return together + w["attention_output/bias"]


def dense(w: Weights, x: Tensor) -> Tensor:
    return tf.tensordot(x, w["kernel"], 1) + w["bias"]


def diagonal(w: Weights, x: Tensor) -> Tensor:
    mixed = tf.tensordot(x, w["mix/kernel"], 1) + w["mix/bias"]
    powers = [[w["decay"] ** (t - s) for s in range(t + 1)] for t in range(TIMESTEPS)]
    return tf.stack([tf.add_n([power * mixed[:, s] for s, power in enumerate(of)]) for of in powers], axis=1)


def embedding(w: Weights, x: Tensor) -> Tensor:
    return tf.gather(w["embeddings"], tf.cast(tf.round(tf.abs(x[..., 0])), tf.int32))


class Tokens(keras.layers.Layer):
    """An embedding of whole numbers, which has no gradient to pass on."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.inner = layers.Embedding(9, 3, name="inner")

    def call(self, x: Any) -> Any:
        return self.inner(keras.ops.cast(keras.ops.round(keras.ops.abs(x[..., 0])), "int32"))


@dataclasses.dataclass
class Case:
    """A layer, the same in plain TensorFlow, and the names of its weights."""

    layer: Callable[[], Any]
    by_hand: Callable[[Weights, Tensor], Tensor]
    weights: list[str]


IN_ATTENTION = ("query", "key", "value", "attention_output")
CASES = {
    "Conv1D": Case(lambda: layers.Conv1D(3, 3, padding="same", name="other"), conv, ["kernel", "bias"]),
    "Dense over time": Case(lambda: layers.Dense(3, name="other"), dense, ["kernel", "bias"]),
    "LayerNormalization": Case(lambda: layers.LayerNormalization(name="other"), norm, ["gamma", "beta"]),
    "MultiHeadAttention": Case(
        lambda: layers.MultiHeadAttention(2, 3, name="other"),
        attention,
        [f"{name}/{weight}" for name in IN_ATTENTION for weight in ("kernel", "bias")],
    ),
    "a block of one's own": Case(lambda: Diagonal(name="other"), diagonal, ["decay", "mix/kernel", "mix/bias"]),
    "TimeDistributed around a Dense": Case(
        lambda: layers.TimeDistributed(layers.Dense(3, name="inner"), name="other"),
        lambda w, x: dense(part(w, "inner"), x),
        ["inner/kernel", "inner/bias"],
    ),
    "a model in the model": Case(
        lambda: keras.Sequential([layers.Dense(3, name="a"), layers.LayerNormalization(name="b")], name="other"),
        lambda w, x: norm(part(w, "b"), dense(part(w, "a"), x)),
        ["a/kernel", "a/bias", "b/gamma", "b/beta"],
    ),
    "Embedding": Case(lambda: Tokens(name="other"), lambda w, x: embedding(part(w, "inner"), x), ["inner/embeddings"]),
}


def part(weights: Weights, name: str) -> Weights:
    return {path.partition("/")[2]: weight for path, weight in weights.items() if path.startswith(name)}


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.framework_case(FRAMEWORK, kind)) for kind in CASES]
)
def test_captures_and_taps_have_what_plain_tensorflow_has(kind: str) -> None:
    keras.utils.set_random_seed(5)
    case = CASES[kind]
    inputs = keras.Input((TIMESTEPS, INPUTS))
    below = layers.Dense(INPUTS, name="below", trainable=kind != "Embedding")  # which passes no gradient on
    above = layers.LSTM(3, return_sequences=True, name="above")
    given = [below(inputs)] * (2 if kind == "MultiHeadAttention" else 1)
    model = keras.Model(inputs, above(case.layer()(*given)))
    x, y = noise(SAMPLES, TIMESTEPS, INPUTS), noise(SAMPLES, TIMESTEPS, 3, seed=1)
    (layer,) = keras_layers.find(model, "other")
    weights = {name: tf.Variable(variable.value) for (_, name), variable in layer.variables.items()}
    assert set(weights) == set(case.weights)
    for weight in weights.values():  # biases that are zero would hide an error
        weight.assign_add(0.3 * noise(*weight.shape))
    for (_, name), variable in layer.variables.items():
        variable.assign(weights[name])

    with tf.GradientTape() as tape:
        output = case.by_hand(weights, below(x))
        loss = squared(y, above(output))
    np.testing.assert_allclose(above(output), model(x), rtol=1e-4, atol=1e-5)
    gradient, weight_gradients = tape.gradient(loss, (output, weights))

    def hold(records: list[LayerRecord]) -> None:
        (record,) = records
        assert (record.name, record.cell, record.units, record.gates) == ("other", None, None, ())
        assert record.directions == ("forward",)
        close(record.sequences["activation"], output)
        close(record.sequences["output_gradient"], gradient)
        assert set(record.weights["forward"]) == set(record.weight_gradients["forward"]) == set(weights)
        for name, weight in weights.items():
            close(record.weights["forward"][name], weight, name)
            close(record.weight_gradients["forward"][name], tf.convert_to_tensor(weight_gradients[name]), name)

    hold(capture_keras.capture(model, x, y, loss=squared, layers="other"))
    optimizer = keras.optimizers.SGD(0.1)
    with capture_keras.attach(model, every=1, samples=None, optimizer=optimizer, layers="other") as taps:
        model.predict_on_batch(x)
        tf.function(train_step(model, optimizer))(tf.constant(x), tf.constant(y))
        hold(taps.collect(0))


def test_every_layer_is_recorded_when_all_are_asked_for() -> None:
    inputs = keras.Input((TIMESTEPS, INPUTS))
    hidden = layers.MultiHeadAttention(2, 3, name="attention")(inputs, inputs)
    hidden = layers.Dropout(0.1, name="drop")(hidden)
    last = layers.GRU(3, name="gru")(hidden)
    last = layers.Dropout(0.1, name="drop_last")(layers.BatchNormalization(name="norm")(last))
    model = keras.Model(inputs, layers.Dense(2, name="head")(last))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    x, y = noise(SAMPLES, TIMESTEPS, INPUTS), noise(SAMPLES, 2)
    with capture_keras.attach(model, every=1, samples=None, layers="*") as taps:
        model.fit(x, y, batch_size=SAMPLES, verbose=0)
        by_name = {record.name: record for record in taps.collect(0)}
    sequences = {name for name, record in by_name.items() if record.sequences}
    assert sequences == {"attention", "attention/attention_output", "drop", "gru"}
    assert set(by_name) == {*sequences, *(f"attention/{name}" for name in IN_ATTENTION), "norm", "head"}
    assert list(by_name)[-1] == "head"
    assert by_name["gru"].cell == "gru"
    assert set(by_name["norm"].weights["forward"]) == {"gamma", "beta", "moving_mean", "moving_variance"}
    assert set(by_name["norm"].weight_gradients["forward"]) == {"gamma", "beta"}
    assert "drop_last" not in by_name


@pytest.mark.framework_case(FRAMEWORK, "weights of a layer without sequences")
def test_of_a_layer_without_sequences_the_weights_are_recorded() -> None:
    inputs = keras.Input((6, 5, 1))
    model = keras.Model(
        inputs, layers.Dense(2, name="head")(layers.Flatten()(layers.Conv2D(2, 3, name="conv")(inputs)))
    )
    x, y = noise(SAMPLES, 6, 5, 1), noise(SAMPLES, 2)
    optimizer = keras.optimizers.SGD(0.1)
    with tf.GradientTape() as tape:
        loss = squared(y, model(x))
    gradients = tape.gradient(loss, model.trainable_variables)
    for step in (lambda one: one, tf.function):
        with capture_keras.attach(model, every=1, samples=None, layers="*", optimizer=optimizer) as taps:
            weights = model.get_weights()
            with tf.GradientTape() as tape:
                loss = squared(y, model(x))
            gradients = tape.gradient(loss, model.trainable_variables)
            taps.arm(armed=True)
            step(train_step(model, optimizer))(tf.constant(x), tf.constant(y))
            conv, head = taps.collect(0)
        assert not conv.sequences
        assert not head.sequences
        close(conv.weights["forward"]["kernel"], weights[0])
        close(head.weight_gradients["forward"]["bias"], gradients[3])


class Pair(keras.layers.Layer):
    """Returns what it is told to make of two tensors, of which the second one is (samples, timesteps, channels)."""

    def __init__(self, make: Callable[[Any, Any], Any], **options: Any) -> None:
        super().__init__(**options)
        self.make = make
        self.scale = self.add_weight(shape=(1,), name="scale", initializer="ones")

    def call(self, x: Any) -> Any:
        return self.make(keras.ops.cast(x[:, 0], "int32"), self.scale * x)


@pytest.mark.parametrize(
    "make",
    [
        lambda first, second: (first, second),
        lambda first, second: [second, first],
        lambda first, second: {"a": first, "b": {"c": second, "d": None}},
    ],
    ids=["tuple", "list", "dict"],
)
@pytest.mark.parametrize("wrap", [lambda step: step, tf.function], ids=["eager", "function"])
def test_of_several_outputs_the_first_sequence_is_recorded(make: Any, wrap: Callable[[Any], Any]) -> None:
    pair = Pair(make, name="pair")

    class Model(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.pair = pair

        def call(self, x: Any) -> Any:
            outputs = self.pair(x)
            assert type(outputs) is type(make(1, 2))
            return max(keras.tree.flatten(outputs), key=lambda tensor: 0 if tensor is None else len(tensor.shape))

    model, optimizer = Model(), keras.optimizers.SGD(0.1)
    x, y = noise(SAMPLES, TIMESTEPS, INPUTS), noise(SAMPLES, TIMESTEPS, INPUTS, seed=1)
    with capture_keras.attach(model, every=1, samples=None, layers="pair", optimizer=optimizer) as taps:
        model(x)
        wrap(train_step(model, optimizer))(tf.constant(x), tf.constant(y))
        (record,) = taps.collect(0)
    close(record.sequences["activation"], x)
    close(record.sequences["output_gradient"], 2 * (x - y) / x.size)


@pytest.mark.parametrize("x_is_float", [True, False])
def test_a_layer_without_weights_is_recorded_in_a_pass_of_its_own(x_is_float: bool) -> None:
    inputs = keras.Input((TIMESTEPS, INPUTS) if x_is_float else (TIMESTEPS,))
    hidden = inputs if x_is_float else layers.Embedding(7, INPUTS)(inputs)
    model = keras.Model(inputs, layers.Activation("relu", name="relu")(hidden))
    x = noise(SAMPLES, TIMESTEPS, INPUTS) if x_is_float else np.arange(SAMPLES * TIMESTEPS).reshape(SAMPLES, -1) % 7
    y = noise(SAMPLES, TIMESTEPS, INPUTS, seed=1)
    model.trainable = False
    for record in capture_keras.capture(model, x, y, loss=squared, layers="relu"):
        close(record.sequences["activation"], model(x))
        close(record.sequences["output_gradient"], 2 * (model(x) - y) / y.size)
        break
    else:
        pytest.fail("nothing was recorded")


def test_time_is_the_second_axis_whatever_the_data_format() -> None:
    model = keras.Sequential(
        [keras.Input((INPUTS, TIMESTEPS)), layers.Conv1D(2, 3, data_format="channels_first", name="conv")]
    )
    x, y = noise(SAMPLES, INPUTS, TIMESTEPS), noise(SAMPLES, 2, TIMESTEPS - 2)
    (record,) = capture_keras.capture(model, x, y, loss=squared, layers="conv")
    close(record.sequences["activation"], np.swapaxes(model(x), 1, 2))


def test_weights_of_one_name_are_numbered() -> None:
    class Block(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.first, self.second = (self.add_weight(shape=(shape[-1],), name="scale") for _ in range(2))
            self.inner = [layers.Dense(2, name="same"), layers.Dense(2, name="same")]
            self.shared = self.inner[0]
            for one in self.inner:
                one.build(shape)

    block = Block(name="block")
    block.build((None, 2))
    (layer,) = keras_layers.find(block, "block")
    assert [name for _, name in layer.variables] == [
        "scale",
        "scale_1",
        "same/kernel",
        "same/bias",
        "same/kernel_1",
        "same/bias_1",
    ]


class Collect(keras.callbacks.Callback):
    """Takes what was recorded after each batch, as KerasCallback does."""

    def __init__(self, taps: Any) -> None:
        super().__init__()
        self.taps = taps
        self.names: set[str] = set()

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:  # noqa: ARG002
        self.names |= {record.name for record in self.taps.collect(batch)}


@pytest.mark.slow
@pytest.mark.framework_case(FRAMEWORK, "20 training steps of every kind of layer, bitwise the same")
def test_training_is_bitwise_the_same() -> None:
    def trained(*, tapped: bool) -> tuple[list[float], list[Array]]:
        keras.utils.clear_session()  # two models whose layers are numbered differently differ in their last bits
        keras.utils.set_random_seed(3)
        inputs = keras.Input((TIMESTEPS, INPUTS))
        hidden = layers.BatchNormalization()(layers.Conv1D(4, 3, padding="same")(inputs))
        hidden = layers.Dropout(0.3)(layers.MultiHeadAttention(2, 3, dropout=0.2)(hidden, hidden))
        cells = [layers.LSTMCell(3, dropout=0.2, recurrent_dropout=0.2), layers.GRUCell(4)]
        hidden = layers.RNN(cells, return_sequences=True)(hidden)
        frames = layers.TimeDistributed(layers.Bidirectional(layers.GRU(3)))(layers.Reshape((1, TIMESTEPS, 4))(hidden))
        space = layers.ConvLSTM1D(2, 2, recurrent_dropout=0.1)(layers.Reshape((TIMESTEPS, 4, 1))(hidden))
        both = layers.Bidirectional(layers.LSTM(3), backward_layer=layers.GRU(3, go_backwards=True), merge_mode="mul")
        parts = [layers.Flatten()(one) for one in (frames, space, both(hidden))]
        model = keras.Model(inputs, layers.Dense(2)(layers.Concatenate()(parts)))
        model.compile(keras.optimizers.Adam(0.01), "mse")
        options = {"batch_size": 8, "epochs": 2, "verbose": 0}
        x, y = noise(80, TIMESTEPS, INPUTS), noise(80, 2)
        if tapped:
            with capture_keras.attach(model, every=3, samples=4, layers="*") as taps:
                collect = Collect(taps)
                losses = model.fit(x, y, callbacks=[collect], **options).history["loss"]
            assert len(collect.names) == 15  # all but a softmax and a dropout of rank 4
        else:
            losses = model.fit(x, y, **options).history["loss"]
        return losses, [variable.numpy() for variable in model.variables + model.optimizer.variables]

    losses, weights = trained(tapped=False)
    tapped_losses, tapped_weights = trained(tapped=True)
    assert losses == tapped_losses
    for without, with_taps in zip(weights, tapped_weights, strict=True):
        np.testing.assert_array_equal(without, with_taps)
