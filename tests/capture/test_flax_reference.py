"""Records of Flax models, against jax.grad on cells written here in plain jax.numpy and unrolled in Python."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tb_rnn_plugin.record import LayerRecord

pytestmark = pytest.mark.jax
jax = pytest.importorskip("jax")
jnp = pytest.importorskip("jax.numpy")
optax = pytest.importorskip("optax")
nnx: Any = pytest.importorskip("flax.nnx")

from tb_rnn_plugin.capture.flax import entry as capture_flax  # noqa: E402
from tb_rnn_plugin.capture.flax import layers as flax_layers  # noqa: E402
from tb_rnn_plugin.capture.flax import model as flax_model  # noqa: E402
from tests.capture.flax_cases import (  # noqa: E402
    INPUTS,
    SAMPLES,
    TIMESTEPS,
    UNITS,
    case,
    made_cell,
    order_of,
    parameters,
)

Array = npt.NDArray[np.float32]
CELLS = ["LSTMCell", "OptimizedLSTMCell", "GRUCell", "SimpleCell"]


class Model(nnx.Module):
    """A recurrent layer, and a loss that gives each of its numbers a gradient of its own."""

    def __init__(self, rnn: Any, width: int = UNITS, *, uses_carry: bool = False, **options: Any) -> None:
        self.body = nnx.List([rnn])
        self.head = nnx.Linear(width, 2, rngs=nnx.Rngs(3))
        self.uses_carry = uses_carry
        self.options = nnx.static(tuple(options.items()))

    def __call__(self, x: Any, lengths: Any = None) -> Any:
        out = self.body[0](x, seq_lengths=lengths, **dict(self.options))
        if self.uses_carry:
            (cell_state, hidden), out = out
            return self.head(out).sum() + (cell_state**2).sum() + 2 * (hidden**2).sum()
        return self.head(out)


def step(gates: Mapping[str, Any], state: Any, x: Any) -> Any:
    """One step of the cell that has these gates; the state is (h, c)."""
    h, c = state

    def sums(gate: str) -> Any:
        kernel, recurrent, bias = gates[gate]
        return x @ kernel + h @ recurrent + bias

    def sigmoid(z: Any) -> Any:
        return 1 / (1 + jnp.exp(-z))

    if "forget" in gates:
        c = sigmoid(sums("forget")) * c + sigmoid(sums("input")) * jnp.tanh(sums("cell"))
        return sigmoid(sums("output")) * jnp.tanh(c), c
    if "update" in gates:
        kernel, recurrent, bias = gates["candidate"]
        candidate = jnp.tanh(x @ kernel + bias + sigmoid(sums("reset")) * (h @ recurrent))
        update = sigmoid(sums("update"))
        return update * h + (1 - update) * candidate, c
    return jnp.tanh(sums("")), c


def unrolled(gates: Mapping[str, Any], x: Any, order: Array, taps: Any) -> tuple[Any, Any]:
    """Outputs in input time with `taps` added to them, and the state (h, c) after each step.

    `order` is (samples, timesteps): at which timestep each sample is at each step.
    """
    samples = np.arange(len(x))
    h = c = jnp.zeros((len(x), UNITS))
    states = []
    outputs = taps
    for at in order.T:
        h, c = step(gates, (h, c), x[samples, at])
        states.append((h, c))
        outputs = outputs.at[samples, at].add(h)
    return outputs, states


FORWARD, BACKWARD = (order_of([TIMESTEPS] * SAMPLES, reverse=reverse) for reverse in (False, True))


def data(seed: int = 0) -> tuple[Array, Array]:
    generator = np.random.default_rng(seed)
    return (
        generator.normal(size=(SAMPLES, TIMESTEPS, INPUTS)).astype(np.float32),
        generator.normal(size=(SAMPLES, TIMESTEPS, 2)).astype(np.float32),
    )


def by_capture(model: Any, *inputs: Any, target: Any) -> list[LayerRecord]:
    return capture_flax.capture(model, inputs, target, loss=optax.squared_error)


def by_taps(jit: Callable[[Any], Any]) -> Callable[..., list[LayerRecord]]:
    def record(model: Any, *inputs: Any, target: Any) -> list[LayerRecord]:
        optimizer = nnx.Optimizer(model, optax.sgd(0.5), wrt=nnx.Param)

        @jit
        def train(model: Any, optimizer: Any) -> Any:
            loss, gradients = nnx.value_and_grad(lambda model: optax.squared_error(model(*inputs), target).mean())(
                model
            )
            optimizer.update(model, gradients)
            return loss

        with capture_flax.attach(model, every=1, samples=None, optimizer=optimizer) as taps:
            train(model, optimizer)
            return taps.collect(0)

    return record


WAYS = {"capture": by_capture, "jitted taps": by_taps(nnx.jit), "eager taps": by_taps(lambda function: function)}


def check(
    record: LayerRecord, direction: str, cell: Any, gates: Mapping[str, Any], gradients: Mapping[str, Any]
) -> None:
    """Weights and their gradients, gate by gate."""
    assert record.gates == tuple(gate for gate in gates if gate)
    for gate, position in itertools.product(gates, range(3)):
        matrix = ("kernel", "recurrent_kernel", "bias")[position]
        np.testing.assert_array_equal(record.gate(gate, matrix, direction=direction), gates[gate][position])
        np.testing.assert_allclose(
            record.gate(gate, matrix, direction=direction, gradient=True),
            gradients[gate][position],
            atol=1e-5,
            rtol=1e-4,
        )


@pytest.mark.parametrize(
    ("kind", "way"),
    [
        *(case(f"nnx.RNN of nnx.{kind}, {way}", kind, way) for kind in CELLS for way in ("capture", "jitted taps")),
        case("nnx.RNN of nnx.GRUCell, eager taps", "GRUCell", "eager taps"),
    ],
)
def test_every_number_is_that_of_an_independent_cell(kind: str, way: str) -> None:
    cell = made_cell(kind)
    model = Model(nnx.RNN(cell))
    x, y = data()
    gates = parameters(cell)
    head = (model.head.kernel[...], model.head.bias[...])

    def loss(gates: Any, taps: Any) -> Any:
        output, _ = unrolled(gates, x, FORWARD, taps)
        return jnp.mean((output @ head[0] + head[1] - y) ** 2), output

    zeros = jnp.zeros((SAMPLES, TIMESTEPS, UNITS))
    (weight_gradients, gradient), output = jax.grad(loss, argnums=(0, 1), has_aux=True)(gates, zeros)
    (record,) = WAYS[way](model, x, target=y)
    assert record.name == "body/0"
    assert (record.cell, record.units) == ({"L": "lstm", "O": "lstm", "G": "gru", "S": "rnn"}[kind[0]], UNITS)
    assert (record.framework, record.directions) == ("flax", ("forward",))
    np.testing.assert_allclose(record.sequences["activation"], output, atol=1e-5)
    np.testing.assert_allclose(record.sequences["output_gradient"], gradient, atol=1e-5)
    check(record, "forward", cell, gates, weight_gradients)


OPTIONS: list[dict[str, bool]] = [
    {"reverse": True},
    {"reverse": True, "keep_order": True},
    {"time_major": True, "reverse": True},
    {"return_carry": True},
    {"return_carry": True, "reverse": True},
    {"return_carry": True, "reverse": True, "keep_order": True},
]


@pytest.mark.parametrize(
    ("masked", "way"), [(False, "capture"), case("seq_lengths of different length", True, "jitted taps")]
)
@pytest.mark.parametrize("options", [case(f"nnx.RNN, {', '.join(options)}", options) for options in OPTIONS])
def test_whatever_the_options_the_record_is_in_input_time(options: dict[str, bool], masked: bool, way: str) -> None:
    if masked and options.get("time_major"):
        pytest.skip("Flax itself fails on it")
    reverse, carry = options.get("reverse", False), options.get("return_carry", False)
    cell = made_cell("OptimizedLSTMCell" if carry else "GRUCell")
    at_call = way == "capture"  # or else to the layer
    rnn = nnx.RNN(cell) if at_call else nnx.RNN(cell, **options)
    model = Model(rnn, **(options if at_call else {}), uses_carry=carry)
    x, y = data()
    lengths = [4, 2, 3] if masked else [TIMESTEPS] * SAMPLES
    gates = parameters(cell)
    head = (model.head.kernel[...], model.head.bias[...])
    order = order_of(lengths, reverse=reverse)
    as_returned = order if reverse and not options.get("keep_order") else FORWARD
    samples, last = np.arange(SAMPLES), np.array(lengths) - 1

    def loss(gates: Any, taps: Any) -> Any:
        output, states = unrolled(gates, x, order, taps)
        prediction = output[samples[:, None], as_returned] @ head[0] + head[1]
        if not carry:
            return jnp.mean((prediction - y) ** 2), output
        hidden = output[samples, order[samples, last]]
        cell_state = jnp.stack([c for _, c in states], axis=1)[samples, last]
        return (prediction.sum() + (cell_state**2).sum() + 2 * (hidden**2).sum() - 0.5) ** 2, output

    zeros = jnp.zeros((SAMPLES, TIMESTEPS, UNITS))
    (weight_gradients, gradient), output = jax.grad(loss, argnums=(0, 1), has_aux=True)(gates, zeros)
    scale = float(np.abs(gradient).max())
    target = 0.5 if carry else y
    if options.get("time_major"):
        x, target = x.swapaxes(0, 1), y.swapaxes(0, 1)
    (record,) = WAYS[way](model, x, np.array(lengths) if masked else None, target=target)
    np.testing.assert_allclose(record.sequences["activation"], output, atol=1e-5)
    np.testing.assert_allclose(record.sequences["output_gradient"] / scale, gradient / scale, atol=1e-5)
    weight_scale = max(float(np.abs(leaf).max()) for leaf in jax.tree.leaves(weight_gradients))
    for gate in record.gates:
        np.testing.assert_allclose(
            record.gate(gate, gradient=True) / weight_scale, weight_gradients[gate][0] / weight_scale, atol=1e-5
        )


@pytest.mark.parametrize("way", ["capture", "jitted taps"])
@pytest.mark.parametrize(
    ("kind", "merge"),
    [
        case("nnx.Bidirectional, LSTMCell, concatenated", "LSTMCell", "concat"),
        case("nnx.Bidirectional, GRUCell, multiplied", "GRUCell", "mul"),
    ],
)
def test_both_directions_are_in_input_time(kind: str, merge: str, way: str) -> None:
    both = {"forward": made_cell(kind, seed=1), "backward": made_cell(kind, seed=2)}
    merges: dict[str, Any] = {"mul": {"merge_fn": jnp.multiply}, "concat": {}}
    layer = nnx.Bidirectional(nnx.RNN(both["forward"]), nnx.RNN(both["backward"]), **merges[merge])
    model = Model(layer, UNITS * (1 + (merge == "concat")))
    x, y = data()
    gates = {direction: parameters(cell) for direction, cell in both.items()}
    head = (model.head.kernel[...], model.head.bias[...])

    def loss(gates: Any, taps: Any) -> Any:
        forward, _ = unrolled(gates["forward"], x, FORWARD, taps[..., :UNITS])
        backward, _ = unrolled(gates["backward"], x, BACKWARD, taps[..., UNITS:])
        joined = jnp.concatenate([forward, backward], axis=-1)
        merged = joined if merge == "concat" else forward * backward
        return jnp.mean((merged @ head[0] + head[1] - y) ** 2), joined

    zeros = jnp.zeros((SAMPLES, TIMESTEPS, 2 * UNITS))
    (weight_gradients, gradient), output = jax.grad(loss, argnums=(0, 1), has_aux=True)(gates, zeros)
    (record,) = WAYS[way](model, x, target=y)
    assert record.directions == ("forward", "backward")
    np.testing.assert_allclose(record.sequences["activation"], output, atol=1e-5)
    np.testing.assert_allclose(record.sequences["output_gradient"], gradient, atol=1e-5)
    for direction, cell in both.items():
        check(record, direction, cell, gates[direction], weight_gradients[direction])


def perturb(cell: Any, gate: str, value: float) -> Array:
    """The outputs once the bias of one gate, by the record's order of gates, is set to `value`."""
    model = nnx.RNN(cell)
    x, _ = data()
    (layer,) = flax_model.find(model)
    position = layer.gates.index(gate)
    biases = [flax_layers.variable(model, path) for path in layer.halves["forward"].parameters["bias"]]
    if len(biases) > 1:
        biases[position][...] = np.full(UNITS, value, np.float32)
    else:
        bias = np.array(biases[0][...])
        bias[position * UNITS : (position + 1) * UNITS] = value
        biases[0][...] = bias
    return np.asarray(model(x))


@pytest.mark.parametrize(
    "kind", [case(f"nnx.{kind}, each gate by its name", kind) for kind in ("LSTMCell", "OptimizedLSTMCell")]
)
def test_each_gate_of_an_lstm_does_what_its_name_says(kind: str) -> None:
    assert np.abs(perturb(made_cell(kind), "output", -50)).max() < 1e-6  # nothing comes out
    assert np.abs(perturb(made_cell(kind), "input", -50)).max() < 1e-6  # nothing comes in
    open_ = made_cell(kind)
    for gate in ("input", "cell", "output"):
        perturb(open_, gate, 50)
    # With nothing forgotten the cell state counts the steps; with all of it forgotten it is that of one step.
    np.testing.assert_allclose(perturb(open_, "forget", 50)[0, :, 0], np.tanh(np.arange(TIMESTEPS) + 1), atol=1e-6)
    np.testing.assert_allclose(perturb(open_, "forget", -50), np.tanh(1), atol=1e-6)
    np.testing.assert_allclose(perturb(open_, "cell", -50), -np.tanh(1), atol=1e-6)


@pytest.mark.framework_case("Flax nnx", "nnx.GRUCell, each gate by its name")
def test_each_gate_of_a_gru_does_what_its_name_says() -> None:
    assert np.abs(perturb(made_cell("GRUCell"), "update", 50)).max() < 1e-6  # the old state stays: zero
    forgetful = made_cell("GRUCell")
    perturb(forgetful, "update", -50)  # the new state is the candidate …
    output = perturb(forgetful, "reset", -50)  # … and that doesn't see the old one
    kernel, _, bias = parameters(forgetful)["candidate"]
    np.testing.assert_allclose(output, np.tanh(data()[0] @ kernel + bias), atol=1e-5)
    np.testing.assert_allclose(perturb(forgetful, "candidate", 50), 1, atol=1e-5)


@pytest.mark.framework_case("Flax nnx", "mixed precision, bfloat16")
def test_half_precision_is_recorded_to_its_own_precision() -> None:
    model = Model(nnx.RNN(made_cell("OptimizedLSTMCell")))
    x, y = data()
    gates = parameters(model.body[0].cell)
    head = (model.head.kernel[...], model.head.bias[...])

    def loss(taps: Any) -> Any:
        output, _ = unrolled(gates, x, FORWARD, taps)
        return jnp.mean((output @ head[0] + head[1] - y) ** 2), output

    gradient, output = jax.grad(loss, has_aux=True)(jnp.zeros((SAMPLES, TIMESTEPS, UNITS)))
    for dense in (model.body[0].cell.dense_i, model.body[0].cell.dense_h):
        dense.dtype = jnp.bfloat16
    (record,) = WAYS["jitted taps"](model, x, target=y)
    for quantity, expected in (("activation", output), ("output_gradient", gradient)):
        assert np.abs(record.sequences[quantity] - expected).max() < 2e-2 * np.abs(expected).max()
    assert record.weights["forward"]["kernel"].dtype == np.float32
