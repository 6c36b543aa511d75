"""Gates that are shut, or open, whatever comes in. Pure functions on arrays.

Karpathy, Johnson and Fei-Fei (2015, arXiv 1506.02078) call a gate left-saturated below 0.1 and right-saturated above
0.9, and plot the fraction of time that each unit's gate is either.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tb_rnn_plugin.diagnostics.padding import acting

#: Blocks of a cell's weights that are no gates from 0 to 1: their values are squashed by tanh.
NOT_GATES = frozenset({"cell", "candidate"})


class Saturation(NamedTuple):
    """Of each unit, the share of time at which its gate is saturated on the left, and on the right."""

    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]


class SaturatedShares(NamedTuple):
    """The shares of the units whose gate is saturated almost always: on the left, on the right, on either side."""

    low: float
    high: float
    either: float


def saturation(gate: npt.NDArray[np.float32], low: float, high: float) -> Saturation:
    """The share of time and samples at which each unit's gate is < low, and > high.

    Args:
        gate: (samples, timesteps, units), values from 0 to 1. NaN counts as neither; 0 in all units where a timestep
            was left out, as padding is: it does not count.
        low: 0.1 in Karpathy et al.
        high: 0.9 in Karpathy et al.

    Returns:
        Both (units,), from 0 to 1.
    """
    there = acting(gate)
    times = np.count_nonzero(there)
    return Saturation(
        np.count_nonzero((gate < low) & there[:, :, None], axis=(0, 1)) / times,
        np.count_nonzero((gate > high) & there[:, :, None], axis=(0, 1)) / times,
    )


def saturated_shares(of_time: Saturation, time: float) -> SaturatedShares:
    """The shares of units that are saturated in at least a share `time` of the time.

    A gate that jumps between both ends is saturated on either side, though on neither for long.
    """
    return SaturatedShares(
        float(np.mean(of_time.low >= time)),
        float(np.mean(of_time.high >= time)),
        float(np.mean(of_time.low + of_time.high >= time)),
    )
