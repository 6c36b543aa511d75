"""Gradients through time and of inputs, and cell states, against each backend's own autograd through loops."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import rnn_summary
from tests.capture.keras_backends.backends import on_each, on_each_with
from tests.capture.keras_backends.by_hand import Array, Numbers, Steps, Tensor

SAMPLES, TIMESTEPS, INPUTS, UNITS = 3, 4, 2, 3
MASK = np.array([[1, 1, 0, 1], [0, 1, 1, 1], [1, 1, 1, 0]], bool)

KINDS = {
    kind: f"gradient through time: {kind}"
    for kind in (
        "LSTM",
        "LSTM, last output",
        "GRU",
        "GRU, reset_after=False",
        "SimpleRNN",
        "Bidirectional LSTM, masked",
        "Bidirectional GRU, sum",
    )
}


def made(kind: str) -> Any:
    import keras  # noqa: PLC0415  # here, where it has its backend

    name = kind.partition(",")[0].removeprefix("Bidirectional ")
    options = {"reset_after": False} if "reset_after" in kind else {}
    layer = getattr(keras.layers, name)(UNITS, return_sequences="last" not in kind, name="layer", **options)
    if "Bidirectional" in kind:
        layer = keras.layers.Bidirectional(layer, merge_mode="sum" if "sum" in kind else "concat", name="layer")
    masking = [keras.layers.Masking()] if "masked" in kind else []
    model = keras.Sequential([keras.Input((TIMESTEPS, INPUTS)), *masking, layer])
    generator = np.random.default_rng(4)
    model.set_weights([generator.normal(size=w.shape) for w in model.get_weights()])
    model.compile(keras.optimizers.SGD(0.0), loss=squares)
    return model


def batch(kind: str) -> Array:
    x = np.random.default_rng(1).normal(size=(SAMPLES, TIMESTEPS, INPUTS)).astype(np.float32)
    return np.where(MASK[..., None], x, 0).astype(np.float32) if "masked" in kind else x


def squares(_: Tensor, prediction: Tensor) -> Tensor:
    return (prediction**2).sum()


def expected(backend: str, model: Any, kind: str, x: Array) -> dict[str, Array]:
    """By the gradients of zeros that are added to each h_t, and to what each direction is given of x_t."""
    numbers = Numbers(backend)
    layer = model.get_layer("layer")
    halves = [layer.forward_layer, layer.backward_layer] if "Bidirectional" in kind else [layer]
    cell = type(halves[0]).__name__
    weights = [dict(zip(("kernel", "recurrent_kernel", "bias"), half.get_weights(), strict=True)) for half in halves]
    places = [f"{i}/{t}" for i in range(len(halves)) for t in range(TIMESTEPS)]
    zeros = {place: np.zeros((SAMPLES, UNITS), np.float32) for place in places}
    zeros |= {f"x/{place}": np.zeros((SAMPLES, INPUTS), np.float32) for place in places}

    def went(index: int, moved: Mapping[str, Tensor], values: dict[str, Tensor]) -> Steps:
        states = [numbers.tensor(np.zeros((SAMPLES, UNITS), np.float32))] * (2 if cell == "LSTM" else 1)
        of = {name: numbers.tensor(array) for name, array in weights[index].items()}
        outputs: dict[int, Tensor] = {}
        for t in range(TIMESTEPS)[:: -1 if index else 1]:
            new = numbers.step(cell, of, numbers.tensor(x[:, t]) + moved[f"x/{index}/{t}"], states)
            if "masked" in kind:
                here = numbers.tensor(MASK[:, t, None])
                new = [numbers.functions.where(here, one, old) for one, old in zip(new, states, strict=True)]
            states = [new[0] + moved[f"{index}/{t}"], *new[1:]]
            outputs[t] = states[0]
            if "masked" in kind:  # Keras has a bidirectional layer return zeros there
                outputs[t] = numbers.functions.where(here, states[0], 0 * states[0])
            if cell == "LSTM":
                values[f"{index}/{t}"] = states[1]
        return [outputs[t] for t in range(TIMESTEPS)]

    def loss(moved: Mapping[str, Tensor], _: Mapping[str, Tensor]) -> tuple[Tensor, Mapping[str, Tensor]]:
        values: dict[str, Tensor] = {}
        outputs = [went(index, moved, values) for index in range(len(halves))]
        if "last" in kind:
            return squares(None, outputs[0][-1]), values
        whole = [numbers.sequence(steps) for steps in outputs]
        return squares(None, whole[0] + whole[1] if "sum" in kind else numbers.joined(whole, -1)), values

    values, gradients = numbers.differentiated(loss, zeros, {})
    of_inputs = {place: gradients[f"x/{place}"] for place in places}
    found = {"bptt_gradient": gradients, "input_gradient": of_inputs} | ({"cell_state": values} if values else {})
    return {
        name: np.concatenate(
            [np.stack([of[f"{i}/{t}"] for t in range(TIMESTEPS)], axis=1) for i in range(len(halves))], axis=-1
        )
        for name, of in found.items()
    }


@on_each_with("kind", KINDS)
def test_as_the_backends_own_autograd(backend: str, kind: str) -> None:
    model, x = made(kind), batch(kind)
    (record,) = rnn_summary.capture(model, x, np.zeros((SAMPLES, 1), np.float32))
    wanted = expected(backend, model, kind, x)
    assert record.recurrence is not None
    of_inputs = wanted.pop("input_gradient").reshape(SAMPLES, TIMESTEPS, -1, INPUTS).sum(axis=2)
    np.testing.assert_allclose(record.recurrence.input_gradient(), of_inputs, rtol=1e-5, atol=1e-5)
    for quantity, values in wanted.items():
        np.testing.assert_allclose(record.sequences[quantity], values, rtol=1e-5, atol=1e-5, err_msg=quantity)
    assert all(f"gate/{gate}" in record.sequences for gate in record.gates)


@on_each(case="gradient through time: KerasCallback in fit, written and read back")
def test_written_in_fit(backend: str, tmp_path: Path) -> None:
    model, x = made("GRU"), batch("GRU")
    callback = rnn_summary.KerasCallback(tmp_path, every=1, samples=2)
    y = np.zeros((SAMPLES, 1), np.float32)
    model.fit(x, y, batch_size=SAMPLES, shuffle=False, verbose=0, callbacks=[callback])
    ((_, record),) = rnn_summary.read(tmp_path)
    wanted = expected(backend, model, "GRU", x)["bptt_gradient"]
    np.testing.assert_allclose(record.sequences["bptt_gradient"], wanted[:2], rtol=1e-5, atol=1e-5)
    assert {"gate/update", "gate/reset", "gate/candidate"} <= set(record.sequences)


@on_each(case="gradient of the inputs: Bidirectional LSTM, masked, KerasCallback in fit")
def test_what_is_written_on_request(backend: str, tmp_path: Path) -> None:
    kind = "Bidirectional LSTM, masked"
    model, x = made(kind), batch(kind)
    callback = rnn_summary.KerasCallback(tmp_path, every=1, quantities=("input_gradient", "reach", "reach/1"))
    y = np.zeros((SAMPLES, 1), np.float32)
    model.fit(x, y, batch_size=SAMPLES, shuffle=False, verbose=0, callbacks=[callback])
    ((_, record),) = rnn_summary.read(tmp_path)
    assert set(record.sequences) == {"input_gradient", "reach", "reach/1"}
    wanted = expected(backend, model, kind, x)["input_gradient"]
    np.testing.assert_allclose(record.sequences["input_gradient"], wanted, rtol=1e-5, atol=1e-5)


@on_each()
def test_dropout_in_the_cell_is_said(backend: str) -> None:
    import keras  # noqa: PLC0415

    layer = keras.layers.GRU(UNITS, recurrent_dropout=0.5, name="layer")
    model = keras.Sequential([keras.Input((TIMESTEPS, INPUTS)), layer])
    model.compile("sgd", "mse")
    with rnn_summary.attach(model, every=1) as taps:
        model.train_on_batch(batch("GRU"), np.zeros((SAMPLES, UNITS), np.float32))
        with pytest.warns(UserWarning, match="of 'layer' are left out: recurrent_dropout=0.5 acts inside the cell"):
            (record,) = taps.collect(0)
    assert record.recurrence is None
