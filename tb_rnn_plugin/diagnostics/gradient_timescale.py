"""Over how many timesteps the gradient of each unit fades on its way back in time. A pure function on arrays."""

import math
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from tb_rnn_plugin.diagnostics.gradient_profile import half_life

Floats: TypeAlias = npt.NDArray[np.float64]


class GradientTimescale(NamedTuple):
    """Of each unit, in timesteps, and how well an exponential fits: R² of the line through log |δ|."""

    timesteps: Floats
    fit: Floats


def gradient_timescale(gradient: npt.NDArray[np.floating]) -> GradientTimescale:
    """1 / |slope| of the line of least squares through log |δ_t| against the lag, for each unit by itself.

    δ_t is dL/dc_t of an LSTM and dL/dh_t of a GRU, its magnitude the mean over samples: what is multiplied by the keep
    gate k from one timestep to the one before. Were that all, it would fade as k^lag, over 1 / |ln k| timesteps: for k
    near 1 that is 1 / (1 − k), for small k less (Tallec and Ollivier 2018, arXiv 1804.11188; see `memory.timescale`). A
    unit whose gradient lasts longer than its gate keeps is fed by a way through the hidden state or by losses of its
    own at many timesteps. Where the gradient does not decay exponentially neither is a timescale (arXiv 2111.03282):
    an R² below about 0.8 says so.

    Args:
        gradient: (samples, timesteps, units), in the order in which the layer went through time.

    Returns:
        Both (units,); NaN where the gradient does not fall with the lag, or fewer than three timesteps have one, or it
        is not finite.
    """
    with np.errstate(invalid="ignore"):  # a signalling NaN is no news
        magnitude = np.abs(gradient.astype(np.float64)).mean(axis=0)
    half, fit = half_life(np.ascontiguousarray(magnitude.T))
    return GradientTimescale(half / math.log(2), fit)
