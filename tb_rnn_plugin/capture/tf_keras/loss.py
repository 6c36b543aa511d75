"""A loss that the user passes in place of a tf_keras model's compiled one."""

from collections.abc import Callable
from typing import Any, TypeAlias

import tensorflow as tf
import tf_keras

Model: TypeAlias = Any
Tensor: TypeAlias = Any
Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]


def callable_loss(loss: Loss | str) -> Loss:
    """The loss, where a name is looked up in tf_keras.

    Raises:
        TypeError: If it is neither a callable nor a name.
        ValueError: If there is no loss of that name.
    """
    if isinstance(loss, str):
        loss = tf_keras.losses.get(loss)
    if not callable(loss):
        raise TypeError(f"loss: expected a callable (y, prediction) → loss or its name, got {type(loss).__name__}.")
    return loss


def total_loss(model: Model, loss: Loss, y: Tensor, prediction: Tensor, sample_weight: Tensor) -> Tensor:
    """The mean of the loss, with what layers add by regularisation.

    Args:
        model: The model, called on the batch.
        loss: (y, prediction) → a number, or one a sample or more.
        y: The targets.
        prediction: What the model made of the batch.
        sample_weight: Weights of the samples, or None.
    """
    if isinstance(loss, tf_keras.losses.Loss):
        value = loss(y, prediction, sample_weight=sample_weight)
    else:
        value = loss(y, prediction)
        if sample_weight is not None:
            weight = tf.cast(sample_weight, value.dtype)
            for _ in range(value.shape.rank - weight.shape.rank):
                weight = tf.expand_dims(weight, -1)
            value *= weight
    value = tf.reduce_mean(value)
    return value + sum(tf.cast(term, value.dtype) for term in model.losses)
