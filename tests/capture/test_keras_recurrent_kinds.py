"""Recurrent layers of every make, against the same cells in a loop of plain TensorFlow, gate by gate."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
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
from tests.capture import keras_by_hand  # noqa: E402

layers = keras.layers
Array = npt.NDArray[np.float32]
Tensor: TypeAlias = Any
FRAMEWORK = "Keras 3 on TensorFlow"
SAMPLES, TIMESTEPS, INPUTS = 3, 5, 2


@dataclasses.dataclass
class Half:
    """One direction of a layer: its cells from the input up, and the output in input time, (samples, timesteps, …)."""

    cells: list[keras_by_hand.Cell]
    sequence: Tensor


@dataclasses.dataclass
class Expected:
    """What a record has to hold: by direction a cell, and its sequence (samples, timesteps, channels) if it has one."""

    cells: dict[str, keras_by_hand.Cell]
    sequences: list[Tensor] | None
    space: tuple[int, ...] = ()


#: From a layer and its input: its output, both directions of one that merges nothing, and record name to what it holds.
ByHand: TypeAlias = Callable[[Any, Tensor], tuple[Tensor, dict[str, Expected]]]


def half(layer: Any, x: Tensor, *, backwards: bool = False, mask: Tensor | None = None) -> Half:
    samples = x.shape[0]
    if isinstance(layer.cell, layers.StackedRNNCells):
        cells = [keras_by_hand.Cell.like(cell) for cell in layer.cell.cells]
        step: keras_by_hand.Step = keras_by_hand.Stack(cells)
        states = [tf.zeros((samples, cell.units)) for cell in layer.cell.cells for _ in range(2)]
    else:
        cells = [keras_by_hand.Cell.like(layer.cell)]
        step = cells[0]
        states = [tf.zeros((samples, layer.units)) for _ in keras.tree.flatten(layer.cell.state_size)]
    sequence, _ = keras_by_hand.run(step, x, states, mask=mask, backwards=backwards)
    if not layer.return_sequences:
        sequence = sequence[:, :1] if backwards else sequence[:, -1:]
    return Half(cells, sequence)


def expected(name: str, halves: Mapping[str, Half], *, is_stack: bool = False) -> dict[str, Expected]:
    cells = list(zip(*(one.cells for one in halves.values()), strict=True))
    sequences = [one.sequence for one in halves.values()]
    return {
        f"{name}/cell_{index}" if is_stack else name: Expected(
            dict(zip(halves, of_cell, strict=True)), sequences if index == len(cells) - 1 else None
        )
        for index, of_cell in enumerate(cells)
    }


def as_returned(layer: Any, sequence: Tensor) -> Tensor:
    return sequence if layer.return_sequences else sequence[:, 0]


def plain(layer: Any, x: Tensor) -> tuple[Tensor, dict[str, Expected]]:
    is_stack = isinstance(layer.cell, layers.StackedRNNCells)
    one = half(layer, x)
    return as_returned(layer, one.sequence), expected(layer.name, {"forward": one}, is_stack=is_stack)


def masked(layer: Any, x: Tensor) -> tuple[Tensor, dict[str, Expected]]:
    one = half(layer, x, mask=tf.reduce_any(x != 0, axis=-1))
    return as_returned(layer, one.sequence), expected(layer.name, {"forward": one}, is_stack=True)


def merged(mode: str | None, forward: Tensor, backward: Tensor) -> Tensor:
    if mode in {"concat", None}:
        return tf.concat([forward, backward], axis=-1)
    if mode == "mul":
        return forward * backward
    return (forward + backward) / (2 if mode == "ave" else 1)


def bidirectional(layer: Any, x: Tensor) -> tuple[Tensor, dict[str, Expected]]:
    forward, backward = half(layer.forward_layer, x), half(layer.backward_layer, x, backwards=True)
    is_stack = isinstance(layer.forward_layer.cell, layers.StackedRNNCells)
    out = merged(layer.merge_mode, forward.sequence, backward.sequence)
    return as_returned(layer, out), expected(layer.name, {"forward": forward, "backward": backward}, is_stack=is_stack)


def of_two_kinds(layer: Any, x: Tensor) -> tuple[Tensor, dict[str, Expected]]:
    forward, backward = half(layer.forward_layer, x), half(layer.backward_layer, x, backwards=True)
    out = merged(layer.merge_mode, forward.sequence, backward.sequence)
    return as_returned(layer, out), {
        **expected(f"{layer.name}/{layer.forward_layer.name}", {"forward": forward}),
        **expected(f"{layer.name}/{layer.backward_layer.name}", {"backward": backward}),
    }


def distributed(by_hand: ByHand) -> ByHand:
    """The same for the layer in a TimeDistributed: a sample and frame, one after the other, are a sample."""

    def of(layer: Any, x: Tensor) -> tuple[Tensor, dict[str, Expected]]:
        inner = layer.layer
        out, found = by_hand(inner, tf.reshape(x, [-1, *x.shape[2:]]))
        renamed = {name.replace(inner.name, layer.name, 1): one for name, one in found.items()}
        return tf.reshape(out, [*x.shape[:2], *out.shape[1:]]), renamed

    return of


def convolutional(layer: Any, x: Tensor) -> tuple[Tensor, dict[str, Expected]]:
    """A ConvLSTM, or a Bidirectional of it: computed with channels last, whatever the layer's data format."""
    halves = {"forward": layer}
    if isinstance(layer, layers.Bidirectional):
        halves = {"forward": layer.forward_layer, "backward": layer.backward_layer}
    first = halves["forward"]
    channels_first = first.data_format == "channels_first"
    if channels_first:
        x = tf.transpose(x, [0, 1, *range(3, x.shape.rank), 2])
    # Not left out: TensorFlow's gradient of a convolution in three dimensions fails without it.
    form = {4: "NWC", 5: "NHWC", 6: "NDHWC"}[x.shape.rank]
    padding = first.padding.upper()
    made: dict[str, Half] = {}
    returned = []
    space: tuple[int, ...] = ()
    for direction, one in halves.items():
        cell = keras_by_hand.Cell.like(
            one.cell,
            of_input=lambda a, kernel: tf.nn.convolution(a, kernel, padding=padding, data_format=form),
            of_state=lambda a, kernel: tf.nn.convolution(a, kernel, padding="SAME", data_format=form),
        )
        like_output = cell.of_input(x[:, 0], cell.blocks["input"]["kernel"])
        space = tuple(like_output.shape[1:-1])
        backwards = direction == "backward"
        outputs, _ = keras_by_hand.run(cell, x, [tf.zeros_like(like_output)] * 2, backwards=backwards)
        if not first.return_sequences:
            outputs = outputs[:, :1] if backwards else outputs[:, -1:]
        # Filter by filter, each row by row; the layer's output is made from this, so that a gradient comes to it.
        filters_first = tf.transpose(outputs, [0, 1, outputs.shape.rank - 1, *range(2, outputs.shape.rank - 1)])
        channels = tf.reshape(filters_first, [*filters_first.shape[:2], -1])
        filters_first = tf.reshape(channels, filters_first.shape)
        last = tf.transpose(filters_first, [0, 1, *range(3, filters_first.shape.rank), 2])
        made[direction] = Half([cell], channels)
        returned.append(as_returned(first, filters_first if channels_first else last))
    found = expected(layer.name, made)
    found[layer.name].space = space
    return tf.concat(returned, axis=-1), found


def summed(layer: Any, x: Tensor) -> tuple[Tensor, dict[str, Expected]]:
    out, found = convolutional(layer, x)
    return tf.add(*tf.split(out, 2, axis=-1)), found


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
    gradients = tape.gradient(loss, {name: (one.sequences or [], blocks_of(one)) for name, one in found.items()})

    hold(capture_keras.capture(model, x, y, loss=squared), found, gradients)
    optimizer = keras.optimizers.SGD(0.1)
    with capture_keras.attach(model, every=1, samples=None, optimizer=optimizer) as taps:
        wrap(functools.partial(train_step, model, optimizer))(tf.constant(x), tf.constant(y))
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


def blocks_of(one: Expected) -> dict[str, keras_by_hand.Blocks]:
    return {direction: cell.blocks for direction, cell in one.cells.items()}


def close(actual: Array, wanted: Any, what: str) -> None:
    assert actual.shape == tuple(wanted.shape), what
    np.testing.assert_allclose(actual, wanted, rtol=1e-4, atol=1e-5, err_msg=what)


def noise(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def squared(y: Tensor, prediction: Tensor) -> Tensor:
    return tf.reduce_mean((y - prediction) ** 2)


def train_step(model: Any, optimizer: Any, x: Tensor, y: Tensor) -> Tensor:
    with tf.GradientTape() as tape:
        loss = squared(y, model(x, training=True))
    optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
    return loss
