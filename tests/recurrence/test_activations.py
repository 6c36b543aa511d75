"""The functions of cells: their derivatives by central differences, and their values at a few points."""

import math
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin.recurrence.activations import ACTIVATIONS

# None at a kink of any of them.
POINTS = np.concatenate([np.linspace(-7.3, 7.3, 147) + 0.0123, [-1e-3, 1e-3]])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivatives_are_central_differences(name: str) -> None:
    activation = ACTIVATIONS[name]
    eps = 1e-6
    difference = (activation.function(POINTS + eps) - activation.function(POINTS - eps)) / (2 * eps)
    found = activation.derivative(POINTS, activation.function(POINTS))
    np.testing.assert_allclose(found, difference, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_stay_of_their_kind(name: str, dtype: type) -> None:
    z: np.ndarray[Any, Any] = POINTS.astype(dtype)
    value = ACTIVATIONS[name].function(z)
    assert value.dtype == dtype
    assert ACTIVATIONS[name].derivative(z, value).dtype == dtype


@pytest.mark.parametrize(
    ("name", "z", "value"),
    [
        ("hard_sigmoid", 1.5, 0.75),  # relu6(4.5) / 6
        ("hard_sigmoid", -3.5, 0.0),
        ("hard_sigmoid_keras_2", 1.5, 0.8),
        ("sigmoid", 1.0, 1 / (1 + math.exp(-1))),
        ("gelu", 1.0, 0.5 * (1 + math.erf(1 / math.sqrt(2)))),
        ("softplus", 2.0, math.log(1 + math.exp(2))),
        ("elu", -1.0, math.expm1(-1)),
        ("leaky_relu", -1.0, -0.2),
    ],
)
def test_values(name: str, z: float, value: float) -> None:
    assert float(ACTIVATIONS[name].function(np.array(z))) == pytest.approx(value, rel=1e-12)


def test_extremes() -> None:
    z = np.array([-1e4, 1e4], np.float32)
    with np.errstate(over="ignore"):
        for name, low, high in (("sigmoid", 0, 1), ("softplus", 0, 1e4), ("silu", 0, 1e4), ("mish", 0, 1e4)):
            np.testing.assert_allclose(ACTIVATIONS[name].function(z), [low, high], atol=1e-6)


def test_relu_has_no_slope_at_zero() -> None:
    zero = np.zeros(1)
    for name in ("relu", "relu6"):
        assert ACTIVATIONS[name].derivative(zero, zero) == 0  # as TensorFlow, PyTorch and JAX have it
