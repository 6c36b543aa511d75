"""The light summaries of a layer as series of measures along the steps: what is judged."""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from tb_rnn_plugin import cells
from tb_rnn_plugin.diagnostics import catalogue as names
from tb_rnn_plugin.diagnostics import gradient_profile
from tb_rnn_plugin.diagnostics.catalogue import MeasureKey
from tb_rnn_plugin.diagnostics.exploding import over_running_median
from tb_rnn_plugin.diagnostics.thresholds import Thresholds
from tb_rnn_plugin.quantity_names import BPTT_GRADIENT
from tb_rnn_plugin.record import BIAS, MATRIX_QUANTITIES, WEIGHTS
from tb_rnn_plugin.rnn_data_pb2 import Layer, Measure, QuantitySummary

Floats: TypeAlias = npt.NDArray[np.float64]

_OF_UNITS = frozenset({names.DEAD_UNITS, names.DORMANT_UNITS, names.DEAD_WEIGHTS, names.LARGE_WEIGHTS})
_OF_WIDTH = frozenset({names.EFFECTIVE_RANK, names.PARTICIPATION_RATIO})


@dataclasses.dataclass(frozen=True)
class Series:
    """One measure along the steps of its quantity.

    Attributes:
        values: NaN where it can't be had.
        of: What a whole would be; NaN where there is no whole.
        counts: Of how many units, weights, observations or steps it was measured; NaN where that is not known.
    """

    values: Floats
    of: Floats
    counts: Floats


@dataclasses.dataclass(frozen=True)
class NonfiniteBlock:
    """NaN and Inf in one direction of a sequence, or in one gate of a matrix."""

    direction: str
    matrix: str
    gate: str
    nan: int
    inf: int
    count: int
    first: int | None  # the first and the last timestep with any, in input time; None of matrices
    last: int | None


@dataclasses.dataclass(frozen=True)
class QuantityHistory:
    """All measures of one quantity of a layer.

    Attributes:
        quantity: Its name.
        steps: The training steps.
        timesteps: Of a sequence, at the last step; 0 for matrices.
        points_used: Of its profile, at the last step, at how many points anything is not zero.
        series: The measures.
        nonfinite: The index of the first step with NaN or Inf, and where they were then; None where there are none.
    """

    quantity: str
    steps: npt.NDArray[np.int64]
    timesteps: int
    points_used: int
    series: Mapping[MeasureKey, Series]
    nonfinite: tuple[int, tuple[NonfiniteBlock, ...]] | None


@dataclasses.dataclass(frozen=True)
class LayerHistory:
    """All quantities of one layer of one run."""

    layer: Layer
    quantities: Mapping[str, QuantityHistory]

    def series(self, *measures: str) -> Iterable[tuple[MeasureKey, npt.NDArray[np.int64], Series]]:
        """Of these measures, every series with its steps."""
        for history in self.quantities.values():
            for key, series in history.series.items():
                if key.measure in measures:
                    yield key, history.steps, series


def quantity_history(
    layer: Layer,
    quantity: str,
    steps: Sequence[int],
    summaries: Sequence[QuantitySummary],
    thresholds: Thresholds,
) -> QuantityHistory:
    """The history of one quantity, from its light summaries at these steps."""
    table = _Table(len(steps))
    nonfinite: tuple[int, tuple[NonfiniteBlock, ...]] | None = None
    for place, summary in enumerate(summaries):
        blocks = _add_statistics(table, quantity, place, summary)
        if blocks and nonfinite is None:
            nonfinite = place, blocks
        if quantity in MATRIX_QUANTITIES:
            _add_norms(table, quantity, place, summary)
        for measure in summary.measures:
            key = MeasureKey(measure.name, quantity, measure.direction, measure.matrix, measure.gate)
            value, of = measure.value, float("nan")
            if measure.name == names.UPDATE_RATIO:
                value = update_ratio_of_a_step(measure)
            elif measure.name in _OF_UNITS:
                of = float(measure.count)
            elif measure.name in _OF_WIDTH:
                of = float(layer.projection or layer.units) or float("nan")
            table.set(key, place, value, of, float(measure.count))
    if quantity == BPTT_GRADIENT:
        _add_profiles(table, layer, quantity, summaries, thresholds)
    found = QuantityHistory(
        quantity=quantity,
        steps=np.asarray(steps, np.int64),
        timesteps=summaries[-1].shape[1] if summaries and len(summaries[-1].shape) > 1 else 0,
        points_used=_points_used(summaries[-1]) if summaries else 0,
        series=table.series(),
        nonfinite=nonfinite,
    )
    return with_jumps(found, thresholds)


def update_ratio_of_a_step(measure: Measure) -> float:
    """What is stored is over all steps since the last write; the mean over these steps is at least this."""
    return measure.value / max(measure.count, 1)


def _points_used(summary: QuantitySummary) -> int:
    return max((sum(norm != 0 for norm in profile.mean) for profile in summary.profiles), default=0)


def with_jumps(history: QuantityHistory, thresholds: Thresholds) -> QuantityHistory:
    """With every gradient norm over its running median, which needs all the steps at once."""
    added = dict(history.series)
    for key, series in history.series.items():
        if key.measure == names.GRADIENT_NORM:
            jumps = over_running_median(series.values, int(thresholds.exploding_window))
            nothing = np.full(jumps.shape, np.nan)
            added[key._replace(measure=names.GRADIENT_JUMP)] = Series(jumps, nothing, nothing)
    return dataclasses.replace(history, series=added)


class _Table:
    """Columns of numbers, of which any may be missing at any step."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._columns: dict[MeasureKey, Floats] = {}

    def set(self, key: MeasureKey, place: int, value: float, of: float, count: float) -> None:
        self.column(key)[:, place] = value, of, count

    def column(self, key: MeasureKey) -> Floats:
        column = self._columns.get(key)
        if column is None:
            column = self._columns[key] = np.full((3, self._steps), np.nan)
        return column

    def series(self) -> dict[MeasureKey, Series]:
        return {key: Series(*column) for key, column in self._columns.items()}


def _add_statistics(table: _Table, quantity: str, place: int, summary: QuantitySummary) -> tuple[NonfiniteBlock, ...]:
    blocks: list[NonfiniteBlock] = []
    bad = total = 0
    gate_of_sequence = quantity.partition("gate/")[2]
    for part in summary.statistics:
        total += part.count
        if part.nan_count or part.inf_count:
            bad += part.nan_count + part.inf_count
            blocks.append(
                NonfiniteBlock(
                    part.direction,
                    part.matrix,
                    part.gate or gate_of_sequence,
                    part.nan_count,
                    part.inf_count,
                    part.count,
                    part.first_nonfinite_timestep if part.HasField("first_nonfinite_timestep") else None,
                    part.last_nonfinite_timestep if part.HasField("last_nonfinite_timestep") else None,
                )
            )
    table.set(MeasureKey(names.NONFINITE, quantity), place, float(bad), float(total), float("nan"))
    return tuple(blocks)


def _add_norms(table: _Table, quantity: str, place: int, summary: QuantitySummary) -> None:
    """The norms of each matrix, or of a direction's gradients together; NaN where one of the numbers isn't finite."""
    of_weights = quantity == WEIGHTS
    squares: dict[MeasureKey, list[float]] = {}
    largest: dict[MeasureKey, list[float]] = {}
    for part in summary.statistics:
        is_bad = bool(part.nan_count or part.inf_count)
        norm = MeasureKey(
            names.WEIGHT_NORM if of_weights else names.GRADIENT_NORM,
            quantity,
            part.direction,
            part.matrix if of_weights else "",
        )
        squares.setdefault(norm, []).append(float("nan") if is_bad else part.l2_norm**2)
        if of_weights and part.matrix != BIAS and (is_bad or part.channel_norms):
            channels = norm._replace(measure=names.LARGEST_CHANNEL_NORM)
            largest.setdefault(channels, []).append(float("nan") if is_bad else part.channel_norms[-1])
    nothing = float("nan")
    for key, of_gates in squares.items():
        table.set(key, place, math.sqrt(sum(of_gates)), nothing, nothing)
    for key, of_gates in largest.items():
        table.set(key, place, float(np.max(of_gates)), nothing, nothing)


def _add_profiles(
    table: _Table, layer: Layer, quantity: str, summaries: Sequence[QuantitySummary], thresholds: Thresholds
) -> None:
    """Everything that the profile of a gradient says, of all steps with profiles of the same length at once."""
    alike: dict[tuple[str, int, int, int, int], tuple[list[int], list[Floats]]] = {}
    for place, summary in enumerate(summaries):
        units = summary.shape[-1] // max(len(layer.directions), 1) if summary.shape else 0
        norms = [np.array(profile.mean, np.float64) for profile in summary.profiles]
        reached = _points_reached(layer, norms)
        for profile, row in zip(summary.profiles, norms, strict=True):
            if row.size > 1 and units:
                kind = (profile.direction, profile.mean_block, profile.timesteps, units, row[:reached].size)
                places, rows = alike.setdefault(kind, ([], []))
                places.append(place)
                rows.append(row[:reached])
    for (direction, block, timesteps, units, _), (places, rows) in alike.items():
        in_order = np.stack(rows)
        if direction == cells.BACKWARD:
            in_order = in_order[:, ::-1]
        most = timesteps - 1
        half_life, fit = gradient_profile.half_life(in_order)
        half_life = np.where(fit >= thresholds.half_life_fit, half_life * block, np.nan)
        # Of a block of timesteps only the largest norm is known: a lag is from the last one of its last block to the
        # first one of its first.
        horizon = np.minimum((gradient_profile.horizon(in_order, thresholds.horizon_share) + 1) * block - 1, most)
        of = np.minimum((gradient_profile.reachable(in_order) + 1) * block - 1, most)
        nothing = np.full(len(places), np.nan)
        for name, values, whole in (
            (names.GRADIENT_HORIZON, horizon, of),
            (
                names.VANISHED_TIMESTEPS,
                gradient_profile.vanished(in_order, units, thresholds.vanished_gradient),
                nothing,
            ),
            (names.HALF_LIFE, half_life, nothing),
            (names.FIRST_OVER_LAST, gradient_profile.first_over_last(in_order), nothing),
        ):
            table.column(MeasureKey(name, quantity, direction))[:, places] = values, whole, nothing


def _points_reached(layer: Layer, norms: Sequence[Floats]) -> int | None:
    """How many points there are up to the last one that a gradient reaches in any direction; None for all of them.

    Behind it is no loss of any sample: the padding of packed sequences, say, with which a backward direction begins. By
    itself such a direction does not tell, since where its gradient has vanished it is zero as well.
    """
    if cells.FORWARD not in layer.directions:
        return None
    return max((int(np.flatnonzero(of_direction).max(initial=-1)) + 1 for of_direction in norms), default=0) or None
