"""A gradient norm against its own past. Pure functions on arrays."""

import numpy as np
import numpy.typing as npt

_FEWEST = 5


def over_running_median(norms: npt.NDArray[np.float64], window: int) -> npt.NDArray[np.float64]:
    """Each norm over the median of those before it; ours, for SageMaker Debugger only asks for NaN and Inf.

    Args:
        norms: (steps,), in their order.
        window: Of how many of them before, at most, the median is.

    Returns:
        (steps,); NaN where fewer than five finite norms above 0 come before, or the norm itself is not finite.
    """
    ratios = np.full(norms.shape, np.nan)
    usable = np.isfinite(norms) & (norms > 0)
    for step in range(_FEWEST, norms.size):
        before = norms[max(step - window, 0) : step]
        before = before[usable[max(step - window, 0) : step]]
        if before.size >= _FEWEST and np.isfinite(norms[step]):
            ratios[step] = norms[step] / np.median(before)
    return ratios
