"""The few numbers of a layer that are worth a curve of their own in Time Series, and a column in HParams."""

from collections.abc import Iterable

import numpy as np

from tb_rnn_plugin.diagnostics import catalogue as names
from tb_rnn_plugin.diagnostics.histories import QuantityHistory
from tb_rnn_plugin.record import BIAS

#: Each measure, in the order in which it is written.
CHIEF = (
    names.GRADIENT_HORIZON,
    names.VANISHED_TIMESTEPS,
    names.NONFINITE,
    names.DEAD_UNITS,
    names.SATURATED,
    names.UPDATE_RATIO,
)


def chief_scalars(histories: Iterable[QuantityHistory]) -> dict[str, float]:
    """Measure to its last value: the worst of the layer's directions, gates and matrices; the sum of NaN and Inf.

    Args:
        histories: Of one layer's quantities. What was not measured at their last step is left out.
    """
    values: dict[str, list[float]] = {}
    for history in histories:
        for key, series in history.series.items():
            if key.measure in CHIEF and key.matrix != BIAS and np.isfinite(series.values[-1]):
                values.setdefault(key.measure, []).append(float(series.values[-1]))
    return {measure: _one(measure, values[measure]) for measure in CHIEF if measure in values}


def _one(measure: str, values: list[float]) -> float:
    if measure == names.NONFINITE:
        return sum(values)
    return min(values) if measure in names.LEAST_IS_WORST else max(values)
