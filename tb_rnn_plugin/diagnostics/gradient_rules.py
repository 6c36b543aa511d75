"""When a gradient is said to vanish or to explode."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tb_rnn_plugin.diagnostics import catalogue as names
from tb_rnn_plugin.diagnostics.finding import (
    Finding,
    Severity,
    Steps,
    Stretch,
    events,
    lasting,
    number,
    percent,
    placed,
    so_far,
    times,
)
from tb_rnn_plugin.diagnostics.histories import LayerHistory, Series
from tb_rnn_plugin.diagnostics.thresholds import Thresholds

# The loss, which would tell, is in no layer's history.
_NO_FAULT = "A fault only if the loss stalls; else another layer remembers, or the task needs no more."
_LONGER_MEMORY = {
    "lstm": "What usually helps: a forget bias of 1 or more (about ln T for T timesteps), shorter sequences, a loss at "
    "more timesteps.",
    "gru": "What usually helps: an update gate that begins open (a positive bias), shorter sequences, a loss at more "
    "timesteps.",
    "rnn": "What usually helps: a gated cell, orthogonal recurrent initialisation, shorter truncation with a carried "
    "state.",
}


def vanishing(history: LayerHistory, thresholds: Thresholds) -> Iterator[Finding]:
    """The gradient reaches over a small share of the timesteps; or it is tiny at most of them, which is a note."""
    layer = history.layer
    advice = f"{_NO_FAULT} {_LONGER_MEMORY.get(layer.cell, _LONGER_MEMORY['rnn'])}"
    for key, steps, series in history.series(names.GRADIENT_HORIZON):
        found = _short(steps, series, thresholds)
        if found is None or found.stretch.of is None:
            continue
        yield Finding.at(
            layer.name,
            key,
            found.stretch,
            severity=found.severity if found.stretch.lasts else "note",
            fault="vanishing",
            threshold=(found.threshold, getattr(thresholds, found.threshold)),
            sentence=f"{placed(key.direction, layer.directions)}the gradient reaches {found.stretch.value:.0f} of "
            f"{found.stretch.of:.0f} steps back, {so_far(found.stretch)}.",
            explanation=f"‖dL/dh‖ is below {percent(thresholds.horizon_share)} of its largest value beyond that lag.",
            advice=advice,
            view="heatmap",
        )
    for key, steps, series in history.series(names.VANISHED_TIMESTEPS):
        stretch = lasting(series.values > thresholds.vanished_timesteps, steps, series, thresholds.persistence)
        if stretch is not None:
            yield Finding.at(
                layer.name,
                key,
                stretch,
                severity="note",
                fault="vanishing",
                threshold=("vanished_timesteps", thresholds.vanished_timesteps),
                sentence=f"{placed(key.direction, layer.directions)}the gradient is below "
                f"{number(thresholds.vanished_gradient)} at {percent(stretch.value)} of the timesteps, "
                f"{so_far(stretch, 'has been')}.",
                explanation="In the root mean square over the units. The rule depends on the scale of the loss: a net "
                "that has learned has small gradients too.",
                advice=advice,
                view="heatmap",
            )


class _Short(NamedTuple):
    """A horizon that is too short, and by which threshold."""

    severity: Severity
    threshold: str
    stretch: Stretch


def _short(steps: Steps, series: Series, thresholds: Thresholds) -> _Short | None:
    tiers: tuple[tuple[Severity, str], ...] = (("error", "short_horizon"), ("warning", "limited_horizon"))
    for severity, threshold in tiers:
        with np.errstate(invalid="ignore"):
            short = (series.values < getattr(thresholds, threshold) * series.of) & (series.of >= 2)
        stretch = lasting(short, steps, series, thresholds.persistence)
        if stretch is not None:
            return _Short(severity, threshold, stretch)
    return None


def exploding(history: LayerHistory, thresholds: Thresholds) -> Iterator[Finding]:
    """The gradient grows on its way back in time; or the weights' gradient is many times what it was."""
    layer = history.layer
    for key, steps, series in history.series(names.GROWTH):
        stretch = lasting(series.values > thresholds.growing_gradient, steps, series, thresholds.persistence)
        if stretch is not None:
            yield Finding.at(
                layer.name,
                key,
                stretch,
                severity="error" if stretch.lasts else "note",
                fault="exploding",
                threshold=("growing_gradient", thresholds.growing_gradient),
                sentence=f"{placed(key.direction, layer.directions)}the gradient grows {number(stretch.value)}-fold on "
                f"its way back through time, {so_far(stretch)}.",
                explanation=f"The largest ‖dL/dh‖ over the sum of what arrives directly; more than "
                f"{number(thresholds.growing_gradient)} is called exploding.",
                advice="What usually helps: smaller recurrent weights (orthogonal initialisation), a gated cell, "
                "clipping the gradient's norm.",
                view="heatmap",
            )
    for key, steps, series in history.series(names.GRADIENT_JUMP):
        norms = history.quantities[key.quantity].series[key._replace(measure=names.GRADIENT_NORM)]
        with np.errstate(invalid="ignore"):
            jumped = (series.values > thresholds.exploding_factor) & (norms.values > thresholds.exploding_norm)
        stretch = events(jumped, steps, series, thresholds.persistence)
        if stretch is not None:
            # A net that begins to learn has a gradient ten or twenty times what it was, and is well.
            factor = thresholds.exploding_factor
            yield Finding.at(
                layer.name,
                key,
                stretch,
                severity="error" if stretch.value > factor**3 else "warning" if stretch.value > factor**2 else "note",
                fault="exploding",
                threshold=("exploding_factor", factor),
                sentence=f"{placed(key.direction, layer.directions)}the gradient of the weights was "
                f"{number(stretch.value)} times its running median {times(stretch)}",
                explanation=f"Of the median of up to {thresholds.exploding_window:.0f} steps before; more than "
                f"{number(factor)} times is reported where the norm is above "
                f"{number(thresholds.exploding_norm)}, and from the square of that on it is a warning.",
                advice="What usually helps: clipping the gradient's norm, a lower learning rate, a warm-up.",
                view="histograms",
            )
