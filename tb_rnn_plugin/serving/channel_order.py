"""In which order channels are drawn when they are sorted: the largest first, the earliest first, or like by like."""

import itertools
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from tb_rnn_plugin.record import FloatArray
from tb_rnn_plugin.serving.magnitudes import finite_only, magnitude_sums

Measure = Literal["magnitude", "first_active", "similarity"]
MEASURES: tuple[Measure, ...] = get_args(Measure)

ChannelOrder = npt.NDArray[np.int64]

#: A channel is active from the timestep on at which it has reached this share of its own largest magnitude.
ACTIVE_SHARE = 0.01

# Correlations of channels are nearly the same over means of neighbouring timesteps, and cost a fixed time.
_MOST_TIMESTEPS = 128


def channel_order(array: FloatArray, measure: Measure, split: int | None = None) -> ChannelOrder:
    """The channel for each place of the order; equal channels stay in the order of their numbers.

    Args:
        array: (timesteps, channels). What is not finite counts as 0.
        measure: "magnitude": by the mean magnitude, the largest first. "first_active": by the first timestep at which
            the channel reaches `ACTIVE_SHARE` of its largest magnitude, the earliest first, channels of zeros last.
            "similarity": channels whose values go together stand together.
        split: The first channel of the backward direction: each direction is ordered by itself. None: there is one.

    Returns:
        (channels,), a permutation.
    """
    if array.size == 0:
        return np.arange(array.shape[1])
    ordering = {"magnitude": _by_magnitude, "first_active": _by_first_active, "similarity": _by_similarity}[measure]
    ends = [0, array.shape[1] if split is None else min(split, array.shape[1]), array.shape[1]]
    halves = [first + ordering(finite_only(array[:, first:last])) for first, last in itertools.pairwise(ends)]
    return np.concatenate(halves).astype(np.int64)


def _by_magnitude(values: FloatArray) -> npt.NDArray[np.intp]:
    return np.argsort(-magnitude_sums(values, axis=0).sums, kind="stable")


def _by_first_active(values: FloatArray) -> npt.NDArray[np.intp]:
    magnitudes = np.abs(values)
    largest = magnitudes.max(axis=0)
    # In float64: a hundredth of the smallest float32 would be 0.
    active = magnitudes >= np.maximum(largest.astype(np.float64) * ACTIVE_SHARE, np.finfo(np.float64).tiny)
    first = np.where(active.any(axis=0), active.argmax(axis=0), len(values))
    return np.argsort(first, kind="stable")


def _by_similarity(values: FloatArray) -> npt.NDArray[np.intp]:
    """By the angle of the first two eigenvectors of the channels' correlations, cut where angles are furthest apart.

    M. Friendly, "Corrgrams: Exploratory Displays for Correlation Matrices", The American Statistician 56 (2002) 316.
    The eigenvectors are found from the timesteps' side, which are fewer: with Z of a unit column for each channel,
    those of the correlations Z'Z are Z'u for the eigenvectors u of ZZ'. Channels that do not vary come last: they have
    no correlation.
    """
    every = np.arange(values.shape[1])
    centred = _thinned(values)
    centred -= centred.mean(axis=0)
    norms = np.sqrt(np.square(centred).sum(axis=0))
    varying = np.flatnonzero(norms > 0)
    units = centred[:, varying] / norms[varying]
    if len(varying) < 3 or len(units) < 2:
        return np.concatenate([varying, np.setdiff1d(every, varying)])
    second, first = (units.T @ np.linalg.eigh(units @ units.T)[1][:, -2:]).T
    angles = np.arctan2(second, first)
    circle = np.argsort(angles, kind="stable")
    gaps = np.diff(angles[circle], append=angles[circle[0]] + 2 * np.pi)
    line = np.roll(circle, -1 - int(gaps.argmax()))
    # Either end may come first: the one with the smaller number does.
    if line[-1] < line[0]:
        line = line[::-1]
    return np.concatenate([varying[line], np.setdiff1d(every, varying)])


def _thinned(values: FloatArray) -> npt.NDArray[np.float64]:
    """Means of neighbouring timesteps, so that there are not too many; a copy."""
    block = max(1, -(-len(values) // _MOST_TIMESTEPS))
    starts = np.arange(0, len(values), block)
    sums = np.add.reduceat(values.astype(np.float64), starts, axis=0)
    return np.asarray(sums / np.diff(starts, append=len(values))[:, None])
