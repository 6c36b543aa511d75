"""The light summary of a quantity: statistics, histograms and norm profiles. Pure functions on arrays."""

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
    by_exponent = np.bincount(flat.view(np.uint32) >> _MANTISSA_BITS, minlength=2 * _EXPONENTS)
    statistics = Statistics(direction=direction, matrix=matrix, gate=gate, count=flat.size)
    if by_exponent[_NOT_FINITE] or by_exponent[_NOT_FINITE + _EXPONENTS]:
        statistics.nan_count = int(np.count_nonzero(np.isnan(flat)))
        statistics.inf_count = int(np.count_nonzero(np.isinf(flat)))
        flat = flat[np.isfinite(flat)]
    statistics.magnitudes.CopyFrom(_magnitude_histogram(by_exponent))
    if flat.size:
        values = flat.astype(np.float64)
        mean = float(values.mean())
        squares = float(values @ values)
        statistics.minimum = float(flat.min())
        statistics.maximum = float(flat.max())
        statistics.mean = mean
        statistics.l1_norm = _as_float32(float(np.abs(values).sum()))
        statistics.l2_norm = _as_float32(np.sqrt(squares))
        statistics.standard_deviation = _as_float32(values.std())
        statistics.values.CopyFrom(linear_histogram(values, bins))
    return statistics


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


def linear_histogram(values: npt.NDArray[np.float64], bins: int) -> LinearHistogram:
    """Counts of finite values in bins whose width is the least power of two with which `bins` of them are enough.

    Args:
        values: Finite numbers, at least one.
        bins: The most bins to use, at least 2. No fewer than a quarter of them are used, unless the values are almost
            equal.
    """
    low, high = float(values.min()), float(values.max())
    # Values that differ by less than float32's resolution are one bin, not a row of empty ones.
    extent = max(
        high - low, max(abs(low), abs(high)) * float(np.finfo(np.float32).eps), float(np.finfo(np.float32).tiny)
    )
    exponent = int(np.floor(np.log2(extent / bins)))
    while np.floor(np.ldexp(high, -exponent)) - np.floor(np.ldexp(low, -exponent)) >= bins:
        exponent += 1
    indexes = np.floor(np.ldexp(values, -exponent)).astype(np.int64)
    first = int(indexes.min())
    counts = np.bincount(indexes - first)
    return LinearHistogram(exponent=exponent, first_bin=first, counts=counts.tolist())


def norm_profile(channels: FloatArray, direction: str) -> NormProfile:
    """The L2 norm over channels at each timestep: its mean and quantiles over samples.

    Args:
        channels: (samples, timesteps, channels) of one direction.
        direction: Its name.
    """
    values = channels.astype(np.float64)
    norms = np.sqrt(np.einsum("stc,stc->st", values, values))
    timesteps = norms.shape[1]
    mean, mean_block = thin(norms.mean(axis=0), _MEAN_POINTS)
    with np.errstate(invalid="ignore"):  # the quantile between Inf and Inf is NaN
        quantiles = np.quantile(norms, PROFILE_QUANTILES, axis=0)
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
