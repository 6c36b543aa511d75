"""What is computed of Flax's layers, where it can't be, and what is then said."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.recurrence.half import CannotDerive

pytestmark = pytest.mark.jax
jax = pytest.importorskip("jax")
jnp = pytest.importorskip("jax.numpy")
optax = pytest.importorskip("optax")
nnx: Any = pytest.importorskip("flax.nnx")

from tb_rnn_plugin.capture.flax import recurrence as flax_recurrence  # noqa: E402
from tests.capture.completion import done  # noqa: E402
from tests.capture.flax_cases import (  # noqa: E402
    GRU,
    INPUTS,
    KEPT,
    OPTIMIZED,
    SAMPLES,
    TIMESTEPS,
    TOLERANCE,
    UNITS,
    Case,
    Net,
    expected,
    random,
)


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
        flax_recurrence.traits(unknown("OwnStart"), reverse=False, starts=False)
    assert flax_recurrence.traits(unknown("OwnStart"), reverse=False, starts=True).cell == "gru"


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
            ((_, ((_, _, arrived),)),) = vars(taps)["_sink"]._arrived.values()
            (record,) = taps.collect(0)
        assert set(done(record).sequences) == wanted
        assert (arrived.kept.inputs is None) == wanted.issubset({"activation", "output_gradient"})
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
