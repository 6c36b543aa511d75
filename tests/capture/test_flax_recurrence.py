"""Gradients through time, gates and cell states of Flax's layers, against jax.grad through loops written out."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tb_rnn_plugin.recurrence.activations import ACTIVATIONS

pytestmark = pytest.mark.jax
jax = pytest.importorskip("jax")
jnp = pytest.importorskip("jax.numpy")
optax = pytest.importorskip("optax")
nnx: Any = pytest.importorskip("flax.nnx")

from tb_rnn_plugin.capture.flax import recurrence as flax_recurrence  # noqa: E402
from tests.capture.flax_cases import (  # noqa: E402
    GRU,
    INPUTS,
    KEPT,
    LSTM,
    OPTIMIZED,
    PLAIN,
    SAMPLES,
    TIMESTEPS,
    TOLERANCE,
    UNITS,
    Case,
    Net,
    by_capture,
    by_taps,
    case,
    check,
    expected,
    order_of,
    parameters,
    random,
)
from tests.capture.unrolled_flax import Parameters, unrolled  # noqa: E402

Array = npt.NDArray[Any]

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
    f"nnx.{GRU}, reverse at the call": Case(GRU, at_call=REVERSED),
    f"nnx.{LSTM}, reverse, keep_order at the call": Case(LSTM, at_call={**REVERSED, "keep_order": True}),
    f"nnx.{GRU}, time_major, reverse at the call": Case(GRU, at_call={**REVERSED, "time_major": True}),
    f"nnx.{OPTIMIZED}, seq_lengths, return_carry, reverse, initial_carry at the call": Case(
        OPTIMIZED, at_call={**CARRY, **REVERSED}, masked=True, starts=True
    ),
    f"nnx.{GRU}, seq_lengths, reverse, keep_order at the call": Case(
        GRU, at_call={**REVERSED, "keep_order": True}, masked=True
    ),
    f"nnx.{GRU}, made with reverse, time_major, return_carry, called without": Case(
        GRU,
        options={**CARRY, **REVERSED, "time_major": True},
        at_call={"reverse": False, "time_major": False, "return_carry": False},
    ),
    f"nnx.Bidirectional, {OPTIMIZED}, time_major, return_carry at the call": Case(
        OPTIMIZED, both=True, at_call={**CARRY, "time_major": True}
    ),
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
    record = by_capture(of, net, x)
    assert record.directions == tuple(record.weights) == tuple(record.weight_gradients) == of.names
    check(record, wanted)
    record = by_taps(of, net, x)
    assert record.directions == of.names
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
    assert flax_recurrence.traits(net.body, reverse=False, starts=False).half
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
