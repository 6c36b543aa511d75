"""Which recurrent layers a Keras model has, and what they are called."""

from typing import Any

import pytest

pytestmark = pytest.mark.tensorflow
pytest.importorskip("tensorflow")

import keras  # noqa: E402

from tb_rnn_plugin.capture import keras_layers  # noqa: E402

layers = keras.layers


class Encoder(keras.layers.Layer):
    """A layer of one's own, with recurrent layers in a list."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self.stack = [layers.GRU(2, return_sequences=True, name="lower"), layers.GRU(2, name="upper")]

    def call(self, x: Any) -> Any:
        for layer in self.stack:
            x = layer(x)
        return x


class Subclassed(keras.Model):
    def __init__(self) -> None:
        super().__init__(name="top")
        self.encoder = Encoder(name="encoder")
        self.first = layers.LSTM(2, name="same")
        self.second = layers.LSTM(2, name="same")

    def call(self, x: Any) -> Any:
        return self.encoder(x) + self.first(x) + self.second(x)


def nested() -> Any:
    inputs = keras.Input((4, 3))
    inner_input = keras.Input((4, 3))
    inner = keras.Model(inner_input, layers.LSTM(2, return_sequences=True, name="lstm")(inner_input), name="inner")
    x = layers.Bidirectional(layers.SimpleRNN(2, return_sequences=True), name="both")(inner(inputs))
    x = layers.RNN(layers.GRUCell(3), name="rnn_of_cell")(x)
    return keras.Model(inputs, layers.Dense(1)(x), name="outer")


def names(model: Any, picks: object = None) -> list[str]:
    return [layer.name for layer in keras_layers.find(model, picks)]


def test_names_are_paths_in_model_order() -> None:
    assert names(nested()) == ["inner/lstm", "both", "rnn_of_cell"]
    assert names(Subclassed()) == ["encoder/lower", "encoder/upper", "same", "same_1"]
    assert names(keras.Sequential([layers.LSTM(2, name="a"), nested()])) == [
        "a",
        "outer/inner/lstm",
        "outer/both",
        "outer/rnn_of_cell",
    ]
    assert names(layers.LSTM(2, name="alone")) == ["alone"]


def test_what_a_layer_is() -> None:
    lstm, both, of_cell = keras_layers.find(nested())
    assert [(layer.cell, layer.units, tuple(layer.halves)) for layer in (lstm, both, of_cell)] == [
        ("lstm", 2, ("forward",)),
        ("rnn", 2, ("forward", "backward")),
        ("gru", 3, ("forward",)),
    ]
    matrices = ("kernel", "recurrent_kernel", "bias")
    assert list(both.variables) == [(direction, matrix) for direction in ("forward", "backward") for matrix in matrices]
    assert keras_layers.find(layers.LSTM(2))[0].variables == {}  # not built


def test_a_layer_used_twice_is_found_once() -> None:
    shared = layers.LSTM(2, name="shared")
    inputs = keras.Input((4, 3))
    inner = keras.Model(inputs, shared(inputs), name="inner")
    assert names(keras.Model(inputs, layers.Add()([inner(inputs), shared(inputs)]))) == ["inner/shared"]


@pytest.mark.parametrize(
    ("picks", "expected"),
    [
        (None, ["inner/lstm", "both", "rnn_of_cell"]),
        ("*", ["inner/lstm", "both", "rnn_of_cell"]),
        ("both", ["both"]),
        ("inner", ["inner/lstm"]),
        (-1, ["rnn_of_cell"]),
        (["rnn_of_cell", 0], ["inner/lstm", "rnn_of_cell"]),
    ],
)
def test_picks(picks: object, expected: list[str]) -> None:
    assert names(nested(), picks) == expected


def test_a_full_name_goes_before_a_part_of_one() -> None:
    model = keras.Sequential([layers.LSTM(2, return_sequences=True, name="rnn"), layers.LSTM(2, name="rnn_2")])
    assert names(model, "rnn") == ["rnn"]
    assert names(model, "rn") == ["rnn", "rnn_2"]


def test_wrong_picks_are_named() -> None:
    model = nested()
    for picks in ("", "decoder", 3, -4, ["both", "decoder"]):
        with pytest.raises(ValueError, match="'inner/lstm', 'both', 'rnn_of_cell'"):
            names(model, picks)
    with pytest.raises(ValueError, match="empty list"):
        names(model, [])
    for wrong in (1.5, True, {"a": 1}, ["both", 2.0]):
        with pytest.raises(TypeError, match="layers: expected"):
            names(model, wrong)
    with pytest.raises(TypeError, match="model: expected a Keras model, got list"):
        names([])


def test_unsupported_layers_are_left_out_and_said() -> None:
    inputs = keras.Input((4, 3))
    stacked = layers.RNN([layers.LSTMCell(2), layers.LSTMCell(2)], name="stacked", return_sequences=True)(inputs)
    model = keras.Model(inputs, layers.LSTM(2, name="lstm")(stacked))
    with pytest.warns(UserWarning, match="stacked: its cell is a StackedRNNCells") as said:
        assert names(model) == ["lstm"]
    assert len(said) == 1
    only = keras.Model(inputs, layers.TimeDistributed(layers.LSTM(2), name="each")(layers.Reshape((2, 2, 3))(inputs)))
    with (
        pytest.warns(UserWarning, match="each: inside TimeDistributed"),
        pytest.raises(ValueError, match="no supported recurrent layer"),
    ):
        names(only)
    with pytest.raises(ValueError, match="has no recurrent layer"):
        names(keras.Sequential([layers.Dense(2)]))
    with pytest.warns(UserWarning, match="differ in cell or units"), pytest.raises(ValueError, match="no supported"):
        names(layers.Bidirectional(layers.LSTM(2), backward_layer=layers.GRU(2, go_backwards=True)))
