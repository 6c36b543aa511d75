"""From which states a call of a recurrent layer starts, on TensorFlow: Keras 3 and tf_keras."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import tensorflow as tf

from tb_rnn_plugin.capture.keras.layers import Layer
from tb_rnn_plugin.capture.keras.recorded_layer import framework_of

Tensor: TypeAlias = Any


def held_states(layer: Layer) -> list[Any]:
    """What a stateful layer goes on from: its variables, the forward ones first; empty where it isn't stateful."""
    halves = [layer.forward_layer, layer.backward_layer] if hasattr(layer, "forward_layer") else [layer]
    return [
        state
        for half in halves
        if getattr(half, "stateful", False) and half.states is not None
        for state in tf.nest.flatten(half.states)
        if state is not None
    ]


def initial_states(layer: Layer, given: Sequence[Tensor], held: Sequence[Tensor]) -> list[Tensor]:
    """The states that a call starts from; none where these are zeros that nobody has given.

    Args:
        layer: The layer that is called.
        given: What was passed as its `initial_state`.
        held: What the `held_states` were when it was called.
    """
    if not given or not held:
        return list(given or held)
    if framework_of(layer) == "keras":
        return list(given)
    # tf_keras takes what is given only as long as what it holds is zero, each direction for itself.
    count = len(held) // (2 if hasattr(layer, "forward_layer") else 1)
    started: list[Tensor] = []
    for first in range(0, len(held), count):
        half = slice(first, first + count)
        goes_on = tf.add_n([tf.math.count_nonzero(state) for state in held[half]]) > 0
        pairs = zip(given[half], held[half], strict=True)
        started += [tf.where(goes_on, tf.cast(state, passed.dtype), passed) for passed, state in pairs]
    return started
