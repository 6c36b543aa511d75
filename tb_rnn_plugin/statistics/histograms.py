"""Histograms whose bins are powers of two wide, so that those of other steps and runs can be added exactly."""

import dataclasses
import functools
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tb_rnn_plugin.record import FloatArray
from tb_rnn_plugin.rnn_data_pb2 import LinearHistogram, MagnitudeHistogram

# A bucket is the upper 14 bits of a float32: its sign, its exponent and 5 bits of its mantissa, which are as fine as 64
# bins need.
_SHIFT = 18
_BUCKETS = 1 << 14
_NEGATIVE = 1 << 13
_BUCKETS_OF_EXPONENT = 32
_EXPONENTS = 256
_EXPONENT_BIAS = 127
_NOT_FINITE = 255

# Numbers that are worked on at once: they stay in the processor's cache from one operation to the next.
_CHUNK = 64 * 1024


@dataclasses.dataclass(frozen=True)
class Buckets:
    """How many numbers there are in each bucket. Numbers are gone through once, for both histograms.

    A count is of the numbers from a lower edge on and below an upper edge, as the bins of the histograms are.

    Attributes:
        keys: The buckets that hold any.
        counts: How many each of them holds.
    """

    keys: npt.NDArray[np.intp]
    counts: npt.NDArray[np.intp]

    def edges(self) -> npt.NDArray[np.float64]:
        """The lower edge of each bucket."""
        return _edges()[self.keys]


@functools.cache
def _edges() -> npt.NDArray[np.float64]:
    """The lower edge of every bucket that there can be."""
    keys = np.arange(_BUCKETS, dtype=np.uint32)
    negative = keys >= _NEGATIVE
    bits = np.where(negative, keys - np.uint32(_NEGATIVE - 1), keys) << np.uint32(_SHIFT)
    with np.errstate(invalid="ignore"):  # no number has a key beyond that of the largest
        edges = bits.view(np.float32).astype(np.float64)
    edges[np.isinf(edges)] = 2.0**128  # the edge beyond the largest number
    return np.where(negative, -edges, edges)


def count_by_bucket(columns: FloatArray, blocks: int) -> list[Buckets]:
    """Counts the numbers of each block of columns.

    Args:
        columns: (rows, blocks x width), finite and contiguous.
        blocks: How many blocks lie side by side.
    """
    if blocks == 1:
        columns = columns.reshape(-1, 1)
    keys = np.empty(columns.shape, np.min_scalar_type(blocks * _BUCKETS - 1))
    firsts = np.repeat(np.arange(blocks, dtype=np.uint32) * np.uint32(_BUCKETS), columns.shape[1] // blocks)
    at_once = max(_CHUNK // max(columns.shape[1], 1), 1)
    for start in range(0, len(columns), at_once):
        bits = columns[start : start + at_once].view(np.uint32)
        # The bits of negative numbers grow as these fall, so theirs are counted down by one.
        lowered = bits >> np.uint32(31)
        np.subtract(bits, lowered, out=lowered)
        lowered >>= np.uint32(_SHIFT)
        if blocks > 1:
            lowered += firsts
        keys[start : start + at_once] = lowered
    counts = np.bincount(keys.ravel(), minlength=blocks * _BUCKETS).reshape(blocks, _BUCKETS)
    # -0, counted down by one, is where a NaN would be; it is 0.
    counts[:, 0] += counts[:, _NEGATIVE - 1]
    counts[:, _NEGATIVE - 1] = 0
    used = [np.flatnonzero(of_block) for of_block in counts != 0]  # of booleans, it takes a fifth of the time
    return [Buckets(found, of_block[found]) for found, of_block in zip(used, counts, strict=True)]


def magnitude_histogram(buckets: Buckets) -> MagnitudeHistogram:
    """Counts by power of two, of negative and positive numbers apart."""
    by_exponent = np.bincount(buckets.keys // _BUCKETS_OF_EXPONENT, buckets.counts, minlength=2 * _EXPONENTS)
    by_sign = by_exponent.astype(np.int64).reshape(2, _EXPONENTS)
    positive, negative = by_sign[:, 1:_NOT_FINITE]
    histogram = MagnitudeHistogram(zero=int(by_sign[:, 0].sum()))
    used = np.flatnonzero(positive + negative)
    if used.size:
        window = slice(used[0], used[-1] + 1)
        histogram.first_exponent = int(used[0]) + 1 - _EXPONENT_BIAS
        histogram.positive.extend(positive[window].tolist())
        histogram.negative.extend(negative[window].tolist())
    return histogram


def linear_histogram(
    buckets: Buckets, values: Callable[[], FloatArray], low: float, high: float, bins: int
) -> LinearHistogram:
    """Counts in bins whose width is the least power of two with which `bins` of them are enough.

    Args:
        buckets: The numbers, counted by bucket, at least one.
        values: Gives the numbers themselves, in one row: asked where bins are narrower than buckets.
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
    # The widest bucket lies where the largest magnitude is; edges of both are multiples of powers of two. Those of
    # subnormal numbers are all as wide as those above them.
    widest_bucket = max(math.ldexp(1.0, math.frexp(magnitude)[1]), float(resolution.tiny)) / _BUCKETS_OF_EXPONENT
    if math.ldexp(1.0, exponent) >= widest_bucket:
        counts = _regrouped(buckets, exponent, first, length)
    else:
        counts = _counted(values(), exponent, first, length)
    return LinearHistogram(exponent=exponent, first_bin=first, counts=counts.tolist())


def _bin_index(value: float, exponent: int) -> int:
    return math.floor(math.ldexp(value, -exponent))


def _regrouped(buckets: Buckets, exponent: int, first: int, length: int) -> npt.NDArray[np.int64]:
    """Counts by bin from counts by bucket, each bucket as a whole by its lower edge."""
    indexes = np.floor(buckets.edges() * 2.0**-exponent).astype(np.int64) - first
    # The first bucket may begin before the first bin, and hold values of that bin only.
    return np.bincount(np.maximum(indexes, 0), weights=buckets.counts, minlength=length).astype(np.int64)


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
