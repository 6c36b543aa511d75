"""The spectral radius of a recurrent kernel. A pure function on an array."""

import numpy as np
import numpy.typing as npt


def spectral_radius(recurrent_kernel: npt.NDArray[np.float32]) -> float:
    """Max |eigenvalue| of a square block of the recurrent kernel.

    Of a plain RNN without an activation it is by what the state grows a timestep, in the long run. With tanh (slope at
    most 1) gradients must vanish if the largest singular value is below 1, and can explode only if it is above; with a
    sigmoid, 4 takes the place of 1 (Pascanu, Mikolov, Bengio 2013, arXiv 1211.5063). Of a gate's block it only
    describes. A net is never healthy because this is below 1 (Zucchet and Orvieto 2024, arXiv 2405.21064).

    Args:
        recurrent_kernel: (units, units).

    Returns:
        NaN where something is not finite.
    """
    if not np.isfinite(recurrent_kernel).all():
        return float("nan")
    return float(np.abs(np.linalg.eigvals(recurrent_kernel.astype(np.float64))).max())
