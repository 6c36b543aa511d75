"""Gradients through time, gates and cell states of Keras's layers, against autograd through loops written out."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = [pytest.mark.tensorflow, pytest.mark.filterwarnings("ignore:.*np.object:FutureWarning")]
pytest.importorskip("tensorflow")

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
from keras import layers  # noqa: E402

from tb_rnn_plugin import rnn_summary  # noqa: E402
from tb_rnn_plugin.capture.keras import entry as capture_keras  # noqa: E402
from tb_rnn_plugin.recurrence.activations import ACTIVATIONS  # noqa: E402
from tb_rnn_plugin.recurrence.layer import CAPTURED_QUANTITIES  # noqa: E402
from tests.capture.completion import done  # noqa: E402
from tests.capture.keras_cases import (  # noqa: E402
    INPUTS,
    KINDS,
    SAMPLES,
    SEQUENCES,
    TIMESTEPS,
    UNITS,
    Net,
    Together,
    check,
    loss_of,
    net,
    together,
)
from tests.capture.unrolled_keras import unroll  # noqa: E402

if keras.config.backend() != "tensorflow":
    pytest.skip("these are of Keras on TensorFlow", allow_module_level=True)

EVERYTHING = ("activation", "output_gradient", *sorted(CAPTURED_QUANTITIES))


@pytest.fixture(autouse=True)
def _small() -> Iterator[None]:
    keras.utils.set_random_seed(3)
    yield
    keras.backend.clear_session()


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


def test_inputs_that_the_loss_depends_on() -> None:
    made = net("GRU, reset_after=False", SEQUENCES, {}, "sum")()
    x = tf.constant(made.x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = loss_of(None, made.model(x))
    (record,) = rnn_summary.capture(made.model, x, made.y)
    assert record.recurrence is not None
    np.testing.assert_allclose(record.recurrence.input_gradient(), tape.gradient(loss, x), rtol=1e-5, atol=1e-5)
