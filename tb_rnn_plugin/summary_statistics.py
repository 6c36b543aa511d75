"""The light summary of a quantity: statistics, histograms and norm profiles. Pure functions on arrays."""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from tb_rnn_plugin import cells
from tb_rnn_plugin.record import MATRIX_QUANTITIES, FloatArray, LayerRecord
from tb_rnn_plugin.rnn_data_pb2 import LinearHistogram, MagnitudeHistogram, NormProfile, Statistics

PROFILE_QUANTILES = (0.1, 0.5, 0.9)

# What keeps a summary at about 4 KB, so that 1000 steps of a series are one read of ~30 ms.
_MEAN_POINTS = 256
_QUANTILE_POINTS = 64
_BINS_IN_ALL = 768
_MOST_BINS = 64
_FEWEST_BINS = 16

# The upper 9 bits of a float32 are its sign and its exponent.
_MANTISSA_BITS = 23
_EXPONENTS = 256
_EXPONENT_BIAS = 127
_NOT_FINITE = 255

# Below this share of the squared mean, a variance that was found as the difference of two sums is mostly rounding.
_CANCELLED = 1e-6

_CHUNK = 32 * 1024


def quantity_statistics(record: LayerRecord, quantity: str) -> list[Statistics]:
    """Statistics of each direction of a sequence, or of each matrix and each of its gates."""
    if quantity in MATRIX_QUANTITIES:
        blocks = list(_matrix_blocks(record, quantity))
        bins = max(_FEWEST_BINS, min(_MOST_BINS, _BINS_IN_ALL // len(blocks)))
        return [array_statistics(array, bins=bins, **key) for key, array in blocks]
    array = record.sequences[quantity]
    return [
        _with_first_nonfinite_timestep(array_statistics(channels, bins=_MOST_BINS, direction=direction), channels)
        for direction, channels in _by_direction(record, quantity, array)
    ]


def quantity_profiles(record: LayerRecord, quantity: str) -> list[NormProfile]:
    """The norm profile of each direction of a sequence; none for matrices."""
    if quantity in MATRIX_QUANTITIES:
        return []
    return [
        norm_profile(channels, direction)
        for direction, channels in _by_direction(record, quantity, record.sequences[quantity])
    ]


def _by_direction(record: LayerRecord, quantity: str, array: FloatArray) -> Iterator[tuple[str, FloatArray]]:
    for direction in record.directions:
        yield direction, array[:, :, record.channels(direction, quantity)]


def _matrix_blocks(record: LayerRecord, quantity: str) -> Iterator[tuple[dict[str, str], FloatArray]]:
    """Every matrix gate by gate, or whole where there are no gates."""
    for direction, matrices in getattr(record, quantity).items():
        for matrix, array in matrices.items():
            whole = {"direction": direction, "matrix": matrix}
            gated = record.gates if array.shape[-1] % cells.block_count(record.gates) == 0 else ()
            for gate, block in cells.split_gates(array, gated if matrix != _UNGATED else ()).items():
                yield {**whole, "gate": gate}, block


#: The projection of an LSTM's state has no gates, whatever its width.
_UNGATED = "projection_kernel"


def array_statistics(
    array: FloatArray, *, bins: int, direction: str = "", matrix: str = "", gate: str = ""
) -> Statistics:
    """Counts, extremes, moments, norms and both histograms of all numbers of an array.

    Moments and norms are computed in float64: gradients that have vanished square to less than float32 can hold.
    """
    flat = np.ascontiguousarray(array).ravel()
    statistics = Statistics(direction=direction, matrix=matrix, gate=gate, count=flat.size)
    by_exponent = np.zeros(2 * _EXPONENTS, np.int64)
    for chunk in _chunks(flat):
        by_exponent += np.bincount(chunk.view(np.uint32) >> np.uint32(_MANTISSA_BITS), minlength=2 * _EXPONENTS)
    statistics.magnitudes.CopyFrom(_magnitude_histogram(by_exponent))
    if by_exponent[_NOT_FINITE] or by_exponent[_NOT_FINITE + _EXPONENTS]:
        statistics.nan_count = int(np.count_nonzero(np.isnan(flat)))
        statistics.inf_count = int(np.count_nonzero(np.isinf(flat)))
        flat = flat[np.isfinite(flat)]
    if flat.size:
        _add_moments(statistics, flat)
        statistics.values.CopyFrom(linear_histogram(flat, statistics.minimum, statistics.maximum, bins))
    return statistics


def _chunks(flat: FloatArray) -> Iterator[FloatArray]:
    """Pieces that stay in the processor's cache from one operation to the next: three times as fast as whole arrays."""
    for start in range(0, flat.size, _CHUNK):
        yield flat[start : start + _CHUNK]


def _add_moments(statistics: Statistics, flat: FloatArray) -> None:
    total = total_of_squares = total_of_magnitudes = 0.0
    for chunk in _chunks(flat):
        values = chunk.astype(np.float64)
        total += float(values.sum())
        total_of_squares += _sum_of_squares(values)
        total_of_magnitudes += float(np.abs(values, out=values).sum())
    mean = total / flat.size
    statistics.minimum = float(flat.min())
    statistics.maximum = float(flat.max())
    statistics.mean = mean
    statistics.l1_norm = _as_float32(total_of_magnitudes)
    statistics.l2_norm = _as_float32(np.sqrt(total_of_squares))
    variance = total_of_squares / flat.size - mean * mean
    if variance < mean * mean * _CANCELLED:
        variance = sum(_sum_of_squares(chunk.astype(np.float64) - mean) for chunk in _chunks(flat)) / flat.size
    statistics.standard_deviation = _as_float32(np.sqrt(variance))


def _sum_of_squares(values: npt.NDArray[np.float64]) -> float:
    # Not a BLAS product, which would wake threads that the training needs.
    return float(np.einsum("i,i->", values, values))


def _as_float32(value: float) -> float:
    """Clipped to what a float field can hold, where protobuf would turn it into Inf."""
    return float(np.clip(value, 0.0, np.finfo(np.float32).max))


def _magnitude_histogram(by_exponent: npt.NDArray[np.intp]) -> MagnitudeHistogram:
    positive = by_exponent[1:_NOT_FINITE]
    negative = by_exponent[_EXPONENTS + 1 : _EXPONENTS + _NOT_FINITE]
    histogram = MagnitudeHistogram(zero=int(by_exponent[0] + by_exponent[_EXPONENTS]))
    used = np.flatnonzero(positive + negative)
    if used.size:
        window = slice(used[0], used[-1] + 1)
        histogram.first_exponent = int(used[0]) + 1 - _EXPONENT_BIAS
        histogram.positive.extend(positive[window].tolist())
        histogram.negative.extend(negative[window].tolist())
    return histogram


def linear_histogram(flat: FloatArray, low: float, high: float, bins: int) -> LinearHistogram:
    """Counts of finite values in bins whose width is the least power of two with which `bins` of them are enough.

    Args:
        flat: Finite numbers, at least one.
        low: The least of them.
        high: The largest of them.
        bins: The most bins to use, at least 2. No fewer than a quarter of them are used, unless the values are almost
            equal.
    """
    # Values that differ by less than float32's resolution are one bin, not a row of empty ones.
    resolution = np.finfo(np.float32)
    extent = max(high - low, max(abs(low), abs(high)) * float(resolution.eps), float(resolution.tiny))
    exponent = int(np.floor(np.log2(extent / bins)))
    while _bin_index(high, exponent) - _bin_index(low, exponent) >= bins:
        exponent += 1
    first = _bin_index(low, exponent)
    counts = np.zeros(_bin_index(high, exponent) - first + 1, np.int64)
    for chunk in _chunks(flat):
        # Scaling a float32 by a power of two is exact in float64, and so is rounding down before the difference.
        scaled = chunk.astype(np.float64)
        scaled *= 2.0**-exponent
        np.floor(scaled, out=scaled)
        scaled -= first
        counts += np.bincount(scaled.astype(np.intp), minlength=counts.size)
    return LinearHistogram(exponent=exponent, first_bin=first, counts=counts.tolist())


def _bin_index(value: float, exponent: int) -> int:
    return math.floor(math.ldexp(value, -exponent))


def norm_profile(channels: FloatArray, direction: str) -> NormProfile:
    """The L2 norm over channels at each timestep: its mean and quantiles over samples.

    Args:
        channels: (samples, timesteps, channels) of one direction.
        direction: Its name.
    """
    with np.errstate(invalid="ignore"):  # a signalling NaN is no news; the quantile between Inf and Inf is NaN
        norms = np.stack([_norms(sample.astype(np.float64)) for sample in channels])
        quantiles = np.quantile(norms, PROFILE_QUANTILES, axis=0)
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


def _norms(sample: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    norms: npt.NDArray[np.float64] = np.sqrt(np.einsum("tc,tc->t", sample, sample))
    return norms


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
