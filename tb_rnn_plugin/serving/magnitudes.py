"""How large an array is along its timesteps and its channels: means of the magnitude, whatever is not finite left out.

Of the magnitude and not of its square: gradients of 1e-30 have squares that a float32 does not hold.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from tb_rnn_plugin.record import FloatArray


@dataclasses.dataclass(frozen=True)
class FiniteRange:
    """What a scale must know of an array.

    Attributes:
        nan: How many cells are NaN.
        inf: How many are +Inf or −Inf.
        low: The smallest finite value; None when there is none.
        high: The largest.
    """

    nan: int
    inf: int
    low: float | None
    high: float | None


def finite_range(array: FloatArray) -> FiniteRange:
    """The ends of what is finite, and how much is not."""
    if array.size == 0:
        return FiniteRange(0, 0, None, None)
    low, high = float(array.min()), float(array.max())
    if np.isfinite(low) and np.isfinite(high):  # a minimum or maximum of anything with a NaN in it is NaN
        return FiniteRange(0, 0, low, high)
    nan = int(np.count_nonzero(np.isnan(array)))
    inf = int(np.count_nonzero(np.isinf(array)))
    finite = array[np.isfinite(array)]
    if finite.size == 0:
        return FiniteRange(nan, inf, None, None)
    return FiniteRange(nan, inf, float(finite.min()), float(finite.max()))


def finite_only(array: FloatArray) -> FloatArray:
    """The array with 0 in place of what is not finite."""
    finite = np.isfinite(array)
    return array if finite.all() else np.where(finite, array, np.float32(0))


@dataclasses.dataclass(frozen=True)
class MagnitudeSums:
    """Sums of magnitudes along one axis, and of how many finite cells each is."""

    sums: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]

    def part(self, index: slice | npt.NDArray[np.int64]) -> "MagnitudeSums":
        """Some of them."""
        return MagnitudeSums(self.sums[index], self.counts[index])

    def means(self, block: int = 1) -> FloatArray:
        """The mean magnitude of every `block` of them; NaN where nothing is finite."""
        starts = np.arange(0, len(self.sums), block)
        sums = self.sums if block == 1 else np.add.reduceat(self.sums, starts)
        counts = self.counts if block == 1 else np.add.reduceat(self.counts, starts)
        with np.errstate(invalid="ignore"):
            means: FloatArray = (sums / counts).astype(np.float32)
        return means


def magnitude_sums(array: FloatArray, axis: int) -> MagnitudeSums:
    """The sums over an axis of an array (rows, columns): 0 gives one for each column, 1 one for each row."""
    finite = np.isfinite(array)
    magnitudes = np.abs(array)
    if finite.all():
        counts = np.full(array.shape[1 - axis], array.shape[axis], np.int64)
    else:
        magnitudes[~finite] = 0
        counts = np.count_nonzero(finite, axis=axis).astype(np.int64)
    return MagnitudeSums(magnitudes.sum(axis=axis, dtype=np.float64), counts)
