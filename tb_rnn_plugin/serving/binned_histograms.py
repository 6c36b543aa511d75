"""Histograms in as many bins as are asked for, counted from the arrays that were kept, as JSON has them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tb_rnn_plugin import cells
from tb_rnn_plugin.record import FloatArray
from tb_rnn_plugin.serving.query import KeptStep, NotFoundError, ReadArray, RnnData, SeriesKey, SummaryStep

Block = tuple[str, str, str]
Histogram = dict[str, Any]

# The arrays of so many steps are in memory at once.
_STEPS_AT_ONCE = 8
# From here on half a unit on either side of a single value is lost in the rounding of its edges.
_WIDE = 1e6


def binned_histograms(
    data: RnnData,
    experiment: tuple[Any, str],
    series: SeriesKey,
    summaries: Sequence[SummaryStep],
    bins: int,
) -> list[Mapping[Block, Histogram]]:
    """The histogram of every block of each summary's step; none of a block whose arrays can't be had.

    Args:
        data: TensorBoard's data.
        experiment: The request's context, and the experiment's id.
        series: Whose arrays.
        summaries: Its light summaries, which say what the blocks are.
        bins: How many bins, all equally wide, from the smallest finite value of a block to its largest.
    """
    try:
        kept = data.kept_steps(*experiment, series)
    except NotFoundError:  # arrays were never written, or not yet loaded
        kept = {}
    found: list[Mapping[Block, Histogram]] = []
    for first in range(0, len(summaries), _STEPS_AT_ONCE):
        some = summaries[first : first + _STEPS_AT_ONCE]
        wanted: list[tuple[SeriesKey, KeptStep, None]] = [
            (series, kept[one.step], None) for one in some if one.step in kept
        ]
        arrays = iter(data.arrays(*experiment, wanted))
        for one in some:
            read = next(arrays) if one.step in kept else []
            found.append({block: histogram(values, bins) for block, values in _values(one, read)})
    return found


def histogram(values: FloatArray, bins: int) -> Histogram:
    """Counts of the finite values, in bins of equal width of which the last holds its upper edge: as np.histogram.

    Args:
        values: In any shape.
        bins: How many.

    Returns:
        The ends of the first and the last bin, and the counts; no counts where nothing is finite.
    """
    finite = values[np.isfinite(values)].astype(np.float64)
    if not finite.size:
        return {"low": 0.0, "high": 0.0, "counts": []}
    low, high = float(finite.min()), float(finite.max())
    if low == high:
        around = 0.5 if abs(low) < _WIDE else abs(low) / 2
        low, high = low - around, high + around
    counts, _ = np.histogram(finite, bins, (low, high))
    return {"low": low, "high": high, "counts": counts.tolist()}


def _values(step: SummaryStep, read: Sequence[ReadArray]) -> Iterator[tuple[Block, FloatArray]]:
    """The blocks of a step with their values: gates of matrices, or directions of all samples that were kept."""
    names = [(part.direction, part.matrix, part.gate) for part in step.summary.statistics]
    samples = [one.array for one in read if one.key.sample is not None and one.array is not None]
    if samples:
        channels = np.stack(samples)
        yield from zip(names, np.split(channels, len(names), axis=-1), strict=True)
    for one in read:
        direction, matrix = one.key.direction, one.key.matrix
        if one.key.sample is not None or one.array is None:
            continue
        gates = [gate for *place, gate in names if place == [direction, matrix]]
        blocks = cells.split_gates(one.array, gates if gates != [""] else ())
        for gate, block in blocks.items():
            yield (direction, matrix, gate), block
