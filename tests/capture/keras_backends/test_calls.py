"""What a call of a layer leaves behind: twice in a model, with masks and states, in models of any kind."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin.record import LayerRecord
from tests.capture.keras_backends.backends import on_each, on_each_with
from tests.capture.keras_backends.by_hand import Array, Numbers, Tensor

pytest.importorskip("keras")

import keras

from tb_rnn_plugin.capture.keras import entry as capture_keras
from tests.capture.keras_backends.network import MATRICES, TIMESTEPS, data, sgd

layers = keras.layers
CLOSE: dict[str, Any] = {"rtol": 1e-4, "atol": 1e-6}


def arrays_of(name: str, cell: Any) -> dict[str, Array]:
    return {f"{name}/{matrix}": keras.ops.convert_to_numpy(getattr(cell, matrix)) for matrix in MATRICES}


def weights_of(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {matrix: tensors[f"{name}/{matrix}"] for matrix in MATRICES}


def of_head(model: Any) -> dict[str, Array]:
    kernel, bias = model.layers[-1].get_weights()
    return {"head/kernel": kernel, "head/bias": bias}


def mean_squared_error(given: Mapping[str, Tensor], hidden: Tensor) -> Tensor:
    return ((hidden @ given["head/kernel"] + given["head/bias"] - given["y"]) ** 2).mean()


@on_each(case="a layer called twice")
def test_a_layer_called_twice_has_a_record_a_call(backend: str) -> None:
    shared = layers.LSTM(4, name="shared")
    left, right = keras.Input((TIMESTEPS, 3)), keras.Input((TIMESTEPS, 3))
    model = keras.Model([left, right], layers.Dense(2)(layers.Subtract()([shared(left), shared(right)])))
    model.compile(sgd(), "mse")
    (x, y), (x2, _) = data(3), data(3, seed=1)
    numbers = Numbers(backend)

    def loss(tensors: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        values = {}
        for name in ("first", "second"):
            steps = [given[name][:, t] for t in range(TIMESTEPS)]
            values[name] = numbers.run("LSTM", weights_of("shared", tensors), steps)[0][-1]
        first, second = (values[name] + tensors[name] for name in ("first", "second"))
        return mean_squared_error(given, first - second), values

    zeros = {name: np.zeros((3, 4), np.float32) for name in ("first", "second")}
    given = {"first": x, "second": x2, "y": y} | of_head(model)
    outputs, gradients = numbers.differentiated(loss, arrays_of("shared", shared.cell) | zeros, given)
    with capture_keras.attach(model, every=1, samples=4) as taps:
        model.test_on_batch([x2, x], y)
        model.train_on_batch([x, x2], y)
        model.test_on_batch([x2, x], y)
        records = taps.collect(0)
    assert [record.name for record in records] == ["shared", "shared/call_1"]
    for record, name in zip(records, ("first", "second"), strict=True):
        np.testing.assert_allclose(record.sequences["activation"][:, 0], outputs[name], **CLOSE)
        np.testing.assert_allclose(record.sequences["output_gradient"][:, 0], gradients[name], **CLOSE)
    for matrix, array in records[0].weight_gradients["forward"].items():
        np.testing.assert_allclose(array, gradients[f"shared/{matrix}"], **CLOSE)
    assert not records[1].weights


@on_each_with(
    "capturing",
    {
        "taps": "masks, initial states and return_state, in a decoder and its encoder",
        "capture": "masks, initial states and return_state: rnn_summary.capture",
    },
)
def test_inputs_masks_and_states(backend: str, capturing: str) -> None:
    """An encoder of which only the states are used, a decoder that begins with them."""
    inputs = keras.Input((TIMESTEPS, 3))
    _, h, c = layers.LSTM(4, return_state=True, name="encoder")(layers.Masking(0.0)(inputs))
    decoder = layers.LSTM(4, return_sequences=True, name="decoder")
    both = layers.Bidirectional(layers.GRU(3), merge_mode="sum", name="both")
    model = keras.Model(inputs, layers.Dense(2)(both(decoder(inputs, initial_state=[h, c]))))
    model.compile(sgd(), "mse")
    x, y = data(3)
    x[1, 3:] = x[2, :2] = 0
    mask = (x != 0).any(-1)
    numbers = Numbers(backend)
    cells = {
        "encoder": model.get_layer("encoder").cell,
        "decoder": decoder.cell,
        "forward": both.forward_layer.cell,
        "backward": both.backward_layer.cell,
    }

    def loss(tensors: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        steps = [given["x"][:, t] for t in range(TIMESTEPS)]
        encoded, states = numbers.run("LSTM", weights_of("encoder", tensors), steps, mask=given["mask"])
        states = [state + tensors[f"state/{index}"] for index, state in enumerate(states)]
        decoded, _ = numbers.run("LSTM", weights_of("decoder", tensors), steps, states=states)
        decoded = [step + tensors["decoded"][:, t] for t, step in enumerate(decoded)]
        forward = numbers.run("GRU", weights_of("forward", tensors), decoded)[0][-1] + tensors["to forward"]
        backward = numbers.run("GRU", weights_of("backward", tensors), decoded, backwards=True)[0][0]
        values = {"encoder": encoded[-1], "decoder": numbers.sequence(decoded), "h": states[0], "c": states[1]}
        return mean_squared_error(given, forward + backward + tensors["to backward"]), values

    arrays = {key: array for name, cell in cells.items() for key, array in arrays_of(name, cell).items()}
    shapes: dict[str, tuple[int, ...]] = {"state/0": (3, 4), "state/1": (3, 4), "decoded": (3, TIMESTEPS, 4)}
    shapes |= {"to forward": (3, 3), "to backward": (3, 3)}
    zeros = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    values, gradients = numbers.differentiated(loss, arrays | zeros, {"x": x, "y": y, "mask": mask} | of_head(model))
    if capturing == "capture":
        records = capture_keras.capture(model, x, y)
    else:
        taps: Any = capture_keras.attach(model, every=1, samples=4, keep_inputs=True)
        with taps:
            model.train_on_batch(x, y)
            records = taps.collect(0)
        kept = taps.inputs
        assert {name: set(of_layer) for name, of_layer in kept.items()} == {
            "encoder": {"input", "mask", "state_gradient/0", "state_gradient/1"},
            "decoder": {"input", "initial_state/0", "initial_state/1"},
            "both": {"input"},
        }
        np.testing.assert_array_equal(kept["encoder"]["mask"], mask)
        np.testing.assert_array_equal(kept["encoder"]["input"], x)
        np.testing.assert_allclose(kept["decoder"]["initial_state/0"], values["h"], **CLOSE)
        np.testing.assert_allclose(kept["decoder"]["initial_state/1"], values["c"], **CLOSE)
        np.testing.assert_allclose(kept["both"]["input"], values["decoder"], **CLOSE)
        for index in range(2):
            np.testing.assert_allclose(kept["encoder"][f"state_gradient/{index}"], gradients[f"state/{index}"], **CLOSE)
    encoder, of_decoder, of_both = records
    np.testing.assert_allclose(encoder.sequences["activation"][:, 0], values["encoder"], **CLOSE)
    np.testing.assert_allclose(encoder.sequences["output_gradient"][:, 0], gradients["state/0"], **CLOSE)
    np.testing.assert_allclose(of_decoder.sequences["output_gradient"], gradients["decoded"], **CLOSE)
    halves = np.split(of_both.sequences["output_gradient"], 2, -1)
    for half, sequence in zip(("to forward", "to backward"), halves, strict=True):
        np.testing.assert_allclose(sequence[:, 0], gradients[half], **CLOSE)
    for record in records:
        for direction, matrices in record.weight_gradients.items():
            name = direction if record.name == "both" else record.name
            for matrix, array in matrices.items():
                np.testing.assert_allclose(array, gradients[f"{name}/{matrix}"], **CLOSE, err_msg=f"{name} {matrix}")


class Encoder(keras.layers.Layer):
    """A layer of one's own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.rnn = layers.GRU(4, name="rnn")

    def call(self, x: Any) -> Any:
        return self.rnn(x)


class Subclassed(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder(name="encoder")
        self.head = layers.Dense(2)

    def call(self, x: Any) -> Any:
        return self.head(self.encoder(x))


def nested() -> Any:
    inputs, inner_inputs = keras.Input((TIMESTEPS, 3)), keras.Input((TIMESTEPS, 3))
    inner = keras.Model(inner_inputs, layers.GRU(4, name="rnn")(inner_inputs), name="encoder")
    return keras.Model(inputs, layers.Dense(2)(inner(inputs)))


def sequential() -> Any:
    return keras.Sequential([keras.Input((TIMESTEPS, 3)), layers.GRU(4, name="rnn"), layers.Dense(2)])


KINDS: dict[str, tuple[str, Callable[[], Any]]] = {
    "sequential": ("rnn", sequential),
    "nested": ("encoder/rnn", nested),
    "subclassed": ("encoder/rnn", Subclassed),
}


@on_each_with("kind", {kind: f"{kind} model" for kind in KINDS})
def test_models_of_any_kind(backend: str, kind: str) -> None:
    name, make = KINDS[kind]
    model = make()
    x, y = data(4)
    predicted = keras.ops.convert_to_numpy(model(x))
    model.compile(sgd(), "mse")
    with capture_keras.attach(model, every=1, samples=4) as taps:
        kernel = model.layers[-1].get_weights()[0]
        model.train_on_batch(x, y)
        (record,) = taps.collect(0)
    assert record.name == name
    # The loss is the mean over 4 × 2 numbers: its gradient is known without differentiating anything.
    expected = (2 / y.size * (predicted - y)) @ kernel.T
    np.testing.assert_allclose(record.sequences["output_gradient"][:, 0], expected, **CLOSE)


@on_each(case="stateful layers")
def test_a_stateful_layer_goes_on_from_its_states(backend: str) -> None:
    """As far as Keras itself lets it: on JAX the states stay as they are, on PyTorch an LSTM or a GRU can't train."""
    rnn = layers.SimpleRNN(4, stateful=True, name="rnn")
    model = keras.Sequential([keras.Input((TIMESTEPS, 3), batch_size=2), rnn, layers.Dense(2)])
    model.compile(sgd(), "mse")
    rnn.states[0].assign(np.random.default_rng(1).normal(size=(2, 4)))
    numbers = Numbers(backend)

    def check(record: LayerRecord, x: Array, state: Array) -> None:
        weights = {name: numbers.tensor(array.copy()) for name, array in record.weights["forward"].items()}
        steps = [numbers.tensor(x[:, t]) for t in range(TIMESTEPS)]
        outputs, _ = numbers.run("SimpleRNN", weights, steps, states=[numbers.tensor(state)])
        np.testing.assert_allclose(record.sequences["activation"][:, 0], np.asarray(outputs[-1]), **CLOSE)

    def current() -> Array:
        return np.array(keras.ops.convert_to_numpy(rnn.states[0]))

    before = current()
    (record,) = capture_keras.capture(model, *data(2), training=True)
    check(record, data(2)[0], before)
    np.testing.assert_array_equal(current(), before)
    taps: Any = capture_keras.attach(model, every=1, samples=4, keep_inputs=True)
    with taps:
        for step in range(2):
            before = current()
            x, y = data(2, seed=step)
            model.train_on_batch(x, y)
            (record,) = taps.collect(step)
            np.testing.assert_array_equal(taps.inputs["rnn"]["initial_state/0"], before)
            check(record, x, before)
