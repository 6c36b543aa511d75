"""Which layers a Keras model has, what they are called, and which are picked."""

from typing import Any

import pytest

pytestmark = pytest.mark.tensorflow
pytest.importorskip("tensorflow")

import keras  # noqa: E402

from tb_rnn_plugin.capture.keras import layers as keras_layers  # noqa: E402
from tb_rnn_plugin.capture.keras.layers import RecurrentLayer  # noqa: E402

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
    return keras.Model(inputs, layers.Dense(1, name="head")(x), name="outer")


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
    lstm, both, of_cell = found = keras_layers.find(nested())
    assert [(layer.cell, layer.units, layer.directions) for layer in found] == [
        ("lstm", 2, ("forward",)),
        ("rnn", 2, ("forward", "backward")),
        ("gru", 3, ("forward",)),
    ]
    assert all(isinstance(layer, RecurrentLayer) for layer in (lstm, both, of_cell))
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
        ("*", ["inner", "inner/lstm", "both", "rnn_of_cell", "head"]),
        ("both", ["both"]),
        ("inner", ["inner/lstm"]),
        ("hea", ["head"]),
        (["head", "both"], ["both", "head"]),
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
        with pytest.raises(ValueError, match=r"'inner/lstm', 'both', 'rnn_of_cell', nor .*: 'inner', 'head'"):
            names(model, picks)
    with pytest.raises(ValueError, match="empty list"):
        names(model, [])
    for wrong in (1.5, True, {"a": 1}, ["both", 2.0]):
        with pytest.raises(TypeError, match="layers: expected"):
            names(model, wrong)
    with pytest.raises(TypeError, match="model: expected a Keras model, got list"):
        names([])


def test_stacked_cells_and_directions_that_differ_have_a_record_each() -> None:
    stack = [layers.LSTMCell(2), layers.StackedRNNCells([layers.GRUCell(3), layers.SimpleRNNCell(4)])]
    found = keras_layers.find(layers.RNN(stack, name="rnn"))
    assert [(layer.name, layer.cell, layer.units) for layer in found] == [
        ("rnn/cell_0", "lstm", 2),
        ("rnn/cell_1", "gru", 3),
        ("rnn/cell_2", "rnn", 4),
    ]
    assert names(layers.Bidirectional(layers.RNN(stack[:1]), name="both")) == ["both/cell_0"]
    both = layers.Bidirectional(
        layers.LSTM(2, name="one"), backward_layer=layers.GRU(2, go_backwards=True, name="two"), name="both"
    )
    found = keras_layers.find(both)
    assert [(layer.name, layer.cell, layer.directions) for layer in found] == [
        ("both/forward_one", "lstm", ("forward",)),
        ("both/two", "gru", ("backward",)),
    ]
    one = layers.LSTM(2, name="x")
    both = layers.Bidirectional(one, backward_layer=layers.LSTM(3, go_backwards=True, name="forward_x"), name="both")
    assert names(both) == ["both/forward_x", "both/forward_x_1"]
    stacks = [layers.RNN([layers.LSTMCell(2), layers.GRUCell(units)], name=f"of_{units}") for units in (2, 3)]
    stacks[1].go_backwards = True
    assert names(layers.Bidirectional(stacks[0], backward_layer=stacks[1], name="both")) == [
        "both/forward_of_2/cell_0",
        "both/forward_of_2/cell_1",
        "both/of_3/cell_0",
        "both/of_3/cell_1",
    ]


def test_blocks_are_offered_as_well_as_what_is_in_them() -> None:
    assert names(Subclassed(), "*") == ["encoder", "encoder/lower", "encoder/upper", "same", "same_1"]
    attention = layers.MultiHeadAttention(2, 3, name="attention")
    inputs = keras.Input((4, 3))
    model = keras.Model(
        inputs, layers.Flatten(name="flat")(layers.Dropout(0.1, name="drop")(attention(inputs, inputs)))
    )
    below = ["query", "key", "value", "attention_output"]
    offered = names(model, "*")
    assert offered[0] == "attention"
    assert set(offered) >= {"drop", *(f"attention/{name}" for name in below)}
    assert "flat" not in offered  # no weights, and no output of rank 3
    assert not any("input" in name for name in offered)
    assert names(model, "attention") == ["attention"]
    assert names(model, "query") == ["attention/query"]
    assert names(layers.Conv1D(2, 3, name="alone"), "*") == ["alone"]


def test_blocks_of_one_name_are_told_apart() -> None:
    class Two(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = [Encoder(name="block"), Encoder(name="block")]

    assert names(Two()) == ["block/lower", "block/upper", "block_1/lower", "block_1/upper"]


def test_what_is_in_a_recurrent_layer_is_part_of_it() -> None:
    inner = layers.Bidirectional(layers.RNN([layers.LSTMCell(2, dropout=0.1)], return_sequences=True), name="both")
    inputs = keras.Input((3, 4, 2))
    model = keras.Model(
        inputs,
        layers.TimeDistributed(layers.TimeDistributed(layers.Dense(2)), name="dense")(
            layers.TimeDistributed(inner, name="each")(inputs)
        ),
    )
    assert names(model, "*") == ["each/cell_0", "dense"]


def test_without_recurrent_layers_the_way_to_the_others_is_said() -> None:
    model = keras.Sequential([layers.Dense(2, name="first"), layers.Dense(2, name="second")])
    with pytest.raises(ValueError, match=r"has no recurrent layer .*layers=\"\*\" records .*'first', 'second'"):
        names(model)
    assert names(model, 1) == ["second"]
    assert names(model, "*") == ["first", "second"]
    with pytest.raises(ValueError, match=r"has no recurrent layer .*built first\.$"):
        names(keras.Sequential(), "*")


def test_what_is_left_out_is_said() -> None:
    class Loop(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="loop")
            self.cell = layers.LSTMCell(2, name="cell")

    with pytest.raises(
        ValueError, match=r"no recurrent layer.* cell: a LSTMCell of its own.*put it in keras\.layers\.RNN"
    ):
        names(Loop())
    with pytest.warns(UserWarning, match=r"^rnn_summary: .*cell: a LSTMCell of its own, of which only the weights"):
        assert names(Loop(), "cell") == ["cell"]
    frames = keras.Input((2, 4, 3))
    added = layers.TimeDistributed(layers.Bidirectional(layers.LSTM(2), merge_mode="sum"), name="added")(frames)
    deep = layers.TimeDistributed(
        keras.Sequential([layers.LSTM(2, return_sequences=True, name="deep"), layers.Flatten()]), name="block"
    )(frames)
    model = keras.Model(frames, [added, deep])
    with pytest.warns(
        UserWarning, match=r"^rnn_summary: .*added: inside .* told apart.*; block/.*/deep: inside"
    ) as said:
        assert len(names(model)) == 2
    assert len(said) == 1
