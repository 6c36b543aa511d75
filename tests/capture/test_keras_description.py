"""What is said of a Keras model before anything is recorded, held against the records and Keras itself."""

from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.recurrence.layer import QUANTITIES

pytestmark = [pytest.mark.tensorflow, pytest.mark.filterwarnings("ignore:.*np.object:FutureWarning")]
keras = pytest.importorskip("keras")
pytest.importorskip("tensorflow")

KERAS = ["keras", "tf_keras"]


def made(framework: str) -> Any:
    of = pytest.importorskip(framework)
    layers, regularizers = of.layers, of.regularizers
    x = layers.Input((5, 2))
    y = layers.Conv1D(4, 2, name="conv", kernel_regularizer="l1")(x)
    half = layers.LSTM(
        3, return_sequences=True, name="lstm", kernel_regularizer=regularizers.L1L2(0.1, 0.2), dropout=0.25
    )
    y = layers.Bidirectional(half, merge_mode="sum", name="both")(y)
    y = layers.GRU(2, name="gru", recurrent_regularizer="l2", activation="relu")(y)
    model = of.Model(x, layers.Dense(1, name="head", bias_regularizer=regularizers.L2(0.5))(y))
    generator = np.random.default_rng(0)
    model.set_weights([generator.normal(size=w.shape) for w in model.get_weights()])
    model.compile("sgd", "mse")
    return model


def batch() -> tuple[Any, Any]:
    generator = np.random.default_rng(1)
    return generator.normal(size=(3, 5, 2)).astype(np.float32), generator.normal(size=(3, 1)).astype(np.float32)


@pytest.mark.parametrize("framework", KERAS)
@pytest.mark.parametrize("layers", [None, "*"])
def test_the_description_is_that_of_the_records(framework: str, layers: Any) -> None:
    model = made(framework)
    described = rnn_summary.describe(model, layers, samples=3, timesteps=4)
    records = rnn_summary.capture(model, *batch(), layers=layers)
    assert [layer.name for layer in described] == [record.name for record in records]
    assert [layer.name for layer in described] == (
        ["both", "gru"] if layers is None else ["conv", "both", "gru", "head"]
    )
    for layer, record in zip(described, records, strict=True):
        assert (layer.cell, layer.units, layer.directions, layer.gates) == (
            record.cell,
            record.units,
            record.directions,
            record.gates,
        )
        for matrices in (record.weights, record.weight_gradients):
            assert layer.shapes == {d: {name: m.shape for name, m in of.items()} for d, of in matrices.items()}
        sequences = {quantity: record.sequences[quantity] for quantity in (*layer.sequences, *layer.derived)}
        # A capture computes more: dL/dc_t, and, as it is not in training mode, what dropout makes impossible.
        more = set(record.sequences) - set(sequences)
        assert more <= set(QUANTITIES if "dropout" in layer.settings else ["cell_state_gradient"])
        for quantity, channels in layer.derived.items():
            assert sequences[quantity].shape[-1] == channels
        if layer.sequences:
            assert layer.channels == record.sequences["activation"].shape[-1]
        arrays = sum(array.nbytes for array in sequences.values())
        weights = sum(array.nbytes for of in record.weights.values() for array in of.values())
        assert layer.size(3, 4) == arrays + 2 * weights
    left_out = dict.fromkeys(["conv", "head"], 'not recurrent; its name, or layers="*", picks it')
    assert described.left_out == (left_out if layers is None else {})


@pytest.mark.parametrize("framework", KERAS)
def test_penalties_are_those_that_keras_adds_to_the_loss(framework: str) -> None:
    model = made(framework)
    described = rnn_summary.describe(model, "*")
    np.testing.assert_allclose(described.penalty, sum(float(loss) for loss in model.losses), rtol=1e-5)
    by_name = {layer.name: layer.penalties for layer in described}
    both = by_name["both"]
    assert {(d, m, round(p.l1, 6), round(p.l2, 6)) for d, of in both.items() for m, p in of.items()} == {
        ("forward", "kernel", 0.1, 0.2),
        ("backward", "kernel", 0.1, 0.2),
    }
    assert list(by_name["gru"]["forward"]) == ["recurrent_kernel"]
    assert list(by_name["head"]["forward"]) == ["bias"]
    assert list(by_name["conv"]["forward"]) == ["kernel"]


def test_a_penalty_of_ones_own() -> None:
    def mine(weights: Any) -> Any:
        return 3 * keras.ops.sum(keras.ops.abs(weights))

    model = keras.Sequential([keras.Input((4, 2)), keras.layers.GRU(2, kernel_regularizer=mine)])
    (layer,) = rnn_summary.describe(model)
    penalty = layer.penalties["forward"]["kernel"]
    assert (penalty.l1, penalty.l2) == (0, 0)
    np.testing.assert_allclose(penalty.value, float(model.losses[0]), rtol=1e-5)


@pytest.mark.parametrize("framework", KERAS)
def test_what_it_says(framework: str) -> None:
    model = made(framework)
    both, gru = rnn_summary.describe(model)
    assert (both.kind, gru.kind) == ("Bidirectional(LSTM)", "GRU")
    assert both.settings == {
        "activation": "tanh",
        "recurrent_activation": "sigmoid",
        "kernel_initializer": "GlorotUniform",
        "recurrent_initializer": both.settings["recurrent_initializer"],
        "bias_initializer": "Zeros",
        "dropout": "0.25",
    }
    assert both.settings["recurrent_initializer"].startswith("Orthogonal")
    assert (gru.settings["activation"], gru.settings["reset_after"]) == ("relu", "True")
    assert (both.timesteps, gru.timesteps) == (None, 1)
    table = repr(rnn_summary.describe(model, ["both"]))
    assert "Left out: gru, conv, head (not in layers=)" in table
    assert "forward kernel penalty l1 0.1, l2 0.2 (adds " in table
    with pytest.raises(ValueError, match="'nothing' is none"):
        rnn_summary.describe(model, "nothing")


def test_what_is_not_built_or_not_recurrent() -> None:
    model = keras.Sequential([keras.layers.Dense(3), keras.layers.RNN(keras.layers.StackedRNNCells([
        keras.layers.LSTMCell(2), keras.layers.GRUCell(3)]), name="rnn")])  # fmt: skip
    first, second = rnn_summary.describe(model)
    assert "isn't built" in first.note
    assert first.shapes == {}
    model.build((None, 4, 2))
    first, second = rnn_summary.describe(model)
    assert (first.name, first.kind, first.note, first.channels) == ("rnn/cell_0", "RNN(LSTMCell)", first.note, None)
    assert "aren't computed in training: what passes between cells stacked" in first.note
    assert (second.name, second.kind, second.channels) == ("rnn/cell_1", "RNN(GRUCell)", 3)
    dense = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="only")])
    assert not rnn_summary.describe(dense)
    assert [layer.name for layer in rnn_summary.describe(dense, 0)] == ["only"]
    with pytest.raises(TypeError, match="expected a Keras model"):
        rnn_summary.describe(keras.optimizers.SGD())
