"""When weights are said to move too fast or not at all, to be dead or too large."""

from collections.abc import Iterator
from typing import Literal

import numpy as np

from tb_rnn_plugin.diagnostics import catalogue as names
from tb_rnn_plugin.diagnostics.catalogue import MeasureKey
from tb_rnn_plugin.diagnostics.finding import (
    Finding,
    Severity,
    events,
    lasting,
    number,
    percent,
    placed,
    so_far,
    times,
)
from tb_rnn_plugin.diagnostics.histories import LayerHistory
from tb_rnn_plugin.diagnostics.thresholds import Thresholds
from tb_rnn_plugin.record import BIAS

# Weights that change by as much as they are have been replaced.
_REPLACED = 1.0


def learning_rate(history: LayerHistory, thresholds: Thresholds) -> Iterator[Finding]:
    """Kernels change by a large share of themselves in a step. A bias may: it begins at zero."""
    layer = history.layer
    for key, steps, series in history.series(names.UPDATE_RATIO):
        with np.errstate(invalid="ignore"):
            fast = series.values > thresholds.fast_update
        stretch = events(fast, steps, series, thresholds.persistence)
        if stretch is None or key.matrix == BIAS:
            continue
        severity: Severity = "error" if stretch.value >= _REPLACED else "warning" if stretch.lasts else "note"
        yield Finding.at(
            layer.name,
            key,
            stretch,
            severity=severity,
            fault="learning_rate",
            threshold=("fast_update", thresholds.fast_update),
            sentence=f"{placed(key.direction, layer.directions)}the {_matrix(key)} changed by {percent(stretch.value)} "
            f"of itself in a step, {times(stretch)}",
            explanation=f"‖Δw‖ / ‖w‖ between two writes, for each step between them; 0.1% is usual, more than "
            f"{percent(thresholds.fast_update)} is reported.",
            advice="What usually helps: a learning rate 10 to 1000 times lower, a warm-up, clipping the gradient's "
            "norm.",
            view="weights",
        )


def stalled(history: LayerHistory, thresholds: Thresholds) -> Iterator[Finding]:
    """Kernels hardly change any more."""
    layer = history.layer
    for key, steps, series in history.series(names.UPDATE_RATIO):
        stretch = lasting(series.values < thresholds.slow_update, steps, series, thresholds.persistence)
        if key.matrix == BIAS or stretch is None or not stretch.lasts:
            continue
        yield Finding.at(
            layer.name,
            key,
            stretch,
            severity="note",
            fault="stalled",
            threshold=("slow_update", thresholds.slow_update),
            sentence=f"{placed(key.direction, layer.directions)}the {_matrix(key)} hardly changes "
            f"({number(stretch.value)} of itself in a step), {so_far(stretch)}.",
            explanation=f"‖Δw‖ / ‖w‖ between two writes, for each step between them, is below "
            f"{number(thresholds.slow_update)}.",
            advice="Nothing is wrong with a frozen layer or a finished training. What helps otherwise: a higher "
            "learning rate.",
            view="weights",
        )


def odd_weights(history: LayerHistory, thresholds: Thresholds) -> Iterator[Finding]:
    """Weights that are gone, or very large."""
    layer = history.layer
    faults: tuple[tuple[str, Literal["dead_weights", "large_weights"], float, str], ...] = (
        (names.DEAD_WEIGHTS, "dead_weights", thresholds.dead_weights, f"below {thresholds.dead_weight:g}"),
        (names.LARGE_WEIGHTS, "large_weights", thresholds.large_weights, f"above {thresholds.large_weight:g}"),
    )
    for measure, fault, much, magnitude in faults:
        for key, steps, series in history.series(measure):
            with np.errstate(invalid="ignore"):
                reported = series.values >= thresholds.reported_weights * series.of
            stretch = lasting(reported, steps, series, thresholds.persistence)
            if stretch is None or stretch.of is None:
                continue
            share = stretch.value / stretch.of
            yield Finding.at(
                layer.name,
                key,
                stretch,
                severity="warning" if stretch.lasts and share >= much else "note",
                fault=fault,
                threshold=(fault, much),
                sentence=f"{placed(key.direction, layer.directions)}{percent(share)} of the {_matrix(key)} is "
                f"{magnitude} in magnitude, {so_far(stretch, 'has been')}.",
                explanation=f"{stretch.value:.0f} of {stretch.of:.0f} weights; from {percent(much)} on it is a "
                f"warning.",
                advice=_WEIGHT_ADVICE[fault],
                view="histograms",
            )


_WEIGHT_ADVICE = {
    "dead_weights": "Pruning makes such weights, and so does an initial 0. What usually helps otherwise: less weight "
    "decay, an initialisation that breaks symmetry.",
    "large_weights": "What usually helps: a lower learning rate, weight decay, normalised inputs.",
}


def _matrix(key: MeasureKey) -> str:
    return key.matrix.replace("_", " ")
