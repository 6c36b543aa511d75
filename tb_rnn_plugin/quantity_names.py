"""The names of the sequences that layers have; whoever records, stores or judges them takes them from here."""

ACTIVATION = "activation"
OUTPUT_GRADIENT = "output_gradient"
BPTT_GRADIENT = "bptt_gradient"
CELL_STATE = "cell_state"
CELL_STATE_GRADIENT = "cell_state_gradient"
GATE = "gate/"  # + the gate's name
