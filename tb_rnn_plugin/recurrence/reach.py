"""How much a state depends on what was before it: the norms of its Jacobians, estimated with random cotangents.

For v of independent standard normal numbers the mean of ‖Jᵀv‖² is ‖J‖², the square of the Frobenius norm of J
(Hutchinson 1990, for the trace of JJᵀ). One way back through time from v at h_t' gives Jᵀv at every timestep.
"""

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np

from tb_rnn_plugin.recurrence.activations import Array
from tb_rnn_plugin.recurrence.cell import Gradients
from tb_rnn_plugin.recurrence.half import Half

#: With so many the error is some per cent.
COTANGENTS = 16


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Reach:
    """How much the hidden state at one timestep depends on each timestep, by direction: (samples, timesteps) each.

    Attributes:
        hidden: ‖∂h_t'/∂h_t‖.
        cell_state: ‖∂h_t'/∂c_t‖, of an LSTM.
        inputs: ‖∂h_t'/∂x_t‖, in input time.
    """

    hidden: Mapping[str, Array]
    cell_state: Mapping[str, Array]
    inputs: Mapping[str, Array]


def hidden_reach(half: Half, timestep: int | None, cotangents: int, random: np.random.Generator) -> Array:
    """‖∂h_t'/∂h_t‖ of one direction, (samples, timesteps).

    Args:
        half: The direction.
        timestep: t' in the time of the recorded sequences; None: the one that it comes to last.
        cotangents: How many v there are.
        random: Where they come from.

    Raises:
        IndexError: If there is no such timestep.
        CannotDerive: If it can't be computed, or would be wrong.
    """
    ways = _ways_back(half, timestep, cotangents, random)
    return _root_mean(sum(_squares(half.recorded(gradients.hidden)) for gradients in ways), cotangents)


def reach_of(
    half: Half, timestep: int | None, cotangents: int, random: np.random.Generator
) -> tuple[Array, Array | None, Array]:
    """‖∂h_t'/∂h_t‖, ‖∂h_t'/∂c_t‖ and ‖∂h_t'/∂x_t‖ of one direction, (samples, timesteps); arguments as above."""
    hidden: Array | int = 0
    cell_state: Array | int | None = 0
    inputs: Array | int = 0
    for gradients in _ways_back(half, timestep, cotangents, random):
        hidden = hidden + _squares(half.recorded(gradients.hidden))
        cell_state = (
            None
            if gradients.cell_state is None or cell_state is None
            else cell_state + _squares(half.recorded(gradients.cell_state))
        )
        inputs = inputs + _squares(half.input_time(half.trajectory.input_gradient(gradients)))
    of_cell_state = None if cell_state is None else _root_mean(cell_state, cotangents)
    return _root_mean(hidden, cotangents), of_cell_state, _root_mean(inputs, cotangents)


def _ways_back(half: Half, timestep: int | None, cotangents: int, random: np.random.Generator) -> Iterator[Gradients]:
    """The gradients of ⟨v, h_t'⟩ in the states, (timesteps, samples, width), for each v.

    One at a time takes no more memory than dL/dh_t does, and products as small as its: larger ones would wake the
    threads of numpy's BLAS, which take many times as long where training has the processors.
    """
    timesteps = half.timesteps
    if timestep is not None and not -timesteps <= timestep < timesteps:
        raise IndexError(f"timestep: expected one of {timesteps}, got {timestep}.")
    place = half.last if timestep is None else half.place(timestep % timesteps)
    hidden = half.trajectory.hidden
    drawn = random.standard_normal((cotangents, *hidden.shape[1:])).astype(hidden.dtype)
    if timestep is not None:
        drawn *= half.exists(place)[:, None]
    direct = np.zeros_like(hidden)
    for cotangent in drawn:
        direct[place, np.arange(len(place))] = cotangent
        yield half.trajectory.gradients(direct)


def _squares(values: Array) -> Array:
    """(samples, timesteps, channels) to (samples, timesteps): summed in float64, whose range they need."""
    made: Array = np.einsum("stc,stc->st", values, values, dtype=np.float64)
    return made


def _root_mean(squares: Array | int, cotangents: int) -> Array:
    made: Array = np.sqrt(squares / cotangents)
    return made
