"""Recurrent layers of Flax, each made and called in one way, and what is to be recorded of them by jax.grad."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import optax
import pytest

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.record import LayerRecord
from tb_rnn_plugin.recurrence.layer import CAPTURED_QUANTITIES
from tests.capture.completion import done
from tests.capture.unrolled_flax import Parameters, unrolled

nnx: Any = pytest.importorskip("flax.nnx")

Array = npt.NDArray[Any]

SAMPLES, TIMESTEPS, INPUTS, UNITS = 3, 4, 2, 3
LENGTHS = (4, 2, 3)
KEPT = 2
TOLERANCE: dict[str, Any] = {"rtol": 1e-5, "atol": 1e-5}
EVERYTHING = ("activation", "output_gradient", *sorted(CAPTURED_QUANTITIES))
LSTM, OPTIMIZED, GRU, PLAIN = "LSTMCell", "OptimizedLSTMCell", "GRUCell", "SimpleCell"
LSTM_GATES, GRU_GATES = ("input", "forget", "cell", "output"), ("reset", "update", "candidate")
GATES = {LSTM: LSTM_GATES, OPTIMIZED: LSTM_GATES, GRU: GRU_GATES, PLAIN: ("",)}


def case(name: str, *values: Any) -> Any:
    """Parameters of a test that checks this case of Flax."""
    return pytest.param(*values, id=name, marks=pytest.mark.framework_case("Flax nnx", name))


def parameters(cell: Any) -> dict[str, Any]:
    """By Flax's own names: gate to (kernel, recurrent kernel, bias), as Flax documents each cell."""
    if isinstance(cell, nnx.LSTMCell):
        letters = dict(zip(LSTM_GATES, ("i", "f", "g", "o"), strict=True))
        found = {}
        for gate, letter in letters.items():
            dense_i = getattr(cell, "if_" if letter == "f" else f"i{letter}")
            dense_h = getattr(cell, f"h{letter}")
            found[gate] = (dense_i.kernel[...], dense_h.kernel[...], dense_h.bias[...])
        return found
    gates = GATES[type(cell).__name__]
    biased = cell.dense_h if isinstance(cell, nnx.OptimizedLSTMCell) else cell.dense_i
    blocks = [jnp.split(a[...], len(gates), axis=-1) for a in (cell.dense_i.kernel, cell.dense_h.kernel, biased.bias)]
    return dict(zip(gates, zip(*blocks, strict=True), strict=True))


def order_of(lengths: list[int], *, reverse: bool) -> Array:
    """A reversed sequence begins with its own last timestep; the padding stays at the end."""
    times = np.arange(TIMESTEPS)
    return np.stack([np.concatenate([times[:n][::-1], times[n:][::-1]]) if reverse else times for n in lengths])


def random(*shape: int, seed: int) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def made_cell(kind: str, seed: int = 0, **options: Any) -> Any:
    """Weights, biases too, large enough that every gate matters."""
    cell = getattr(nnx, kind)(INPUTS, UNITS, rngs=nnx.Rngs(seed), **options)
    generator = np.random.default_rng(seed)
    state = nnx.state(cell, nnx.Param)
    nnx.update(cell, jax.tree.map(lambda w: jnp.asarray(generator.normal(size=w.shape) * 0.7, jnp.float32), state))
    return cell


@dataclasses.dataclass(frozen=True)
class Case:
    """A layer, how it is made, and how it is called: the options at the call count for more."""

    kind: str
    both: bool = False
    cell: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    options: Mapping[str, bool] = dataclasses.field(default_factory=dict)
    masked: bool = False
    starts: bool = False
    at_call: Mapping[str, bool] = dataclasses.field(default_factory=dict)

    @property
    def called(self) -> Mapping[str, bool]:
        """The options that count."""
        return {**self.options, **self.at_call}

    @property
    def names(self) -> tuple[str, ...]:
        """Of its directions."""
        if self.both:
            return ("forward", "backward")
        return ("backward",) if self.is_reversed(0) else ("forward",)

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
        return bool(direction) or self.called.get("reverse", False)


class Net(nnx.Module):
    """The layer of a case; its output is the loss."""

    def __init__(self, of: Case) -> None:
        cells = [made_cell(of.kind, seed + 3, **of.cell) for seed in range(of.directions)]
        options = {name: value for name, value in of.options.items() if not (of.both and name == "reverse")}
        layer = nnx.Bidirectional(*map(nnx.RNN, cells), **options) if of.both else nnx.RNN(cells[0], **options)
        self.body = layer
        self.at_call = nnx.static(tuple(of.at_call.items()))

    @property
    def rnns(self) -> list[Any]:
        is_pair = isinstance(self.body, nnx.Bidirectional)
        return [self.body.forward_rnn, self.body.backward_rnn] if is_pair else [self.body]

    def __call__(self, x: Any, lengths: Any = None, carry: Any = None) -> Any:
        options = dict(self.at_call)
        made = self.body(x, seq_lengths=lengths, initial_carry=carry, **options)
        carry, output = made if options.get("return_carry", self.body.return_carry) else (None, made)
        if options.get("time_major", self.body.time_major):
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
            turned = of.called.get("reverse") and not of.called.get("keep_order")
            outputs.append(gone["activation"][samples[:, None], order] if turned else gone["activation"])
            went.append(gone)
        total = loss_of(jnp.concatenate(outputs, axis=-1), carries if of.called.get("return_carry") else [])
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
    x = x.swapaxes(0, 1) if of.called.get("time_major") else x
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
