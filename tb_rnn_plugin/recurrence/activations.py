"""The functions inside recurrent cells, with their derivatives.

A derivative is given both the argument z and the value y = f(z), and takes whichever is cheaper. At a kink it is that
of TensorFlow, PyTorch and JAX, which is 0 for relu at 0. Functions that are not elementwise, such as softmax, are not
here: in a cell they have no derivative of this form.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

#: float32, or float64 throughout.
Array: TypeAlias = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Activation:
    """An elementwise function.

    Attributes:
        function: z → y.
        derivative: (z, y) → dy/dz.
    """

    function: Callable[[Array], Array]
    derivative: Callable[[Array, Array], Array]


_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805


def _sigmoid(z: Array) -> Array:
    value: Array = 1 / (1 + np.exp(-z))  # exp may overflow, and then the value is 0, as it should be
    return value


def _softplus(z: Array) -> Array:
    value: Array = np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))
    return value


def _inside(z: Array, low: float, high: float) -> Array:
    """1 between the bounds, 0 elsewhere."""
    return ((z > low) & (z < high)).astype(z.dtype)


def _clipped_line(slope: float, offset: float) -> Activation:
    """slope·z + offset, between 0 and 1."""
    return Activation(
        lambda z: np.clip(slope * z + offset, 0, 1),
        lambda z, _: slope * _inside(z, -offset / slope, (1 - offset) / slope),
    )


def _elu(scale: float, alpha: float) -> Activation:
    # expm1 only where it is used: it would overflow on the other side.
    return Activation(
        lambda z: scale * np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0))),
        lambda z, y: np.where(z > 0, np.full_like(y, scale), y + scale * alpha),
    )


def _hard_silu_derivative(z: Array, _: Array) -> Array:
    derivative: Array = np.where(z >= 3, 1, np.where(z <= -3, 0, z / 3 + 0.5)).astype(z.dtype)
    return derivative


def _normal_distribution(z: Array) -> Array:
    """Φ(z). numpy has no erf."""
    erf = np.asarray(np.frompyfunc(math.erf, 1, 1)(z / math.sqrt(2)), z.dtype)
    return 0.5 * (1 + erf)


def _gelu_derivative(z: Array, _: Array) -> Array:
    derivative: Array = _normal_distribution(z) + z * np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    return derivative


def _mish_derivative(z: Array, _: Array) -> Array:
    inner = np.tanh(_softplus(z))
    derivative: Array = inner + z * (1 - inner * inner) * _sigmoid(z)
    return derivative


#: By their names in keras.activations, with the arguments that Keras 3 takes where it is given a name;
#: "hard_sigmoid_keras_2" is the hard_sigmoid of tf_keras.
ACTIVATIONS: Mapping[str, Activation] = MappingProxyType(
    {
        "linear": Activation(lambda z: z, lambda z, _: np.ones_like(z)),
        "tanh": Activation(np.tanh, lambda _, y: 1 - y * y),
        "sigmoid": Activation(_sigmoid, lambda _, y: y * (1 - y)),
        "hard_sigmoid": _clipped_line(1 / 6, 0.5),
        "hard_sigmoid_keras_2": _clipped_line(0.2, 0.5),
        "hard_tanh": Activation(lambda z: np.clip(z, -1, 1), lambda z, _: _inside(z, -1, 1)),
        "relu": Activation(lambda z: np.maximum(z, 0), lambda z, _: (z > 0).astype(z.dtype)),
        "relu6": Activation(lambda z: np.clip(z, 0, 6), lambda z, _: _inside(z, 0, 6)),
        "leaky_relu": Activation(
            lambda z: np.where(z > 0, z, 0.2 * z),
            lambda z, _: np.where(z > 0, np.ones_like(z), np.full_like(z, 0.2)),
        ),
        "elu": _elu(1.0, 1.0),
        "selu": _elu(_SELU_SCALE, _SELU_ALPHA),
        "softplus": Activation(_softplus, lambda z, _: _sigmoid(z)),
        "softsign": Activation(lambda z: z / (1 + np.abs(z)), lambda z, _: 1 / (1 + np.abs(z)) ** 2),
        "silu": Activation(lambda z: z * _sigmoid(z), lambda z, y: y + _sigmoid(z) * (1 - y)),
        "hard_silu": Activation(lambda z: z * np.clip(z / 6 + 0.5, 0, 1), _hard_silu_derivative),
        "gelu": Activation(lambda z: z * _normal_distribution(z), _gelu_derivative),
        "mish": Activation(lambda z: z * np.tanh(_softplus(z)), _mish_derivative),
        "exponential": Activation(np.exp, lambda _, y: y),
        "tanh_shrink": Activation(lambda z: z - np.tanh(z), lambda z, y: (z - y) ** 2),
    }
)
