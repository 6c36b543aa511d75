"""A run that is still being written: its measures as they come, and what is newly found in them."""

from collections import deque

import numpy as np

from tb_rnn_plugin.diagnostics import catalogue as names
from tb_rnn_plugin.diagnostics.catalogue import MeasureKey
from tb_rnn_plugin.diagnostics.finding import SEVERITIES, Finding
from tb_rnn_plugin.diagnostics.histories import LayerHistory, NonfiniteBlock, QuantityHistory, Series, with_jumps
from tb_rnn_plugin.diagnostics.judge import judge
from tb_rnn_plugin.diagnostics.thresholds import Thresholds
from tb_rnn_plugin.rnn_data_pb2 import Layer

# Bounds memory and the time that judging takes; of older steps every second one is dropped.
_MOST_STEPS = 200


class Watch:
    """What is found in a run while it is written. Observed by one thread, and asked by another."""

    def __init__(self) -> None:
        self._layers: dict[str, tuple[Layer, dict[str, _GrowingHistory]]] = {}
        self._known: dict[tuple[str, ...], Finding] = {}
        self._new: deque[Finding] = deque()
        self._last_step = -1

    def observe(self, layer: Layer, history: QuantityHistory) -> None:
        """Takes note of one step of a quantity. A step before the last one is a run that starts over."""
        step = int(history.steps[-1])
        if step < self._last_step:
            self._layers.clear()
            self._known.clear()
        self._last_step = step
        _, quantities = self._layers.setdefault(layer.name, (layer, {}))
        quantities.setdefault(history.quantity, _GrowingHistory(history.quantity)).append(history)

    def judge(self, thresholds: Thresholds) -> None:
        """Judges what was observed, and keeps for `take` what was not so before, or not so grave.

        What fails to hold at a single step, and goes on at the next, is not new then.
        """
        histories = [
            LayerHistory(layer, {name: growing.history(thresholds) for name, growing in quantities.items()})
            for layer, quantities in sorted(self._layers.values(), key=lambda known: known[0].position)
        ]
        found = {finding.place: finding for finding in reversed(judge(histories, thresholds))}
        self._new.extend(
            finding
            for place, finding in reversed(found.items())
            if finding.severity != "note" and _is_new(finding, self._known.get(place))
        )
        self._known.update(found)

    def take(self) -> list[Finding]:
        """What was newly found since the last call: warnings and errors, worst first."""
        taken = []
        while self._new:
            taken.append(self._new.popleft())
        return taken


def _is_new(finding: Finding, before: Finding | None) -> bool:
    """Whether it was not found before, or has become graver, or is another stretch of steps than that was."""
    if before is None or finding.since > before.until:
        return True
    return SEVERITIES.index(finding.severity) > SEVERITIES.index(before.severity)


class _GrowingHistory:
    """A QuantityHistory that steps are added to."""

    def __init__(self, quantity: str) -> None:
        self._quantity = quantity
        self._steps: list[int] = []
        self._timesteps = self._points_used = 0
        self._columns: dict[MeasureKey, list[tuple[float, float, float]]] = {}
        self._nonfinite: tuple[int, int | None, tuple[NonfiniteBlock, ...]] | None = None

    def append(self, history: QuantityHistory) -> None:
        step = int(history.steps[-1])
        if self._nonfinite is None and history.nonfinite is not None:
            self._nonfinite = step, self._steps[-1] if self._steps else None, history.nonfinite[1]
        self._timesteps, self._points_used = history.timesteps, history.points_used
        for key, series in history.series.items():
            if key.measure != names.GRADIENT_JUMP:  # which takes all steps
                column = self._columns.setdefault(key, [])
                column.extend([_NOTHING] * (len(self._steps) - len(column)))
                column.append((float(series.values[-1]), float(series.of[-1]), float(series.counts[-1])))
        self._steps.append(step)
        if len(self._steps) > _MOST_STEPS:
            self._thin()

    def _thin(self) -> None:
        """Drops every second step of the older half; what first was NaN stays known, with the clean step before it."""
        half = len(self._steps) // 2
        first = self._nonfinite
        kept = [
            place
            for place, step in enumerate(self._steps)
            if place >= half or place % 2 == 0 or (first is not None and step in first[:2])
        ]
        for column in self._columns.values():
            column.extend([_NOTHING] * (len(self._steps) - len(column)))
            column[:] = [column[place] for place in kept]
        self._steps = [self._steps[place] for place in kept]

    def history(self, thresholds: Thresholds) -> QuantityHistory:
        """All steps so far."""
        series: dict[MeasureKey, Series] = {}
        for key, column in self._columns.items():
            table = np.array(column + [_NOTHING] * (len(self._steps) - len(column)))
            series[key] = Series(table[:, 0], table[:, 1], table[:, 2])
        nonfinite = None
        if self._nonfinite is not None and self._nonfinite[0] in self._steps:
            nonfinite = self._steps.index(self._nonfinite[0]), self._nonfinite[2]
        found = QuantityHistory(
            quantity=self._quantity,
            steps=np.array(self._steps, np.int64),
            timesteps=self._timesteps,
            points_used=self._points_used,
            series=series,
            nonfinite=nonfinite,
        )
        return with_jumps(found, thresholds)


_NOTHING = (float("nan"), float("nan"), float("nan"))
