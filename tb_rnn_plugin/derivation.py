"""A record completed with what follows from its recurrence: when it is written, not while taps record."""

import dataclasses
import warnings
from collections.abc import Callable, Iterable

from tb_rnn_plugin.record import LayerRecord
from tb_rnn_plugin.recurrence.layer import CannotDerive

#: Takes what is left out, by a name of its own, and the sentence that says so and why.
Say = Callable[[str, str], object]
#: A record to what is written of it; None: nothing.
Completion = Callable[[LayerRecord], "LayerRecord | None"]


def completed(record: LayerRecord, say: Say) -> LayerRecord | None:
    """The record with the quantities that its recurrence is to give; None where there are none at all then.

    A quantity that a tap recorded itself stays as it is. The recurrence stays too, with nothing more to give.
    """
    recurrence = record.recurrence
    if recurrence is None or not recurrence.quantities:
        return record
    missing = recurrence.only(recurrence.quantities - frozenset(record.sequences))
    try:
        derived = {} if missing is None else missing.sequences()
    except CannotDerive as reason:
        say(record.name, left_out(record.name, str(reason)))
        return without_recurrence(record)
    for quantity, why in ({} if missing is None else missing.beyond()).items():
        say(f"{record.name}:{quantity}", f"{quantity!r} of {record.name!r} is left out: {why}.")
    for array in derived.values():
        array.flags.writeable = False  # it is of nobody else: said so, it isn't copied
    if not (derived or record.sequences or record.weights or record.weight_gradients):
        return None
    return dataclasses.replace(record, sequences={**record.sequences, **derived}, recurrence=recurrence.done())


def without_recurrence(record: LayerRecord) -> LayerRecord | None:
    """The record as it was recorded; None where it has no quantity of its own."""
    if not (record.sequences or record.weights or record.weight_gradients):
        return None
    return dataclasses.replace(record, recurrence=None)


def completed_at_once(record: LayerRecord) -> LayerRecord | None:
    """As `completed`, with a warning where something is left out."""

    def warn(_: str, sentence: str) -> None:
        warnings.warn(f"rnn_summary: {sentence}", stacklevel=6)

    return completed(record, warn)


def left_out(layer: str, reason: str) -> str:
    """What is said where a layer's recurrence gives nothing."""
    return left_out_of_all([layer], reason)


def left_out_of_all(layers: Iterable[str], reason: str) -> str:
    """What is said where the recurrences of several layers give nothing."""
    names = ", ".join(map(repr, layers))
    return f"the gradient through time, gates, cell state, and what else is computed of {names} are left out: {reason}."
