"""How a layer of Flax is called: its direction, the calls of one pass, and those of other programs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.diagnostics.thresholds import DEFAULT
from tb_rnn_plugin.log_histories import layer_histories

pytestmark = pytest.mark.jax
jax = pytest.importorskip("jax")
jnp = pytest.importorskip("jax.numpy")
optax = pytest.importorskip("optax")
nnx: Any = pytest.importorskip("flax.nnx")

from tb_rnn_plugin.capture.flax import entry as capture_flax  # noqa: E402
from tests.capture.completion import done  # noqa: E402
from tests.capture.flax_cases import (  # noqa: E402
    EVERYTHING,
    GRU,
    INPUTS,
    KEPT,
    PLAIN,
    SAMPLES,
    TIMESTEPS,
    TOLERANCE,
    UNITS,
    Case,
    Net,
    arguments,
    check,
    expected,
    made_cell,
    order_of,
    parameters,
    random,
)
from tests.capture.flax_models import Shared, batch, made, train_step  # noqa: E402
from tests.capture.unrolled_flax import Parameters, unrolled  # noqa: E402


@pytest.mark.parametrize("at_call", [False, True])
def test_a_layer_that_runs_backward_is_judged_from_its_own_end(tmp_path: Path, *, at_call: bool) -> None:
    """Its last state belongs to the first timestep: a gradient that fades from there on does not reach far."""
    rnn = nnx.RNN(made_cell(GRU, 3), reverse=not at_call)
    last = rnn.cell.hidden_features

    class Last(nnx.Module):
        def __init__(self) -> None:
            self.rnn = rnn

        def __call__(self, x: Any) -> Any:
            return self.rnn(x, reverse=True)[:, -1]  # as the layer returns it, in its own order

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


@pytest.mark.framework_case("Flax nnx", "a layer called twice")
def test_a_layer_called_twice_gives_two_records() -> None:
    model, optimizer = made(Shared())
    x, y = batch()
    train = nnx.jit(train_step)
    outputs = [model.rnn(x), model.rnn(model.rnn(x))]
    with capture_flax.attach(model, every=1, samples=None, optimizer=optimizer) as taps:
        for step in range(2):
            train(model, optimizer, x, y)
            first, second = taps.collect(step)
            assert (first.name, second.name) == ("rnn", "rnn/call_1")
            assert first.weight_gradients
            assert not second.weights
            if step == 0:
                np.testing.assert_allclose(first.sequences["activation"], outputs[0], atol=1e-6)
                np.testing.assert_allclose(second.sequences["activation"], outputs[1], atol=1e-6)
            assert np.abs(second.sequences["output_gradient"][:, :-1]).max() == 0


class TwoKinds(nnx.Module):
    """Halves of different kinds, made as if they ran the other way: nnx.Bidirectional says which way they run."""

    def __init__(self) -> None:
        self.both = nnx.Bidirectional(nnx.RNN(made_cell(GRU), reverse=True), nnx.RNN(made_cell(PLAIN)))

    def __call__(self, x: Any) -> Any:
        return self.both(x)


class OneForBoth(nnx.Module):
    """A layer that is called in both directions."""

    def __init__(self) -> None:
        self.rnn = nnx.RNN(made_cell(GRU))

    def __call__(self, x: Any) -> Any:
        return jnp.concatenate([self.rnn(x), self.rnn(x, reverse=True, keep_order=True)], axis=-1)


@pytest.mark.framework_case("Flax nnx", "directions: nnx.Bidirectional of two kinds of cells, one layer for both")
@pytest.mark.parametrize("kind", [TwoKinds, OneForBoth])
def test_each_call_has_the_direction_in_which_it_ran(kind: type) -> None:
    net = kind()
    x, y = random(SAMPLES, TIMESTEPS, INPUTS, seed=9), random(SAMPLES, TIMESTEPS, 2 * UNITS, seed=8)
    records = rnn_summary.capture(net, x, y, loss=optax.squared_error)
    cells = [net.both.forward_rnn.cell, net.both.backward_rnn.cell] if kind is TwoKinds else [net.rnn.cell] * 2
    ran = [order_of([TIMESTEPS] * SAMPLES, reverse=reverse) for reverse in (False, True)]

    def loss(weights: Any, zeros: Any) -> Any:
        outputs = [
            unrolled(
                Parameters(own), x, order, jnp.zeros((2, SAMPLES, UNITS)), {"hidden": zero, "cell_state": 0 * zero}
            )
            for own, order, zero in zip(weights, ran, zeros, strict=True)
        ]
        joined = jnp.concatenate([output["activation"] for output in outputs], axis=-1)
        return ((joined - y) ** 2).mean(), outputs

    zeros = jnp.zeros((2, SAMPLES, TIMESTEPS, UNITS))
    weights = [parameters(cell) for cell in cells]
    (weight_gradients, gradients), outputs = jax.grad(loss, argnums=(0, 1), has_aux=True)(weights, zeros)
    if kind is OneForBoth:
        weight_gradients = [jax.tree.map(jnp.add, *weight_gradients)]
    assert [record.directions for record in records] == [("forward",), ("backward",)]
    for record, output, gradient in zip(records, outputs, gradients, strict=True):
        np.testing.assert_allclose(record.sequences["activation"], output["activation"], **TOLERANCE)
        np.testing.assert_allclose(record.sequences["bptt_gradient"], gradient, **TOLERANCE)
    for record, of_layer in zip(records, weight_gradients, strict=False):
        for gate, (kernel, recurrent, _) in of_layer.items():
            np.testing.assert_allclose(record.gate(gate, gradient=True), kernel, **TOLERANCE)
            of_recurrent = record.gate(gate, "recurrent_kernel", gradient=True)
            np.testing.assert_allclose(of_recurrent, recurrent, **TOLERANCE)
    described = rnn_summary.describe(net)
    assert [layer.directions for layer in described] == [record.directions for record in records][: len(described)]
