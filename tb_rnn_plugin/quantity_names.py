"""The names of the sequences that layers have; whoever records, stores or judges them takes them from here."""

import re

ACTIVATION = "activation"
OUTPUT_GRADIENT = "output_gradient"
BPTT_GRADIENT = "bptt_gradient"
CELL_STATE = "cell_state"
CELL_STATE_GRADIENT = "cell_state_gradient"
INPUT_GRADIENT = "input_gradient"
REACH = "reach"  # of the timestep that a direction comes to last; "reach/40" is that of timestep 40
GATE = "gate/"  # + the gate's name

# A timestep has one spelling, so that a quantity has one name.
_REACH_OF_TIMESTEP = re.compile(rf"{REACH}/(0|[1-9][0-9]{{0,8}})")


def is_reach(quantity: str) -> bool:
    """Whether it is the reach of the last timestep, or that of another one."""
    return quantity == REACH or reach_timestep(quantity) is not None


def reach_timestep(quantity: str) -> int | None:
    """40 of "reach/40"; None of "reach" and of whatever is no reach."""
    found = _REACH_OF_TIMESTEP.fullmatch(quantity)
    return None if found is None else int(found[1])
