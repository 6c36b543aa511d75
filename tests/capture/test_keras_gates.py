"""The blocks of weights do what the names that records give them say: each gate is changed, and does what it should."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tb_rnn_plugin.record import LayerRecord

pytestmark = pytest.mark.tensorflow
pytest.importorskip("tensorflow")

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

if keras.config.backend() != "tensorflow":
    pytest.skip("for Keras on TensorFlow", allow_module_level=True)

from tb_rnn_plugin.capture.keras import entry as capture_keras  # noqa: E402

layers = keras.layers
Array = npt.NDArray[np.float32]
FRAMEWORK = "Keras 3 on TensorFlow"
SAMPLES, TIMESTEPS, INPUTS, UNITS = 2, 4, 3, 5
OPEN, CLOSED = 60.0, -60.0  # biases at which a sigmoid is 1 or 0 to the last bit, or nearly
X = np.random.default_rng(1).normal(size=(SAMPLES, TIMESTEPS, INPUTS)).astype(np.float32)
STATES = np.random.default_rng(2).normal(size=(2, SAMPLES, UNITS)).astype(np.float32)


class Network:
    """A layer that starts from given states, whose gates can be set by the names that its records give them."""

    def __init__(self, layer: Any, states: int) -> None:
        inputs = keras.Input((TIMESTEPS, INPUTS))
        given = [keras.Input((UNITS,)) for _ in range(states)]
        self.model = keras.Model([inputs, *given], layer(inputs, initial_state=given))
        self.layer = layer
        self.states = STATES[:states]
        generator = np.random.default_rng(3)
        layer.set_weights([generator.normal(size=weight.shape) for weight in layer.get_weights()])

    def record(self, x: Array = X) -> LayerRecord:
        y = np.zeros((SAMPLES, TIMESTEPS, UNITS), np.float32)
        (record,) = capture_keras.capture(
            self.model, [x, *self.states], y, loss=lambda y, p: tf.reduce_mean((p - y) ** 2)
        )
        return record

    def activation(self, x: Array = X) -> Array:
        return self.record(x).sequences["activation"]

    def set(self, gate: str, *, bias: float | None = None, factor: float | None = None, only: str = "") -> None:
        """Sets a gate's biases to a number, or multiplies its blocks of every matrix, or of one."""
        index = self.record().gates.index(gate)
        block = slice(index * UNITS, (index + 1) * UNITS)
        for matrix in ("kernel", "recurrent_kernel", "bias"):
            variable = getattr(self.layer.cell, matrix)
            values = variable.numpy()
            if matrix == "bias" and bias is not None:
                values[..., block] = bias
            elif factor is not None and only in {"", matrix}:
                values[..., block] *= factor
            variable.assign(values)


def lstm() -> Network:
    return Network(layers.LSTM(UNITS, return_sequences=True), 2)


GRUS = [
    pytest.param(reset_after, marks=pytest.mark.framework_case(FRAMEWORK, f"gates of GRU, reset_after={reset_after}"))
    for reset_after in (True, False)
]


def gru(*, reset_after: bool) -> Network:
    return Network(layers.GRU(UNITS, return_sequences=True, reset_after=reset_after), 1)


def close(actual: Array, wanted: Any) -> None:
    np.testing.assert_allclose(actual, np.broadcast_to(wanted, actual.shape), rtol=1e-5, atol=1e-5)


lstm_case = pytest.mark.framework_case(FRAMEWORK, "gates of LSTM")


@lstm_case
def test_an_lstm_that_forgets_nothing_and_lets_nothing_in_keeps_its_state() -> None:
    network = lstm()
    network.set("forget", bias=OPEN)
    network.set("input", bias=CLOSED)
    network.set("output", bias=OPEN)
    close(network.activation(), np.tanh(STATES[1])[:, None])


@lstm_case
def test_an_lstm_that_forgets_everything_and_lets_nothing_in_is_empty() -> None:
    network = lstm()
    network.set("forget", bias=CLOSED)
    network.set("input", bias=CLOSED)
    close(network.activation(), 0)


@lstm_case
def test_an_lstm_that_lets_nothing_out_is_silent() -> None:
    network = lstm()
    network.set("output", bias=CLOSED)
    close(network.activation(), 0)


@lstm_case
def test_an_lstm_without_candidates_only_forgets() -> None:
    """With a cell block of zeros the state is multiplied by the forget gate, here ½, at each timestep."""
    network = lstm()
    network.set("cell", factor=0.0)
    network.set("forget", factor=0.0)
    network.set("output", bias=OPEN)
    halves = 0.5 ** np.arange(1, TIMESTEPS + 1)
    close(network.activation(), np.tanh(STATES[1][:, None] * halves[None, :, None]))


@lstm_case
def test_an_lstm_that_adds_its_candidates_up() -> None:
    """Open input, forget and output gates: the state is the sum of the candidates, here tanh of a bias alone."""
    network = lstm()
    for gate in ("input", "forget", "output"):
        network.set(gate, bias=OPEN)
    network.set("cell", factor=0.0)
    network.set("cell", bias=0.3)
    sums = STATES[1][:, None] + np.tanh(0.3) * np.arange(1, TIMESTEPS + 1)[None, :, None]
    close(network.activation(), np.tanh(sums))


@pytest.mark.parametrize("reset_after", GRUS)
def test_a_gru_that_updates_nothing_keeps_its_state(reset_after: bool) -> None:
    """Keras's update gate says how much of the old state is kept: h_t = z · h_{t−1} + (1 − z) · candidate."""
    network = gru(reset_after=reset_after)
    network.set("update", bias=OPEN)
    close(network.activation(), STATES[0][:, None])


@pytest.mark.parametrize("reset_after", GRUS)
def test_a_gru_that_replaces_its_state_by_candidates_of_zero_is_empty(reset_after: bool) -> None:
    network = gru(reset_after=reset_after)
    network.set("update", bias=CLOSED)
    network.set("candidate", factor=0.0)
    close(network.activation(), 0)


@pytest.mark.parametrize("reset_after", GRUS)
def test_a_gru_that_resets_its_state_makes_candidates_of_the_input_alone(reset_after: bool) -> None:
    network = gru(reset_after=reset_after)
    network.set("reset", bias=CLOSED)
    network.set("update", bias=CLOSED)
    before = network.activation()
    other = X.copy()
    other[:, :-1] += 1
    close(network.activation(other)[:, -1], before[:, -1])  # what came before doesn't count
    network.set("candidate", factor=7.0, only="recurrent_kernel")
    close(network.activation(), before)
    network.set("candidate", factor=7.0, only="kernel")
    assert np.abs(network.activation() - before).max() > 0.1


def sigmoid(z: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-z)), np.float32)


def by_hand(record: LayerRecord, x: Array) -> Array:
    """The hidden states for one sample, from the blocks that the record names after gates."""
    units = record.units or 0
    kernel, recurrent = ({g: record.gate(g, matrix) for g in record.gates} for matrix in ("kernel", "recurrent_kernel"))
    bias = {g: np.zeros((2, units), np.float32) for g in record.gates}
    for gate, rows in bias.items():  # input and recurrent bias; one row is an input bias
        given = record.gate(gate, "bias").reshape(-1, units)
        rows[: len(given)] = given
    reset_after = record.weights["forward"]["bias"].ndim == 2
    h = c = np.zeros(units, np.float32)
    outputs = []
    for x_t in x:
        of_input = {g: x_t @ kernel[g] + bias[g][0] for g in record.gates}
        of_state = {g: h @ recurrent[g] + bias[g][1] for g in record.gates}
        if record.cell == "lstm":
            z = {g: of_input[g] + of_state[g] for g in record.gates}
            c = sigmoid(z["forget"]) * c + sigmoid(z["input"]) * np.tanh(z["cell"])
            h = sigmoid(z["output"]) * np.tanh(c)
        else:
            update, reset = (sigmoid(of_input[g] + of_state[g]) for g in ("update", "reset"))
            inner = reset * of_state["candidate"] if reset_after else (reset * h) @ recurrent["candidate"]
            h = update * h + (1 - update) * np.tanh(of_input["candidate"] + inner)
        outputs.append(h)
    return np.stack(outputs)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("lstm", marks=pytest.mark.framework_case(FRAMEWORK, "gates of LSTM")),
        pytest.param("gru", marks=pytest.mark.framework_case(FRAMEWORK, "gates of GRU, reset_after=True")),
        pytest.param(
            "gru without reset_after", marks=pytest.mark.framework_case(FRAMEWORK, "gates of GRU, reset_after=False")
        ),
    ],
)
def test_gates_stand_in_the_order_that_is_said(kind: str) -> None:
    layer = layers.LSTM(UNITS) if kind == "lstm" else layers.GRU(UNITS, reset_after=kind == "gru")
    model = keras.Sequential([keras.Input((TIMESTEPS, INPUTS)), layer])
    y = np.zeros((SAMPLES, UNITS), np.float32)
    weights = [np.random.default_rng(1).normal(size=w.shape).astype(np.float32) for w in layer.get_weights()]
    gates = ("input", "forget", "cell", "output") if kind == "lstm" else ("update", "reset", "candidate")
    for block in range(len(gates) + 1):
        perturbed = [weight.copy() for weight in weights]
        for weight in perturbed:
            weight[..., UNITS * block : UNITS * (block + 1)] *= -1.5  # none in the last round
        layer.set_weights(perturbed)
        (record,) = capture_keras.capture(model, X, y, loss="mse")
        assert record.gates == gates
        for sample in range(SAMPLES):
            np.testing.assert_allclose(
                record.sequences["activation"][sample, 0], by_hand(record, X[sample])[-1], rtol=1e-4, atol=1e-5
            )
