"""By what a loss is multiplied for mixed precision on TensorFlow, and how that comes out of gradients again."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from tb_rnn_plugin.capture.keras import layers as keras_layers
from tb_rnn_plugin.capture.keras.layers import Array
from tb_rnn_plugin.capture.keras.tensorflow.store import to_numpy
from tb_rnn_plugin.quantity_names import OUTPUT_GRADIENT

Tensor: TypeAlias = Any
Optimizer: TypeAlias = Any


def loss_scale(optimizer: Optimizer | None) -> Tensor | float | None:
    """The factor by which this step's loss is multiplied before its gradients are computed; None where it isn't."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return optimizer.dynamic_scale.value if optimizer.built else optimizer.initial_scale
    factor = getattr(optimizer, "loss_scale_factor", None)
    return getattr(optimizer, "loss_scale", None) if factor is None else factor  # as tf_keras calls it


def current_scale(scale: Tensor | float | None) -> Array | None:
    """What the factor is now."""
    return None if scale is None else to_numpy(tf.convert_to_tensor(scale))


def divided(array: Array, scale: Array | None) -> Array:
    """A gradient without the factor."""
    return array if scale is None or scale == 1 else array / scale


def unscaled(call: Sequence[Mapping[str, Array]], scale: Array | None) -> tuple[dict[str, Array], ...]:
    """The parts of a call, with the loss scale taken out of the gradients."""
    scaled = (OUTPUT_GRADIENT, keras_layers.STATE_GRADIENT)
    return tuple(
        {n: divided(array, scale) if n.startswith(scaled) else array for n, array in part.items()} for part in call
    )
