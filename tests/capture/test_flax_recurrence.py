"""Gradients through time, gates and cell states of Flax's layers, against jax.grad through loops written out."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.derivation import completed
from tb_rnn_plugin.diagnostics.thresholds import DEFAULT
from tb_rnn_plugin.log_histories import layer_histories
from tb_rnn_plugin.record import LayerRecord
from tb_rnn_plugin.recurrence.activations import ACTIVATIONS
from tb_rnn_plugin.recurrence.half import CannotDerive
from tb_rnn_plugin.recurrence.layer import CAPTURED_QUANTITIES

pytestmark = pytest.mark.jax
jax = pytest.importorskip("jax")
jnp = pytest.importorskip("jax.numpy")
optax = pytest.importorskip("optax")
nnx: Any = pytest.importorskip("flax.nnx")

from tb_rnn_plugin.capture.flax import recurrence as flax_recurrence  # noqa: E402
from tests.capture.test_flax_reference import case, order_of, parameters  # noqa: E402
from tests.capture.unrolled_flax import Parameters, unrolled  # noqa: E402

Array = npt.NDArray[Any]

SAMPLES, TIMESTEPS, INPUTS, UNITS = 3, 4, 2, 3
LENGTHS = (4, 2, 3)
KEPT = 2
TOLERANCE: dict[str, Any] = {"rtol": 1e-5, "atol": 1e-5}
EVERYTHING = ("activation", "output_gradient", *sorted(CAPTURED_QUANTITIES))
LSTM, OPTIMIZED, GRU, PLAIN = "LSTMCell", "OptimizedLSTMCell", "GRUCell", "SimpleCell"


def random(*shape: int, seed: int) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def made_cell(kind: str, seed: int, **options: Any) -> Any:
    """Weights, biases too, large enough that every gate matters."""
    cell = getattr(nnx, kind)(INPUTS, UNITS, rngs=nnx.Rngs(seed), **options)
    generator = np.random.default_rng(seed)
    state = nnx.state(cell, nnx.Param)
    nnx.update(cell, jax.tree.map(lambda w: jnp.asarray(generator.normal(size=w.shape) * 0.7, jnp.float32), state))
    return cell


@dataclasses.dataclass(frozen=True)
class Case:
    """A layer, how it is made and called, and of what the loss is."""

    kind: str
    both: bool = False
    cell: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    options: Mapping[str, bool] = dataclasses.field(default_factory=dict)
    masked: bool = False
    starts: bool = False

    @property
    def lengths(self) -> tuple[int, ...]:
        return LENGTHS if self.masked else (TIMESTEPS,) * SAMPLES

    @property
    def directions(self) -> int:
        return 2 if self.both else 1

    def carry(self) -> Any:
        """What it starts from, as Flax takes it, if it is given that."""
        if not self.starts:
            return None
        made = [(c, h) if "LSTM" in self.kind else h for h, c in self.initial()]
        return tuple(made) if self.both else made[0]

    def initial(self) -> list[list[Array]]:
        """h and c of each direction."""
        scale = 1 if self.starts else 0
        return [[scale * random(SAMPLES, UNITS, seed=2 * d + i) for i in range(2)] for d in range(self.directions)]

    def is_reversed(self, direction: int) -> bool:
        return bool(direction) or self.options.get("reverse", False)


class Net(nnx.Module):
    """The layer of a case; its output is the loss."""

    def __init__(self, of: Case) -> None:
        cells = [made_cell(of.kind, seed + 3, **of.cell) for seed in range(of.directions)]
        options = {name: value for name, value in of.options.items() if not (of.both and name == "reverse")}
        layer = nnx.Bidirectional(*map(nnx.RNN, cells), **options) if of.both else nnx.RNN(cells[0], **options)
        self.body = layer

    @property
    def rnns(self) -> list[Any]:
        is_pair = isinstance(self.body, nnx.Bidirectional)
        return [self.body.forward_rnn, self.body.backward_rnn] if is_pair else [self.body]

    def __call__(self, x: Any, lengths: Any = None, carry: Any = None) -> Any:
        made = self.body(x, seq_lengths=lengths, initial_carry=carry)
        carry, output = made if self.body.return_carry else (None, made)
        if self.body.time_major:
            output = output.swapaxes(0, 1)
        return loss_of(output, jax.tree.leaves(carry))


def loss_of(output: Any, states: list[Any]) -> Any:
    weight = jnp.linspace(0.5, 2.0, output[0].size).reshape(output[0].shape)
    return (weight * output**2 + 0.3 * output).sum() + sum(
        (index + 1) * (state**3).sum() for index, state in enumerate(states)
    )


def expected(of: Case, net: Net, x: Array) -> dict[str, Array]:
    """Quantity to what is to be recorded, and the gradient of the input."""
    samples = np.arange(SAMPLES)
    ends = np.array(of.lengths) - 1
    halves = []
    for rnn in net.rnns:
        cell = rnn.cell
        gate = {"gate": cell.gate_fn} if hasattr(cell, "gate_fn") else {}
        residual = getattr(cell, "residual", False)
        halves.append(Parameters(parameters(cell), cell.activation_fn, residual=residual, **gate))

    def loss(x: Any, added: Any) -> Any:
        outputs, carries, went = [], [], []
        for direction, (half, initial) in enumerate(zip(halves, of.initial(), strict=True)):
            order = order_of(list(of.lengths), reverse=of.is_reversed(direction))
            gone = unrolled(half, x, order, initial, added[direction])
            last = order[samples, ends]
            states = ("cell_state", "activation") if "LSTM" in of.kind else ("activation",)
            carries += [gone[name][samples, last] for name in states]
            turned = of.options.get("reverse") and not of.options.get("keep_order")
            outputs.append(gone["activation"][samples[:, None], order] if turned else gone["activation"])
            went.append(gone)
        total = loss_of(jnp.concatenate(outputs, axis=-1), carries if of.options.get("return_carry") else [])
        return total, {name: jnp.concatenate([half[name] for half in went], axis=-1) for name in went[0]}

    zeros = jnp.zeros((SAMPLES, TIMESTEPS, UNITS))
    added = [{"hidden": zeros, "cell_state": zeros} for _ in halves]
    (of_inputs, gradients), made = jax.grad(loss, argnums=(0, 1), has_aux=True)(jnp.asarray(x), added)
    states = {"bptt_gradient": "hidden", "cell_state_gradient": "cell_state"}
    if "LSTM" not in of.kind:
        del states["cell_state_gradient"], made["cell_state"]
    of_states = {name: np.concatenate([half[key] for half in gradients], axis=-1) for name, key in states.items()}
    return {**made, **of_states, "input_gradient": of_inputs}


def arguments(of: Case, x: Array) -> tuple[Any, ...]:
    x = x.swapaxes(0, 1) if of.options.get("time_major") else x
    return x, np.array(LENGTHS) if of.masked else None, of.carry()


def by_capture(of: Case, net: Net, x: Array) -> LayerRecord:
    (record,) = rnn_summary.capture(net, arguments(of, x), None, loss=lambda value, _: value)
    return record


def by_taps(of: Case, net: Net, x: Array, jit: Callable[[Any], Any] = nnx.jit) -> LayerRecord:
    """Of a step that updates the weights before they are read."""
    optimizer = nnx.Optimizer(net, optax.sgd(0.5), wrt=nnx.Param)

    @jit
    def train(net: Any, optimizer: Any, given: Any) -> None:
        optimizer.update(net, nnx.grad(lambda net: net(*given))(net))

    with rnn_summary.attach(net, every=1, samples=KEPT, optimizer=optimizer, quantities=EVERYTHING) as taps:
        train(net, optimizer, arguments(of, x))
        (record,) = taps.collect(0)
    return done(record)


def done(record: LayerRecord) -> LayerRecord:
    """With what follows from its recurrence."""

    def fail(layer: str, reason: str) -> None:
        pytest.fail(f"{layer}: {reason}")

    made = completed(record, fail)
    assert made is not None
    return made


def check(record: LayerRecord, wanted: Mapping[str, Array], tolerance: float = 1e-5) -> None:
    assert set(record.sequences) == {"output_gradient", *wanted} - {"input_gradient"}
    assert record.recurrence is not None
    computed = {**record.sequences, "input_gradient": record.recurrence.input_gradient()}
    for quantity, values in wanted.items():
        of_samples = values[: len(computed[quantity])]
        np.testing.assert_allclose(
            computed[quantity],
            of_samples,
            rtol=tolerance,
            atol=tolerance * max(1.0, float(np.abs(of_samples).max())),
            err_msg=quantity,
        )


REVERSED = {"reverse": True}
CARRY = {"return_carry": True}
CASES = {
    **{f"nnx.{kind}": Case(kind) for kind in (LSTM, OPTIMIZED, GRU, PLAIN)},
    **{f"nnx.{kind}, relu": Case(kind, cell={"activation_fn": jax.nn.relu}) for kind in (GRU, PLAIN)},
    f"nnx.{OPTIMIZED}, hard_sigmoid, softsign": Case(
        OPTIMIZED, cell={"gate_fn": jax.nn.hard_sigmoid, "activation_fn": jax.nn.soft_sign}
    ),
    f"nnx.{PLAIN}, residual": Case(PLAIN, cell={"residual": True}),
    f"nnx.{GRU}, reverse": Case(GRU, options=REVERSED),
    f"nnx.{LSTM}, reverse, keep_order": Case(LSTM, options={**REVERSED, "keep_order": True}),
    f"nnx.{GRU}, time_major, reverse": Case(GRU, options={**REVERSED, "time_major": True}),
    f"nnx.{OPTIMIZED}, return_carry, initial_carry": Case(OPTIMIZED, options=CARRY, starts=True),
    f"nnx.{GRU}, return_carry, initial_carry, reverse": Case(GRU, options={**CARRY, **REVERSED}, starts=True),
    f"nnx.{PLAIN}, seq_lengths": Case(PLAIN, masked=True),
    f"nnx.{OPTIMIZED}, seq_lengths, return_carry": Case(OPTIMIZED, options=CARRY, masked=True),
    f"nnx.{OPTIMIZED}, seq_lengths, return_carry, reverse, initial_carry": Case(
        OPTIMIZED, options={**CARRY, **REVERSED}, masked=True, starts=True
    ),
    f"nnx.{GRU}, seq_lengths, reverse, keep_order": Case(GRU, options={**REVERSED, "keep_order": True}, masked=True),
    f"nnx.Bidirectional, {GRU}": Case(GRU, both=True),
    f"nnx.Bidirectional, {OPTIMIZED}, seq_lengths, return_carry, initial_carry": Case(
        OPTIMIZED, both=True, options=CARRY, masked=True, starts=True
    ),
}


@pytest.mark.parametrize("of", [case(f"gradient through time: {name}", of) for name, of in CASES.items()])
def test_as_autograd_through_the_unrolled_loop(of: Case) -> None:
    net = Net(of)
    x = random(SAMPLES, TIMESTEPS, INPUTS, seed=9)
    wanted = expected(of, net, x)
    check(by_capture(of, net, x), wanted)
    record = by_taps(of, net, x)
    assert len(record.sequences["activation"]) == SAMPLES
    assert len(record.sequences["bptt_gradient"]) == KEPT
    check(record, wanted)


@pytest.mark.framework_case("Flax nnx", "gradient through time: nnx.GRUCell, without jit")
def test_an_eager_step() -> None:
    of = Case(GRU)
    net = Net(of)
    x = random(SAMPLES, TIMESTEPS, INPUTS, seed=9)
    wanted = expected(of, net, x)
    check(by_taps(of, net, x, jit=lambda function: function), wanted)


@pytest.mark.parametrize(
    "transform",
    [
        case(f"gradient through time: {name}", transform)
        for name, transform in {
            "nnx.remat": nnx.remat(lambda net, x: net.body(x)),
            "nnx.vmap": nnx.vmap(lambda net, x: net.body(x), in_axes=(None, 0)),
            "nnx.scan over the samples": nnx.scan(
                lambda net, x: (net, net.body(x)), in_axes=(nnx.Carry, 0), out_axes=(nnx.Carry, 0)
            ),
            "two axes of samples": lambda net, x: net.body(x[None])[0],
        }.items()
    ],
)
def test_transformed(transform: Callable[[Any, Any], Any]) -> None:
    of = Case(GRU)
    x = random(SAMPLES, TIMESTEPS, INPUTS, seed=9)

    class Transformed(Net):
        def __call__(self, x: Any, *_: Any) -> Any:
            made = transform(self, x)
            return loss_of(made[1] if isinstance(made, tuple) else made, [])

    net = Transformed(of)
    wanted = expected(of, net, x)
    check(by_taps(of, net, x), wanted)


def test_a_scan_over_batches_gives_the_numbers_of_one_of_them() -> None:
    of = Case(OPTIMIZED)
    batches = random(2, SAMPLES, TIMESTEPS, INPUTS, seed=9)

    class Scanned(Net):
        def __call__(self, x: Any, *_: Any) -> Any:
            scan = nnx.scan(
                lambda net, x: (net, loss_of(net.body(x), [])), in_axes=(nnx.Carry, 0), out_axes=(nnx.Carry, 0)
            )
            return scan(self, x)[1].sum()

    net = Scanned(of)
    wanted = [expected(of, net, x) for x in batches]
    record = by_taps(of, net, batches)
    which = int(np.abs(record.sequences["activation"] - wanted[1]["activation"]).max() < 1e-5)
    check(record, wanted[which])


def reach(of: Case, net: Net, x: Array) -> Array:
    """√(mean of ‖Jᵀv‖²) over the very v, of the last step of each sequence; (samples, timesteps)."""
    (rnn,) = net.rnns
    (initial,) = of.initial()
    order = order_of(list(of.lengths), reverse=of.is_reversed(0))
    last = order[np.arange(SAMPLES), np.array(of.lengths) - 1]

    def hidden(added: Any) -> Any:
        both = {"hidden": added, "cell_state": jnp.zeros_like(added)}
        gone = unrolled(Parameters(parameters(rnn.cell)), x, order, initial, both)
        return gone["activation"][np.arange(SAMPLES), last]

    _, back = jax.vjp(hidden, jnp.zeros((SAMPLES, TIMESTEPS, UNITS)))
    drawn = np.random.default_rng(0).standard_normal((16, SAMPLES, UNITS)).astype(np.float32)
    squares = np.stack([(np.asarray(back(v)[0]) ** 2).sum(axis=-1) for v in drawn])
    norms: Array = np.sqrt(squares.mean(axis=0))
    return norms


@pytest.mark.framework_case("Flax nnx", "reach: nnx.GRUCell, reverse, seq_lengths")
def test_reach_is_that_of_a_sequence_s_own_last_step() -> None:
    of = Case(GRU, options=REVERSED, masked=True)
    net = Net(of)
    x = random(SAMPLES, TIMESTEPS, INPUTS, seed=9)
    recurrence = by_capture(of, net, x).recurrence
    assert recurrence is not None
    np.testing.assert_allclose(recurrence.reach().hidden["backward"], reach(of, net, x), **TOLERANCE)
    # Reversed it comes to the first timestep last: of a sequence's own, that is.
    np.testing.assert_allclose(recurrence.reach(0).hidden["backward"], reach(of, net, x), **TOLERANCE)


@pytest.mark.framework_case("Flax nnx", "gradient through time: mixed precision, bfloat16")
@pytest.mark.parametrize("kind", [LSTM, OPTIMIZED, GRU, PLAIN])
def test_half_precision(kind: str) -> None:
    options: dict[str, Any] = {"dtype": jnp.bfloat16}
    if kind in {GRU, PLAIN}:  # Flax itself needs their states to be of the same precision
        options |= {"param_dtype": jnp.bfloat16, "recurrent_kernel_init": nnx.initializers.zeros_init()}
    of = Case(kind, cell=options)
    net = Net(of)
    known = {LSTM: "lstm", OPTIMIZED: "lstm", GRU: "gru", PLAIN: "rnn"}[kind]
    assert flax_recurrence.traits(net.body, known, reverse=False, starts=False).half
    x = random(SAMPLES, TIMESTEPS, INPUTS, seed=9)
    wanted = expected(of, net, x)
    record = by_taps(of, net, x)
    for quantity in set(wanted) - {"input_gradient"}:
        values = wanted[quantity][: len(record.sequences[quantity])]
        largest = float(np.abs(values).max())
        np.testing.assert_allclose(record.sequences[quantity], values, atol=5e-2 * largest, err_msg=quantity)


@pytest.mark.parametrize(("function", "name"), flax_recurrence.FUNCTIONS)
def test_functions_are_those_of_jax(function: Callable[[Any], Any], name: str) -> None:
    z = np.linspace(-7.03, 7.01, 61, dtype=np.float32)
    ours = ACTIVATIONS[name]
    y = ours.function(z)
    np.testing.assert_allclose(y, function(z), **TOLERANCE)
    np.testing.assert_allclose(ours.derivative(z, y), jax.vmap(jax.grad(function))(z), **TOLERANCE)


class OwnCell(nnx.GRUCell):
    """A computation of its own."""

    def __call__(self, carry: Any, inputs: Any) -> tuple[Any, Any]:
        carry = jnp.tanh(super().__call__(carry, inputs)[0])
        return carry, carry


class OwnStart(nnx.GRUCell):
    """States of its own to start from."""

    def initialize_carry(self, input_shape: Any, *_: Any, **__: Any) -> Any:
        return jnp.ones((*input_shape[:-1], UNITS))


class OwnLayer(nnx.RNN):
    """A call of its own."""

    def __call__(self, inputs: Any, **options: Any) -> Any:
        return super().__call__(inputs[..., ::-1], **options)


def unknown(kind: str) -> Any:
    """A layer of which nothing can be computed."""
    rngs = nnx.Rngs(0)
    if kind == "OwnLayer":
        return OwnLayer(nnx.GRUCell(INPUTS, UNITS, rngs=rngs))
    if kind in {"OwnCell", "OwnStart"}:
        return nnx.RNN({"OwnCell": OwnCell, "OwnStart": OwnStart}[kind](INPUTS, UNITS, rngs=rngs))
    if kind == "gate":
        return nnx.RNN(nnx.LSTMCell(INPUTS, UNITS, gate_fn=nnx.softmax, rngs=rngs))
    return nnx.RNN(nnx.SimpleCell(INPUTS, UNITS, activation_fn=getattr(nnx, kind), rngs=rngs))


REASONS = {
    "OwnCell": "what a OwnCell computes isn't known",
    "OwnLayer": "what a OwnLayer computes isn't known, since it has a __call__ of its own",
    "OwnStart": "to start from aren't recorded. Pass them to the layer as initial_carry=",
    "gate": "the derivative of its gate_fn, softmax, isn't known",
    "gelu": "the derivative of its activation_fn, gelu, isn't known",
    "leaky_relu": "the derivative of its activation_fn, leaky_relu, isn't known",
}


@pytest.mark.filterwarnings("ignore:rnn_summary. weight gradients are left out")
@pytest.mark.parametrize(("kind", "reason"), REASONS.items())
def test_what_cannot_be_computed_is_said_once_with_the_reason(kind: str, reason: str) -> None:
    class Around(nnx.Module):
        def __init__(self) -> None:
            self.body = unknown(kind)

        def __call__(self, x: Any) -> Any:
            return (self.body(x) ** 2).sum()

    net = Around()
    x = random(SAMPLES, TIMESTEPS, INPUTS, seed=9)
    step = nnx.jit(nnx.grad(lambda net: net(x)))
    with rnn_summary.attach(net, every=1) as taps:
        step(net)
        with pytest.warns(UserWarning, match=f"of 'body' are left out: .*{reason}"):
            (record,) = taps.collect(0)
        step(net)
        taps.collect(1)  # a warning would be an error
    assert record.recurrence is None
    assert set(record.sequences) == {"activation", "output_gradient"}
    note = rnn_summary.describe(net)[0].note
    assert (reason in note) != (kind == "OwnCell")  # of which there is no gate or state either
    with rnn_summary.attach(net, every=1, bptt=False) as taps:
        step(net)
        assert taps.collect(0)


def test_states_of_a_cell_s_own_are_known_where_they_are_given() -> None:
    with pytest.raises(CannotDerive, match="initial_carry="):
        flax_recurrence.traits(unknown("OwnStart"), "gru", reverse=False, starts=False)
    assert flax_recurrence.traits(unknown("OwnStart"), "gru", reverse=False, starts=True).cell == "gru"


def test_only_what_is_asked_for_is_computed() -> None:
    of = Case(OPTIMIZED)
    net = Net(of)
    x = random(SAMPLES, TIMESTEPS, INPUTS, seed=9)
    for quantities, bptt, wanted in (
        (("gate/forget",), True, {"gate/forget"}),
        (("activation", "bptt_gradient"), True, {"activation", "bptt_gradient"}),
        (("activation",), True, {"activation"}),
        (("activation", "output_gradient"), False, {"activation", "output_gradient"}),
    ):
        with rnn_summary.attach(net, every=1, quantities=quantities, bptt=bptt) as taps:
            nnx.grad(lambda net: net(x))(net)
            ((_, arrived),) = vars(taps)["_sink"]._arrived.values()
            (record,) = taps.collect(0)
        assert set(done(record).sequences) == wanted
        assert (arrived[0].kept.inputs is None) == wanted.issubset({"activation", "output_gradient"})
    (without,) = rnn_summary.capture(net, x, None, loss=lambda value, _: value, bptt=False)
    assert set(without.sequences) == {"activation", "output_gradient"}
    (described,) = rnn_summary.describe(net)
    assert described.derived == {
        "bptt_gradient": UNITS,
        "cell_state": UNITS,
        **{f"gate/{gate}": UNITS for gate in ("input", "forget", "cell", "output")},
    }


def test_written_and_read_back(tmp_path: Path) -> None:
    of = Case(GRU, both=True)
    net = Net(of)
    x = random(SAMPLES, TIMESTEPS, INPUTS, seed=9)
    wanted = expected(of, net, x)
    optimizer = nnx.Optimizer(net, optax.sgd(0.5), wrt=nnx.Param)
    with rnn_summary.attach(net, every=1, samples=KEPT, optimizer=optimizer) as taps:
        optimizer.update(net, nnx.grad(lambda net: net(x))(net))
        rnn_summary.write(taps, 0, tmp_path)
    ((_, record),) = rnn_summary.read(tmp_path)
    assert record.gates == ("reset", "update", "candidate")
    for quantity in ("activation", "bptt_gradient", "gate/reset", "gate/update", "gate/candidate"):
        np.testing.assert_allclose(record.sequences[quantity], wanted[quantity][:KEPT], **TOLERANCE, err_msg=quantity)


def test_a_layer_that_runs_backward_is_judged_from_its_own_end(tmp_path: Path) -> None:
    """Its last state belongs to the first timestep: a gradient that fades from there on does not reach far."""
    rnn = nnx.RNN(made_cell(GRU, 3), reverse=True)
    last = rnn.cell.hidden_features

    class Last(nnx.Module):
        def __init__(self) -> None:
            self.rnn = rnn

        def __call__(self, x: Any) -> Any:
            return self.rnn(x)[:, -1]  # as the layer returns it, in its own order

    x = random(SAMPLES, 40, INPUTS, seed=4)
    (record,) = rnn_summary.capture(Last(), x, np.zeros((SAMPLES, last)), loss=lambda made, _: made**2)
    assert record.directions == ("backward",)
    norms = np.linalg.norm(record.sequences["bptt_gradient"], axis=-1).mean(axis=0)
    assert norms.argmax() == 0
    rnn_summary.write(record, step=0, writer=tmp_path)
    rnn_summary.close()
    (layer,) = layer_histories(tmp_path, DEFAULT)
    ((_, _, horizon),) = layer.series("gradient_horizon")
    assert horizon.values.tolist() == [np.flatnonzero(norms >= 0.01 * norms.max()).max()]
    assert horizon.values[0] < 30


def test_what_arrives_is_of_the_call_it_was_compiled_with() -> None:
    """An evaluation that is traced later, with other lengths or without, changes nothing in what training leaves."""
    of = Case(GRU, both=True, masked=True)
    net = Net(of)
    x = random(SAMPLES, TIMESTEPS, INPUTS, seed=9)
    optimizer = nnx.Optimizer(net, optax.sgd(0.0), wrt=nnx.Param)

    @nnx.jit  # type: ignore[untyped-decorator]
    def train(net: Any, optimizer: Any, given: Any) -> None:
        optimizer.update(net, nnx.grad(lambda net: net(*given))(net))

    with rnn_summary.attach(net, every=1, samples=KEPT, optimizer=optimizer, quantities=EVERYTHING) as taps:
        for step in range(2):
            train(net, optimizer, arguments(of, x))
            (record,) = taps.collect(step)
            check(done(record), expected(of, net, x))
            nnx.jit(lambda net, x: net(x, None, of.carry()))(net, x)
