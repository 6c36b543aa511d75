"""How long a gated cell remembers, from the gate that keeps its state. Pure functions on arrays."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from tb_rnn_plugin.diagnostics.padding import acting

#: The gate by which the state of each cell is multiplied from one timestep to the next.
KEEP_GATES: Mapping[str, str] = MappingProxyType({"lstm": "forget", "gru": "update"})


def timescale(keep: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """1 / (1 − k) timesteps of each unit, of the median over time and samples of its keep gate k.

    Tallec and Ollivier 2018, arXiv 1804.11188: forget gate of an LSTM, update gate of a GRU as Keras, PyTorch and Flax
    have it. The median, because the mean of 1 / (1 − k) is ruled by the few timesteps at which k is almost 1. It is the
    timescale of the gradient where that decays exponentially (arXiv 2111.03282), and of nothing else.

    Args:
        keep: (samples, timesteps, units), values from 0 to 1; 0 in all units where a timestep was left out, as padding
            is: it does not count.

    Returns:
        (units,), in timesteps, from 1 on; Inf where the gate is 1.
    """
    of_units = np.ascontiguousarray(keep[acting(keep)].T)  # numpy sorts rows twice as fast as columns
    middle = np.median(of_units, axis=1).astype(np.float64)
    with np.errstate(divide="ignore"):
        return 1 / (1 - middle)


def cell_path(keep: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Π k_s from t+1 to T: how much of the state at t is left at T, by the way through the state alone.

    Args:
        keep: (samples, timesteps, units), in the order in which the layer went through time; 0 in all units where a
            timestep was left out, over which the state is held.

    Returns:
        (samples, timesteps, units); 1 at the last timestep.
    """
    left = np.ones(keep.shape)
    held = np.where(acting(keep)[:, :, None], keep, 1)
    left[:, :-1] = np.cumprod(held[:, :0:-1], axis=1, dtype=np.float64)[:, ::-1]
    return left


def cell_path_horizon(keep: npt.NDArray[np.float32], share: float) -> npt.NDArray[np.float64]:
    """The largest lag at which at least a share of the state is left, of each unit, in the median over samples.

    Args:
        keep: (samples, timesteps, units), in the order in which the layer went through time; from 0 to 1, so that the
            path only falls with the lag.
        share: Of the state.

    Returns:
        (units,), in timesteps; NaN where the gate is.
    """
    path = cell_path(keep)
    lags = np.where(np.isnan(path).any(axis=1), np.nan, np.count_nonzero(path >= share, axis=1) - 1)
    return np.asarray(np.median(lags, axis=0), np.float64)
