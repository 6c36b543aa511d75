"""The light summary of a quantity: statistics, histograms and norm profiles. Pure functions on arrays."""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from tb_rnn_plugin import cells
from tb_rnn_plugin.record import MATRIX_QUANTITIES, FloatArray, LayerRecord
from tb_rnn_plugin.rnn_data_pb2 import LinearHistogram, MagnitudeHistogram, NormProfile, Statistics
from tb_rnn_plugin.row_sums import exact_sum, row_magnitudes, row_squares, row_sums, rows_of, squared_deviations

PROFILE_QUANTILES = (0.1, 0.5, 0.9)

# What keeps a summary at about 4 KB, so that 1000 steps of a series are one read of ~30 ms.
_MEAN_POINTS = 256
_QUANTILE_POINTS = 64
_BINS_IN_ALL = 768
_MOST_BINS = 64
_FEWEST_BINS = 16

# The upper 14 bits of a float32: its sign, its exponent and 5 bits of its mantissa, which are as fine as 64 bins need.
_EXPONENTS = 256
_EXPONENT_BIAS = 127
_NOT_FINITE = 255
_EXPONENT_SHIFT = 23
_BUCKET_SHIFT = 18
_BUCKETS_OF_EXPONENT = 32
_NEGATIVE_BUCKETS = 1 << 13

# Below this share of the squared mean, a variance found as the difference of two sums of float32 has too few digits.
_CANCELLED = 1e-1

_LARGEST = float(np.finfo(np.float32).max)

# Numbers that are worked on at once: they stay in the processor's cache from one operation to the next.
_CHUNK = 32 * 1024
_FEWEST_FOR_BUCKETS = 16 * 1024


def quantity_summary(record: LayerRecord, quantity: str) -> tuple[list[Statistics], list[NormProfile]]:
    """Statistics and norm profile of each direction of a sequence; statistics of each gate of each matrix."""
    if quantity in MATRIX_QUANTITIES:
        blocks = list(_matrix_blocks(record, quantity))
        bins = max(_FEWEST_BINS, min(_MOST_BINS, _BINS_IN_ALL // len(blocks)))
        return [
            array_statistics(array, bins=bins, direction=direction, matrix=matrix, gate=gate)
            for (direction, matrix, gate), array in blocks
        ], []
    statistics, profiles = [], []
    for direction in record.directions:
        of_direction = record.sequences[quantity][:, :, record.channels(direction, quantity)]
        channels = np.ascontiguousarray(of_direction)
        squares = row_squares(channels.reshape(-1, channels.shape[-1])).reshape(channels.shape[:-1])
        found = array_statistics(channels, bins=_MOST_BINS, direction=direction, squares=squares)
        statistics.append(_with_first_nonfinite_timestep(found, channels))
        profiles.append(norm_profile(np.sqrt(squares), direction))
    return statistics, profiles


def _matrix_blocks(record: LayerRecord, quantity: str) -> Iterator[tuple[tuple[str, str, str], FloatArray]]:
    """Every matrix gate by gate, or whole where there are no gates."""
    for direction, matrices in getattr(record, quantity).items():
        for matrix, array in matrices.items():
            gated = record.gates if array.shape[-1] % cells.block_count(record.gates) == 0 else ()
            for gate, block in cells.split_gates(array, gated if matrix != _UNGATED else ()).items():
                yield (direction, matrix, gate), block


#: The projection of an LSTM's state has no gates, whatever its width.
_UNGATED = "projection_kernel"


def array_statistics(
    array: FloatArray,
    *,
    bins: int,
    direction: str = "",
    matrix: str = "",
    gate: str = "",
    squares: npt.NDArray[np.float64] | None = None,
) -> Statistics:
    """Counts, extremes, moments, norms and both histograms of all numbers of an array.

    Args:
        array: The numbers, in any shape.
        bins: The most bins of the linear histogram, at least 2.
        direction: What they belong to, …
        matrix: …
        gate: ….
        squares: Sums of their squares over some of the axes, where these are known already.
    """
    flat = np.ascontiguousarray(array).ravel()
    statistics = Statistics(direction=direction, matrix=matrix, gate=gate, count=flat.size)
    with np.errstate(invalid="ignore"):  # the least of numbers and a signalling NaN
        low, high = float(flat.min()), float(flat.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        statistics.nan_count = int(np.count_nonzero(np.isnan(flat)))
        statistics.inf_count = int(np.count_nonzero(np.isinf(flat)))
        flat = flat[np.isfinite(flat)]
        squares = None  # they are not finite either
        low, high = (float(flat.min()), float(flat.max())) if flat.size else (0.0, 0.0)
    # Counted finely, numbers need to be gone through once for both histograms; which pays where there are many.
    buckets = _count_upper_bits(flat, _BUCKET_SHIFT) if flat.size >= _FEWEST_FOR_BUCKETS else None
    by_exponent = (
        _count_upper_bits(flat, _EXPONENT_SHIFT)
        if buckets is None
        else buckets.reshape(-1, _BUCKETS_OF_EXPONENT).sum(axis=1)
    )
    statistics.magnitudes.CopyFrom(_magnitude_histogram(by_exponent))
    if flat.size:
        statistics.minimum, statistics.maximum = low, high
        _add_moments(statistics, flat, squares)
        statistics.values.CopyFrom(_linear_histogram(flat, buckets, low, high, bins))
    return statistics


def _add_moments(statistics: Statistics, flat: FloatArray, squares: npt.NDArray[np.float64] | None) -> None:
    rows = rows_of(flat)
    total_of_squares = sum(float(row_squares(each).sum()) for each in rows) if squares is None else float(squares.sum())
    mean = sum(float(row_sums(each).sum()) for each in rows) / flat.size
    variance = total_of_squares / flat.size - mean * mean
    if variance < mean * mean * _CANCELLED:
        mean = exact_sum(flat) / flat.size
        variance = squared_deviations(flat, mean) / flat.size
    statistics.mean = mean
    statistics.standard_deviation = _as_float32(np.sqrt(variance))
    statistics.l2_norm = _as_float32(np.sqrt(total_of_squares))
    if statistics.matrix:
        statistics.l1_norm = _as_float32(sum(float(row_magnitudes(each).sum()) for each in rows))


def _as_float32(value: float) -> float:
    """Clipped to what a float field can hold, where protobuf would turn it into Inf."""
    return min(max(float(value), 0.0), _LARGEST)


def _count_upper_bits(flat: FloatArray, shift: int) -> npt.NDArray[np.intp]:
    """Counts of finite numbers by the upper bits of their float32: sign, exponent and what is left of the mantissa.

    Every count is of the numbers from a lower edge on and below an upper edge, as the bins of the histograms are. The
    bits of negative numbers grow as these fall, so theirs are counted down by one first.
    """
    keys = np.empty(flat.size, np.uint16)
    for start in range(0, flat.size, _CHUNK):
        bits = flat[start : start + _CHUNK].view(np.uint32)
        lowered = bits >> np.uint32(31)
        np.subtract(bits, lowered, out=lowered)
        lowered >>= np.uint32(shift)
        keys[start : start + _CHUNK] = lowered
    counts = np.bincount(keys, minlength=1 << (32 - shift))
    # -0, counted down by one, is where a NaN would be; it is 0.
    minus_zeros = (1 << (31 - shift)) - 1
    counts[0] += counts[minus_zeros]
    counts[minus_zeros] = 0
    return counts


def _magnitude_histogram(by_exponent: npt.NDArray[np.intp]) -> MagnitudeHistogram:
    by_sign = by_exponent.reshape(2, _EXPONENTS)
    positive, negative = by_sign[:, 1:_NOT_FINITE]
    histogram = MagnitudeHistogram(zero=int(by_sign[:, 0].sum()))
    used = np.flatnonzero(positive + negative)
    if used.size:
        window = slice(used[0], used[-1] + 1)
        histogram.first_exponent = int(used[0]) + 1 - _EXPONENT_BIAS
        histogram.positive.extend(positive[window].tolist())
        histogram.negative.extend(negative[window].tolist())
    return histogram


def _linear_histogram(
    flat: FloatArray, buckets: npt.NDArray[np.intp] | None, low: float, high: float, bins: int
) -> LinearHistogram:
    """Counts of finite values in bins whose width is the least power of two with which `bins` of them are enough.

    Args:
        flat: Finite numbers, at least one.
        buckets: The same, counted by bucket, or None.
        low: The least of them.
        high: The largest of them.
        bins: The most bins to use, at least 2. No fewer than a quarter of them are used, unless the values are almost
            equal.
    """
    # Values that differ by less than float32's resolution are one bin, not a row of empty ones.
    resolution = np.finfo(np.float32)
    magnitude = max(abs(low), abs(high))
    extent = max(high - low, magnitude * float(resolution.eps), float(resolution.tiny))
    exponent = math.floor(math.log2(extent / bins))
    while _bin_index(high, exponent) - _bin_index(low, exponent) >= bins:
        exponent += 1
    first = _bin_index(low, exponent)
    length = _bin_index(high, exponent) - first + 1
    # The widest bucket lies where the largest magnitude is; edges of both are multiples of powers of two.
    widest_bucket = math.ldexp(1.0, math.frexp(magnitude)[1]) / _BUCKETS_OF_EXPONENT
    if buckets is not None and math.ldexp(1.0, exponent) >= widest_bucket:
        counts = _regrouped(buckets, exponent, first, length)
    else:
        counts = _counted(flat, exponent, first, length)
    return LinearHistogram(exponent=exponent, first_bin=first, counts=counts.tolist())


def _bin_index(value: float, exponent: int) -> int:
    return math.floor(math.ldexp(value, -exponent))


def _regrouped(buckets: npt.NDArray[np.intp], exponent: int, first: int, length: int) -> npt.NDArray[np.int64]:
    """Counts by bin from counts by bucket, each bucket as a whole by its lower edge."""
    used = np.flatnonzero(buckets)
    negative = used >= _NEGATIVE_BUCKETS
    edge_bits = np.where(negative, used - _NEGATIVE_BUCKETS + 1, used).astype(np.uint32) << np.uint32(_BUCKET_SHIFT)
    edges = edge_bits.view(np.float32).astype(np.float64)
    edges[np.isinf(edges)] = 2.0**128  # the edge beyond the largest number
    edges = np.where(negative, -edges, edges) * 2.0**-exponent
    indexes = np.floor(edges).astype(np.int64) - first
    # The first bucket may begin before the first bin, and hold values of that bin only.
    return np.bincount(np.maximum(indexes, 0), weights=buckets[used], minlength=length).astype(np.int64)


def _counted(flat: FloatArray, exponent: int, first: int, length: int) -> npt.NDArray[np.int64]:
    """Counts by bin, value by value: for bins that are narrower than buckets."""
    counts = np.zeros(length, np.int64)
    for start in range(0, flat.size, _CHUNK):
        chunk = flat[start : start + _CHUNK]
        # Scaling a float32 by a power of two is exact in float64, and so is rounding down before the difference.
        scaled = chunk.astype(np.float64)
        scaled *= 2.0**-exponent
        np.floor(scaled, out=scaled)
        scaled -= first
        counts += np.bincount(scaled.astype(np.intp), minlength=length)
    return counts


def norm_profile(norms: npt.NDArray[np.float64], direction: str) -> NormProfile:
    """The mean and quantiles over samples of the L2 norm over channels, at each timestep.

    Args:
        norms: (samples, timesteps) of one direction.
        direction: Its name.
    """
    quantiles = _quantiles(norms)
    timesteps = norms.shape[1]
    mean, mean_block = thin(norms.mean(axis=0), _MEAN_POINTS)
    thinned = [thin(quantile, _QUANTILE_POINTS) for quantile in quantiles]
    return NormProfile(
        direction=direction,
        timesteps=timesteps,
        mean_block=mean_block,
        mean=_float32_list(mean),
        quantile_block=thinned[0][1],
        quantiles=PROFILE_QUANTILES,
        quantile_values=[value for points, _ in thinned for value in _float32_list(points)],
    )


def _quantiles(norms: npt.NDArray[np.float64]) -> list[npt.NDArray[np.float64]]:
    """Quantiles over the first axis, interpolated linearly: as numpy.quantile, in an eighth of the time."""
    ordered = np.sort(norms, axis=0)  # NaN comes last
    quantiles = []
    for quantile in PROFILE_QUANTILES:
        share, below = math.modf(quantile * (len(norms) - 1))
        between = ordered[int(below)]
        if share:
            with np.errstate(invalid="ignore"):  # between Inf and Inf is NaN
                between = between + (ordered[int(below) + 1] - between) * share
        quantiles.append(np.where(np.isnan(ordered[-1]), np.nan, between))
    return quantiles


def _float32_list(values: npt.NDArray[np.float64]) -> list[float]:
    with np.errstate(over="ignore"):
        return [float(value) for value in values.astype(np.float32)]


def thin(profile: npt.NDArray[np.float64], points: int) -> tuple[npt.NDArray[np.float64], int]:
    """At most `points` of a profile, and the timesteps a point stands for.

    A point is the largest of its block; NaN counts as largest.
    """
    block = -(-profile.size // points)
    return np.maximum.reduceat(profile, np.arange(0, profile.size, block)), block


def _with_first_nonfinite_timestep(statistics: Statistics, channels: FloatArray) -> Statistics:
    if statistics.nan_count or statistics.inf_count:
        finite_at = np.isfinite(channels).all(axis=(0, 2))
        statistics.first_nonfinite_timestep = int(np.argmin(finite_at))
    return statistics
