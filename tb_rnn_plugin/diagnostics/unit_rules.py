"""When units and gates are said to be of no use."""

from collections.abc import Iterator

import numpy as np

from tb_rnn_plugin.diagnostics import catalogue as names
from tb_rnn_plugin.diagnostics.catalogue import MeasureKey
from tb_rnn_plugin.diagnostics.finding import Finding, Severity, Stretch, lasting, percent, placed, so_far
from tb_rnn_plugin.diagnostics.histories import LayerHistory
from tb_rnn_plugin.diagnostics.memory import KEEP_GATES
from tb_rnn_plugin.diagnostics.thresholds import Thresholds

_HALF = 0.5

_LONG_MEMORY = "Long memory; a fault only if the loss stalls."
_NOTHING_KEPT = "Nothing is kept from one timestep to the next. What usually helps: "
_UNSATURATE = (
    "A saturated gate passes on next to no gradient. What usually helps: scaled inputs, smaller initial weights, a "
    "lower learning rate, layer normalisation."
)
_ADVICE = {
    ("forget", names.SATURATED_LOW): f"{_NOTHING_KEPT}a forget bias of 1 or more.",
    ("update", names.SATURATED_LOW): f"{_NOTHING_KEPT}a positive bias of the update gate.",
    ("forget", names.SATURATED_HIGH): _LONG_MEMORY,
    ("update", names.SATURATED_HIGH): _LONG_MEMORY,
    ("input", names.SATURATED_LOW): "Nothing enters the cell. What usually helps: a bias of 0, scaled inputs, a lower "
    "learning rate.",
    ("output", names.SATURATED_LOW): "Nothing leaves the cell. What usually helps: a bias of 0, a lower learning rate.",
}


def saturated_gates(history: LayerHistory, thresholds: Thresholds) -> Iterator[Finding]:
    """A gate is shut, open, or either of the two, almost always and in most units."""
    said: set[tuple[str, str]] = set()
    for measure in (names.SATURATED_LOW, names.SATURATED_HIGH, names.SATURATED):  # what says more comes first
        for key, steps, series in history.series(measure):
            stretch = lasting(series.values >= thresholds.saturated_units, steps, series, thresholds.persistence)
            if stretch is not None and (key.direction, key.gate) not in said:
                said.add((key.direction, key.gate))
                yield _saturated(history, key, stretch, thresholds)


def _saturated(history: LayerHistory, key: MeasureKey, stretch: Stretch, thresholds: Thresholds) -> Finding:
    keeps = key.measure == names.SATURATED_HIGH and key.gate == KEEP_GATES.get(history.layer.cell)
    low, high = f"below {thresholds.gate_low:g}", f"above {thresholds.gate_high:g}"
    stays = {names.SATURATED_LOW: low, names.SATURATED_HIGH: high, names.SATURATED: f"{low} or {high}"}[key.measure]
    return Finding.at(
        history.layer.name,
        key,
        stretch,
        severity="warning" if stretch.lasts and not keeps else "note",
        fault="saturated_gate",
        threshold=("saturated_units", thresholds.saturated_units),
        sentence=f"{placed(key.direction, history.layer.directions)}the {key.gate} gate of {percent(stretch.value)} of "
        f"the units stays {stays}, {so_far(stretch)}.",
        explanation=f"In at least {percent(thresholds.gate_time)} of the time; reported from "
        f"{percent(thresholds.saturated_units)} of the units on.",
        advice=_ADVICE.get((key.gate, key.measure), _UNSATURATE),
        view="curves",
    )


def dead_units(history: LayerHistory, thresholds: Thresholds) -> Iterator[Finding]:
    """Units say the same whatever comes in."""
    layer = history.layer
    for key, steps, series in history.series(names.DEAD_UNITS):
        stretch = lasting(series.values >= 1, steps, series, thresholds.persistence)
        if stretch is None or stretch.of is None:
            continue
        share = stretch.value / stretch.of
        severity: Severity = "error" if share >= _HALF else "warning" if share >= thresholds.dead_units else "note"
        one = stretch.value == 1
        yield Finding.at(
            layer.name,
            key,
            stretch,
            severity=severity if stretch.lasts else "note",
            fault="dead_units",
            threshold=("dead_units", thresholds.dead_units),
            sentence=f"{placed(key.direction, layer.directions)}{stretch.value:.0f} of {stretch.of:.0f} units "
            f"{'is' if one else 'are'} dead, {so_far(stretch, 'has been' if one else 'have been')}.",
            explanation=f"{'It says' if one else 'They say'} the same whatever comes in: always below "
            f"{thresholds.dead_activation:g} in magnitude, or constant.",
            advice="What usually helps: a lower learning rate, biases that begin at 0, an activation that does not cut "
            "off (tanh in place of ReLU). If all is well otherwise, a narrower layer will do.",
            view="heatmap",
        )


def dormant_units(history: LayerHistory, thresholds: Thresholds) -> Iterator[Finding]:
    """Most units hardly say anything beside a few that are loud."""
    layer = history.layer
    for key, steps, series in history.series(names.DORMANT_UNITS):
        with np.errstate(invalid="ignore"):
            most = series.values >= thresholds.dormant_units * series.of
        stretch = lasting(most, steps, series, thresholds.persistence)
        if stretch is None or stretch.of is None:
            continue
        one = stretch.value == 1
        yield Finding.at(
            layer.name,
            key,
            stretch,
            severity="warning" if stretch.lasts else "note",
            fault="dormant_units",
            threshold=("dormant_units", thresholds.dormant_units),
            sentence=f"{placed(key.direction, layer.directions)}{stretch.value:.0f} of {stretch.of:.0f} units "
            f"{'is' if one else 'are'} dormant, {so_far(stretch, 'has been' if one else 'have been')}.",
            explanation=f"{'Its' if one else 'Their'} mean magnitude is at most {percent(thresholds.dormant_score)} of "
            f"the layer's.",
            advice="What usually helps: a lower learning rate, normalised inputs, a restart of the dormant units.",
            view="heatmap",
        )
