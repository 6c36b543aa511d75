"""Why a measure is not there: a sentence in place of an empty cell."""

from tb_rnn_plugin.diagnostics import catalogue as names
from tb_rnn_plugin.diagnostics.histories import LayerHistory
from tb_rnn_plugin.diagnostics.measuring import WIDEST_REPRESENTATION, WIDEST_SPECTRUM
from tb_rnn_plugin.diagnostics.memory import KEEP_GATES
from tb_rnn_plugin.quantity_names import ACTIVATION, BPTT_GRADIENT, CELL_STATE_GRADIENT, GATE, OUTPUT_GRADIENT
from tb_rnn_plugin.record import WEIGHT_GRADIENTS, WEIGHTS

_EARLIER = "these logs hold no measures; an earlier version wrote them."
_NOT_HAD = "it was not finite, or can't be had of such a layer."
_NO_WEIGHTS = "the weights were not recorded."
_ONLY_RECURRENT = "only recurrent layers are measured so."
_NO_GATES = "a plain RNN has no gates."
_WITH_BPTT = "with bptt=True, where quantities= does not leave it out."

_OF_REACH = frozenset({names.GRADIENT_HORIZON, names.VANISHED_TIMESTEPS, names.HALF_LIFE, names.FIRST_OVER_LAST})
_OF_KEEP_GATE = frozenset({names.TIMESCALE, names.LONGEST_TIMESCALE, names.CELL_PATH})
_OF_GATES = frozenset({names.SATURATED, names.SATURATED_LOW, names.SATURATED_HIGH}) | _OF_KEEP_GATE
_OF_WEIGHTS = frozenset({names.WEIGHT_NORM, names.DEAD_WEIGHTS, names.LARGE_WEIGHTS, names.LARGEST_CHANNEL_NORM})
_OF_REPRESENTATION = frozenset({names.CORRELATION, names.EFFECTIVE_RANK, names.PARTICIPATION_RATIO})
# What is measured when it is written: all else follows from statistics that logs of any version hold.
_STORED = (_OF_GATES | _OF_WEIGHTS | _OF_REPRESENTATION | {names.DEAD_UNITS, names.DORMANT_UNITS, names.GROWTH}) - {
    names.WEIGHT_NORM
}


def absence(measure: str, history: LayerHistory) -> str:
    """The reason for which a layer does not have a measure."""
    layer, quantities = history.layer, history.quantities
    if measure in _OF_REACH:
        return _without_reach(history)
    if any(True for _ in history.series(measure)):
        return "it needs more steps." if measure == names.GRADIENT_JUMP else "it is not finite at any step."
    if measure == names.GROWTH:
        return _without_growth(history)
    if measure == names.UPDATE_RATIO:
        return _without_updates(history)
    if measure in {names.GRADIENT_NORM, names.GRADIENT_JUMP}:
        return "the gradients of the weights were not recorded." if WEIGHT_GRADIENTS not in quantities else _NOT_HAD
    if measure in _OF_WEIGHTS:
        return _NO_WEIGHTS if WEIGHTS not in quantities else _not_stored(history)
    if not layer.cell:
        return _ONLY_RECURRENT
    if measure in _OF_GATES:
        return _without_gates(measure, history)
    if measure == names.SPECTRAL_RADIUS:
        if WEIGHTS in quantities and layer.units > WIDEST_SPECTRUM:
            return f"of more than {WIDEST_SPECTRUM} units it takes too long."
        return _NO_WEIGHTS if WEIGHTS not in quantities else _not_stored(history)
    if ACTIVATION not in quantities:
        return "the activation was not recorded."
    if measure in _OF_REPRESENTATION and layer.units > WIDEST_REPRESENTATION:
        return f"of more than {WIDEST_REPRESENTATION} units it takes too long."
    return _not_stored(history)


def _not_stored(history: LayerHistory) -> str:
    """Why there is nothing where all was recorded that the measure takes."""
    return _NOT_HAD if any(True for _ in history.series(*_STORED)) else _EARLIER


def keep_gate_absence(cell: str | None) -> str:
    """Why a layer has no gate that keeps its state."""
    return "a plain RNN has no gate that keeps its state." if cell else "only recurrent layers keep a state."


def unrecorded(quantity: str) -> str:
    """That a gate, or a gradient through time, was not recorded, and what brings it."""
    if quantity == CELL_STATE_GRADIENT:
        return f'dL/dc was not recorded: it is on request alone, as "{quantity}" in quantities=.'
    return f"{quantity} was not recorded: it comes {_WITH_BPTT}"


def _without_gates(measure: str, history: LayerHistory) -> str:
    if history.layer.cell == "rnn":
        return _NO_GATES
    if not any(quantity.startswith(GATE) for quantity in history.quantities):
        return "the gates were not recorded: they come with bptt=True, where quantities= does not leave them out."
    keep_gate = GATE + KEEP_GATES.get(history.layer.cell, "")
    if measure in _OF_KEEP_GATE and keep_gate not in history.quantities:
        return unrecorded(keep_gate)
    return _not_stored(history)


def _without_updates(history: LayerHistory) -> str:
    weights = history.quantities.get(WEIGHTS)
    if weights is None:
        return _NO_WEIGHTS
    return "it needs two writes." if weights.steps.size < 2 else _not_stored(history)


def _without_growth(history: LayerHistory) -> str:
    if BPTT_GRADIENT not in history.quantities:
        return _without_reach(history)
    if OUTPUT_GRADIENT not in history.quantities:
        return "it needs the output gradient too, which was not recorded."
    return _not_stored(history)


def _without_reach(history: LayerHistory) -> str:
    bptt = history.quantities.get(BPTT_GRADIENT)
    if bptt is not None:
        if bptt.timesteps <= 1:
            return "there is one timestep only."
        return "the gradient is zero at every timestep, or not finite at some."
    if not history.layer.cell:
        return "only recurrent layers have a gradient through time."
    return (
        f"the gradient through time was not recorded: it comes {_WITH_BPTT} "
        "The output gradient is the direct path alone, and says nothing of reach."
    )
