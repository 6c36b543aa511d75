"""Timesteps at which a layer did nothing: a mask left them out, or they lie behind the end of a packed sequence."""

import numpy as np
import numpy.typing as npt


def acting(gate: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """At which timesteps of which samples a gate was there at all.

    Args:
        gate: (samples, timesteps, units); 0 in all units where a timestep was left out.

    Returns:
        (samples, timesteps). A gate that is 0 throughout was there at all of them: it is shut.
    """
    there = np.asarray(gate.any(axis=-1))
    return there if there.any() else ~there
