"""Reach and the gradient of the inputs as quantities of a record; the estimate itself against powers of a matrix."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin.derivation import completed
from tb_rnn_plugin.quantity_names import is_reach, reach_timestep
from tb_rnn_plugin.record import LayerRecord
from tb_rnn_plugin.recurrence.half import Half
from tb_rnn_plugin.recurrence.layer import DEFAULT_QUANTITIES, Recurrence
from tests.recurrence.test_layer import INPUTS, SAMPLES, TIMESTEPS, UNITS, plain

Array = np.ndarray[Any, Any]


def both(*quantities: str) -> Recurrence:
    halves = {"forward": plain(), "backward": plain(backwards=True)}
    return Recurrence(halves=halves, quantities=frozenset(quantities))


def norms_of_cotangents(half: Half, lags: list[int], drawn: Array) -> Array:
    """√(mean of ‖Jᵀv‖²) for the very v, with J the power of the recurrent kernel; (samples, timesteps)."""
    powers = [np.linalg.matrix_power(half.weights["recurrent_kernel"], lag) for lag in lags]
    squares = [(np.square(drawn @ power.T)).sum(axis=-1).mean(axis=0) for power in powers]
    norms: Array = np.sqrt(np.stack(squares, axis=-1))
    return norms


def test_a_channel_is_the_reach_of_a_direction() -> None:
    recurrence = both("reach", "reach/3")
    made = recurrence.sequences()
    assert list(made) == ["reach", "reach/3"]
    forward, backward = (half for half in recurrence.halves.values())
    for quantity, lags in (("reach", ([4, 3, 2, 1, 0], [0, 1, 2, 3, 4])), ("reach/3", ([3, 2, 1, 0], [0, 1]))):
        assert made[quantity].shape == (SAMPLES, TIMESTEPS, 2)
        # The cotangents are those of a generator that starts anew for each quantity: forward ones, then backward ones.
        drawn = np.random.default_rng(0).standard_normal((2, 16, SAMPLES, UNITS))
        before, after = (
            norms_of_cotangents(*of) for of in ((forward, lags[0], drawn[0]), (backward, lags[1], drawn[1]))
        )
        np.testing.assert_allclose(made[quantity][:, : len(lags[0]), 0], before, rtol=1e-9)
        np.testing.assert_allclose(made[quantity][:, -len(lags[1]) :, 1], after, rtol=1e-9)
    assert (made["reach/3"][:, 4, 0] == 0).all()  # nothing depends on what comes after it
    assert (made["reach/3"][:, :3, 1] == 0).all()


def test_directions_share_the_gradient_of_the_inputs() -> None:
    recurrence = both("input_gradient")
    (of_inputs,) = recurrence.sequences().values()
    assert of_inputs.shape == (SAMPLES, TIMESTEPS, 2 * INPUTS)
    np.testing.assert_allclose(of_inputs[..., :INPUTS] + of_inputs[..., INPUTS:], recurrence.input_gradient())
    # h_0 of the backward direction is its last: x_0 is in nothing else there.
    backward = recurrence.halves["backward"]
    assert backward.output_gradient is not None
    np.testing.assert_allclose(of_inputs[:, 0, INPUTS:], backward.output_gradient[:, 0] @ backward.weights["kernel"].T)


def test_neither_is_computed_unless_it_is_asked_for() -> None:
    assert not {"input_gradient", "reach"} & DEFAULT_QUANTITIES
    assert set(Recurrence(halves=both().halves).sequences()) == {"bptt_gradient"}


def test_without_a_gradient_there_is_reach_alone() -> None:
    half = plain(output_gradient=None)
    recurrence = Recurrence(halves={"forward": half}, quantities=frozenset({"reach", "input_gradient"}))
    assert set(recurrence.sequences()) == {"reach"}


def test_a_timestep_behind_the_sequence_is_said_and_all_else_is_there() -> None:
    said: dict[str, str] = {}
    recurrence = both("bptt_gradient", "reach/4", "reach/5", "reach/12")
    made = completed(LayerRecord("encoder", recurrence=recurrence, directions=("forward", "backward")), said.setdefault)
    assert made is not None
    assert set(made.sequences) == {"bptt_gradient", "reach/4"}
    assert list(said.values()) == [
        f"'reach/{timestep}' of 'encoder' is left out: the sequence has no timestep {timestep} (the first one is 0)."
        for timestep in (12, 5)
    ]


def test_behind_the_end_of_a_packed_sequence_is_nothing() -> None:
    mask = np.array([[True, True, True, False, False], [True] * 5])
    whole = plain()
    half = dataclasses.replace(whole, mask=mask, traits=dataclasses.replace(whole.traits, padded=True))
    made = Recurrence(halves={"forward": half}, quantities=frozenset({"reach", "reach/4"})).sequences()
    assert (made["reach/4"][0] == 0).all()
    assert (made["reach/4"][1] > 0).all()
    assert (made["reach"][0, :3] > 0).all()  # of the last one that there is
    assert (made["reach"][0, 3:] == 0).all()


def test_a_reach_beyond_the_squares_of_float32() -> None:
    half = plain()
    for factor in (1e-6, 1e6):
        weights = {**half.weights, "recurrent_kernel": half.weights["recurrent_kernel"] * factor}
        x = half.inputs.astype(np.float32) * 0
        kept = {name: matrix.astype(np.float32) for name, matrix in weights.items()}
        output = np.zeros((SAMPLES, TIMESTEPS, UNITS), np.float32)
        small = dataclasses.replace(half, weights=kept, inputs=x, output=output, output_gradient=output)
        (reach,) = Recurrence(halves={"forward": small}, quantities=frozenset({"reach"})).sequences().values()
        wanted = np.linalg.norm(np.linalg.matrix_power(weights["recurrent_kernel"], 4))
        np.testing.assert_allclose(reach[:, 0, 0], wanted, rtol=0.5)


@pytest.mark.parametrize(
    ("name", "timestep"),
    [("reach", None), ("reach/0", 0), ("reach/40", 40), ("reach/999999999", 999999999)],
)
def test_names_of_reach(name: str, timestep: int | None) -> None:
    assert is_reach(name)
    assert reach_timestep(name) == timestep


@pytest.mark.parametrize("name", ["reach/", "reach/-1", "reach/04", "reach/+4", "reach/4.0", "reach/٤", "reach/4\n"])
def test_what_is_no_name_of_reach(name: str) -> None:
    assert not is_reach(name)
