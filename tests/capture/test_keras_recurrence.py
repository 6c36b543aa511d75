"""Gradients through time, gates and cell states of Keras's layers, against autograd through loops written out."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

pytestmark = [pytest.mark.tensorflow, pytest.mark.filterwarnings("ignore:.*np.object:FutureWarning")]
pytest.importorskip("tensorflow")

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
from keras import layers  # noqa: E402

from tb_rnn_plugin import rnn_summary  # noqa: E402
from tb_rnn_plugin.capture.keras import entry as capture_keras  # noqa: E402
from tb_rnn_plugin.derivation import completed  # noqa: E402
from tb_rnn_plugin.record import LayerRecord  # noqa: E402
from tb_rnn_plugin.recurrence.activations import ACTIVATIONS  # noqa: E402
from tb_rnn_plugin.recurrence.layer import CAPTURED_QUANTITIES  # noqa: E402
from tests.capture.unrolled_keras import Arrays, Unrolled, unroll  # noqa: E402

if keras.config.backend() != "tensorflow":
    pytest.skip("these are of Keras on TensorFlow", allow_module_level=True)

Tensor: TypeAlias = Any
Layer: TypeAlias = Any

SAMPLES, TIMESTEPS, INPUTS, UNITS = 3, 6, 4, 5
# True where there is a step: a gap, a late beginning, an early end.
MASK = np.array([[1, 1, 0, 1, 1, 1], [0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]], bool)
EVERYTHING = ("activation", "output_gradient", *sorted(CAPTURED_QUANTITIES))


@pytest.fixture(autouse=True)
def _small() -> Iterator[None]:
    keras.utils.set_random_seed(3)
    yield
    keras.backend.clear_session()


class Together(layers.Layer):
    """What a recurrent layer returns, in one row a sample."""

    supports_masking = True

    def call(self, tensors: list[Tensor]) -> Tensor:
        return together(tensors)

    def compute_output_shape(self, shapes: Any) -> Any:
        return (None, sum(int(np.prod(shape[1:])) for shape in shapes))

    def compute_mask(self, *_: Any) -> None:
        return None


def together(tensors: list[Tensor]) -> Tensor:
    return tf.concat([tf.reshape(tensor, [tf.shape(tensor)[0], -1]) for tensor in tensors], axis=-1)


def loss_of(_: Tensor, row: Tensor) -> Tensor:
    weight = tf.linspace(0.5, 2.0, row.shape[-1])
    return tf.reduce_sum(weight * row**2 + 0.3 * row)


@dataclasses.dataclass
class Net:
    """A layer, masked or not, started from given states or not, and the data it gets."""

    layer: Layer
    masked: bool = False
    starts: bool = False

    def __post_init__(self) -> None:
        inputs = [keras.Input((TIMESTEPS, INPUTS))]
        x = layers.Masking()(inputs[0]) if self.masked else inputs[0]
        inputs += [keras.Input((UNITS,)) for _ in self.initial] if self.starts else []
        # Keras passes a mask on by itself only where it is given nothing else.
        mask = keras.ops.any(inputs[0] != 0, axis=-1) if self.masked else None
        outputs = self.layer(x, initial_state=inputs[1:], mask=mask) if self.starts else self.layer(x)
        row = Together()(outputs if isinstance(outputs, list | tuple) else [outputs])
        self.model = keras.Model(inputs if self.starts else inputs[0], row)
        self.model.compile(keras.optimizers.SGD(0.0), loss=loss_of)

    @property
    def halves(self) -> list[Layer]:
        is_pair = isinstance(self.layer, layers.Bidirectional)
        return [self.layer.forward_layer, self.layer.backward_layer] if is_pair else [self.layer]

    @property
    def initial(self) -> list[Any]:
        """Of each half in turn."""
        count = 2 if isinstance(self.halves[0], layers.LSTM) else 1
        rng = np.random.default_rng(2)
        made = [rng.standard_normal((SAMPLES, UNITS)).astype(np.float32) for _ in self.halves for _ in range(count)]
        return made if self.starts else [np.zeros_like(state) for state in made]

    @property
    def x(self) -> Any:
        values = np.random.default_rng(1).standard_normal((SAMPLES, TIMESTEPS, INPUTS)).astype(np.float32)
        if self.masked:
            values[~MASK] = 0
        return [values, *self.initial] if self.starts else values

    @property
    def y(self) -> Any:
        return np.zeros((SAMPLES, 1), np.float32)

    def unrolled(self) -> Arrays:
        """Quantity to what is to be recorded, by autograd."""
        mask = tf.constant(MASK) if self.masked else None
        count = len(self.initial) // len(self.halves)
        with tf.GradientTape(persistent=True) as tape:
            x = tf.constant(self.x[0] if self.starts else self.x)
            tape.watch(x)
            went = []
            for index, half in enumerate(self.halves):
                states = [tf.constant(state) for state in self.initial[index * count :][:count]]
                tape.watch(states)
                flipped = index == 1
                went.append(unroll(half, x, states, mask, flipped=flipped))
            loss = loss_of(None, together(self.returned(went)))
        by_half = [half.arrays(tape, loss) for half in went]
        return {name: np.concatenate([of[name] for of in by_half], axis=-1) for name in by_half[0]}

    def returned(self, went: list[Unrolled]) -> list[Tensor]:
        """What the layer returns."""
        outputs = [half.output for half in went]
        if isinstance(self.layer, layers.Bidirectional):
            forward, backward = outputs
            mode = self.layer.merge_mode
            if mode in {"concat", None}:
                outputs = [tf.concat(outputs, axis=-1)] if mode else outputs
            elif mode == "mul":
                outputs = [forward * backward]
            else:
                outputs = [(forward + backward) / (2 if mode == "ave" else 1)]
        states = [state for half in went for state in half.states]
        return [*outputs, *states] if self.halves[0].return_state else outputs


def done(record: LayerRecord) -> LayerRecord:
    """With what follows from its recurrence."""

    def fail(layer: str, reason: str) -> None:
        pytest.fail(f"{layer}: {reason}")

    made = completed(record, fail)
    assert made is not None
    return made


def check(record: LayerRecord, wanted: Arrays, samples: int = SAMPLES) -> None:
    assert set(record.sequences) == {"activation", "output_gradient", *wanted}
    for quantity, values in wanted.items():
        found = record.sequences[quantity]
        np.testing.assert_allclose(found, values[:samples], rtol=1e-5, atol=1e-5, err_msg=quantity)


KINDS: dict[str, Callable[..., Layer]] = {
    "LSTM": layers.LSTM,
    "GRU": layers.GRU,
    "GRU, reset_after=False": lambda *a, **k: layers.GRU(*a, reset_after=False, **k),
    "SimpleRNN": layers.SimpleRNN,
}
SEQUENCES = {"return_sequences": True}
OF_EVERY_KIND: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "": (SEQUENCES, {}),
    ", return_sequences=False": ({}, {}),
    ", go_backwards": ({**SEQUENCES, "go_backwards": True}, {}),
    ", go_backwards, return_sequences=False": ({"go_backwards": True}, {}),
    ", masked": (SEQUENCES, {"masked": True}),
    ", masked, return_sequences=False": ({}, {"masked": True}),
    ", masked, zero_output_for_mask": ({**SEQUENCES, "zero_output_for_mask": True}, {"masked": True}),
    ", masked, go_backwards": ({**SEQUENCES, "go_backwards": True}, {"masked": True}),
    ", initial states, return_state": ({**SEQUENCES, "return_state": True}, {"starts": True}),
    ", masked, return_state, zero_output_for_mask": (
        {**SEQUENCES, "return_state": True, "zero_output_for_mask": True},
        {"masked": True, "starts": True},
    ),
    ", return_state, return_sequences=False": ({"return_state": True}, {}),
    ", use_bias=False": ({**SEQUENCES, "use_bias": False}, {}),
    ", unroll": ({**SEQUENCES, "unroll": True}, {}),
}


def case(name: str, make: Callable[[], Net]) -> Any:
    title = f"gradient through time: {name}"
    return pytest.param(make, id=name, marks=pytest.mark.framework_case("Keras 3 on TensorFlow", title))


def with_bias(layer: Layer) -> Layer:
    """Biases that aren't zero."""
    layer.bias_initializer = None
    return layer


def net(kind: str, options: dict[str, Any], of_net: dict[str, Any], mode: Any = ...) -> Callable[[], Net]:
    def make() -> Net:
        bias = keras.initializers.RandomUniform(-0.5, 0.5, seed=5)
        layer = KINDS[kind](UNITS, name="layer", bias_initializer=bias, **options)
        made = Net(layer if mode is ... else layers.Bidirectional(layer, merge_mode=mode, name="layer"), **of_net)
        for weight in made.model.weights:  # orthogonal ones of five units would hardly differ
            weight.assign(weight + keras.random.normal(weight.shape, stddev=0.3, seed=8))
        return made

    return make


CASES = [
    *(
        case(f"{kind}{name}", net(kind, options, of_net))
        for kind in KINDS
        for name, (options, of_net) in OF_EVERY_KIND.items()
    ),
    *(
        case(f"Bidirectional {kind}, merge_mode={mode}{name}", net(kind, options, of_net, mode))
        for kind, modes in {"LSTM": ("concat", "sum", "mul", "ave", None), "GRU": ("concat", "ave")}.items()
        for mode in modes
        for name, options, of_net in (
            ("", SEQUENCES, {}),
            (", return_sequences=False", {}, {}),
            (", masked", SEQUENCES, {"masked": True}),
        )
    ),
    case(
        "Bidirectional LSTM, initial states, return_state",
        net("LSTM", {**SEQUENCES, "return_state": True}, {"starts": True}, "concat"),
    ),
    *(
        case(f"LSTM, activation={name}, recurrent_activation=hard_sigmoid", net(
            "LSTM", {**SEQUENCES, "activation": name, "recurrent_activation": "hard_sigmoid"}, {}
        ))
        for name in ACTIVATIONS
        if name not in {"hard_sigmoid_keras_2", "exponential"}
    ),
    case("GRU, activation=relu, recurrent_activation=softsign", net(
        "GRU", {"activation": "relu", "recurrent_activation": "softsign"}, {}
    )),
    case("SimpleRNN, activation=exponential", net("SimpleRNN", {**SEQUENCES, "activation": "exponential"}, {})),
    case("SimpleRNN, activation=relu", net("SimpleRNN", {"activation": "relu"}, {})),
]  # fmt: skip


@pytest.mark.parametrize("make", CASES)
def test_as_autograd_through_the_unrolled_loop(make: Callable[[], Net]) -> None:
    made = make()
    (record,) = rnn_summary.capture(made.model, made.x, made.y)
    check(record, made.unrolled())


@pytest.mark.parametrize("eagerly", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_taps_in_training(kind: str, eagerly: bool) -> None:
    made = net(kind, SEQUENCES, {})()
    made.model.compile(keras.optimizers.SGD(0.0), loss=loss_of, run_eagerly=eagerly)
    with capture_keras.attach(made.model, every=1, samples=2, quantities=EVERYTHING) as taps:
        made.model.train_on_batch(made.x, made.y)
        (record,) = taps.collect(0)
    check(done(record), made.unrolled(), samples=2)


@pytest.mark.parametrize("probe", [False, True])
def test_written_in_fit_and_read_back(tmp_path: Path, probe: bool) -> None:
    made = net("LSTM", SEQUENCES, {}, "concat")()
    made.model.compile(keras.optimizers.SGD(0.0), loss=loss_of)
    callback = rnn_summary.KerasCallback(tmp_path, every=1, samples=2, probe=(made.x, made.y) if probe else None)
    made.model.fit(made.x, made.y, batch_size=SAMPLES, shuffle=False, verbose=0, callbacks=[callback])
    ((_, record),) = rnn_summary.read(tmp_path)
    wanted = made.unrolled()
    wanted.pop("cell_state_gradient")  # unless it is asked for
    check(record, wanted, samples=2)
    assert record.weights
    assert record.weight_gradients


def test_two_layers_and_a_layer_called_twice() -> None:
    shared = layers.GRU(UNITS, return_sequences=True, name="shared")
    inputs = keras.Input((TIMESTEPS, UNITS))
    model = keras.Model(inputs, Together()([layers.LSTM(UNITS, name="top")(shared(shared(inputs)))]))
    model.compile(keras.optimizers.SGD(0.0), loss=loss_of)
    x = tf.constant(np.random.default_rng(1).standard_normal((SAMPLES, TIMESTEPS, UNITS)).astype(np.float32))
    records = {r.name: r for r in rnn_summary.capture(model, x, tf.zeros((SAMPLES, 1)))}
    zeros = tf.zeros((SAMPLES, UNITS))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([x, zeros])
        first = unroll(shared, x, [zeros], None)
        second = unroll(shared, first.output, [zeros], None)
        top = unroll(model.get_layer("top"), second.output, [zeros, zeros], None)
        loss = loss_of(None, top.output)
    for name, went in (("shared", first), ("shared/call_1", second), ("top", top)):
        check(records[name], went.arrays(tape, loss))


def test_directions_of_two_kinds() -> None:
    forward = layers.LSTM(UNITS, return_sequences=True, name="forward_lstm")
    backward = layers.GRU(UNITS + 1, return_sequences=True, go_backwards=True, name="gru")
    inputs = keras.Input((TIMESTEPS, INPUTS))
    both = layers.Bidirectional(forward, backward_layer=backward, name="both")
    model = keras.Model(inputs, Together()([both(inputs)]))
    model.compile(keras.optimizers.SGD(0.0), loss=loss_of)
    x = tf.constant(np.random.default_rng(1).standard_normal((SAMPLES, TIMESTEPS, INPUTS)).astype(np.float32))
    records = rnn_summary.capture(model, x, tf.zeros((SAMPLES, 1)))
    zeros = [tf.zeros((SAMPLES, UNITS))] * 2, [tf.zeros((SAMPLES, UNITS + 1))]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([x, *zeros[0], *zeros[1]])
        went = [
            unroll(both.forward_layer, x, zeros[0], None),
            unroll(both.backward_layer, x, zeros[1], None, flipped=True),
        ]
        loss = loss_of(None, together([tf.concat([half.output for half in went], -1)]))
    assert len(records) == 2
    for record, half in zip(records, went, strict=True):
        check(record, half.arrays(tape, loss))


def test_a_stateful_layer_goes_on_from_its_states() -> None:
    layer = layers.LSTM(UNITS, stateful=True, return_sequences=True, name="layer")
    inputs = keras.Input((TIMESTEPS, INPUTS), batch_size=SAMPLES)
    model = keras.Model(inputs, Together()([layer(inputs)]))
    model.compile(keras.optimizers.SGD(0.0), loss=loss_of)
    x = tf.constant(np.random.default_rng(1).standard_normal((SAMPLES, TIMESTEPS, INPUTS)).astype(np.float32))
    model(x)
    states = [tf.constant(np.asarray(state)) for state in layer.states]
    assert np.any(states[0])
    (record,) = rnn_summary.capture(model, x, tf.zeros((SAMPLES, 1)))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([x, *states])
        went = unroll(layer, x, states, None)
        loss = loss_of(None, together([went.output]))
    check(record, went.arrays(tape, loss))


def test_each_frame_of_a_timedistributed_is_a_sample() -> None:
    layer = layers.LSTM(UNITS, return_sequences=True)
    inputs = keras.Input((2, TIMESTEPS, INPUTS))
    model = keras.Model(inputs, Together()([layers.TimeDistributed(layer, name="layer")(inputs)]))
    model.compile(keras.optimizers.SGD(0.0), loss=loss_of)
    x = np.random.default_rng(1).standard_normal((SAMPLES, 2, TIMESTEPS, INPUTS)).astype(np.float32)
    (record,) = rnn_summary.capture(model, x, np.zeros((SAMPLES, 1)))
    flat = tf.constant(x.reshape(-1, TIMESTEPS, INPUTS))
    zeros = [tf.zeros((2 * SAMPLES, UNITS))] * 2
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([flat, *zeros])
        went = unroll(layer, flat, zeros, None)
        loss = loss_of(None, tf.reshape(went.output, [SAMPLES, -1]))
    check(record, went.arrays(tape, loss), samples=2 * SAMPLES)


class Mine(layers.LSTMCell):
    def call(self, inputs: Tensor, states: Any, training: bool = False) -> Any:
        return super().call(2 * inputs, states, training=training)


def odd(function: Tensor) -> Tensor:
    return tf.tanh(function)


ABSENT: dict[str, tuple[Callable[[], Layer], str]] = {
    "dropout": (lambda: layers.LSTM(UNITS, dropout=0.5), "dropout=0.5 acts inside the cell"),
    "recurrent dropout": (lambda: layers.GRU(UNITS, recurrent_dropout=0.1), "recurrent_dropout=0.1 acts inside"),
    "a cell with a call of its own": (lambda: layers.RNN(Mine(UNITS)), "a Mine computes isn't known"),
    "an activation of one's own": (lambda: layers.SimpleRNN(UNITS, activation=odd), "its activation, odd, isn't known"),
    "softmax": (lambda: layers.SimpleRNN(UNITS, activation="softmax"), "its activation, softmax, isn't known"),
    "stacked cells": (lambda: layers.RNN([layers.LSTMCell(UNITS), layers.LSTMCell(UNITS)]), "between cells stacked"),
}


@pytest.mark.parametrize("name", ABSENT)
def test_what_can_not_be_right_is_absent_with_the_reason(name: str) -> None:
    make, reason = ABSENT[name]
    made = Net(make())
    with capture_keras.attach(made.model, every=1, samples=2) as taps:
        made.model.train_on_batch(made.x, made.y)
        with pytest.warns(UserWarning, match=reason):
            records = taps.collect(0)
        made.model.train_on_batch(made.x, made.y)
        again = taps.collect(1)  # and says nothing more
    assert records
    assert again
    assert all(record.recurrence is None for record in [*records, *again])


def test_a_probe_has_no_dropout() -> None:
    made = Net(layers.LSTM(UNITS, dropout=0.5, recurrent_dropout=0.5, return_sequences=True))
    (record,) = rnn_summary.capture(made.model, made.x, made.y)
    check(record, made.unrolled())


def test_a_layer_that_does_more_than_its_cell_is_found_out() -> None:
    class Doubled(layers.LSTM):
        def inner_loop(self, sequences: Tensor, *others: Any, **options: Any) -> Tensor:
            return super().inner_loop(2 * sequences, *others, **options)

    made = Net(Doubled(UNITS, return_sequences=True))
    with pytest.warns(UserWarning, match="the activation that follows from its input and weights is not the recorded"):
        (record,) = rnn_summary.capture(made.model, made.x, made.y)
    assert set(record.sequences) == {"activation", "output_gradient"}


def test_inputs_that_the_loss_depends_on() -> None:
    made = net("GRU, reset_after=False", SEQUENCES, {}, "sum")()
    x = tf.constant(made.x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = loss_of(None, made.model(x))
    (record,) = rnn_summary.capture(made.model, x, made.y)
    assert record.recurrence is not None
    np.testing.assert_allclose(record.recurrence.input_gradient(), tape.gradient(loss, x), rtol=1e-5, atol=1e-5)
