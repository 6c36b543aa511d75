"""Reach of a gradient, against plain loops and profiles whose answer is known."""

import math

import numpy as np
import pytest

from tb_rnn_plugin.diagnostics import gradient_profile
from tb_rnn_plugin.diagnostics.gradient_profile import Floats

RNG = np.random.default_rng(5)
T = 30
LAG = np.arange(T - 1, -1, -1, dtype=np.float64)
PROFILES: dict[str, Floats] = {
    "exponential": np.power(0.8, LAG),
    "growing": np.power(1.3, LAG),
    "noisy": np.exp(RNG.normal(0, 2, T)),
    "steep": np.power(1e-3, LAG),
    "padded": np.concatenate([np.power(0.7, LAG[5:]), np.zeros(5)]),
    "one timestep": np.eye(T)[T // 2],
    "flat": np.ones(T),
}


@pytest.mark.parametrize("share", [1e-2, 0.3, 1.0])
@pytest.mark.parametrize("name", PROFILES)
def test_horizon_against_a_loop(name: str, share: float) -> None:
    norms = PROFILES[name].tolist()
    end = max(t for t, norm in enumerate(norms) if norm > 0)
    expected = max(end - t for t, norm in enumerate(norms) if norm >= share * max(norms))
    assert gradient_profile.horizon(PROFILES[name], share) == expected
    assert gradient_profile.reachable(PROFILES[name]) == end


def test_many_profiles_at_once_are_each_on_its_own() -> None:
    together = np.stack(list(PROFILES.values()))
    half_lives = gradient_profile.half_life(together)
    for place, profile in enumerate(PROFILES.values()):
        assert gradient_profile.horizon(together, 0.01)[place] == gradient_profile.horizon(profile, 0.01)
        alone = gradient_profile.half_life(profile)
        assert np.array_equal(half_lives.timesteps[place], alone.timesteps, equal_nan=True)
        assert np.array_equal(half_lives.fit[place], alone.fit, equal_nan=True)


def test_half_life_of_an_exponential_is_its_own() -> None:
    found = gradient_profile.half_life(PROFILES["exponential"])
    assert found.timesteps == pytest.approx(math.log(2) / -math.log(0.8))
    assert found.fit == pytest.approx(1)


def test_half_life_against_numpy_polyfit() -> None:
    profile = np.exp(-0.2 * np.arange(T)[::-1] + RNG.normal(0, 1, T))
    lag, log = np.arange(T)[::-1], np.log(profile)
    slope, intercept = np.polyfit(lag, log, 1)
    residual = np.square(log - slope * lag - intercept).sum()
    found = gradient_profile.half_life(profile)
    assert found.timesteps == pytest.approx(math.log(2) / abs(slope))
    assert found.fit == pytest.approx(1 - residual / np.square(log - log.mean()).sum())


def test_half_life_leaves_out_timesteps_without_a_gradient() -> None:
    profile = np.concatenate([np.zeros(7), PROFILES["exponential"]])
    assert gradient_profile.half_life(profile).timesteps == pytest.approx(math.log(2) / -math.log(0.8))


@pytest.mark.parametrize("profile", [PROFILES["growing"], PROFILES["flat"], PROFILES["one timestep"], np.zeros(T)])
def test_there_is_no_half_life_where_nothing_decays(profile: Floats) -> None:
    assert math.isnan(gradient_profile.half_life(profile).timesteps)


def test_vanished_counts_by_the_root_mean_square() -> None:
    units = 16
    gradients = RNG.normal(size=(T, units)) * 10.0 ** np.linspace(-12, 0, T)[:, None]
    expected = sum(math.sqrt(sum(g * g for g in row) / units) < 1e-7 for row in gradients.tolist()) / T
    assert 0.1 < expected < 0.9
    profile = np.linalg.norm(gradients, axis=1)
    assert gradient_profile.vanished(profile, units, 1e-7) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["exponential", "growing", "noisy", "padded"])
def test_ratios_against_a_loop(name: str) -> None:
    norms = PROFILES[name].tolist()
    last = next(norm for norm in reversed(norms) if norm > 0)
    assert gradient_profile.first_over_last(PROFILES[name]) == pytest.approx(norms[0] / last)


def test_a_recurrence_that_amplifies_nothing_grows_nothing() -> None:
    """Whatever arrives at which timestep: with orthogonal Jacobians a gradient is at most the sum of it."""
    jacobian, _ = np.linalg.qr(RNG.normal(size=(6, 6)))
    direct = RNG.normal(size=(3, T, 6)) * 10.0 ** RNG.uniform(-9, 0, size=(3, T, 1))
    for factor, least, most in ((1.0, 0.0, 1.0), (1.5, 1.5 ** (T - 2) * 1e-9, np.inf)):
        total = np.zeros_like(direct)
        for t in reversed(range(T)):
            total[:, t] = direct[:, t] + (factor * total[:, t + 1] @ jacobian if t < T - 1 else 0)
        assert least < gradient_profile.growth(total, direct) <= most + 1e-9


def test_growth_of_what_arrives_at_the_end_alone() -> None:
    direct = RNG.normal(size=(2, 1, 4))
    total = direct * 1.5 ** np.arange(T)[::-1, None]
    assert gradient_profile.growth(total, direct) == pytest.approx(1.5 ** (T - 1))


def test_what_arrives_at_the_last_cell_state_is_no_growth() -> None:
    total, direct, at_cell_state = (RNG.normal(size=shape) for shape in ((2, T, 4), (2, T, 4), (2, 4)))
    largest = [max(math.hypot(*row) for row in sample) for sample in total.tolist()]
    arrived = [sum(math.hypot(*row) for row in sample) for sample in direct.tolist()]
    at_states = [math.hypot(*row) for row in at_cell_state.tolist()]
    expected = sum(largest) / (sum(arrived) + sum(at_states))
    assert gradient_profile.growth(total, direct, at_cell_state) == pytest.approx(expected)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nothing_is_said_of_what_is_not_finite(bad: float) -> None:
    profile = PROFILES["exponential"].copy()
    profile[3] = bad
    found = [
        gradient_profile.horizon(profile, 0.01),
        gradient_profile.reachable(profile),
        gradient_profile.vanished(profile, 4, 1e-7),
        gradient_profile.first_over_last(profile),
        *gradient_profile.half_life(profile),
    ]
    assert np.isnan(found).all()


def test_nothing_is_said_where_there_is_no_gradient() -> None:
    assert math.isnan(gradient_profile.horizon(np.zeros(T), 0.01))
    assert math.isnan(gradient_profile.growth(np.zeros((1, T, 2)), np.zeros((1, T, 2))))
