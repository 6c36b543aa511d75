"""What follows from what taps recorded of a recurrent layer: gradients through time, gates, cell states, reach."""

import dataclasses
import functools
from collections.abc import Callable, Mapping

import numpy as np

from tb_rnn_plugin import cells
from tb_rnn_plugin.quantity_names import (
    BPTT_GRADIENT,
    CELL_STATE,
    CELL_STATE_GRADIENT,
    GATE,
    INPUT_GRADIENT,
    REACH,
    is_reach,
    reach_timestep,
)
from tb_rnn_plugin.recurrence.activations import Array
from tb_rnn_plugin.recurrence.half import CannotDerive, Half
from tb_rnn_plugin.recurrence.reach import COTANGENTS, Reach, hidden_reach, reach_of

#: What can be computed of some layer, in the order in which it is recorded; and "reach/40" of any timestep.
QUANTITIES: tuple[str, ...] = (
    BPTT_GRADIENT,
    CELL_STATE,
    CELL_STATE_GRADIENT,
    INPUT_GRADIENT,
    REACH,
    *(f"{GATE}{gate}" for gates in cells.KERAS_GATES.values() for gate in gates),
)
#: What is computed unless something else is asked for: dL/dc_t says little that dL/dh_t and the gates don't, and reach
#: takes many times as long as they do.
DEFAULT_QUANTITIES = frozenset(QUANTITIES) - {CELL_STATE_GRADIENT, INPUT_GRADIENT, REACH}
#: What `rnn_summary.capture` computes; the rest is had of its records' recurrence.
CAPTURED_QUANTITIES = DEFAULT_QUANTITIES | {CELL_STATE_GRADIENT}

# The same cotangents at every step: what changes between steps is the net.
_SEED = 0


def default_channels(cell: str, units: int, width: int) -> dict[str, int]:
    """What is computed of a layer by default, to how many channels it has.

    Args:
        cell: "lstm", "gru" or "rnn".
        units: Of all directions together, the units.
        width: Of all directions together, the width of the hidden state.
    """
    states = {CELL_STATE: units} if cell == "lstm" else {}
    gates = {f"{GATE}{gate}": units for gate in cells.KERAS_GATES[cell]}
    return {BPTT_GRADIENT: width, **states, **gates}


def is_derived(quantity: str) -> bool:
    """Whether a quantity may be a computed one, and then of fewer samples than the others."""
    return quantity in QUANTITIES or quantity.startswith(GATE) or is_reach(quantity)


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Recurrence:
    """A recurrent layer in one pass: what its derived quantities are computed from. Of some samples only.

    Attributes:
        halves: Direction to what was recorded of it.
        quantities: Those that are to be computed.
    """

    halves: Mapping[str, Half]
    quantities: frozenset[str] = DEFAULT_QUANTITIES

    def only(self, quantities: frozenset[str]) -> "Recurrence | None":
        """The recurrence for those of its quantities that are in `quantities`; None when none is."""
        wanted = self.quantities & quantities
        if wanted == self.quantities:
            return self
        return dataclasses.replace(self, quantities=wanted) if wanted else None

    def done(self) -> "Recurrence":
        """The recurrence with no more quantities to be computed."""
        return dataclasses.replace(self, quantities=frozenset())

    def beyond(self) -> dict[str, str]:
        """Which of the wanted quantities are of a timestep behind the sequence, each with that as the reason."""
        timesteps = min((half.timesteps for half in self.halves.values()), default=0)
        return {
            # Without the number of timesteps, which changes from batch to batch: it is to be said once.
            quantity: f"the sequence has no timestep {timestep} (the first one is 0)"
            for quantity in sorted(self.quantities)
            if (timestep := reach_timestep(quantity)) is not None and timestep >= timesteps
        }

    def sequences(self) -> dict[str, Array]:
        """The quantities that are wanted, as far as the layer has them: (samples, timesteps, channels).

        The channels of a bidirectional layer are the forward ones, then the backward ones, in input time. Those of the
        input gradient are the inputs, by way of the forward direction, then by way of the backward one: their sum is
        dL/dx_t. A reach has a channel a direction. Where no gradient reached the layer, there are no gradients among
        them; what is `beyond` the sequence isn't either.

        Raises:
            CannotDerive: If they can't be computed, or would be wrong.
        """
        with np.errstate(all="ignore"):  # a net that diverges is shown as it is
            return self._sequences()

    def _sequences(self) -> dict[str, Array]:
        halves = list(self.halves.values())
        has_gradient = all(half.output_gradient is not None for half in halves)
        made: dict[str, Array] = {}

        def add(quantity: str, compute: Callable[[Half], Array | None]) -> None:
            if quantity in self.quantities:
                of_halves = [array for half in halves if (array := compute(half)) is not None]
                if len(of_halves) == len(halves):
                    made[quantity] = of_halves[0] if len(of_halves) == 1 else np.concatenate(of_halves, axis=-1)

        for half in halves:
            half.trajectory  # noqa: B018  # what can't be computed is said before anything is
        if has_gradient:
            add(BPTT_GRADIENT, Half.hidden_gradient)
            add(CELL_STATE_GRADIENT, Half.cell_state_gradient)
            add(INPUT_GRADIENT, Half.input_gradient)
        add(CELL_STATE, Half.cell_state)
        if any(quantity.startswith(GATE) for quantity in self.quantities):
            of_gates = [half.gates() for half in halves]
            for gate in of_gates[0]:
                if f"{GATE}{gate}" in self.quantities:
                    made[f"{GATE}{gate}"] = np.concatenate([of_half[gate] for of_half in of_gates], axis=-1)
        for quantity in sorted(filter(is_reach, self.quantities - self.beyond().keys())):
            add(quantity, functools.partial(_recorded_reach, quantity, np.random.default_rng(_SEED)))
        return made

    def input_gradient(self) -> Array:
        """dL/dx_t, (samples, timesteps, inputs): which past inputs the loss depends on.

        Raises:
            CannotDerive: If it can't be computed, or would be wrong.
        """
        with np.errstate(all="ignore"):
            total: Array = sum(half.input_gradient() for half in self.halves.values())  # type: ignore[assignment]
            return total

    def reach(self, timestep: int | None = None, *, cotangents: int = COTANGENTS, seed: int = _SEED) -> Reach:
        """How much of h at one timestep depends on what was at each of the others: ‖∂h_t'/∂h_t‖ for every t.

        The Frobenius norm of a Jacobian J is estimated, as `recurrence.reach` says. With 16 cotangents the error is
        some per cent where many directions of the state go on, up to a fifth where one alone does.

        Args:
            timestep: t' in the time of the recorded sequences, negative ones from the end; left out: for each direction
                the one that it comes to last.
            cotangents: How many random vectors there are.
            seed: Of their random numbers.

        Raises:
            IndexError: If there is no such timestep.
            CannotDerive: If it can't be computed, or would be wrong.
        """
        random = np.random.default_rng(seed)
        with np.errstate(all="ignore"):
            of_halves = {name: reach_of(half, timestep, cotangents, random) for name, half in self.halves.items()}
        return Reach(
            hidden={name: reach[0] for name, reach in of_halves.items()},
            cell_state={name: reach[1] for name, reach in of_halves.items() if reach[1] is not None},
            inputs={name: reach[2] for name, reach in of_halves.items()},
        )


def _recorded_reach(quantity: str, random: np.random.Generator, half: Half) -> Array:
    """(samples, timesteps, 1)."""
    return hidden_reach(half, reach_timestep(quantity), COTANGENTS, random)[..., None]


__all__ = [
    "CAPTURED_QUANTITIES",
    "DEFAULT_QUANTITIES",
    "QUANTITIES",
    "CannotDerive",
    "Reach",
    "Recurrence",
    "default_channels",
    "is_derived",
]
