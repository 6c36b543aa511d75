"""What `describe` returns: a sequence of layers, and a table of them."""

import pytest

from tb_rnn_plugin.description import LayerDescription, ModelDescription, Penalty, not_picked

BOTH = ("forward", "backward")
MATRICES = {"kernel": (3, 8), "recurrent_kernel": (2, 8), "bias": (8,)}
LSTM = LayerDescription(
    name="lstm",
    kind="LSTM",
    cell="lstm",
    units=2,
    directions=BOTH,
    gates=("input", "forget", "cell", "output"),
    shapes=dict.fromkeys(BOTH, MATRICES),
    sequences={"activation": 4, "output_gradient": 4},
    settings={"activation": "tanh", "dropout": "0.2"},
    penalties={"forward": {"kernel": Penalty(l1=0.5, l2=0.25, value=3.0)}, "backward": {"bias": Penalty(value=0.125)}},
)
LAST = LayerDescription(
    name="last",
    cell="gru",
    units=300,
    gates=("update", "reset", "candidate"),
    shapes={"forward": {"kernel": (10, 900)}},
    sequences={"activation": 300},
    timesteps=1,
)
OTHER = LayerDescription(name="own", shapes={"forward": {"scale": (7,)}}, sequences={"activation": None})


def described(*layers: LayerDescription) -> ModelDescription:
    left_out = {"head": "not in layers=", "stem": "not in layers=", "<odd>": "it has no weights"}
    return ModelDescription(layers, left_out, samples=4, timesteps=100)


def test_it_is_a_sequence_of_layers() -> None:
    description = described(LSTM, LAST)
    assert list(description) == [LSTM, LAST]
    assert (len(description), description[-1], description[:1]) == (2, LAST, (LSTM,))
    assert [layer.name for layer in description] == ["lstm", "last"]
    assert [layer.channels for layer in (LSTM, LAST, OTHER)] == [4, 300, None]


def test_the_size_of_a_write() -> None:
    """Float32 numbers of 4 bytes: sequences, then weights and as many gradients."""
    weights = 2 * (3 * 8 + 2 * 8 + 8)
    assert LSTM.weight_bytes == 4 * weights
    assert LSTM.bytes_per_timestep == 4 * (4 + 4)
    assert LSTM.size(4, 100) == 4 * (4 * 100 * 8 + 2 * weights)
    assert LAST.size(4, 100) == 4 * (4 * 1 * 300 + 2 * 9000)
    assert OTHER.size(4, 100) == 4 * 2 * 7
    assert described(LSTM, LAST, OTHER).size == LSTM.size(4, 100) + LAST.size(4, 100) + OTHER.size(4, 100)


def test_penalties_add_up() -> None:
    assert LSTM.penalty == 3.125
    assert described(LSTM, LAST).penalty == 3.125


TABLE = """\
layer  cell  units  directions         gates                        channels  weights                  bytes a write
lstm   lstm      2  forward, backward  input, forget, cell, output         4  kernel            3 × 8        13.6 kB
                                                                              recurrent_kernel  2 × 8
                                                                              bias              8
last   gru     300  forward            update, reset, candidate          300  kernel  10 × 900               76.8 kB
own    –         –  forward            –                                   ?  scale  7                          56 B
"""
NOTES = """
lstm: LSTM, activation tanh, dropout 0.2,
 forward kernel penalty l1 0.5, l2 0.25 (adds 3 to the loss), backward bias penalty its own (adds 0.125 to the loss)
Left out: head, stem (not in layers=)
Left out: <odd> (it has no weights)
A write of 4 samples × 100 timesteps: 90.4 kB = 4 bytes ×
 (samples × timesteps × channels of all sequences + 2 × weights, for weights and their gradients).
 Where channels are not known yet (?), only weights are counted."""


def test_printed_it_is_a_table() -> None:
    assert repr(described(LSTM, LAST, OTHER)) == TABLE + NOTES.replace("\n ", " ")


def test_nothing_to_record_is_said() -> None:
    assert repr(described()).splitlines()[-1] == "Nothing will be recorded."


def test_directions_that_differ_are_both_there() -> None:
    shapes = {"forward": {"kernel": (3, 8)}, "backward": {"kernel": (3, 12)}}
    table = repr(described(LayerDescription(name="a", directions=BOTH, shapes=shapes)))
    assert "forward kernel   3 × 8 " in table
    assert "backward kernel  3 × 12" in table


def test_a_notebook_shows_the_same() -> None:
    html = described(LSTM, OTHER)._repr_html_()
    assert html.count("<tr>") == 3
    assert "<td>kernel            3 × 8<br>recurrent_kernel  2 × 8<br>bias              8</td>" in html
    assert "&lt;odd&gt; (it has no weights)" in html
    assert "<odd>" not in html


@pytest.mark.parametrize(
    ("size", "expected"), [(7, "56 B"), (7000, "56.0 kB"), (7 * 10**6, "56.0 MB"), (7 * 10**10, "560.0 GB")]
)
def test_sizes_are_readable(size: int, expected: str) -> None:
    layer = LayerDescription(name="a", shapes={"forward": {"kernel": (size,)}})
    assert f"A write of 4 samples × 100 timesteps: {expected} = " in repr(described(layer))


def test_what_is_not_picked_has_a_reason() -> None:
    reason = 'not recurrent; its name, or layers="*", picks it'
    assert not_picked(None, ["a"], ["a"], ["b"]) == {"b": reason}
    assert not_picked("b", ["b"], ["a"], ["b", "c"]) == {"a": "not in layers=", "c": "not in layers="}
