"""LayerRecord: what it accepts, what it refuses and how it says so, what it keeps."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin.record import FloatArray, LayerRecord
from tb_rnn_plugin.recurrence.layer import Recurrence

RNG = np.random.default_rng(1)


def floats(*shape: int) -> FloatArray:
    return RNG.normal(size=shape).astype(np.float32)


def lstm(**changed: Any) -> LayerRecord:
    given: dict[str, Any] = {"cell": "lstm", "units": 3, "sequences": {"activation": floats(2, 5, 3)}, **changed}
    return LayerRecord(given.pop("name", "decoder/lstm"), **given)


BIDIRECTIONAL = ("forward", "backward")

WRONG: list[tuple[str, Mapping[str, Any], type[Exception], list[str]]] = [
    ("a name that is no str", {"name": 3}, TypeError, ["name", "str", "int"]),
    ("an empty name", {"name": ""}, ValueError, ["name", "''"]),
    ("a name with an outer slash", {"name": "/lstm"}, ValueError, ["name", "'/lstm'"]),
    ("a name with a line break", {"name": "a\nb"}, ValueError, ["name", "printable"]),
    ("an unknown cell", {"cell": "LSTM"}, ValueError, ["cell", "'lstm'", "'LSTM'"]),
    ("units that are no int", {"units": 3.0}, TypeError, ["units", "int", "float"]),
    ("units that are a bool", {"units": True}, TypeError, ["units", "int", "bool"]),
    ("no units at all", {"units": 0}, ValueError, ["units", "at least 1", "0"]),
    ("a space that is a number", {"space": 4}, TypeError, ["space", "sequence", "int"]),
    ("a space of floats", {"space": (2.0, 3)}, TypeError, ["space", "ints", "(2.0, 3)"]),
    ("an empty space", {"space": (2, 0)}, ValueError, ["space", "at least 1", "(2, 0)"]),
    ("channels without their space", {"space": (2, 4)}, ValueError, ["24 channels", "3 units", "(2, 4)", "(2, 5, 3)"]),
    (
        "a space that no units share",
        {"cell": None, "units": None, "space": (2, 1)},
        ValueError,
        ["3 channels", "(2, 1)"],
    ),
    ("an unknown direction", {"directions": ("up",)}, ValueError, ["directions", "forward", "up"]),
    ("backward first", {"directions": ("backward", "forward")}, ValueError, ["directions", "'backward', 'forward'"]),
    ("a gate too few", {"gates": ("input", "forget", "cell")}, ValueError, ["gates", "output", "'lstm'"]),
    ("a gate twice", {"gates": ("input", "input", "cell", "output")}, ValueError, ["gates", "once"]),
    ("sequences that are no mapping", {"sequences": [floats(2, 5, 3)]}, TypeError, ["sequences", "mapping", "list"]),
    ("an array for sequences", {"sequences": floats(2, 5, 3)}, TypeError, ["sequences", "mapping", "ndarray"]),
    ("an array for weights", {"weights": floats(2, 12)}, TypeError, ["weights", "direction", "ndarray"]),
    ("directions that are a number", {"directions": 2}, ValueError, ["directions", "'backward'", "2"]),
    ("gates that are a number", {"gates": 4}, ValueError, ["gates", "'output'", "4"]),
    ("a ragged list", {"sequences": {"activation": [[1.0], [1.0, 2.0]]}}, TypeError, ["activation", "list"]),
    ("nothing to record", {"sequences": {}}, ValueError, ["decoder/lstm", "sequences"]),
    ("rank 2", {"sequences": {"activation": floats(2, 3)}}, ValueError, ["activation", "(2, 3)", "timesteps", "None"]),
    ("rank 4", {"sequences": {"activation": floats(2, 5, 3, 1)}}, ValueError, ["activation", "(2, 5, 3, 1)"]),
    ("another width", {"sequences": {"activation": floats(2, 5, 4)}}, ValueError, ["activation", "3", "(2, 5, 4)"]),
    ("twice the width", {"sequences": {"activation": floats(2, 5, 6)}}, ValueError, ["3", "(2, 5, 6)", "backward"]),
    ("nothing in it", {"sequences": {"activation": floats(2, 0, 3)}}, ValueError, ["activation", "(2, 0, 3)"]),
    ("complex numbers", {"sequences": {"activation": floats(2, 5, 3) * 1j}}, TypeError, ["activation", "complex"]),
    ("text", {"sequences": {"activation": [[["a"]]]}}, TypeError, ["activation", "real numbers"]),
    ("a colon", {"sequences": {"gate:input": floats(2, 5, 3)}}, ValueError, ["gate:input", "':'"]),
    ("weights as a sequence", {"sequences": {"weights": floats(2, 5, 3)}}, ValueError, ["'weights'"]),
    (
        "different samples",
        {"sequences": {"activation": floats(2, 5, 3), "output_gradient": floats(3, 5, 3)}},
        ValueError,
        ["samples", "2", "3", "output_gradient"],
    ),
    (
        "different timesteps",
        {"sequences": {"activation": floats(2, 5, 3), "output_gradient": floats(2, 4, 3)}},
        ValueError,
        ["timesteps", "5", "4"],
    ),
    ("weights without directions", {"weights": {"kernel": floats(2, 12)}}, TypeError, ["weights", "direction"]),
    ("weights of no direction", {"weights": {"backward": {"kernel": floats(2, 12)}}}, ValueError, ["backward"]),
    ("a transposed kernel", {"weights": {"forward": {"kernel": floats(12, 2)}}}, ValueError, ["kernel", "(12, 2)"]),
    (
        "a recurrent kernel of another height",
        {"weights": {"forward": {"recurrent_kernel": floats(4, 12)}}},
        ValueError,
        ["recurrent_kernel", "(3, 12)", "(4, 12)"],
    ),
    ("a scalar bias", {"weights": {"forward": {"bias": np.float32(1)}}}, ValueError, ["bias", "rank"]),
    (
        "a gradient unlike its weight",
        {
            "weights": {"forward": {"kernel": floats(2, 12)}},
            "weight_gradients": {"forward": {"kernel": floats(3, 12)}},
        },
        ValueError,
        ["weight_gradients", "kernel", "(2, 12)", "(3, 12)"],
    ),
]


@pytest.mark.parametrize(("given", "error", "words"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_wrong_input_is_refused_in_words(given: Mapping[str, Any], error: type[Exception], words: list[str]) -> None:
    with pytest.raises(error) as raised:
        lstm(**given)
    message = str(raised.value)
    assert [word for word in words if word not in message] == [], message
    assert "\n" not in message


def test_sequences_of_one_timestep_go_with_longer_ones() -> None:
    assert lstm(sequences={"activation": floats(2, 5, 3), "output_gradient": floats(2, 1, 3)}).sequences


def test_what_is_computed_may_be_of_fewer_samples() -> None:
    recorded = {"activation": np.zeros((3, 5, 2)), "output_gradient": np.zeros((3, 1, 2))}
    for quantity in ("bptt_gradient", "cell_state", "cell_state_gradient", "gate/forget"):
        LayerRecord("a", sequences={**recorded, quantity: np.zeros((2, 5, 2))})
        with pytest.raises(ValueError, match="as many samples in each"):
            LayerRecord("a", sequences={**recorded, quantity: np.zeros((4, 5, 2))})
        with pytest.raises(ValueError, match="as many timesteps"):
            LayerRecord("a", sequences={**recorded, quantity: np.zeros((2, 4, 2))})
    with pytest.raises(ValueError, match="as many samples in each"):
        LayerRecord("a", sequences={**recorded, "activation": np.zeros((2, 5, 2))})


def test_inputs_and_reach_have_channels_of_their_own() -> None:
    both: dict[str, Any] = {"cell": "lstm", "units": 3, "directions": ("forward", "backward")}
    made = LayerRecord("a", **both, sequences={"input_gradient": floats(1, 5, 14), "reach/2": floats(1, 5, 2)})
    assert made.channels("backward", "input_gradient") == slice(7, 14)
    assert made.channels("backward", "reach/2") == slice(1, 2)
    with pytest.raises(ValueError, match="7 channels can't be shared by 2 directions equally"):
        LayerRecord("a", **both, sequences={"input_gradient": floats(1, 5, 7)})
    with pytest.raises(ValueError, match=r"expected 2 channels \(one a direction\), got shape \(1, 5, 6\)"):
        LayerRecord("a", **both, sequences={"reach": floats(1, 5, 6)})
    (image,) = LayerRecord("a", space=(2, 2), sequences={"input_gradient": floats(1, 5, 3)}).sequences.values()
    assert image.shape == (1, 5, 3)


def test_a_recurrence_is_enough_for_a_record() -> None:
    recurrence = Recurrence(halves={})
    only = LayerRecord("a", recurrence=recurrence)
    assert only.only(["activation"]) is None
    assert only.only(["bptt_gradient"]) is not None
    both = LayerRecord("a", sequences={"activation": np.zeros((1, 2, 3))}, recurrence=recurrence)
    assert both.only(["activation"]).recurrence is None  # type: ignore[union-attr]
    assert both.only(["activation", *recurrence.quantities]) is both
    with pytest.raises(TypeError, match="recurrence: expected a Recurrence or None, got str"):
        LayerRecord("a", recurrence="lstm")  # type: ignore[arg-type]


def test_a_layer_that_is_not_recurrent_takes_any_width_and_rank() -> None:
    record = LayerRecord("conv", weights={"forward": {"kernel": floats(3, 3, 2, 8)}}, sequences={"x": floats(1, 2, 9)})
    assert record.gates == ()


def test_arrays_are_copied_unless_they_are_read_only_float32() -> None:
    mine = floats(2, 5, 3)
    record = lstm(sequences={"activation": mine})
    before = mine.copy()
    mine[:] = 0
    assert np.array_equal(record.sequences["activation"], before)
    assert not record.sequences["activation"].flags.writeable

    frozen = floats(2, 5, 3)
    frozen.flags.writeable = False
    assert np.shares_memory(lstm(sequences={"activation": frozen}).sequences["activation"], frozen)
    assert not np.shares_memory(lstm(sequences={"activation": frozen[::-1]}).sequences["activation"], frozen)


def test_a_mapping_that_is_changed_later_does_not_change_the_record() -> None:
    sequences = {"activation": floats(2, 5, 3)}
    record = lstm(sequences=sequences)
    sequences["other"] = floats(2, 5, 3)
    assert list(record.sequences) == ["activation"]


@pytest.mark.parametrize("dtype", ["float16", "float64", "int32", "uint8", ">f4"])
def test_every_real_dtype_becomes_float32(dtype: str) -> None:
    array = np.arange(30).reshape(2, 5, 3).astype(dtype)
    kept = lstm(sequences={"activation": array}).sequences["activation"]
    assert kept.dtype == np.dtype("float32")
    assert np.array_equal(kept, array.astype(np.float32))


def test_what_is_beyond_float32_becomes_inf() -> None:
    kept = lstm(sequences={"activation": np.full((2, 5, 3), 1e300)}).sequences["activation"]
    assert np.isposinf(kept).all()


def test_channels_and_gates_of_a_bidirectional_layer() -> None:
    kernel = floats(2, 12)
    record = lstm(
        directions=BIDIRECTIONAL, sequences={"activation": floats(2, 5, 6)}, weights={"backward": {"kernel": kernel}}
    )
    assert record.channels("backward", "activation") == slice(3, 6)
    assert np.array_equal(record.gate("forget", direction="backward"), kernel[:, 3:6])
    with pytest.raises(ValueError, match="has no 'forward'"):
        record.gate("forget")
    with pytest.raises(ValueError, match="has no 'reset'"):
        record.gate("reset", direction="backward")
    assert "activation(2, 5, 6)" in repr(record)


def test_a_projection_narrows_the_state_but_not_the_gates() -> None:
    record = lstm(
        projection=2,
        sequences={"activation": floats(2, 5, 2), "cell_state": floats(2, 5, 3), "gate/input": floats(2, 5, 3)},
        weights={"forward": {"recurrent_kernel": floats(2, 12)}},
    )
    assert record.projection == 2


def test_a_layer_of_filters_has_as_many_channels_as_places() -> None:
    record = lstm(
        directions=BIDIRECTIONAL,
        space=[2, 4],
        sequences={"activation": floats(2, 5, 48), "cell_state": floats(2, 5, 48)},
        weights={"forward": {"kernel": floats(3, 3, 7, 12), "recurrent_kernel": floats(3, 3, 3, 12)}},
    )
    assert record.space == (2, 4)
    assert record.channels("backward", "activation") == slice(24, 48)
    assert record.gate("cell", "recurrent_kernel").shape == (3, 3, 3, 3)
    kept = record.only(["activation"])
    assert kept is not None
    assert kept.space == (2, 4)
    assert lstm().space == ()


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore")  # torch's own, at import
def test_torch_tensors() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.randn(2, 5, 3, requires_grad=True)
    assert np.array_equal(lstm(sequences={"activation": tensor}).sequences["activation"], tensor.detach().numpy())
    half = torch.randn(2, 5, 3, dtype=torch.bfloat16, requires_grad=True)
    assert np.array_equal(lstm(sequences={"activation": half}).sequences["activation"], half.detach().float().numpy())


@pytest.mark.tensorflow
@pytest.mark.filterwarnings("ignore")  # TensorFlow's own, at import
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_tensorflow_tensors(dtype: str) -> None:
    tf = pytest.importorskip("tensorflow")
    tensor = tf.cast(floats(2, 5, 3), dtype)
    kept = lstm(sequences={"activation": tensor}).sequences["activation"]
    assert np.array_equal(kept, tf.cast(tensor, "float32").numpy())
    assert np.array_equal(lstm(sequences={"activation": tf.Variable(tensor)}).sequences["activation"], kept)


def test_norms_are_those_of_each_channel() -> None:
    kernel, bias = np.array([[3, 0], [-4, 1]]), np.array([-1, 2])
    record = LayerRecord("a", weights={"forward": {"kernel": kernel}}, weight_gradients={"forward": {"bias": bias}})
    np.testing.assert_allclose(record.norms()["forward"]["kernel"], [5, 1])
    np.testing.assert_allclose(record.norms(1)["forward"]["kernel"], [7, 1])
    np.testing.assert_allclose(record.norms(gradient=True)["forward"]["bias"], [1, 2])  # of one number each
    with pytest.raises(ValueError, match="order: expected 1 or 2, got 3"):
        record.norms(3)


@pytest.mark.parametrize("size", [1e-25, 1e30])
def test_norms_of_what_float32_cannot_square(size: float) -> None:
    kernel = np.float32(size) * np.array([[3, 0], [4, 1]], np.float32)
    norms = LayerRecord("a", weights={"forward": {"kernel": kernel}}).norms()["forward"]["kernel"]
    assert norms.dtype == np.float64
    np.testing.assert_allclose(norms, [5 * size, size])
