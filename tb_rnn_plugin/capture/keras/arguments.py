"""What `attach` and `capture` are given for a model of Keras 3 or tf_keras, checked."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from tb_rnn_plugin.capture import taps
from tb_rnn_plugin.capture.keras.clipping import clipped_records
from tb_rnn_plugin.capture.keras.recorded_layer import RecordedLayer, framework_of
from tb_rnn_plugin.capture.recurrences import Derivation
from tb_rnn_plugin.record import WEIGHT_GRADIENTS, LayerRecord
from tb_rnn_plugin.recurrence.layer import CAPTURED_QUANTITIES

Model: TypeAlias = Any
Optimizer: TypeAlias = Any


def training_optimizer(
    model: Model, optimizer: object, quantities: Sequence[str] | None, *, method: str, needed: bool = True
) -> Optimizer | None:
    """The optimizer whose gradients are recorded: the one that is given, or else the compiled one.

    Args:
        model: The model.
        optimizer: What the user gave.
        quantities: What is recorded; None: everything.
        method: By which such an optimizer is given gradients.
        needed: Whether weight gradients are left out without one, which is then said.

    Raises:
        TypeError: If it is no such optimizer.
    """
    if optimizer is not None and not callable(getattr(optimizer, method, None)):
        raise TypeError(f"optimizer: expected an optimizer of {framework_of(model)}, got {type(optimizer).__name__}.")
    if optimizer is None:
        optimizer = getattr(model, "optimizer", None)
    if optimizer is None and needed and WEIGHT_GRADIENTS in (quantities or taps.QUANTITIES):
        warnings.warn(
            "rnn_summary: weight gradients are left out, since no optimizer is known: the model isn't compiled. Pass "
            "the optimizer of your loop as optimizer=.",
            stacklevel=4,
        )
    return optimizer


def one_batch(
    model: Model,
    layers: Sequence[RecordedLayer],
    records_of: Callable[[Sequence[RecordedLayer], Derivation | None], list[LayerRecord]],
    *,
    training: object,
    clipped: bool,
    bptt: bool,
) -> list[LayerRecord]:
    """The records of a pass of its own.

    Args:
        model: The model.
        layers: Its layers to be recorded.
        records_of: Makes the pass, and the records of the layers it is given, with what is to be computed of them.
        training: Whether the model runs in training mode.
        clipped: Whether weight gradients are clipped as the compiled optimizer would clip them.
        bptt: Whether gradients through time, gates and cell states are to be computed.

    Raises:
        TypeError: If `training` isn't a bool.
        ValueError: If gradients are to be clipped, and the model isn't compiled.
    """
    if not isinstance(training, bool):
        raise TypeError(f"training: expected a bool, got {type(training).__name__}.")
    derivation = Derivation(quantities=CAPTURED_QUANTITIES, training=training) if bptt else None
    if clipped:
        return clipped_records(model, layers, lambda picked: records_of(picked, derivation))
    return records_of(layers, derivation)
