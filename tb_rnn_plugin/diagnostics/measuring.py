"""What takes the arrays to be measured: a record's quantities as the measures that are stored in their light summaries.

It keeps what a measure needs of the write before, and thins in time what is dear.
"""

import functools
import time
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from tb_rnn_plugin import cells
from tb_rnn_plugin.diagnostics import catalogue as names
from tb_rnn_plugin.diagnostics.gate_saturation import NOT_GATES, saturated_shares, saturation
from tb_rnn_plugin.diagnostics.gradient_profile import growth
from tb_rnn_plugin.diagnostics.memory import KEEP_GATES, cell_path_horizon, timescale
from tb_rnn_plugin.diagnostics.representation import effective_rank, mean_correlation, participation_ratio, scatter
from tb_rnn_plugin.diagnostics.spectral_radius import spectral_radius
from tb_rnn_plugin.diagnostics.thresholds import DEFAULT, Thresholds
from tb_rnn_plugin.diagnostics.unit_activity import dead_units, dormancy
from tb_rnn_plugin.diagnostics.weight_measures import count_dead, count_large, update_ratio
from tb_rnn_plugin.quantity_names import ACTIVATION, BPTT_GRADIENT, GATE, OUTPUT_GRADIENT
from tb_rnn_plugin.record import BIAS, RECURRENT_KERNEL, WEIGHTS, FloatArray, LayerRecord, Matrices
from tb_rnn_plugin.rnn_data_pb2 import Measure

# Dear measures take at most this share of the time, all of them together, each one's first time apart: eigenvalues of
# 256 units are 20 ms of work, and five times that is what they take from the training on the same cores, since the
# threads of numpy's BLAS keep these busy while they wait. Of wider layers than these one alone takes too long.
_SHARE_OF_TIME = 0.002
WIDEST_SPECTRUM = 512
WIDEST_REPRESENTATION = 1024
_MOST_OBSERVATIONS = 8192

# A tenth of the units remember for longer.
_MOST_UNITS = 0.9


class Measuring:
    """Measures the records of one run, write after write. Used by one thread at a time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Takes the clock by which dear measures are thinned."""
        self._budget = _Budget(clock)
        self._before: dict[str, tuple[int, Mapping[str, Matrices]]] = {}

    def measures(
        self, record: LayerRecord, quantity: str, step: int, samples: int | None, thresholds: Thresholds = DEFAULT
    ) -> list[Measure]:
        """The measures of one quantity of a record; those that can't be had are left out.

        Args:
            record: The record.
            quantity: One of its quantities.
            step: Its training step.
            samples: Of how many samples of a sequence; None: of all.
            thresholds: What counts.
        """
        if quantity == WEIGHTS:
            found = self._of_weights(record, step, thresholds)
        elif quantity == ACTIVATION and record.cell is not None:
            found = self._of_activation(record, samples, thresholds)
        elif quantity == BPTT_GRADIENT:
            found = _of_gradient_through_time(record)
        elif quantity.startswith(GATE):
            found = self._of_gate(record, quantity, samples, thresholds)
        else:
            return []
        with np.errstate(all="ignore"):  # a signalling NaN is no news, nor what a net that diverges overflows
            return [measure for measure in found if np.isfinite(measure.value)]

    def _of_activation(self, record: LayerRecord, samples: int | None, thresholds: Thresholds) -> Iterator[Measure]:
        for direction in record.directions:
            activation = record.sequences[ACTIVATION][:samples, :, record.channels(direction, ACTIVATION)]
            units = activation.shape[-1]
            dead = dead_units(activation, thresholds.dead_activation, thresholds.dead_variance)
            yield Measure(
                name=names.DEAD_UNITS,
                direction=direction,
                value=int(np.count_nonzero(dead)),
                count=units,
                threshold=thresholds.dead_activation,
            )
            dormant = dormancy(activation) <= thresholds.dormant_score
            yield Measure(
                name=names.DORMANT_UNITS,
                direction=direction,
                value=int(np.count_nonzero(dormant)),
                count=units,
                threshold=thresholds.dormant_score,
            )
            yield from self._budget.spent(
                (record.name, direction, ACTIVATION), functools.partial(_representation, activation, direction)
            )

    def _of_weights(self, record: LayerRecord, step: int, thresholds: Thresholds) -> Iterator[Measure]:
        last_step, before = self._before.get(record.name, (step, {}))
        self._before[record.name] = step, record.weights
        for direction, matrices in record.weights.items():
            for matrix, weights in matrices.items():
                old = before.get(direction, {}).get(matrix)
                if old is not None and old.shape == weights.shape and last_step < step:
                    yield Measure(
                        name=names.UPDATE_RATIO,
                        direction=direction,
                        matrix=matrix,
                        value=update_ratio(old, weights),
                        count=step - last_step,
                    )
                if matrix != BIAS:
                    yield from _of_matrix(weights, direction, matrix, thresholds)
            recurrent = matrices.get(RECURRENT_KERNEL)
            if record.cell is not None and recurrent is not None:
                for gate, block in cells.split_gates(recurrent, record.gates).items():
                    yield from self._budget.spent(
                        (record.name, direction, RECURRENT_KERNEL, gate),
                        functools.partial(_spectral_radius, block, direction, gate),
                    )

    def _of_gate(
        self, record: LayerRecord, quantity: str, samples: int | None, thresholds: Thresholds
    ) -> Iterator[Measure]:
        gate = quantity.removeprefix(GATE)
        if gate in NOT_GATES:
            return
        for direction in record.directions:
            values = record.sequences[quantity][:samples, :, record.channels(direction, quantity)]
            of_time = saturation(values, thresholds.gate_low, thresholds.gate_high)
            shares = saturated_shares(of_time, thresholds.gate_time)
            for name, share, threshold in (
                (names.SATURATED_LOW, shares.low, thresholds.gate_low),
                (names.SATURATED_HIGH, shares.high, thresholds.gate_high),
                (names.SATURATED, shares.either, thresholds.gate_low),
            ):
                yield Measure(
                    name=name,
                    direction=direction,
                    gate=gate,
                    value=share,
                    count=values.shape[-1],
                    threshold=threshold,
                )
            if gate == KEEP_GATES.get(record.cell or ""):
                yield from _timescales(values, direction, gate)
                yield from self._budget.spent(
                    (record.name, direction, names.CELL_PATH),
                    functools.partial(_cell_path, values, direction, gate, thresholds.cell_path_share),
                )


class _Budget:
    """Lets dear work be done seldom enough that all of it takes a small share of the time; each has its turn.

    What has never been done is done at once, so that even a short run has all of it.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._pause_until = float("-inf")
        self._known: set[tuple[str, ...]] = set()
        self._done: set[tuple[str, ...]] = set()
        self._let_others_go: set[tuple[str, ...]] = set()

    def spent(self, work: tuple[str, ...], do: Callable[[], list[Measure]]) -> list[Measure]:
        """What is measured, or nothing before it is time, and this work's turn, again."""
        start = self._clock()
        known = work in self._known
        if known:
            if start < self._pause_until:
                return []
            if work in self._done and work not in self._let_others_go:
                self._let_others_go.add(work)
                return []
            if work in self._done:  # no other work came in the meantime
                self._done.clear()
        measures = do()
        end = self._clock()
        self._pause_until = end + (end - start) / _SHARE_OF_TIME
        (self._done if known else self._known).add(work)
        self._let_others_go.clear()
        return measures


def _of_gradient_through_time(record: LayerRecord) -> Iterator[Measure]:
    direct = record.sequences.get(OUTPUT_GRADIENT)
    if direct is None:
        return
    for direction in record.directions:
        total = record.sequences[BPTT_GRADIENT][:, :, record.channels(direction, BPTT_GRADIENT)]
        arrived = direct[: len(total), :, record.channels(direction, OUTPUT_GRADIENT)]
        half = record.recurrence.halves.get(direction) if record.recurrence else None
        at_states = half.state_gradients if half else ()  # that of the last h_t is in the output gradient
        value = growth(total, arrived, *at_states[1:])
        yield Measure(name=names.GROWTH, direction=direction, value=value, count=len(total))


def _representation(activation: FloatArray, direction: str) -> list[Measure]:
    observed = activation.reshape(-1, activation.shape[-1])[:_MOST_OBSERVATIONS]
    observations, units = observed.shape
    if observations < 2 or units > WIDEST_REPRESENTATION or not np.isfinite(observed).all():
        return []
    scattered, mean = scatter(observed)
    values = {
        names.CORRELATION: mean_correlation(scattered),
        names.EFFECTIVE_RANK: effective_rank(scattered, mean, observations),
        names.PARTICIPATION_RATIO: participation_ratio(scattered),
    }
    return [Measure(name=name, direction=direction, value=value, count=observations) for name, value in values.items()]


def _spectral_radius(block: FloatArray, direction: str, gate: str) -> list[Measure]:
    if block.ndim != 2 or block.shape[0] != block.shape[1] or len(block) > WIDEST_SPECTRUM:
        return []
    return [
        Measure(
            name=names.SPECTRAL_RADIUS,
            direction=direction,
            matrix=RECURRENT_KERNEL,
            gate=gate,
            value=spectral_radius(block),
            count=len(block),
        )
    ]


def _of_matrix(weights: FloatArray, direction: str, matrix: str, thresholds: Thresholds) -> list[Measure]:
    values = (
        (names.DEAD_WEIGHTS, count_dead(weights, thresholds.dead_weight), thresholds.dead_weight),
        (names.LARGE_WEIGHTS, count_large(weights, thresholds.large_weight), thresholds.large_weight),
    )
    return [
        Measure(name=name, direction=direction, matrix=matrix, value=value, count=weights.size, threshold=threshold)
        for name, value, threshold in values
    ]


def _timescales(keep: FloatArray, direction: str, gate: str) -> Iterator[Measure]:
    scales = timescale(keep)
    for name, value in (
        (names.TIMESCALE, float(np.median(scales))),
        (names.LONGEST_TIMESCALE, float(np.quantile(scales, _MOST_UNITS, method="lower"))),
    ):
        yield Measure(name=name, direction=direction, gate=gate, value=value, count=keep.shape[1])


def _cell_path(keep: FloatArray, direction: str, gate: str, share: float) -> list[Measure]:
    path = cell_path_horizon(keep if direction == cells.FORWARD else keep[:, ::-1], share)
    return [
        Measure(
            name=names.CELL_PATH,
            direction=direction,
            gate=gate,
            value=float(np.median(path)),
            count=keep.shape[1],
            threshold=share,
        )
    ]
