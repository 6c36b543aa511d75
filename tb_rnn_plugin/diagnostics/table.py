"""The measures of a layer as rows: the latest value in words, and what it is judged to be."""

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np

from tb_rnn_plugin.diagnostics import catalogue as names
from tb_rnn_plugin.diagnostics.catalogue import COLUMNS, KINDS, LEAST_IS_WORST, MeasureKey, MeasureKind
from tb_rnn_plugin.diagnostics.finding import SEVERITIES, Finding, Severity, Steps, number, percent
from tb_rnn_plugin.diagnostics.histories import LayerHistory, Series
from tb_rnn_plugin.quantity_names import OUTPUT_GRADIENT
from tb_rnn_plugin.record import BIAS

Verdict = Literal["", "ok", "note", "warning", "error"]

_VERDICTS: tuple[Verdict, ...] = ("", "ok", *SEVERITIES)

_JUDGED = frozenset(
    {
        names.GRADIENT_HORIZON,
        names.VANISHED_TIMESTEPS,
        names.GROWTH,
        names.NONFINITE,
        names.GRADIENT_JUMP,
        names.SATURATED_LOW,
        names.SATURATED_HIGH,
        names.SATURATED,
        names.DEAD_UNITS,
        names.DORMANT_UNITS,
        names.DEAD_WEIGHTS,
        names.LARGE_WEIGHTS,
        names.UPDATE_RATIO,
    }
)
_SATURATION = (names.SATURATED_LOW, names.SATURATED_HIGH, names.SATURATED)


@dataclasses.dataclass(frozen=True)
class Row:
    """One measure of one place in a layer.

    Attributes:
        key: What it is of.
        kind: How it is spoken of.
        steps: Its training steps.
        series: Its values along them.
        latest: The last of them; None where it can't be had.
        latest_step: The last step.
        of: What a whole would be; None where there is no whole.
        text: The latest value as a table shows it.
        severity: That of what was found; "ok" where nothing was, "" where it is not judged.
        finding: The index of what was found.
    """

    key: MeasureKey
    kind: MeasureKind
    steps: Steps
    series: Series
    latest: float | None
    latest_step: int
    of: float | None
    text: str
    severity: Verdict
    finding: int | None


def rows(history: LayerHistory, findings: Sequence[Finding], run: str = "") -> list[Row]:
    """All measures of a layer.

    Args:
        history: Of the layer.
        findings: Of all runs and layers; the indexes are of this sequence.
        run: The layer's run.
    """
    found = [
        (place, finding)
        for place, finding in enumerate(findings)
        if finding.run == run and finding.layer == history.layer.name
    ]
    nowhere_clean = [place for place, finding in enumerate(findings) if finding.run == run and finding.fault == "nan"]
    return [
        _row(history, key, quantity.steps, series, found, nowhere_clean)
        for quantity in history.quantities.values()
        for key, series in quantity.series.items()
        if key.measure in KINDS
    ]


def _row(
    history: LayerHistory,
    key: MeasureKey,
    steps: Steps,
    series: Series,
    found: Sequence[tuple[int, Finding]],
    nonfinite: Sequence[int],
) -> Row:
    last = _last(key, series)
    latest = float(series.values[last]) if np.isfinite(series.values[last]) else None
    of = float(series.of[last]) if np.isfinite(series.of[last]) else None
    count = float(series.counts[last]) if np.isfinite(series.counts[last]) else None
    place, severity = _verdict(history, key, latest, found, nonfinite)
    return Row(
        key=key,
        kind=KINDS[key.measure],
        steps=steps,
        series=series,
        latest=latest,
        latest_step=int(steps[last]),
        of=of,
        text=_text(key, latest, of, count),
        severity=severity,
        finding=place,
    )


def _last(key: MeasureKey, series: Series) -> int:
    """The place of the latest value: the last step, unless the measure is not had at every step."""
    if key.measure in {names.HALF_LIFE, names.GRADIENT_HORIZON}:  # where it can't be had now, it says so
        return -1
    known = np.flatnonzero(np.isfinite(series.values))
    return int(known[-1]) if known.size else -1


def _verdict(
    history: LayerHistory,
    key: MeasureKey,
    latest: float | None,
    found: Sequence[tuple[int, Finding]],
    nonfinite: Sequence[int],
) -> tuple[int | None, Verdict]:
    if key.measure == names.NONFINITE:
        return (nonfinite[0], "error") if latest and nonfinite else (None, "ok")
    for place, finding in found:
        if any(_same(key, one) for one in (finding.key, *finding.also)):
            return place, finding.severity
    if key.measure not in _JUDGED or latest is None or key.matrix == BIAS:
        return None, ""
    if key.measure == names.GRADIENT_HORIZON and _direct_everywhere(history):
        return None, ""
    return None, "ok"


def _same(one: MeasureKey, other: MeasureKey) -> bool:
    if one.measure in _SATURATION and other.measure in _SATURATION:
        return one._replace(measure="") == other._replace(measure="")
    return one == other


def _direct_everywhere(history: LayerHistory) -> bool:
    """Whether every timestep may have a gradient of its own: then a long horizon does not show that any came back."""
    output = history.quantities.get(OUTPUT_GRADIENT)
    return output is not None and output.points_used > 1


def _text(key: MeasureKey, latest: float | None, of: float | None, count: float | None) -> str:
    if latest is None:
        return "not exponential" if key.measure == names.HALF_LIFE else "–"
    unit = KINDS[key.measure].unit
    if unit == "share":
        return percent(latest)
    if key.measure == names.NONFINITE:
        return f"{latest:.0f} of {of:.0f}" if latest and of else "0"
    if unit in {"timesteps", "units", "weights"} and of is not None:
        return f"{latest:.0f} of {of:.0f}"
    if of is not None and count is not None:  # of ranks, which are biased by few observations
        return f"{number(latest)} of {of:.0f} (N = {count:.0f})"
    return number(latest)


def row(column: str, measures: Sequence[Row]) -> int | None:
    """The index of the row that a column of the overview shows: the worst one; None where there is none."""
    places = [
        place
        for place, one in enumerate(measures)
        if one.key.measure in COLUMNS[column] and one.key.matrix != BIAS and (one.latest is not None or _may_lack(one))
    ]
    return max(places, key=lambda place: _badness(measures[place]), default=None)


def _may_lack(one: Row) -> bool:
    return one.key.measure == names.HALF_LIFE


def _badness(one: Row) -> tuple[int, float]:
    if one.latest is None:
        return _VERDICTS.index(one.severity), float("-inf")
    share = one.latest / one.of if one.of else one.latest
    return _VERDICTS.index(one.severity), -share if one.key.measure in LEAST_IS_WORST else share


def worst_severity(findings: Sequence[Finding], run: str, layer: str) -> Verdict:
    """Of what was found in one layer; "ok" where nothing was."""
    severities: list[Severity] = [one.severity for one in findings if one.run == run and one.layer == layer]
    return max(severities, key=SEVERITIES.index, default="ok")
