"""Orders of channels, against plain loops and against eigenvectors of the whole matrix of correlations."""

import math

import numpy as np
import pytest

from tb_rnn_plugin.record import FloatArray
from tb_rnn_plugin.serving.channel_order import MEASURES, Measure, channel_order


def gradients(seed: int, timesteps: int = 30, channels: int = 12) -> FloatArray:
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.integers(-30, 0, size=channels)
    onset = rng.integers(0, timesteps, size=channels)
    array = rng.normal(size=(timesteps, channels)) * scale
    array[np.arange(timesteps)[:, None] < onset] *= 1e-4
    return array.astype(np.float32)


def test_the_largest_comes_first() -> None:
    array = gradients(0)
    means = [math.fsum(abs(value) for value in array[:, channel].tolist()) for channel in range(12)]
    assert channel_order(array, "magnitude").tolist() == sorted(range(12), key=lambda channel: -means[channel])


def first_active(channel: list[float]) -> int:
    finite = [abs(value) if math.isfinite(value) else 0.0 for value in channel]
    threshold = 0.01 * max(finite)
    return next((t for t, value in enumerate(finite) if value > 0 and value >= threshold), len(channel))


def test_the_earliest_comes_first_and_zeros_last() -> None:
    array = gradients(1)
    array[:, 4] = 0
    array[3, 7] = np.nan
    array[5, 8] = np.inf
    first = [first_active(array[:, channel].tolist()) for channel in range(12)]
    assert len(set(first)) > 4
    expected = sorted(range(12), key=lambda channel: first[channel])
    assert expected[-1] == 4
    assert channel_order(array, "first_active").tolist() == expected


def test_a_denormal_channel_is_active_too() -> None:
    array = np.zeros((4, 2), np.float32)
    array[2, 0] = 1e-45
    array[1, 1] = 1e-45
    assert channel_order(array, "first_active").tolist() == [1, 0]


def turns(left: list[int], right: list[int]) -> bool:
    """Whether one circle is the other, begun elsewhere or gone round the other way."""
    doubled = [*right, *right]
    return any(doubled[i : i + len(left)] in (left, left[::-1]) for i in range(len(right)))


def test_similarity_is_the_angle_of_the_two_first_eigenvectors() -> None:
    rng = np.random.default_rng(2)
    patterns = rng.normal(size=(40, 3)) * [3, 2, 0.2]
    array = (patterns @ rng.normal(size=(3, 15))).astype(np.float32)
    values, vectors = np.linalg.eigh(np.corrcoef(array.astype(float), rowvar=False))
    loadings = vectors[:, -2:] * np.sqrt(values[-2:])
    angles = np.arctan2(loadings[:, 0], loadings[:, 1])
    assert turns(channel_order(array, "similarity").tolist(), np.argsort(angles).tolist())


def test_like_stands_by_like() -> None:
    rng = np.random.default_rng(3)
    families = rng.normal(size=(60, 3))
    member = rng.permutation(np.repeat([0, 1, 2], 7))
    array = (families[:, member] * rng.uniform(0.1, 9, size=21) + 0.05 * rng.normal(size=(60, 21))).astype(np.float32)
    ordered = member[channel_order(array, "similarity")]
    assert np.count_nonzero(np.diff(ordered)) == 2


@pytest.mark.parametrize("measure", MEASURES)
def test_each_direction_is_ordered_by_itself(measure: Measure) -> None:
    array = gradients(4)
    order = channel_order(array, measure, split=5)
    assert order[:5].tolist() == channel_order(array[:, :5], measure).tolist()
    assert order[5:].tolist() == (5 + channel_order(array[:, 5:], measure)).tolist()


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("split", [None, 1, 3, 12, 40])
@pytest.mark.parametrize(
    "array",
    [
        gradients(5),
        np.full((6, 12), np.nan, np.float32),
        np.zeros((6, 12), np.float32),
        np.ones((1, 12), np.float32),
        gradients(6)[:, :1],
        gradients(6)[:, :2],
        np.zeros((0, 4), np.float32),
        gradients(7, 1300, 5),
    ],
    ids=["gradients", "NaN", "zeros", "one timestep", "one channel", "two channels", "nothing", "long"],
)
def test_every_channel_has_one_place_always_the_same(array: FloatArray, measure: Measure, split: int | None) -> None:
    order = channel_order(array, measure, split)
    assert sorted(order.tolist()) == list(range(array.shape[1]))
    assert channel_order(array.copy(), measure, split).tolist() == order.tolist()


@pytest.mark.parametrize("measure", ["magnitude", "first_active"])
def test_equal_channels_stay_in_the_order_of_their_numbers(measure: Measure) -> None:
    assert channel_order(np.ones((3, 5), np.float32), measure).tolist() == [0, 1, 2, 3, 4]
