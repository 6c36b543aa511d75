"""What `layers=` means, on names alone."""

import pytest

from tb_rnn_plugin.capture.layer_choice import picked

RECURRENT = ["encoder/lstm", "decoder", "decoder_2"]
OTHERS = ["embedding", "encoder", "encoder/dense", "head"]


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (None, RECURRENT),
        ("*", [*RECURRENT, *OTHERS]),
        ("decoder", ["decoder"]),
        ("deco", ["decoder", "decoder_2"]),
        ("encoder", ["encoder/lstm"]),  # a part of a recurrent layer's name goes before another layer's full name
        ("encoder/dense", ["encoder/dense"]),
        ("e", [*RECURRENT]),
        ("mb", ["embedding"]),
        (0, ["encoder/lstm"]),
        (-1, ["decoder_2"]),
        ([None, "head"], [*RECURRENT, "head"]),
        (("head", 1), ["decoder", "head"]),
    ],
)
def test_picks(layers: object, expected: list[str]) -> None:
    assert picked(layers, RECURRENT, OTHERS) == set(expected)


def test_without_a_recurrent_layer_indexes_count_the_others() -> None:
    assert picked(1, [], OTHERS) == {"encoder"}
    assert picked("encoder", [], OTHERS) == {"encoder"}
    assert picked("*", [], OTHERS) == set(OTHERS)
    with pytest.raises(ValueError, match=r"^No RNN\. layers=\"\*\" records its other layers, .*'embedding', .*'head'"):
        picked(None, [], OTHERS, without_recurrent="No RNN.")
    for layers in (None, "*"):
        with pytest.raises(ValueError, match=r"^No RNN\.$"):
            picked(layers, [], without_recurrent="No RNN.")


def test_an_error_lists_what_there_is() -> None:
    for layers in ("", "nothing", 3, -4, ["decoder", "nothing"]):
        with pytest.raises(
            ValueError, match=r"none of the model's recurrent layers: .*'decoder_2', nor .*: 'embedding'"
        ):
            picked(layers, RECURRENT, OTHERS)
    with pytest.raises(ValueError, match=r"^layers: 'a' is none of the model's recurrent layers: 'b'\.$"):
        picked("a", ["b"])
    with pytest.raises(ValueError, match=r"^layers: 'a' is none of the model's other layers: 'b'\.$"):
        picked("a", [], ["b"])
    with pytest.raises(ValueError, match=r"'b39' and 60 more\.$"):
        picked("a", [], [f"b{index}" for index in range(100)])
    with pytest.raises(ValueError, match="empty list"):
        picked([], RECURRENT)


@pytest.mark.parametrize("layers", [1.5, True, {"a": 1}, ["decoder", 2.0]])
def test_a_wrong_type_is_named(layers: object) -> None:
    with pytest.raises(TypeError, match="layers: expected None, a layer's name, an int index, or a list of these"):
        picked(layers, RECURRENT)
