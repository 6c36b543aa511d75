"""Recurrent layers of every make, against the same cells in a loop of plain TensorFlow, gate by gate."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin.record import LayerRecord

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.filterwarnings("ignore:rnn_summary. the gradient through time"),
]
pytest.importorskip("tensorflow")

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

if keras.config.backend() != "tensorflow":
    pytest.skip("for Keras on TensorFlow", allow_module_level=True)

from tb_rnn_plugin.capture.keras import entry as capture_keras  # noqa: E402
from tests.capture.keras_layers_by_hand import (  # noqa: E402
    ByHand,
    Expected,
    bidirectional,
    convolutional,
    distributed,
    masked,
    of_two_kinds,
    plain,
    summed,
)
from tests.capture.keras_network import train_step  # noqa: E402
from tests.capture.tensorflow_network import Array, noise, squared  # noqa: E402

layers = keras.layers
FRAMEWORK = "Keras 3 on TensorFlow"
SAMPLES, TIMESTEPS, INPUTS = 3, 5, 2


@dataclasses.dataclass
class Case:
    layer: Callable[[], Any]
    by_hand: ByHand
    shape: Sequence[int | None] = (TIMESTEPS, INPUTS)
    mask: bool = False
    functional: bool = True  # False: of what Keras infers a wrong shape for


def case(what: str, *given: Any, name: str | None = None, **options: Any) -> Any:
    """A case, which docs/frameworks.md lists as `what`."""
    return pytest.param(Case(*given, **options), id=name or what, marks=pytest.mark.framework_case(FRAMEWORK, what))


def stack(**options: Any) -> Any:
    return layers.RNN([layers.LSTMCell(3), layers.GRUCell(4), layers.SimpleRNNCell(2)], name="rnn", **options)


def different(mode: str | None, backward_units: int = 3, **options: Any) -> Any:
    options = {"return_sequences": True} | options
    return layers.Bidirectional(
        layers.LSTM(3, **options),
        merge_mode=mode,
        backward_layer=layers.GRU(backward_units, go_backwards=True, name="gru", **options),
        name="both",
    )


CONVOLUTIONS = {1: ("ConvLSTM1D", (4, 7, 2)), 2: ("ConvLSTM2D", (4, 6, 5, 2)), 3: ("ConvLSTM3D", (3, 4, 3, 5, 1))}

CASES = [
    case("RNN of StackedRNNCells", lambda: stack(return_sequences=True), plain),
    case("RNN of StackedRNNCells", stack, plain, name="stack, last output"),
    case("RNN of StackedRNNCells, masked", stack, masked, mask=True),
    case("RNN of StackedRNNCells", lambda: layers.RNN([layers.GRUCell(3)], name="rnn"), plain, name="stack of one"),
    *(
        case(
            "Bidirectional of StackedRNNCells",
            lambda mode=mode: layers.Bidirectional(stack(return_sequences=True), merge_mode=mode, name="both"),
            bidirectional,
            name=f"bidirectional stack, {mode}",
        )
        for mode in ("concat", "sum")
    ),
    *(
        case(
            f"Bidirectional, merge_mode={mode!r}",
            lambda mode=mode, options=options: layers.Bidirectional(
                layers.LSTM(3, **options), merge_mode=mode, name="both"
            ),
            bidirectional,
            name=f"bidirectional {mode}, {'sequences' if options else 'last output'}",
        )
        for mode in ("concat", "sum", "mul", "ave", None)
        for options in ({"return_sequences": True}, {})
    ),
    *(
        case(
            "Bidirectional of two different layers",
            lambda mode=mode: different(mode),
            of_two_kinds,
            name=f"different cells, {mode}",
        )
        for mode in ("concat", "sum", "mul", "ave", None)
    ),
    *(
        case(
            "Bidirectional of two different layers",
            lambda mode=mode, options=options: different(mode, 4, **options),
            of_two_kinds,
            functional=False,
            name=f"different units, {mode}, {'last output' if options else 'sequences'}",
        )
        for mode in ("concat", None)
        for options in ({"return_sequences": False}, {})
    ),
    *(
        case(
            name,
            lambda name=name: getattr(layers, name)(3, 2, return_sequences=True, name="conv"),
            convolutional,
            shape=shape,
        )
        for name, shape in CONVOLUTIONS.values()
    ),
    case(
        "ConvLSTM2D",
        lambda: layers.ConvLSTM2D(2, 3, padding="same", name="conv"),
        convolutional,
        shape=(4, 3, 5, 2),
        name="ConvLSTM2D, last output",
    ),
    case(
        "ConvLSTM2D, channels_first",
        lambda: layers.ConvLSTM2D(2, 3, padding="same", return_sequences=True, name="c", data_format="channels_first"),
        convolutional,
        shape=(4, 2, 3, 5),
    ),
    *(
        case(
            "Bidirectional of ConvLSTM2D",
            lambda mode=mode, form=form: layers.Bidirectional(
                layers.ConvLSTM2D(2, 2, return_sequences=True, data_format=form), merge_mode=mode, name="both"
            ),
            convolutional if mode == "concat" else summed,
            shape=(3, 4, 5, 2) if form == "channels_last" else (3, 2, 4, 5),
            name=f"bidirectional ConvLSTM2D, {mode}, {form}",
        )
        for mode, form in (("concat", "channels_last"), ("concat", "channels_first"), ("sum", "channels_last"))
    ),
    *(
        case(
            "TimeDistributed around a recurrent layer",
            lambda options=options: layers.TimeDistributed(layers.LSTM(3, **options), name="each"),
            distributed(plain),
            shape=(frames, TIMESTEPS, INPUTS),
            name=f"TimeDistributed, {frames or 'unknown'} frames, {'sequences' if options else 'last output'}",
        )
        for frames in (4, None)
        for options in ({"return_sequences": True}, {})
    ),
    case(
        "TimeDistributed around a Bidirectional",
        lambda: layers.TimeDistributed(layers.Bidirectional(layers.GRU(3, return_sequences=True)), name="each"),
        distributed(bidirectional),
        shape=(4, TIMESTEPS, INPUTS),
    ),
    case(
        "TimeDistributed around a TimeDistributed",
        lambda: layers.TimeDistributed(layers.TimeDistributed(layers.SimpleRNN(3)), name="each"),
        distributed(distributed(plain)),
        shape=(2, 4, TIMESTEPS, INPUTS),
    ),
    case(
        "TimeDistributed around StackedRNNCells",
        lambda: layers.TimeDistributed(layers.RNN([layers.GRUCell(3), layers.LSTMCell(2)]), name="each"),
        distributed(plain),
        shape=(4, TIMESTEPS, INPUTS),
    ),
    case(
        "TimeDistributed around ConvLSTM2D",
        lambda: layers.TimeDistributed(layers.ConvLSTM2D(2, 2, return_sequences=True), name="each"),
        distributed(convolutional),
        shape=(2, 3, 3, 4, 2),
    ),
]


class Subclassed(keras.Model):
    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer
        self.head = layers.Dense(2, name="head")

    def call(self, x: Any) -> Any:
        return self.head(joined(self.layer(x)))


def joined(outputs: Any) -> Any:
    """With merge_mode=None there are two."""
    return outputs if hasattr(outputs, "shape") else keras.ops.concatenate(outputs, axis=-1)


@pytest.mark.parametrize("given", CASES)
def test_captures_and_taps_have_what_a_loop_has(given: Case) -> None:
    check(given, tf.function)


@pytest.mark.slow
@pytest.mark.framework_case(FRAMEWORK, "StackedRNNCells, ConvLSTM and TimeDistributed with jit_compile")
@pytest.mark.parametrize(
    "given",
    [
        Case(lambda: layers.Bidirectional(stack(return_sequences=True), name="both"), bidirectional),
        Case(lambda: layers.ConvLSTM1D(2, 2, name="conv"), convolutional, shape=(3, 4, 2)),
        Case(
            lambda: layers.TimeDistributed(layers.GRU(3), name="each"),
            distributed(plain),
            shape=(2, TIMESTEPS, INPUTS),
        ),
        Case(lambda: different("mul"), of_two_kinds),
    ],
    ids=["stack", "ConvLSTM1D", "TimeDistributed", "different cells"],
)
def test_taps_have_the_same_under_xla(given: Case) -> None:
    check(given, tf.function(jit_compile=True))


def check(given: Case, wrap: Callable[[Any], Any]) -> None:
    """Holds what a capture and taps in a training step have against plain TensorFlow."""
    keras.utils.set_random_seed(11)
    layer = given.layer()
    model: Any = Subclassed(layer)
    if given.functional:
        inputs = keras.Input(given.shape)
        outputs = layer(layers.Masking()(inputs) if given.mask else inputs)
        model = keras.Model(inputs, layers.Dense(2, name="head")(joined(outputs)))
    x = noise(SAMPLES, *(4 if extent is None else extent for extent in given.shape))
    if given.mask:
        x[0, 3:] = x[1, 0] = x[2, 2] = 0
    model(x)
    for variable in model.trainable_variables:  # biases that are zero would hide a wrong gate
        variable.assign_add(0.3 * noise(*variable.shape, seed=len(variable.path)))
    y = noise(*model(x).shape)

    with tf.GradientTape() as tape:
        out, found = given.by_hand(layer, tf.constant(x))
        head = model.get_layer("head")
        loss = tf.reduce_mean((tf.tensordot(out, head.kernel.value, 1) + head.bias.value - y) ** 2)
    np.testing.assert_allclose(out @ head.kernel + head.bias, model(x), rtol=1e-5, atol=1e-5)
    gradients = tape.gradient(loss, {name: (one.sequences or [], one.blocks) for name, one in found.items()})

    hold(capture_keras.capture(model, x, y, loss=squared), found, gradients)
    optimizer = keras.optimizers.SGD(0.1)
    with capture_keras.attach(model, every=1, samples=None, optimizer=optimizer) as taps:
        wrap(train_step(model, optimizer))(tf.constant(x), tf.constant(y))
        hold(taps.collect(0), found, gradients)


def hold(records: Sequence[LayerRecord], found: Mapping[str, Expected], gradients: Mapping[str, Any]) -> None:
    """Holds each record against its cells: sequences as a whole, matrices direction by direction and gate by gate."""
    assert [record.name for record in records] == list(found)
    for record in records:
        wanted = found[record.name]
        of_sequences, of_blocks = gradients[record.name]
        assert record.directions == tuple(wanted.cells)
        assert record.space == wanted.space
        parts: dict[str, Any] = {"activation": wanted.sequences, "output_gradient": of_sequences}
        assert list(record.sequences) == ([] if wanted.sequences is None else list(parts))
        for quantity, sequence in record.sequences.items():
            close(sequence, np.concatenate(parts[quantity], axis=-1), f"{record.name} {quantity}")
        for direction, cell in wanted.cells.items():
            kinds = {"LSTM": "lstm", "ConvLSTM": "lstm", "GRU": "gru", "SimpleRNN": "rnn"}
            assert record.cell == kinds[cell.kind]
            assert set(record.weights[direction]) == {"kernel", "recurrent_kernel", "bias"}
            for gate, matrices in cell.blocks.items():
                for matrix, block in matrices.items():
                    what = f"{record.name} {direction} {gate} {matrix}"
                    close(record.gate(gate, matrix, direction=direction), block, what)
                    gradient = of_blocks[direction][gate][matrix]
                    close(record.gate(gate, matrix, direction=direction, gradient=True), gradient, f"d {what}")


def close(actual: Array, wanted: Any, what: str) -> None:
    assert actual.shape == tuple(wanted.shape), what
    np.testing.assert_allclose(actual, wanted, rtol=1e-4, atol=1e-5, err_msg=what)
