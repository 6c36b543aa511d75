"""Replicas of tf.distribute: which one runs, and what all of them recorded as one batch.

Every replica computes a part of the batch, and the gradients of its part of the loss: Keras divides each replica's loss
by their number (keras.src.losses.loss.scale_loss_for_distribution), a loop of one's own by the size of the whole batch
(tf.nn.compute_average_loss). The loss of the batch is the sum of these. So output gradients only have to be put side by
side, and weight gradients are the sum over replicas, as the optimizer makes it.
"""

import concurrent.futures
import contextvars
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import keras
import numpy as np
import tensorflow as tf

from tb_rnn_plugin.capture.keras.layers import INITIAL_STATE, INPUT, MASK, STATE_GRADIENT, Array, Layer
from tb_rnn_plugin.capture.keras.recorded_layer import framework_of
from tb_rnn_plugin.record import LayerRecord

Result = TypeVar("Result")
#: Record name to name to array.
Arrays: TypeAlias = Mapping[str, Mapping[str, Array]]

_NOT_BY_TIME = (INITIAL_STATE, STATE_GRADIENT)


def strategy_of(model: Layer) -> Any:  # a tf.distribute.Strategy
    """The strategy that trains a model; TensorFlow's default one, of a single replica, where there is none.

    Raises:
        ValueError: If what its replicas compute can't be recorded.
    """
    strategy = getattr(model, "distribute_strategy", None) or tf.distribute.get_strategy()
    distribute = tf.distribute
    elsewhere = (
        distribute.TPUStrategy,
        distribute.experimental.TPUStrategy,
        distribute.experimental.ParameterServerStrategy,
        distribute.experimental.CentralStorageStrategy,
    )
    if isinstance(strategy, elsewhere):
        raise ValueError(  # noqa: TRY004  # the argument is a model, as it should be
            f"model: taps can't record what a {type(strategy).__name__} runs elsewhere; train with MirroredStrategy, "
            "MultiWorkerMirroredStrategy or without one, or use rnn_summary.capture on a copy of the model."
        )
    # Its optimizers can be told that the gradients are summed already (skip_gradients_aggregation).
    if framework_of(model) == "tf_keras" and strategy.num_replicas_in_sync > 1:
        raise ValueError(
            f"model: taps can't record {strategy.num_replicas_in_sync} replicas of a tf_keras model; train on one, "
            "or with Keras 3."
        )
    return strategy


def current_replica() -> int:
    """The number, over all workers, of the replica that runs or is traced now; 0 outside of any."""
    if not tf.distribute.has_strategy():
        return 0
    context = tf.distribute.get_replica_context()
    if context is None:
        return 0
    return int(tf.get_static_value(context.replica_id_in_sync_group) or 0)


def tf_variable(variable: Any) -> Any:
    """The variable of TensorFlow that a variable of Keras holds; of tf_keras itself."""
    return variable.value if isinstance(variable, keras.Variable) else variable


def copies(variable: Any) -> Sequence[Any]:
    """The variables on this machine of which one of a strategy consists; itself, if there is none.

    To read one that each replica has for itself would wait for all workers.
    """
    variable = tf_variable(variable)
    if not isinstance(variable, tf.distribute.DistributedValues):
        return (variable,)
    return tuple(variable.distribute_strategy.experimental_local_results(variable))


def outside_strategies(action: Callable[[], Result]) -> Result:
    """What `action` returns, called outside of the scope of any strategy, where a loss is divided by the replicas."""
    if not tf.distribute.has_strategy():
        return action()
    with concurrent.futures.ThreadPoolExecutor(1) as thread:  # a scope is of one thread
        return thread.submit(contextvars.copy_context().run, action).result()


def summed(parts: Iterable[Mapping[Any, Array]]) -> dict[Any, Array]:
    """The sum of the arrays of each name."""
    total: dict[Any, Array] = {}
    for part in parts:
        for key, array in part.items():
            total[key] = total[key] + array if key in total else array
    return total


def joined_records(parts: Sequence[Sequence[LayerRecord]]) -> list[LayerRecord]:
    """The samples of several parts of a batch in one record a layer; the matrices are those of the first part."""
    if len(parts) == 1:
        return list(parts[0])
    sequences = joined([{made.name: made.sequences for made in part} for part in parts])
    return [dataclasses.replace(made, sequences=sequences[made.name]) for made in parts[0]]


def joined(parts: Sequence[Arrays]) -> dict[str, dict[str, Array]]:
    """The samples of several parts of a batch together; what ends before the longest one is followed by zeros.

    Args:
        parts: For each part its arrays (samples, …), by record name: sequences, and what was given to a call.
    """
    return {name: _joined([part[name] for part in parts if name in part]) for name in parts[0]}


def _joined(parts: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    filled = [dict(part) for part in parts]
    inputs = [part[INPUT] for part in parts if INPUT in part]
    if any(MASK in part for part in parts) or len({array.shape[1] for array in inputs}) > 1:
        for part in filled:
            if INPUT in part:
                part.setdefault(MASK, np.ones(part[INPUT].shape[:2], bool))
    made: dict[str, Array] = {}
    for name in filled[0]:
        arrays = [part[name] for part in filled if name in part]
        if len(arrays) == len(filled):
            longest = None if name.startswith(_NOT_BY_TIME) else max(array.shape[1] for array in arrays)
            made[name] = np.concatenate([_padded(array, longest) for array in arrays])
    if len({array.shape[1] for array in inputs}) > 1 and any(name.startswith(STATE_GRADIENT) for name in made):
        # Behind the end of a shorter part it would be taken for the gradient of a step that was left out, once more.
        # Without its input nothing is computed of the call.
        made.pop(INPUT, None)
    return made


def _padded(array: Array, timesteps: int | None) -> Array:
    missing = 0 if timesteps is None else timesteps - array.shape[1]
    return np.pad(array, [(0, 0), (0, missing)] + [(0, 0)] * (array.ndim - 2)) if missing else array
