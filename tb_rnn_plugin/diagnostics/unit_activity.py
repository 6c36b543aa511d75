"""Units that do nothing. Pure functions on arrays."""

import numpy as np
import numpy.typing as npt

_RESOLUTION = float(np.finfo(np.float32).eps)


def dead_units(
    activation: npt.NDArray[np.float32], least_magnitude: float, variance_share: float
) -> npt.NDArray[np.bool_]:
    """Which units say the same whatever comes in: ours, for a constant unit is as useless as a zero one.

    A unit is dead when |h| < `least_magnitude` always; or when its variance over time and samples is below
    `variance_share` of the layer's median variance; or when it is constant to the resolution of float32.

    Args:
        activation: (samples, timesteps, units). A single number a unit can't vary: then only the first rule holds.
        least_magnitude: Of |h|.
        variance_share: Of the median over the units.

    Returns:
        (units,). A unit with NaN or Inf is not called dead.
    """
    flat = activation.reshape(-1, activation.shape[-1])
    largest = np.abs(flat).max(axis=0)
    dead = np.asarray(largest < least_magnitude)
    if len(flat) > 1:
        with np.errstate(invalid="ignore", over="ignore"):  # of NaN and Inf
            variance = flat.var(axis=0, dtype=np.float64)
            constant = variance <= np.square(_RESOLUTION * largest.astype(np.float64))
        finite = variance[np.isfinite(variance)]
        middle = float(np.median(finite)) if finite.size else 0.0
        dead |= (variance < variance_share * middle) | constant
    return np.asarray(dead & np.isfinite(largest))


def dormancy(activation: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """s_i = E|h_i| / mean_j E|h_j| of each unit i: dormant where s_i ≤ τ. Sokar et al. 2023, arXiv 2302.12902.

    Args:
        activation: (samples, timesteps, units).

    Returns:
        (units,), 1 on average; NaN where all units are zero, or one is not finite.
    """
    magnitudes = np.abs(activation).mean(axis=(0, 1), dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(magnitudes / magnitudes.mean())
