"""Both directions together, what is computed and what not, and how far a state reaches back."""

from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin.recurrence.half import CannotDerive, Half, Traits
from tb_rnn_plugin.recurrence.layer import DEFAULT_QUANTITIES, QUANTITIES, Recurrence, is_derived

SAMPLES, TIMESTEPS, INPUTS, UNITS = 2, 5, 3, 4


def plain(*, backwards: bool = False, output: slice = slice(None), **changes: Any) -> Half:
    """A plain RNN without an activation: its Jacobians are powers of the recurrent kernel."""
    rng = np.random.default_rng(3 + backwards)
    weights = {"kernel": rng.standard_normal((INPUTS, UNITS)), "recurrent_kernel": rng.standard_normal((UNITS, UNITS))}
    x = np.random.default_rng(1).standard_normal((SAMPLES, TIMESTEPS, INPUTS))
    states = []
    h = np.zeros((SAMPLES, UNITS))
    for t in range(TIMESTEPS)[:: -1 if backwards else 1]:
        h = x[:, t] @ weights["kernel"] + h @ weights["recurrent_kernel"]
        states.append(h)
    traits = Traits(cell="rnn", activation="linear", input_reversed=backwards, output_reversed=backwards)
    made = np.stack(states[:: -1 if backwards else 1], axis=1)
    gradient = rng.standard_normal(made.shape)
    given: dict[str, Any] = {"traits": traits, "weights": weights, "inputs": x}
    return Half(**{**given, "output": made[:, output], "output_gradient": gradient[:, output], **changes})


def norms(half: Half, *lags: int) -> list[float]:
    power = np.linalg.matrix_power
    return [float(np.linalg.norm(power(half.weights["recurrent_kernel"], lag))) if lag >= 0 else 0.0 for lag in lags]


def test_reach_is_the_norm_of_the_jacobian() -> None:
    forward, backward = plain(), plain(backwards=True)
    recurrence = Recurrence(halves={"forward": forward, "backward": backward})
    reach = recurrence.reach(cotangents=4000)
    for direction, half, lags in (("forward", forward, (4, 3, 2, 1, 0)), ("backward", backward, (0, 1, 2, 3, 4))):
        np.testing.assert_allclose(reach.hidden[direction][0], norms(half, *lags), rtol=0.05)
    np.testing.assert_allclose(recurrence.reach().hidden["forward"], reach.hidden["forward"], rtol=0.3)  # 16 of them
    assert not reach.cell_state
    kernel, recurrent = (forward.weights[name] for name in ("kernel", "recurrent_kernel"))
    np.testing.assert_allclose(reach.inputs["forward"][0, 3], np.linalg.norm(kernel @ recurrent), rtol=0.05)
    np.testing.assert_allclose(reach.inputs["backward"][0, 0], np.linalg.norm(backward.weights["kernel"]), rtol=0.05)


def test_reach_of_a_timestep_in_between() -> None:
    forward, backward = plain(), plain(backwards=True)
    recurrence = Recurrence(halves={"forward": forward, "backward": backward})
    for timestep in (3, -2):
        reach = recurrence.reach(timestep, cotangents=4000)
        np.testing.assert_allclose(reach.hidden["forward"][1], norms(forward, 3, 2, 1, 0, -1), rtol=0.05)
        np.testing.assert_allclose(reach.hidden["backward"][1], norms(backward, -1, -1, -1, 0, 1), rtol=0.05)
    with pytest.raises(IndexError, match="expected one of 5, got 5"):
        recurrence.reach(5)


def test_directions_lie_side_by_side_in_input_time() -> None:
    forward, backward = plain(), plain(backwards=True)
    made = Recurrence(halves={"forward": forward, "backward": backward}).sequences()
    assert set(made) == {"bptt_gradient"}
    np.testing.assert_array_equal(made["bptt_gradient"][:, :, :UNITS], forward.hidden_gradient())
    np.testing.assert_array_equal(made["bptt_gradient"][:, :, UNITS:], backward.hidden_gradient())
    np.testing.assert_allclose(made["bptt_gradient"][:, -1, :UNITS], forward.output_gradient[:, -1])  # type: ignore[index]
    np.testing.assert_allclose(made["bptt_gradient"][:, 0, UNITS:], backward.output_gradient[:, 0])  # type: ignore[index]


def test_without_a_gradient_there_are_no_gradients() -> None:
    half = plain(output_gradient=None)
    assert Recurrence(halves={"forward": half}).sequences() == {}
    with pytest.raises(CannotDerive, match="no gradient reached it"):
        Recurrence(halves={"forward": half}).input_gradient()


def test_only_some_quantities() -> None:
    recurrence = Recurrence(halves={"forward": plain()})
    assert recurrence.only(frozenset({"activation"})) is None
    assert recurrence.only(DEFAULT_QUANTITIES | {"activation"}) is recurrence
    only = recurrence.only(frozenset({"bptt_gradient", "weights"}))
    assert only is not None
    assert only.quantities == {"bptt_gradient"}


def test_what_is_derived() -> None:
    assert all(map(is_derived, QUANTITIES))
    assert not any(map(is_derived, ("activation", "output_gradient", "weights")))
    assert "cell_state_gradient" not in DEFAULT_QUANTITIES
